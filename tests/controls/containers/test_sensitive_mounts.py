"""Mounts: the socket in any way, the host's own directories where they can be written."""

import pytest

from oakum.controls.containers.sensitive_mounts import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container, Mount


def holds(*mounts, **known):
    return {"containers": (Container("web", mounts=mounts),), **known}


@pytest.mark.parametrize(
    ("known", "settings", "status", "reason"),
    [
        pytest.param(
            holds(
                Mount("/srv/data"),
                Mount("/etc/localtime"),
                Mount("/var/lib/docker/volumes/a/_data"),
            ),
            {},
            Status.OK,
            None,
            id="its-own-files",
        ),
        pytest.param(holds(Mount("")), {}, Status.OK, None, id="a-tmpfs"),
        pytest.param(
            holds(Mount("/var/run/docker.sock", False)),
            {},
            Status.HELD,
            "web (/var/run/docker.sock): mount",
            id="socket-read-only",
        ),
        pytest.param(
            holds(Mount("/run/docker.sock")), {}, Status.HELD, "web (/run/docker.sock)", id="socket"
        ),
        pytest.param(
            holds(Mount("/run/user/1000/docker.sock")),
            {},
            Status.HELD,
            "web (/run/user/1000/docker.sock)",
            id="rootless-socket",
        ),
        pytest.param(
            holds(Mount("/run/containerd/containerd.sock", False)),
            {},
            Status.HELD,
            "(/run/containerd/containerd.sock)",
            id="containerd",
        ),
        pytest.param(
            holds(Mount("/var/run/", False)),
            {},
            Status.HELD,
            "(/var/run/ with docker.sock)",
            id="var-run",
        ),
        pytest.param(
            holds(Mount("/run", False)), {}, Status.HELD, "(/run with docker.sock)", id="run"
        ),
        pytest.param(
            holds(Mount("/run/containerd", False)),
            {},
            Status.HELD,
            "(/run/containerd with containerd.sock)",
            id="above-containerd",
        ),
        pytest.param(
            holds(Mount("/", False)), {}, Status.HELD, "(/ with docker.sock)", id="everything"
        ),
        pytest.param(
            holds(Mount("/opt/docker", False), flags={"host": ("fd://", "unix:///opt/docker/api")}),
            {},
            Status.HELD,
            "(/opt/docker with api)",
            id="socket-elsewhere",
        ),
        pytest.param(
            holds(Mount("/opt/docker/api"), flags={"host": ("unix:///opt/docker/api",)}),
            {},
            Status.HELD,
            "(/opt/docker/api)",
            id="socket-of-another-name",
        ),
        pytest.param(
            holds(Mount("/opt/dock"), flags={"host": ("unix:///opt/docker/api",)}),
            {},
            Status.OK,
            None,
            id="half-a-name",
        ),
        pytest.param(holds(Mount("/var/runs")), {}, Status.OK, None, id="half-of-var-run"),
        pytest.param(holds(Mount("/etc")), {}, Status.HELD, "(/etc writable)", id="etc"),
        pytest.param(
            holds(Mount("/etc", False), Mount("/proc", False), Mount("/sys", False)),
            {},
            Status.OK,
            None,
            id="read-only",
        ),
        pytest.param(
            holds(Mount("/var/lib/docker"), Mount("/usr/")),
            {},
            Status.HELD,
            "(/usr/ writable, /var/lib/docker writable)",
            id="several",
        ),
        pytest.param(
            holds(Mount("/var/lib")), {}, Status.HELD, "(/var/lib writable)", id="above-the-data"
        ),
        pytest.param(holds(Mount("/var", False)), {}, Status.OK, None, id="above-the-link"),
        pytest.param(
            holds(Mount("/data"), data_root="/data/docker"),
            {},
            Status.HELD,
            "(/data writable)",
            id="data-root",
        ),
        pytest.param(
            holds(Mount("/data"), data_root=Unread("?"), flags=Unread("?")),
            {},
            Status.OK,
            None,
            id="well-known-places-alone",
        ),
        pytest.param(
            holds(Mount("/run/docker.sock")),
            {"trusted_containers": ["w?b"]},
            Status.OK,
            None,
            id="trusted",
        ),
        pytest.param(
            {"containers": (Container("web", unread=("mounts",)),)},
            {},
            Status.UNKNOWN,
            "did not tell mounts",
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
