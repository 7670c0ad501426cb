"""Address pools: the policy's, compared however they are spelt."""

import pytest

from oakum.controls.daemon.default_address_pools import CONTROL, canonical
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import FileState

POOLS = [{"base": "10.200.0.0/16", "size": 24}, {"base": "fd00:1::/48", "size": 64}]
WANTED = {"address_pools": POOLS}
SET = {"default-address-pools": POOLS}
SAID = [{"Base": pool["base"], "Size": pool["size"]} for pool in POOLS]
LIVE = {"info": {"DefaultAddressPools": SAID}}
FLAG = {"default-address-pool": ("base=10.200.0.0/16,size=24", "base=fd00:1::/48,size=64")}
LATER = FileState("/etc/docker/daemon.json", "/etc/docker/daemon.json", b"{}", changed=2000)


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param(
            {}, {}, Status.NOT_APPLICABLE, "oakum_address_pools names none", id="none-named"
        ),
        pytest.param({}, WANTED, Status.DRIFT, None, id="engine-default"),
        pytest.param({"config": SET, **LIVE}, WANTED, Status.OK, None, id="set"),
        pytest.param(
            {"config": {"default-address-pools": SAID}, **LIVE, "engine": "29.7.2"},
            WANTED,
            Status.OK,
            None,
            id="set-in-capitals",
        ),
        pytest.param(
            {"config": SET, "info": {"DefaultAddressPools": None}},
            WANTED,
            Status.DRIFT,
            "written, not active",
            id="written-not-active",
        ),
        pytest.param(
            {**LIVE}, WANTED, Status.DRIFT, "active, not written", id="live-but-not-written"
        ),
        pytest.param(
            {
                "config": {"default-address-pools": POOLS[:1]},
                "info": {"DefaultAddressPools": SAID[:1]},
            },
            WANTED,
            Status.DRIFT,
            None,
            id="one-of-two",
        ),
        pytest.param(
            {"flags": FLAG, "unit_flags": FLAG, **LIVE}, WANTED, Status.OK, None, id="by-flag"
        ),
        pytest.param(
            {"unit_flags": {"default-address-pool": ("base=10.9.0.0/16,size=24",)}},
            WANTED,
            Status.HELD,
            "--default-address-pool is a flag",
            id="others-by-flag",
        ),
        pytest.param(
            {"config": SET, "engine": "19.03.15"}, WANTED, Status.OK, None, id="19.03-does-not-tell"
        ),
        pytest.param(
            {"config": SET, "engine": "19.03.15", "daemon_file": LATER},
            WANTED,
            Status.DRIFT,
            "written, not active: daemon.json changed",
            id="written-later-on-19.03",
        ),
        pytest.param(
            {"config": {"default-address-pools": {"base": "10.200.0.0/16"}}},
            WANTED,
            Status.HELD,
            "default-address-pools must be a list",
            id="an-object",
        ),
        pytest.param(
            {"engine": "18.03.1"},
            WANTED,
            Status.NOT_APPLICABLE,
            "needs Docker 18.06",
            id="old-engine",
        ),
        pytest.param(
            {"engine": None}, WANTED, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param({"running": False}, WANTED, Status.DRIFT, None, id="stopped"),
        pytest.param(
            {"running": False, "config": SET}, WANTED, Status.OK, None, id="stopped-and-set"
        ),
        pytest.param({"info": Unread("denied")}, WANTED, Status.UNKNOWN, "denied", id="silent"),
    ],
)
def test_verdict(host, policy, finding, known, wanted, status, reason):
    found = finding(CONTROL, host(**known), policy(**wanted))
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


def test_they_are_written_in_order(host, policy, written):
    assert written(CONTROL, host(), policy(**WANTED)) == SET


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, [], id="null"),
        pytest.param({"Values": None}, [], id="dockerds-log-without-any"),
        pytest.param({"Values": SAID}, POOLS, id="dockerds-log"),
        pytest.param(list(FLAG["default-address-pool"]), POOLS, id="flag"),
        pytest.param(
            [{"base": "10.1.2.3/16", "size": 24}],
            [{"base": "10.1.0.0/16", "size": 24}],
            id="host-bits",
        ),
        pytest.param([{"base": "x"}], [{"base": "x", "size": 0}], id="no-network"),
        pytest.param([7], [7], id="no-pool"),
        pytest.param(["size=x"], [{"base": None, "size": "x"}], id="odd-flag"),
    ],
)
def test_canonical(value, expected):
    assert canonical(value) == expected
