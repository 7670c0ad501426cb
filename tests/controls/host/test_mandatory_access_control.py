"""AppArmor or SELinux: in the kernel, in force, and known to the engine."""

import pytest
from packaging.version import Version

from oakum.controls.host.mandatory_access_control import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Engine


def of(origin):
    return {"engine": Engine(Version("26.1.5"), "26.1.5", origin), "running": True}


def says(*options):
    return {"info": {"SecurityOptions": list(options)}}


SELINUX = {"lsm": ("capability", "selinux"), "selinux": "enforcing", "apparmor": "none"}


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        pytest.param({}, Status.OK, None, id="apparmor"),
        pytest.param(says("apparmor", "seccomp"), Status.OK, None, id="apparmor-as-1.12-wrote-it"),
        pytest.param({**SELINUX, **says("name=selinux")}, Status.OK, None, id="selinux"),
        pytest.param(
            {"lsm": ("capability", "yama")},
            Status.HELD,
            "neither AppArmor nor SELinux is on (its modules: capability, yama): switch it on",
            id="neither",
        ),
        pytest.param(
            says("name=seccomp,profile=default"),
            Status.HELD,
            "AppArmor is on, but dockerd does not use it",
            id="unseen-by-the-engine",
        ),
        pytest.param(
            {"apparmor": "none"}, Status.HELD, "docker-default is not loaded", id="not-loaded"
        ),
        pytest.param(
            {"apparmor": "complain"},
            Status.HELD,
            "docker-default is in mode complain",
            id="complains",
        ),
        pytest.param(
            {**SELINUX, **says("name=selinux"), "selinux": "permissive"},
            Status.HELD,
            "SELinux is permissive",
            id="permissive",
        ),
        pytest.param(
            {**SELINUX, **says("name=seccomp")},
            Status.HELD,
            "not by dockerd (selinux-enabled is off)",
            id="selinux-unseen",
        ),
        pytest.param(of("rootless"), Status.NOT_APPLICABLE, "rootless", id="rootless"),
        pytest.param(of("desktop"), Status.NOT_APPLICABLE, "Docker Desktop", id="desktop"),
        pytest.param(
            {"running": False}, Status.NOT_APPLICABLE, "dockerd does not run", id="stopped"
        ),
        pytest.param({"engine": None}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"),
        pytest.param(
            {"lsm": Unread("/sys/kernel/security is not mounted")},
            Status.UNKNOWN,
            "is not mounted",
            id="modules-unread",
        ),
        pytest.param(
            {"apparmor": Unread("not root")}, Status.UNKNOWN, "not root", id="profiles-unread"
        ),
        pytest.param({**SELINUX, "selinux": Unread("?")}, Status.UNKNOWN, "?", id="selinux-unread"),
        pytest.param({"info": Unread("?")}, Status.UNKNOWN, "?", id="info-unread"),
    ],
)
def test_verdict(host, policy, finding, known, status, reason):
    found = finding(CONTROL, host(**known), policy())
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)
