"""Capabilities: those that no container has by itself."""

import pytest

from oakum.controls.containers.added_capabilities import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container


@pytest.mark.parametrize(
    ("known", "settings", "status", "reason"),
    [
        pytest.param(
            {"containers": (Container("web", capabilities=("CAP_NET_RAW", "chown")),)},
            {},
            Status.OK,
            None,
            id="taken-back",
        ),
        pytest.param(
            {
                "containers": (
                    Container("web", capabilities=("SYS_ADMIN", "CAP_NET_ADMIN", "KILL")),
                )
            },
            {},
            Status.HELD,
            "web (NET_ADMIN, SYS_ADMIN): create",
            id="added",
        ),
        pytest.param(
            {"containers": (Container("web", capabilities=("all",)),)},
            {},
            Status.HELD,
            "web (ALL)",
            id="all",
        ),
        pytest.param(
            {"containers": (Container("web", capabilities=("ALL",), privileged=True),)},
            {},
            Status.OK,
            None,
            id="privileged-is-told-elsewhere",
        ),
        pytest.param(
            {"containers": (Container("web", capabilities=("ALL",)),)},
            {"trusted_containers": ["web"]},
            Status.OK,
            None,
            id="trusted",
        ),
        pytest.param(
            {"containers": (Container("web", unread=("capadd",)),)},
            {},
            Status.UNKNOWN,
            "did not tell capadd",
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
