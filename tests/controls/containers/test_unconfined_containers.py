"""Unconfined: what was switched off by an option, and what that means here."""

import pytest

from oakum.controls.containers.unconfined_containers import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container

APPARMOR = {"SecurityOptions": ["name=apparmor", "name=seccomp,profile=default"]}
SELINUX = {"SecurityOptions": ["name=selinux"]}


def runs(*security, info=None, **known):
    return {"containers": (Container("web", security=security, **known),), "info": info or {}}


@pytest.mark.parametrize(
    ("known", "settings", "status", "reason"),
    [
        pytest.param(
            runs("no-new-privileges", "seccomp={...}", "apparmor=docker-default"),
            {},
            Status.OK,
            None,
            id="confined",
        ),
        pytest.param(
            runs("seccomp=unconfined"), {}, Status.HELD, "web (seccomp): create", id="seccomp"
        ),
        pytest.param(
            runs("seccomp:unconfined"), {}, Status.HELD, "web (seccomp)", id="seccomp-of-old"
        ),
        pytest.param(
            runs("apparmor=unconfined", info=APPARMOR),
            {},
            Status.HELD,
            "web (apparmor)",
            id="apparmor",
        ),
        pytest.param(
            runs("apparmor=unconfined", info={"SecurityOptions": ["name=seccomp"]}),
            {},
            Status.OK,
            None,
            id="no-apparmor-here",
        ),
        pytest.param(
            runs("label=disable", info=SELINUX), {}, Status.HELD, "web (selinux)", id="selinux"
        ),
        pytest.param(
            runs("label=disable", info=APPARMOR), {}, Status.OK, None, id="no-selinux-here"
        ),
        pytest.param(runs(masked=False), {}, Status.HELD, "web (systempaths)", id="system-paths"),
        pytest.param(
            runs("seccomp=unconfined", masked=False),
            {},
            Status.HELD,
            "web (seccomp, systempaths)",
            id="several",
        ),
        pytest.param(
            runs("seccomp=unconfined", masked=False, privileged=True),
            {},
            Status.OK,
            None,
            id="privileged-is-told-elsewhere",
        ),
        pytest.param(
            runs("seccomp=unconfined"), {"trusted_containers": ["*"]}, Status.OK, None, id="trusted"
        ),
        pytest.param(
            runs(unread=("masked",)),
            {},
            Status.UNKNOWN,
            "did not tell masked",
            id="untold",
        ),
        pytest.param(
            runs("seccomp=unconfined", unread=("masked",)),
            {},
            Status.HELD,
            "web (seccomp)",
            id="untold-beside-a-fault",
        ),
        pytest.param({}, {}, Status.NOT_APPLICABLE, "no container runs", id="no-container"),
        pytest.param(
            {"engine": None}, {}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param(
            {"running": False}, {}, Status.NOT_APPLICABLE, "no container runs", id="stopped"
        ),
        pytest.param({"info": Unread("hangs")}, {}, Status.UNKNOWN, "hangs", id="silent-engine"),
        pytest.param(
            {"containers": Unread("too many")}, {}, Status.UNKNOWN, "too many", id="unread"
        ),
    ],
)
def test_verdict(host, policy, finding, known, settings, status, reason):
    found = finding(CONTROL, host(**known), policy(**settings))
    assert found.status is status
    assert found.reason is None if reason is None else reason in str(found.reason)
