"""Privileged: nobody but whom the policy trusts."""

import pytest

from oakum.controls.containers.privileged_containers import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container

GRAND = Container("agent-1", privileged=True)


@pytest.mark.parametrize(
    ("known", "settings", "status", "reason"),
    [
        pytest.param({"containers": (Container("web"),)}, {}, Status.OK, None, id="not-privileged"),
        pytest.param(
            {"containers": (Container("web"), GRAND)},
            {},
            Status.HELD,
            "agent-1: create them with --device",
            id="privileged",
        ),
        pytest.param(
            {"containers": (GRAND,)},
            {"trusted_containers": ["agent-*"]},
            Status.OK,
            None,
            id="trusted",
        ),
        pytest.param(
            {"containers": (GRAND,)},
            {"trusted_containers": ["agent"]},
            Status.HELD,
            "agent-1",
            id="a-name-is-whole",
        ),
        pytest.param(
            {"containers": (Container("web", unread=("privileged",)),)},
            {},
            Status.UNKNOWN,
            "did not tell privileged of web",
            id="untold",
        ),
        pytest.param(
            {"containers": (Container("web", unread=("privileged",)), GRAND)},
            {},
            Status.HELD,
            "agent-1: ",
            id="untold-hides-no-other",
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


def test_a_finding_names_eight_and_carries_all(host, policy, finding):
    grand = tuple(Container(f"agent-{number}", privileged=True) for number in range(9, -1, -1))
    found = finding(CONTROL, host(containers=grand), policy(trusted_containers=["x*"]))
    assert str(found.reason).startswith("agent-0, agent-1, agent-2, ")
    assert "agent-7 and 2 more: " in str(found.reason)
    assert found.actual == [f"agent-{number}" for number in range(10)]
    assert found.desired == ["x*"]
