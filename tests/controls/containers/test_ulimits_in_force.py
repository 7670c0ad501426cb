"""Ulimits: what docker tells against what the kernel says."""

import pytest

from oakum.controls.containers.ulimits_in_force import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Confinement, Container


def runs(told, hard):
    return {
        "containers": (Container("web", pid=9, ulimits=told), Container("db", pid=10)),
        "confinements": {9: Confinement(hard=hard), 10: Confinement(hard={"nofile": 7})},
    }


@pytest.mark.parametrize(
    ("known", "settings", "status", "reason"),
    [
        pytest.param(
            runs({"nofile": 4096}, {"nofile": 4096, "core": None}),
            {},
            Status.OK,
            None,
            id="in-force",
        ),
        pytest.param(
            runs({"nofile": 4096}, {"nofile": None}),
            {},
            Status.HELD,
            "web (nofile unlimited instead of 4096): restart",
            id="infinity",
        ),
        pytest.param(
            runs({"nofile": 65536}, {"nofile": 1024}),
            {},
            Status.HELD,
            "web (nofile 1024 instead of 65536)",
            id="too-few",
        ),
        pytest.param(
            runs({"core": None}, {"core": 0}),
            {},
            Status.HELD,
            "web (core 0 instead of unlimited)",
            id="should-be-unlimited",
        ),
        pytest.param(
            runs({"nofile": 1, "core": 2}, {"nofile": 3, "core": 4}),
            {},
            Status.HELD,
            "web (core 4 instead of 2; nofile 3 instead of 1)",
            id="several",
        ),
        pytest.param(
            runs({"rtprio": 9}, {"nofile": 3}), {}, Status.OK, None, id="one-that-is-not-read"
        ),
        pytest.param(
            {**runs({"nofile": 1}, {}), "confinements": {}}, {}, Status.OK, None, id="has-ended"
        ),
        pytest.param(
            runs({}, {"nofile": 3}),
            {},
            Status.NOT_APPLICABLE,
            "no container has a limit",
            id="no-limits",
        ),
        pytest.param(
            {**runs({"nofile": 1}, {}), "confinements": Unread("no /proc")},
            {},
            Status.UNKNOWN,
            "no /proc",
            id="processes-unread",
        ),
        pytest.param(
            {"containers": (Container("web", unread=("ulimits",)),)},
            {},
            Status.UNKNOWN,
            "did not tell ulimits",
            id="untold",
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
