"""selinux-enabled: only where SELinux is enforced, and only if the policy insists."""

import pytest

from oakum.controls.daemon.selinux_enabled import CONTROL
from oakum.facts import Unread
from oakum.model import Impact, Status
from oakum.parts import Container

ENFORCE = {"selinux": "enforce"}
HERE = {"selinux": "enforcing"}
SET = {"selinux-enabled": True}
LIVE = {"info": {"SecurityOptions": ["name=seccomp,profile=builtin", "name=selinux"]}}


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param({}, {}, Status.NOT_APPLICABLE, "SELinux is not there", id="no-selinux"),
        pytest.param(
            {"selinux": "permissive"},
            {},
            Status.NOT_APPLICABLE,
            "SELinux is permissive",
            id="permissive",
        ),
        pytest.param({**HERE}, {}, Status.HELD, "oakum_selinux is audit", id="baseline"),
        pytest.param(
            {**HERE}, {"profile": "strict"}, Status.HELD, "oakum_selinux is audit", id="strict"
        ),
        pytest.param({**HERE}, ENFORCE, Status.DRIFT, None, id="enforce"),
        pytest.param(
            {**HERE, "config": SET, **LIVE, "engine": "29.7.2"}, {}, Status.OK, None, id="set"
        ),
        pytest.param(
            {**HERE, "config": SET},
            ENFORCE,
            Status.DRIFT,
            "written, not active",
            id="written-not-active",
        ),
        pytest.param(
            {**HERE, **LIVE},
            ENFORCE,
            Status.DRIFT,
            "active, not written",
            id="live-but-not-written",
        ),
        pytest.param(
            {**HERE, "unit_flags": {"selinux-enabled": ("false",)}},
            ENFORCE,
            Status.HELD,
            "--selinux-enabled is a flag",
            id="by-flag",
        ),
        pytest.param(
            {**HERE},
            {"selinux": "off"},
            Status.NOT_APPLICABLE,
            "oakum_selinux is off",
            id="left-alone",
        ),
        pytest.param(
            {**HERE, "engine": None}, {}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param({**HERE, "running": False}, ENFORCE, Status.DRIFT, None, id="stopped"),
        pytest.param({"selinux": Unread("hidden")}, {}, Status.UNKNOWN, "hidden", id="unread"),
    ],
)
def test_verdict(host, policy, finding, known, wanted, status, reason):
    found = finding(CONTROL, host(**known), policy(**wanted))
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


def test_containers_get_labels_when_they_are_created(host):
    assert list(CONTROL.impact(host(containers=(Container("web"),)))) == [
        Impact(
            "web",
            "stays without a label of SELinux until it is recreated",
            "it is fixed when a container is created",
        )
    ]
