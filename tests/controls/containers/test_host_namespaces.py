"""Host namespaces: each of the five, and what the engine can do about users."""

import pytest

from oakum.controls.containers.host_namespaces import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container

REMAPPED = {"SecurityOptions": ["name=userns"]}


@pytest.mark.parametrize(
    ("known", "settings", "status", "reason"),
    [
        pytest.param(
            {
                "containers": (
                    Container("web", network="bridge", pid_mode="container:db", ipc_mode="private"),
                )
            },
            {},
            Status.OK,
            None,
            id="its-own",
        ),
        pytest.param(
            {"containers": (Container("a", network="host"),)},
            {},
            Status.HELD,
            "a (network): create",
            id="network",
        ),
        pytest.param(
            {"containers": (Container("a", pid_mode="host"),)}, {}, Status.HELD, "a (pid)", id="pid"
        ),
        pytest.param(
            {"containers": (Container("a", ipc_mode="host"),)}, {}, Status.HELD, "a (ipc)", id="ipc"
        ),
        pytest.param(
            {"containers": (Container("a", uts_mode="host"),)}, {}, Status.HELD, "a (uts)", id="uts"
        ),
        pytest.param(
            {"containers": (Container("a", userns="host"),)},
            {},
            Status.OK,
            None,
            id="users-without-remap",
        ),
        pytest.param(
            {"containers": (Container("a", userns="host"),), "info": REMAPPED},
            {},
            Status.HELD,
            "a (user)",
            id="users",
        ),
        pytest.param(
            {
                "containers": (
                    Container("a", network="host", pid_mode="host"),
                    Container("b", uts_mode="host"),
                )
            },
            {},
            Status.HELD,
            "a (network, pid), b (uts): ",
            id="several",
        ),
        pytest.param(
            {"containers": (Container("k8s_x", network="host"),)},
            {"trusted_containers": ["k8s_*"]},
            Status.OK,
            None,
            id="trusted",
        ),
        pytest.param(
            {"containers": (Container("a", unread=("utsmode",)),)},
            {},
            Status.UNKNOWN,
            "did not tell utsmode of a",
            id="untold",
        ),
        pytest.param(
            {"containers": (Container("a", pid_mode="host", unread=("utsmode",)),)},
            {},
            Status.HELD,
            "a (pid)",
            id="untold-beside-a-fault",
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
