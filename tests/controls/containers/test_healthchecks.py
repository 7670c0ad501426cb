"""Health checks: where they are asked for."""

import pytest

from oakum.controls.containers.healthchecks import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container

WANTED = {"container_checks": ["healthchecks"]}


@pytest.mark.parametrize(
    ("known", "settings", "status", "reason"),
    [
        pytest.param(
            {"containers": (Container("a", health="starting"), Container("b", health="unhealthy"))},
            WANTED,
            Status.OK,
            None,
            id="checked",
        ),
        pytest.param(
            {"containers": (Container("web"),)},
            WANTED,
            Status.HELD,
            "web: put a HEALTHCHECK",
            id="none",
        ),
        pytest.param(
            {"containers": (Container("web", health="none", task=True),)},
            WANTED,
            Status.HELD,
            "web",
            id="switched-off",
        ),
        pytest.param(
            {"containers": (Container("k8s_web_x"),)}, WANTED, Status.OK, None, id="a-kubelets"
        ),
        pytest.param(
            {"containers": (Container("web"),)},
            {"profile": "strict"},
            Status.HELD,
            "web",
            id="strict",
        ),
        pytest.param(
            {"containers": (Container("web"),)},
            {},
            Status.NOT_APPLICABLE,
            "oakum_container_checks leaves it out (profile baseline)",
            id="not-asked-for",
        ),
        pytest.param(
            {"containers": (Container("web", unread=("health",)),)},
            WANTED,
            Status.UNKNOWN,
            "did not tell health",
            id="untold",
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
