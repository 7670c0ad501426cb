"""Root file systems: read-only, where that is asked for."""

import pytest

from oakum.controls.containers.writable_root_filesystems import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container

WANTED = {"container_checks": ["writable-root-filesystems"]}


@pytest.mark.parametrize(
    ("known", "settings", "status", "reason"),
    [
        pytest.param(
            {"containers": (Container("web", read_only=True),)},
            WANTED,
            Status.OK,
            None,
            id="read-only",
        ),
        pytest.param(
            {"containers": (Container("web"), Container("db", read_only=True))},
            WANTED,
            Status.HELD,
            "web: create them with --read-only",
            id="writable",
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
            {"containers": (Container("web", unread=("readonly",)),)},
            WANTED,
            Status.UNKNOWN,
            "did not tell readonly",
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
