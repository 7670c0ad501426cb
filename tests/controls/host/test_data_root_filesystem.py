"""Whether Docker's data can fill the host's own file system."""

import pytest

from oakum.controls.host.data_root_filesystem import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Guarded


def lie(root=1, above=1, path="/var/lib/docker"):
    return (Guarded(path, 0o40710, device=root), Guarded(f"{path}/..", 0o40755, device=above))


OWN = lie(2)
STORE = {"containerd_root": "/var/lib/containerd"}


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        pytest.param({"guarded": OWN}, Status.OK, None, id="its-own"),
        pytest.param(
            {"guarded": lie()},
            Status.HELD,
            "/var/lib/docker shares the file system of the directory above: stop docker",
            id="shared",
        ),
        pytest.param(
            {"guarded": OWN, "data_root": "/var/lib/docker/100000.100000"},
            Status.OK,
            None,
            id="remapped",
        ),
        pytest.param(
            {"guarded": lie(path="/data"), "data_root": "/data"},
            Status.HELD,
            "/data shares",
            id="elsewhere",
        ),
        pytest.param(
            {"guarded": (*OWN, *lie(3, 1, "/var/lib/containerd")), **STORE},
            Status.OK,
            None,
            id="store-too",
        ),
        pytest.param(
            {"guarded": (*OWN, *lie(1, 1, "/var/lib/containerd")), **STORE},
            Status.HELD,
            "/var/lib/containerd shares",
            id="store-shares",
        ),
        pytest.param(
            {"guarded": OWN, "running": False, "containerd_root": Unread("no socket")},
            Status.OK,
            None,
            id="stopped",
        ),
        pytest.param(
            {"guarded": lie(), "filesystem": "btrfs"},
            Status.HELD,
            "/var/lib/docker shares",
            id="btrfs-without-a-subvolume",
        ),
        pytest.param(
            {"guarded": OWN, "filesystem": "btrfs"},
            Status.UNKNOWN,
            "a subvolume looks like a file system",
            id="btrfs-subvolume",
        ),
        pytest.param(
            {}, Status.NOT_APPLICABLE, "/var/lib/docker does not exist yet", id="no-data-root"
        ),
        pytest.param({"engine": None}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"),
        pytest.param(
            {"guarded": OWN[:1]},
            Status.UNKNOWN,
            "could not be told from the one above",
            id="above-unseen",
        ),
        pytest.param(
            {"guarded": OWN, **STORE},
            Status.UNKNOWN,
            "/var/lib/containerd could not be told",
            id="store-unseen",
        ),
        pytest.param(
            {"guarded": Unread("permission denied: /etc/docker")},
            Status.UNKNOWN,
            "permission denied",
            id="unread",
        ),
        pytest.param(
            {"guarded": OWN, "containerd_root": Unread("?")}, Status.UNKNOWN, "?", id="store-unread"
        ),
    ],
)
def test_verdict(host, policy, finding, known, status, reason):
    found = finding(CONTROL, host(**known), policy())
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)
