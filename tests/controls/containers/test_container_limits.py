"""Limits: those that the policy wants, each by name."""

import pytest

from oakum.controls.containers.container_limits import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container


def has(*limits, name="web", **known):
    return Container(name, limits=limits, **known)


@pytest.mark.parametrize(
    ("known", "settings", "status", "reason"),
    [
        pytest.param({"containers": (Container("web"),)}, {}, Status.OK, None, id="limited"),
        pytest.param(
            {"containers": (has("pids", "cpu"),)},
            {},
            Status.HELD,
            "web (no limit of memory): measure",
            id="no-memory",
        ),
        pytest.param(
            {"containers": (has("memory"), has(name="db"))},
            {},
            Status.HELD,
            "db (no limit of memory, pids), web (no limit of pids)",
            id="several",
        ),
        pytest.param(
            {"containers": (has("memory", "pids"),)}, {}, Status.OK, None, id="cpu-is-not-asked-for"
        ),
        pytest.param(
            {"containers": (has("memory", "pids"),)},
            {"profile": "strict"},
            Status.HELD,
            "web (no limit of cpu)",
            id="strict",
        ),
        pytest.param(
            {"containers": (has(),)},
            {"container_limits": ["cpu"]},
            Status.HELD,
            "web (no limit of cpu)",
            id="cpu-alone",
        ),
        pytest.param(
            {"containers": (has(),)},
            {"container_limits": []},
            Status.NOT_APPLICABLE,
            "oakum_container_limits is empty",
            id="none-wanted",
        ),
        pytest.param(
            {"containers": (has("memory", unread=("pids",)),)},
            {},
            Status.UNKNOWN,
            "did not tell pids of web",
            id="untold",
        ),
        pytest.param(
            {"containers": (has(unread=("cpuset",)),)},
            {"profile": "strict"},
            Status.HELD,
            "web (no limit of memory, pids)",
            id="untold-beside-a-fault",
        ),
        pytest.param(
            {"containers": (has("memory", "pids", "cpu", unread=("cpuset",)),)},
            {"profile": "strict"},
            Status.OK,
            None,
            id="untold-and-not-needed",
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


def test_actual_and_desired(host, policy, finding):
    found = finding(CONTROL, host(containers=(has("memory"),)), policy())
    assert found.actual == ["web (no limit of pids)"]
    assert found.desired == ["memory", "pids"]
