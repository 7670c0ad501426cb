"""Seccomp: what the kernel says, of those that are not told elsewhere."""

import pytest

from oakum.controls.containers.seccomp_in_force import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Confinement, Container


def runs(filtered, **known):
    return {
        "containers": (Container("web", pid=9, **known),),
        "confinements": {9: Confinement(filtered=filtered)},
    }


@pytest.mark.parametrize(
    ("known", "settings", "status", "reason"),
    [
        pytest.param(runs(True), {}, Status.OK, None, id="filtered"),
        pytest.param(runs(False), {}, Status.HELD, "web: create them anew", id="not-filtered"),
        pytest.param(
            runs(False, privileged=True), {}, Status.OK, None, id="privileged-is-told-elsewhere"
        ),
        pytest.param(
            runs(False, security=("seccomp=unconfined",)),
            {},
            Status.OK,
            None,
            id="unconfined-is-told-elsewhere",
        ),
        pytest.param(
            runs(False, security=("seccomp={}",)),
            {},
            Status.HELD,
            "web",
            id="a-profile-that-says-nothing",
        ),
        pytest.param({**runs(False), "confinements": {}}, {}, Status.OK, None, id="has-ended"),
        pytest.param(
            runs(None), {}, Status.UNKNOWN, "this kernel does not tell", id="kernel-is-silent"
        ),
        pytest.param(
            {**runs(True), "confinements": Unread("no /proc")},
            {},
            Status.UNKNOWN,
            "no /proc",
            id="processes-unread",
        ),
        pytest.param(
            runs(False, unread=("securityopt",)),
            {},
            Status.UNKNOWN,
            "did not tell securityopt",
            id="untold",
        ),
        pytest.param(
            {**runs(False), "kernel_config": {"SECCOMP": False}},
            {},
            Status.NOT_APPLICABLE,
            "no SECCOMP",
            id="kernel-cannot",
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
