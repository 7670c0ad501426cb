"""written-and-active: the file, the flags and the living daemon, key by key."""

import pytest

from oakum.controls.daemon.written_and_active import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import FileState

WRITTEN, ACTIVE = "is written, not active", "is active, not written"
LATER = {"daemon_file": FileState("/d", "/d", b"", changed=5000)}
"""A daemon.json that changed long after dockerd's start."""


def registry(**config: object) -> dict[str, object]:
    return {"RegistryConfig": config}


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        pytest.param({}, Status.OK, None, id="nothing-said"),
        pytest.param(
            {"config": {"debug": True}, "info": {"Debug": True}}, Status.OK, None, id="on"
        ),
        pytest.param(
            {"config": {"debug": True}}, Status.HELD, f"debug {WRITTEN}: restart", id="written"
        ),
        pytest.param({"info": {"Debug": True}}, Status.HELD, f"debug {ACTIVE}", id="active"),
        pytest.param(
            {"config": {"labels": ["b=2", "a=1"]}, "info": {"Labels": ["a=1", "b=2"]}},
            Status.OK,
            None,
            id="labels-have-no-order",
        ),
        pytest.param(
            {"info": {"Labels": ["a=1"]}},
            Status.HELD,
            f"labels {ACTIVE}",
            id="a-removed-key-is-not-reverted",
        ),
        pytest.param(
            {
                "config": {"registry-mirrors": ["https://m"]},
                "info": registry(Mirrors=["https://m/"]),
            },
            Status.OK,
            None,
            id="mirror-with-its-slash",
        ),
        pytest.param(
            {"config": {"registry-mirrors": ["https://m"]}, "info": registry(Mirrors=None)},
            Status.HELD,
            f"registry-mirrors {WRITTEN}",
            id="mirror",
        ),
        pytest.param(
            {
                "config": {"default-address-pools": [{"base": "10.0.0.0/8", "size": 24}]},
                "info": {"DefaultAddressPools": [{"Base": "10.0.0.0/8", "Size": 24}]},
            },
            Status.OK,
            None,
            id="pools",
        ),
        pytest.param(
            {"config": {"runtimes": {"kata": {}}}, "info": {"Runtimes": {"runc": {}, "kata": {}}}},
            Status.OK,
            None,
            id="runtimes",
        ),
        pytest.param(
            {
                "config": {"runtimes": {"kata": {}}},
                "flags": {"add-runtime": ("nvidia=/n",)},
                "unit_flags": {"add-runtime": ("nvidia=/n",)},
                "info": {"Runtimes": {"runc": {}, "kata": {}, "nvidia": {}}},
            },
            Status.OK,
            None,
            id="runtimes-are-merged",
        ),
        pytest.param(
            {"config": {"runtimes": {"kata": {}}}, "info": {"Runtimes": {"runc": {}}}},
            Status.HELD,
            f"runtimes {WRITTEN}",
            id="runtime-not-there",
        ),
        pytest.param(
            {
                "flags": {"group": ("docker",), "mtu": ("1400",)},
                "unit_flags": {"group": ("docker",), "mtu": ("1450",)},
            },
            Status.HELD,
            f"mtu {WRITTEN}",
            id="another-flag",
        ),
        pytest.param(
            {"flags": {"host": ("fd://",), "mtu": ("1400",)}},
            Status.HELD,
            f"mtu {ACTIVE}",
            id="a-flag-that-the-unit-has-lost",
        ),
        pytest.param(
            {"flags": {"mtu": ("1400",)}, "unit_flags": {}}, Status.OK, None, id="without-a-unit"
        ),
        pytest.param(
            {"flags": {"mtu": ("1400",)}, "init": "openrc"}, Status.OK, None, id="no-systemd"
        ),
        pytest.param(
            {"config": {"mtu": 1400}, "reloaded": {"mtu": 1500}, **LATER},
            Status.HELD,
            f"mtu {WRITTEN}",
            id="not-taken-by-the-reload",
        ),
        pytest.param(
            {"config": {"mtu": 1400}, "reloaded": {"mtu": 1400}, **LATER},
            Status.OK,
            None,
            id="in-the-log",
        ),
        pytest.param(
            {"config": {"mtu": 0, "raw-logs": False}, "reloaded": {"mtu": 1500}, **LATER},
            Status.OK,
            None,
            id="noughts-are-unset-and-left-out-of-the-log",
        ),
        pytest.param(
            {"config": {"raw-logs": True}, "reloaded": {}, **LATER},
            Status.HELD,
            f"raw-logs {WRITTEN}",
            id="what-the-log-leaves-out-is-off",
        ),
        pytest.param(
            {"config": {"data-root": "/d"}, "reloaded": {"data-root": "/e"}, **LATER},
            Status.OK,
            None,
            id="the-log-is-no-witness-of-it",
        ),
        pytest.param(
            {"config": {}, "reloaded": {"default-ipc-mode": "shareable"}, **LATER},
            Status.HELD,
            f"default-ipc-mode {ACTIVE}",
            id="kept-by-the-reload",
        ),
        pytest.param(
            {"config": {"mtu": 1400}, **LATER},
            Status.UNKNOWN,
            "nothing tells whether dockerd runs with its mtu",
            id="changed-and-nothing-tells",
        ),
        pytest.param(
            {"config": {"debug": True}, "info": {"Debug": True}, **LATER},
            Status.OK,
            None,
            id="changed-and-docker-info-tells",
        ),
        pytest.param(
            {"config": {"live-restore": True}}, Status.OK, None, id="another-control-judges-it"
        ),
        pytest.param({"config": {"label": ["x"]}}, Status.OK, None, id="without-effect"),
        pytest.param(
            {"running": False}, Status.NOT_APPLICABLE, "dockerd does not run", id="stopped"
        ),
        pytest.param({"engine": None}, Status.NOT_APPLICABLE, "no Docker", id="no-engine"),
        pytest.param({"config": Unread("EACCES")}, Status.UNKNOWN, "EACCES", id="unreadable"),
        pytest.param({"info": Unread("silent")}, Status.UNKNOWN, "silent", id="silent"),
    ],
)
def test_verdict(host, policy, finding, known, status, reason):
    found = finding(CONTROL, host(**known), policy())
    assert found.status is status
    assert (reason is None) == (found.reason is None)
    assert (reason or "") in (found.reason or "")


def test_no_value_is_told(host, policy, finding):
    """Some of them are secrets: labels, options of log drivers."""
    found = finding(CONTROL, host(info={"Labels": ["token=hunter2"]}), policy())
    assert "hunter2" not in f"{found.reason}{found.actual}"
