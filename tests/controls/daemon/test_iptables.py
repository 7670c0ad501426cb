"""iptables: set right only where the policy insists, since somebody switched it off."""

import pytest

from oakum.controls.daemon.iptables import CONTROL
from oakum.facts import Unread
from oakum.model import Status

ENFORCE = {"iptables": "enforce"}
OFF = {"iptables": False}
FLAG = {"iptables": ("false",)}


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param({}, {}, Status.OK, None, id="engine-default"),
        pytest.param(
            {"config": {"iptables": True}, "engine": "29.7.2"}, {}, Status.OK, None, id="said-aloud"
        ),
        pytest.param(
            {"config": OFF}, {}, Status.HELD, "oakum_iptables is audit", id="off-in-baseline"
        ),
        pytest.param({"config": OFF}, ENFORCE, Status.DRIFT, None, id="off"),
        pytest.param(
            {"config": OFF}, {"profile": "strict"}, Status.DRIFT, None, id="off-in-strict"
        ),
        pytest.param(
            {"config": OFF, "reloaded": {"iptables": True}},
            ENFORCE,
            Status.DRIFT,
            "the next start of Docker 20.10.24 ends it",
            id="off-at-the-next-start",
        ),
        pytest.param(
            {"config": {"iptables": True}, "reloaded": {}},
            ENFORCE,
            Status.DRIFT,
            "written, not active",
            id="off-until-the-next-start",
        ),
        pytest.param(
            {"flags": FLAG, "unit_flags": FLAG},
            ENFORCE,
            Status.HELD,
            "--iptables is a flag",
            id="off-by-flag",
        ),
        pytest.param(
            {"config": OFF, "kubelet": True},
            ENFORCE,
            Status.HELD,
            "a kubelet runs here",
            id="kubelet",
        ),
        pytest.param(
            {"config": OFF},
            {"iptables": "off"},
            Status.NOT_APPLICABLE,
            "oakum_iptables is off",
            id="left-alone",
        ),
        pytest.param(
            {"engine": None}, {}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param({"running": False, "config": OFF}, ENFORCE, Status.DRIFT, None, id="stopped"),
        pytest.param({"config": Unread("EACCES")}, {}, Status.UNKNOWN, "EACCES", id="unreadable"),
    ],
)
def test_verdict(host, policy, finding, known, wanted, status, reason):
    found = finding(CONTROL, host(**known), policy(**wanted))
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


def test_the_default_is_had_by_leaving_it_out(host, policy, written):
    facts = host(config={"iptables": False, "debug": True})
    assert written(CONTROL, facts, policy(**ENFORCE)) == {"debug": True}
