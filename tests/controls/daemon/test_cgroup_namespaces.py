"""Cgroup namespaces: private by docker info, written only where they are not."""

import pytest
from packaging.version import Version

from oakum.controls.daemon.cgroup_namespaces import CONTROL
from oakum.facts import Unread
from oakum.model import Disruption, Impact, Status
from oakum.parts import Container

ENFORCE = {"cgroup_namespaces": "enforce"}
SET = {"default-cgroupns-mode": "private"}
HOST = {"default-cgroupns-mode": "host"}
PRIVATE = {"info": {"SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"]}}


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param(
            {},
            {},
            Status.NOT_APPLICABLE,
            "oakum_cgroup_namespaces is off (profile baseline)",
            id="off",
        ),
        pytest.param({}, ENFORCE, Status.DRIFT, None, id="default-on-version-1"),
        pytest.param({}, {"profile": "strict"}, Status.DRIFT, None, id="strict"),
        pytest.param({**PRIVATE}, ENFORCE, Status.OK, None, id="default-on-version-2"),
        pytest.param(
            {**PRIVATE, "config": SET, "engine": "29.7.2"}, ENFORCE, Status.OK, None, id="set"
        ),
        pytest.param(
            {"config": SET}, ENFORCE, Status.DRIFT, "written, not active", id="written-not-active"
        ),
        pytest.param(
            {**PRIVATE, "config": HOST},
            ENFORCE,
            Status.DRIFT,
            "active, not written",
            id="written-off",
        ),
        pytest.param({"config": HOST}, ENFORCE, Status.DRIFT, None, id="host"),
        pytest.param(
            {},
            {"cgroup_namespaces": "audit"},
            Status.HELD,
            "oakum_cgroup_namespaces is audit",
            id="audit",
        ),
        pytest.param({"kubelet": True}, ENFORCE, Status.HELD, "a kubelet runs here", id="kubelet"),
        pytest.param(
            {"unit_flags": {"default-cgroupns-mode": ("host",)}},
            ENFORCE,
            Status.HELD,
            "--default-cgroupns-mode is a flag",
            id="by-flag",
        ),
        pytest.param(
            {"kernel": Version("4.5")},
            ENFORCE,
            Status.NOT_APPLICABLE,
            "kernel 4.5 has no",
            id="old-kernel",
        ),
        pytest.param(
            {"engine": "19.03.15"},
            ENFORCE,
            Status.NOT_APPLICABLE,
            "needs Docker 20.10",
            id="old-engine",
        ),
        pytest.param(
            {"engine": None}, ENFORCE, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param({"running": False}, ENFORCE, Status.DRIFT, None, id="stopped"),
        pytest.param(
            {"running": False, "config": SET}, ENFORCE, Status.OK, None, id="stopped-and-set"
        ),
        pytest.param({"info": Unread("denied")}, ENFORCE, Status.UNKNOWN, "denied", id="silent"),
    ],
)
def test_verdict(host, policy, finding, known, wanted, status, reason):
    found = finding(CONTROL, host(**known), policy(**wanted))
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


def test_a_reload_is_enough_and_old_containers_are_named(host, policy, alone, written):
    facts = host(containers=(Container("web"),))
    found = alone(CONTROL, facts, policy(**ENFORCE))
    assert written(CONTROL, facts, policy(**ENFORCE)) == SET
    assert found.disruption is Disruption.RELOAD
    assert found.impact == (
        Impact(
            "web",
            "keeps its cgroup namespace until it is recreated",
            "it is fixed when a container is created",
        ),
    )
