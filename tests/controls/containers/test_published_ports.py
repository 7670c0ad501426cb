"""Published ports: open to everybody, or below 1024, and not known."""

import pytest

from oakum.controls.containers.published_ports import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container

WANTED = {"published_ports": [443]}


@pytest.mark.parametrize(
    ("known", "settings", "status", "reason"),
    [
        pytest.param({"containers": (Container("web"),)}, WANTED, Status.OK, None, id="none"),
        pytest.param(
            {"ports": ("0.0.0.0:443", "[::]:443", "127.0.0.1:8080", "10.0.0.1:9000")},
            WANTED,
            Status.OK,
            None,
            id="known-or-inner",
        ),
        pytest.param(
            {"ports": ("0.0.0.0:8080", "[::]:8080")},
            WANTED,
            Status.HELD,
            "web (8080): publish",
            id="everybody",
        ),
        pytest.param(
            {"ports": ("[::]:8080",)}, WANTED, Status.HELD, "web (8080)", id="everybody-by-ipv6"
        ),
        pytest.param(
            {"ports": ("127.0.0.1:25", "[::1]:1023", "127.0.0.1:1024")},
            WANTED,
            Status.HELD,
            "web (127.0.0.1:25, [::1]:1023)",
            id="below-1024",
        ),
        pytest.param(
            {"ports": ("127.0.0.1:443",)}, WANTED, Status.OK, None, id="below-1024-and-known"
        ),
        pytest.param(
            {
                "ports": (
                    "0.0.0.0:1",
                    "0.0.0.0:9",
                    "0.0.0.0:10",
                    "0.0.0.0:11",
                    "0.0.0.0:12",
                    "0.0.0.0:13",
                )
            },
            WANTED,
            Status.HELD,
            "web (1, 9, 10, 11, 2 more)",
            id="many",
        ),
        pytest.param({"ports": ("0.0.0.0:None",)}, WANTED, Status.OK, None, id="no-port-yet"),
        pytest.param(
            {"ports": ("0.0.0.0:80",)},
            {"published_ports": []},
            Status.HELD,
            "web (80)",
            id="nothing-is-known",
        ),
        pytest.param(
            {"ports": ("0.0.0.0:80", "0.0.0.0:81")},
            {"profile": "strict"},
            Status.HELD,
            "web (81)",
            id="strict",
        ),
        pytest.param(
            {"ports": ("0.0.0.0:80",)},
            {},
            Status.NOT_APPLICABLE,
            "oakum_published_ports is not set (profile baseline)",
            id="not-asked-for",
        ),
        pytest.param(
            {"containers": (Container("web", unread=("ports",)),)},
            WANTED,
            Status.UNKNOWN,
            "did not tell ports",
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
