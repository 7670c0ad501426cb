"""no-new-privileges: wanted by the daemon or the policy, told by the kernel."""

import pytest

from oakum.controls.containers.no_new_privileges_in_force import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Confinement, Container

WANTED = {"container_checks": ["no-new-privileges-in-force"]}
DEFAULT = {"no-new-privileges": True}
FLAG = {"no-new-privileges": ("true",)}


def runs(cannot_gain, **known):
    return {
        "containers": (Container("web", pid=9),),
        "confinements": {9: Confinement(no_new_privileges=cannot_gain)},
        **known,
    }


@pytest.mark.parametrize(
    ("known", "settings", "status", "reason"),
    [
        pytest.param(runs(True), WANTED, Status.OK, None, id="cannot-gain"),
        pytest.param(runs(False), WANTED, Status.HELD, "web: create them anew", id="may-gain"),
        pytest.param(runs(False, config=DEFAULT), {}, Status.HELD, "web", id="the-daemons-default"),
        pytest.param(
            runs(False, flags=FLAG, unit_flags=FLAG), {}, Status.HELD, "web", id="the-daemons-flag"
        ),
        pytest.param(
            runs(True, config=DEFAULT), {}, Status.OK, None, id="the-daemons-default-in-force"
        ),
        pytest.param(
            runs(False),
            {},
            Status.NOT_APPLICABLE,
            "(profile baseline), and the daemon does not ask for it",
            id="not-wanted",
        ),
        pytest.param(runs(False), {"profile": "strict"}, Status.HELD, "web", id="strict"),
        pytest.param({**runs(False), "confinements": {}}, WANTED, Status.OK, None, id="has-ended"),
        pytest.param(
            runs(None),
            WANTED,
            Status.UNKNOWN,
            "this kernel does not tell NoNewPrivs",
            id="kernel-is-silent",
        ),
        pytest.param(
            {**runs(True), "confinements": Unread("no /proc")},
            WANTED,
            Status.UNKNOWN,
            "no /proc",
            id="processes-unread",
        ),
        pytest.param(
            runs(True, flags=Unread("no cmdline")),
            WANTED,
            Status.UNKNOWN,
            "no cmdline",
            id="flags-unread",
        ),
        pytest.param({}, WANTED, Status.NOT_APPLICABLE, "no container runs", id="no-container"),
        pytest.param(
            {"engine": None}, WANTED, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param(
            {"running": False}, WANTED, Status.NOT_APPLICABLE, "no container runs", id="stopped"
        ),
        pytest.param(
            {"info": Unread("hangs")}, WANTED, Status.UNKNOWN, "hangs", id="silent-engine"
        ),
        pytest.param(
            {"containers": Unread("too many")}, WANTED, Status.UNKNOWN, "too many", id="unread"
        ),
    ],
)
def test_verdict(host, policy, finding, known, settings, status, reason):
    found = finding(CONTROL, host(**known), policy(**settings))
    assert found.status is status
    assert found.reason is None if reason is None else reason in str(found.reason)
