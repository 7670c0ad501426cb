"""no-new-privileges: by docker info from 24.0, before that by configuration."""

import pytest

from oakum.controls.daemon.no_new_privileges import CONTROL
from oakum.facts import Unread
from oakum.model import Impact, Status
from oakum.parts import Container, FileState

ENFORCE = {"no_new_privileges": "enforce"}
AUDIT = {"no_new_privileges": "audit"}
SET = {"no-new-privileges": True}
IS_ON = {"info": {"SecurityOptions": ["name=seccomp,profile=builtin", "name=no-new-privileges"]}}
LATER = FileState("/etc/docker/daemon.json", "/etc/docker/daemon.json", b"{}", changed=2000)


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param(
            {},
            {},
            Status.NOT_APPLICABLE,
            "oakum_no_new_privileges is off (profile baseline)",
            id="off",
        ),
        pytest.param(
            {"info": Unread("denied")}, {}, Status.NOT_APPLICABLE, "is off", id="off-and-silent"
        ),
        pytest.param({"info": Unread("denied")}, ENFORCE, Status.UNKNOWN, "denied", id="silent"),
        pytest.param({}, ENFORCE, Status.DRIFT, None, id="engine-default"),
        pytest.param({}, {"profile": "strict"}, Status.DRIFT, None, id="strict"),
        pytest.param({}, AUDIT, Status.HELD, "oakum_no_new_privileges is audit", id="audit"),
        pytest.param({"kubelet": True}, ENFORCE, Status.HELD, "a kubelet runs here", id="kubelet"),
        pytest.param({"config": SET}, ENFORCE, Status.OK, None, id="set-on-20.10"),
        pytest.param(
            {"config": SET, "daemon_file": LATER},
            ENFORCE,
            Status.DRIFT,
            "written, not active: daemon.json changed",
            id="written-later-on-20.10",
        ),
        pytest.param(
            {"config": SET, "reloaded": {}},
            ENFORCE,
            Status.DRIFT,
            "written, not active",
            id="a-reload-does-not-apply-it",
        ),
        pytest.param(
            {"config": SET, "engine": "23.0.6"},
            ENFORCE,
            Status.OK,
            None,
            id="set-on-23-which-does-not-tell",
        ),
        pytest.param(
            {"config": SET, "engine": "24.0.9"},
            ENFORCE,
            Status.DRIFT,
            "written, not active",
            id="24-tells-that-it-is-off",
        ),
        pytest.param(
            {"config": SET, "engine": "24.0.9", **IS_ON},
            ENFORCE,
            Status.OK,
            None,
            id="24-tells-that-it-is-on",
        ),
        pytest.param(
            {"config": SET, "engine": "29.7.2", **IS_ON, "daemon_file": LATER},
            ENFORCE,
            Status.OK,
            None,
            id="29-tells-whatever-the-age-of-the-file",
        ),
        pytest.param(
            {"engine": "29.7.2", **IS_ON},
            ENFORCE,
            Status.DRIFT,
            "active, not written",
            id="live-but-not-written",
        ),
        pytest.param(
            {"unit_flags": {"no-new-privileges": ("false",)}},
            ENFORCE,
            Status.HELD,
            "--no-new-privileges is a flag",
            id="off-by-flag",
        ),
        pytest.param(
            {"engine": "17.05.0"},
            ENFORCE,
            Status.NOT_APPLICABLE,
            "needs Docker 17.06",
            id="old-engine",
        ),
        pytest.param(
            {"engine": None}, ENFORCE, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param({"running": False}, ENFORCE, Status.DRIFT, None, id="stopped"),
        pytest.param(
            {"running": False, "config": SET}, ENFORCE, Status.OK, None, id="stopped-and-set"
        ),
        pytest.param(
            {"config": Unread("EACCES")}, ENFORCE, Status.UNKNOWN, "EACCES", id="unreadable"
        ),
        pytest.param(
            {"kubelet": Unread("hidden")}, ENFORCE, Status.UNKNOWN, "hidden", id="kubelet-unread"
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


def test_containers_without_the_option_keep_what_they_had(host):
    containers = (
        Container("web", security=("seccomp=unconfined",)),
        Container("job", security=("no-new-privileges",)),
        Container("mail", security=("no-new-privileges=false",)),
    )
    assert list(CONTROL.impact(host(containers=containers))) == [
        Impact(
            "web",
            "keeps what setuid and sudo give it until it is recreated",
            "it is fixed when a container is created",
        )
    ]
