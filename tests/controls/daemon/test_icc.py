"""icc: what the bridge itself says, and never while containers keep it as it is."""

import pytest

from oakum.controls.daemon.icc import CONTROL
from oakum.facts import Unread
from oakum.model import Disruption, Impact, Status
from oakum.parts import Container

ENFORCE = {"icc": "enforce"}
AUDIT = {"icc": "audit"}
OFF = {"icc": False}
TWO = (Container("web"), Container("db", network="bridge"), Container("far", network="own"))
SWARM = {"Swarm": {"LocalNodeState": "active"}}
ANY = {**ENFORCE, "max_disruption": "outage"}


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param(
            {}, {}, Status.NOT_APPLICABLE, "oakum_icc is off (profile baseline)", id="off"
        ),
        pytest.param({}, ENFORCE, Status.DRIFT, None, id="engine-default"),
        pytest.param({}, {"profile": "strict"}, Status.DRIFT, None, id="strict"),
        pytest.param({}, AUDIT, Status.HELD, "oakum_icc is audit", id="audit"),
        pytest.param({"config": OFF, "bridge_icc": False}, ENFORCE, Status.OK, None, id="set"),
        pytest.param(
            {"config": OFF},
            ENFORCE,
            Status.DRIFT,
            "written, not active",
            id="the-bridge-was-not-made-anew",
        ),
        pytest.param(
            {"config": OFF, "containers": TWO},
            ENFORCE,
            Status.HELD,
            "dockerd leaves the default bridge as it is while containers run; web, db share it; "
            "stop them first",
            id="nor-will-it-be",
        ),
        pytest.param(
            {"bridge_icc": False},
            ENFORCE,
            Status.DRIFT,
            "active, not written",
            id="live-but-not-written",
        ),
        pytest.param(
            {"containers": TWO[1:]},
            ENFORCE,
            Status.HELD,
            "while containers run; stop them first",
            id="one-on-the-bridge",
        ),
        pytest.param(
            {"containers": TWO, "info": SWARM},
            ANY,
            Status.DRIFT,
            None,
            id="a-swarm-has-no-live-restore",
        ),
        pytest.param(
            {"containers": TWO},
            {**ANY, "skip": ["live-restore"]},
            Status.DRIFT,
            None,
            id="live-restore-is-not-wanted",
        ),
        pytest.param(
            {"containers": TWO, "info": {"LiveRestoreEnabled": True}},
            {**ANY, "skip": ["live-restore"]},
            Status.HELD,
            "stop them first",
            id="live-restore-is-on",
        ),
        pytest.param(
            {"config": {"iptables": False}},
            ENFORCE,
            Status.HELD,
            "iptables is off, and dockerd does not start with both",
            id="no-iptables",
        ),
        pytest.param(
            {"engine": "29.7.2", "config": {"ipv6": True, "ip6tables": False}},
            ENFORCE,
            Status.HELD,
            "ip6tables is off",
            id="no-ip6tables-on-29",
        ),
        pytest.param(
            {"engine": "29.7.2", "config": {"ipv6": True}},
            ENFORCE,
            Status.DRIFT,
            None,
            id="ip6tables-is-the-default-on-29",
        ),
        pytest.param(
            {"engine": "26.1.5", "config": {"ipv6": True}},
            ENFORCE,
            Status.DRIFT,
            None,
            id="no-ip6tables-before-27",
        ),
        pytest.param(
            {"kernel_config": {"BRIDGE_NETFILTER": False}},
            ENFORCE,
            Status.HELD,
            "no br_netfilter",
            id="no-bridge-netfilter",
        ),
        pytest.param(
            {
                "kernel_config": {"BRIDGE_NETFILTER": False},
                "sysctl": {"net.bridge.bridge-nf-call-iptables": "1"},
            },
            ENFORCE,
            Status.DRIFT,
            None,
            id="it-is-loaded-all-the-same",
        ),
        pytest.param({"kubelet": True}, ENFORCE, Status.HELD, "a kubelet runs here", id="kubelet"),
        pytest.param(
            {"unit_flags": {"icc": ("true",)}}, ENFORCE, Status.HELD, "--icc is a flag", id="flag"
        ),
        pytest.param(
            {"bridge_icc": None, "config": {"bridge": "none"}},
            ENFORCE,
            Status.NOT_APPLICABLE,
            "no default bridge",
            id="no-bridge",
        ),
        pytest.param(
            {"engine": None}, ENFORCE, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param(
            {"engine": "1.10.1"},
            ENFORCE,
            Status.NOT_APPLICABLE,
            "has an effect only from Docker 1.10.2",
            id="old-engine",
        ),
        pytest.param(
            {"running": False, "bridge_icc": Unread("no engine")},
            ENFORCE,
            Status.DRIFT,
            None,
            id="stopped",
        ),
        pytest.param(
            {"running": False, "config": OFF, "bridge_icc": Unread("no engine")},
            ENFORCE,
            Status.OK,
            None,
            id="stopped-and-set",
        ),
        pytest.param(
            {"bridge_icc": Unread("timed out")},
            ENFORCE,
            Status.UNKNOWN,
            "timed out",
            id="the-bridge-is-silent",
        ),
        pytest.param(
            {"containers": Unread("timed out")},
            ENFORCE,
            Status.UNKNOWN,
            "timed out",
            id="containers-unread",
        ),
    ],
)
def test_verdict(host, policy, finding, known, wanted, status, reason):
    found = finding(CONTROL, host(**known), policy(**wanted))
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


def test_who_loses_whom(host, policy, alone):
    found = alone(CONTROL, host(containers=TWO, info=SWARM), policy(**ANY))
    assert found.disruption is Disruption.OUTAGE
    why = "icc is off; links, published ports and networks of their own still work"
    assert found.impact[3:] == (
        Impact("web", "does not reach db on the default bridge any more", why),
        Impact("db", "does not reach web on the default bridge any more", why),
    )


def test_one_container_alone_loses_nobody(host):
    assert list(CONTROL.impact(host(containers=TWO[1:]))) == []
