"""What kind of Docker a host has."""

import pytest
from packaging.version import Version

from oakum.controls.daemon_key import DaemonKey
from oakum.controls.platform.platform import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container, Engine, FileState

SNAP = "/var/snap/docker/current/config/daemon.json"
HOME = "/home/a/.config/docker/daemon.json"


def of(origin, path="/etc/docker/daemon.json", **known):
    engine = Engine(Version("28.5.2"), "28.5.2", origin)
    return {"engine": engine, "running": True, "daemon_file": FileState(path, path), **known}


def swarm(**more):
    return {"Swarm": {"LocalNodeState": "active", **more}}


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        pytest.param({}, Status.OK, None, id="plain"),
        pytest.param({"running": False}, Status.OK, None, id="stopped"),
        pytest.param({"virt": "kvm"}, Status.OK, None, id="guest"),
        pytest.param(
            of("desktop"),
            Status.HELD,
            "Docker Desktop: its engine runs in a machine of its own",
            id="desktop",
        ),
        pytest.param(
            of("snap", SNAP),
            Status.HELD,
            f"snap: {SNAP} is its own; edit it there, then snap restart docker: oakum audits",
            id="snap",
        ),
        pytest.param(
            of("rootless", HOME, dockerd_uid=1000),
            Status.HELD,
            "rootless: /home/a/.config/docker/daemon.json belongs to the user 1000",
            id="rootless",
        ),
        pytest.param(
            {"engine": None, "podman": True},
            Status.HELD,
            "podman answers to Docker's name here",
            id="podman",
        ),
        pytest.param({"virt": "wsl"}, Status.OK, None, id="wsl"),
        pytest.param({"virt": "lxc"}, Status.OK, None, id="lxc"),
        pytest.param({"engine": None}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"),
        pytest.param({"virt": Unread("?")}, Status.UNKNOWN, "?", id="virt-unread"),
        pytest.param({"kubelet": Unread("?")}, Status.UNKNOWN, "?", id="kubelet-unread"),
        pytest.param({"podman": Unread("?")}, Status.UNKNOWN, "?", id="podman-unread"),
    ],
)
def test_verdict(host, policy, finding, known, status, reason):
    found = finding(CONTROL, host(**known), policy())
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


@pytest.mark.parametrize(
    ("known", "seen"),
    [
        pytest.param({}, [], id="plain"),
        pytest.param({"virt": "wsl"}, ["WSL: the kernel is Windows'"], id="wsl"),
        pytest.param({"virt": "lxc"}, ["guest of lxc: kernel and security modules"], id="lxc"),
        pytest.param({"info": swarm()}, ["swarm worker: live-restore is left alone"], id="worker"),
        pytest.param({"info": swarm(ControlAvailable=True)}, ["swarm manager"], id="manager"),
        pytest.param(
            {"kubelet": True, "cri_dockerd": True},
            ["Kubernetes node on this dockerd: cgroup-parent, exec-opts, icc, log-driver, log-"],
            id="cri-dockerd",
        ),
        pytest.param(
            {"kubelet": True, "containers": (Container("k8s_POD_x"),)},
            ["Kubernetes node on this dockerd"],
            id="dockershim",
        ),
        pytest.param({"kubelet": True}, [], id="kubelet-on-another-runtime"),
    ],
)
def test_what_is_around_it(host, policy, finding, known, seen):
    found = finding(CONTROL, host(**known), policy())
    assert found.status is Status.OK
    assert len(found.actual) == len(seen)
    for said, start in zip(found.actual, seen, strict=True):
        assert said.startswith(start)


@pytest.mark.parametrize("key", ["exec-opts", "log-driver", "log-opts", "icc", "cgroup-parent"])
def test_keys_of_a_kubelet_are_left_alone(host, key):
    node = host(kubelet=True, cri_dockerd=True)
    assert "the kubelet of this node goes by" in str(DaemonKey(key=key).held(node, "x"))
    other = host(kubelet=True)
    assert "kubelet" not in str(DaemonKey(key=key).held(other, "x"))


def test_other_keys_are_not(host):
    node = host(kubelet=True, cri_dockerd=True)
    assert DaemonKey(key="live-restore").held(node, True) is None
