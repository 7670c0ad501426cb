"""Restart loops: many restarts, and the last a moment ago."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from oakum.controls.containers.restart_loops import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def ago(minutes):
    """In another zone than the host's."""
    return (NOW - timedelta(minutes=minutes)).astimezone(timezone(timedelta(hours=3)))


def runs(**known):
    return {"containers": (Container("web", **known),), "clock": NOW}


@pytest.mark.parametrize(
    ("known", "settings", "status", "reason"),
    [
        pytest.param(runs(), {}, Status.OK, None, id="never-restarted"),
        pytest.param(
            runs(restarting=True, restarts=2),
            {},
            Status.HELD,
            "web (restarting, 2 so far): docker logs",
            id="waits-for-a-restart",
        ),
        pytest.param(
            runs(restarts=5, started=ago(9)), {}, Status.HELD, "web (5 restarts)", id="young"
        ),
        pytest.param(runs(restarts=5, started=ago(10)), {}, Status.OK, None, id="has-got-over-it"),
        pytest.param(runs(restarts=4, started=ago(1)), {}, Status.OK, None, id="few"),
        pytest.param(
            {**runs(restarts=9, started=ago(1)), "clock": Unread("no date")},
            {},
            Status.UNKNOWN,
            "no date",
            id="clock-unread",
        ),
        pytest.param(
            {**runs(restarts=1, started=ago(1)), "clock": Unread("no date")},
            {},
            Status.OK,
            None,
            id="clock-is-not-needed",
        ),
        pytest.param(runs(restarts=9), {}, Status.OK, None, id="never-started"),
        pytest.param(
            runs(unread=("restarts",)),
            {},
            Status.UNKNOWN,
            "did not tell restarts",
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
