"""Owners and modes of what dockerd is made of."""

import pytest
from packaging.version import Version

from oakum.controls.host.file_permissions import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Engine, Group, Guarded

FILE, FOLDER, SOCKET = 0o100000, 0o040000, 0o140000
JSON = "/etc/docker/daemon.json"
UNIT = "/lib/systemd/system/docker.service"
CERTIFICATE = "/etc/docker/certs.d/registry:5000/ca.crt"
DOCKER = {"docker_group": Group("docker", 998)}
TLS = {"tlscacert": "/k/ca.pem", "tlscert": "/k/cert.pem", "tlskey": "/k/key.pem"}
ROOTLESS = {
    "engine": Engine(Version("26.1.5"), "26.1.5", "rootless"),
    "running": True,
    "dockerd_uid": 1000,
}


def seen(path, mode, owner=0, group=0):
    return {"guarded": (Guarded(path, mode, owner, group),)}


def sock(mode=0o660, owner=0, group=998, path="/var/run/docker.sock"):
    return {**DOCKER, **seen(path, SOCKET | mode, owner, group)}


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        pytest.param({}, Status.OK, None, id="nothing-there"),
        pytest.param(seen(JSON, FILE | 0o644), Status.OK, None, id="daemon-json"),
        pytest.param(seen(JSON, FILE | 0o600), Status.OK, None, id="tighter"),
        pytest.param(
            seen(JSON, FILE | 0o664),
            Status.HELD,
            "/etc/docker/daemon.json is 664 (chmod 644 /etc/docker/daemon.json): set them",
            id="group-may-write",
        ),
        pytest.param(seen(JSON, FILE | 0o744), Status.HELD, "is 744 (chmod 644 /", id="executable"),
        pytest.param(
            seen(JSON, FILE | 0o602),
            Status.HELD,
            "is 602 (chmod 600 /",
            id="only-what-is-too-much-goes",
        ),
        pytest.param(seen(JSON, FILE | 0o4644), Status.HELD, "is 4644 (chmod 644 /", id="setuid"),
        pytest.param(
            seen(JSON, FILE | 0o644, 1000),
            Status.HELD,
            "belongs to 1000:0 (chown root:root /etc/docker/daemon.json)",
            id="another-owner",
        ),
        pytest.param(
            seen(JSON, FILE | 0o644, 0, 1000),
            Status.HELD,
            "belongs to 0:1000 (chown root:root",
            id="another-group",
        ),
        pytest.param(
            seen(UNIT, FILE | 0o646),
            Status.HELD,
            "chmod 644 /lib/systemd/system/docker.service",
            id="unit",
        ),
        pytest.param(seen("/etc/docker", FOLDER | 0o755), Status.OK, None, id="folder"),
        pytest.param(
            seen("/etc/docker", FOLDER | 0o775),
            Status.HELD,
            "/etc/docker is 775 (chmod 755 /etc/docker)",
            id="open-folder",
        ),
        pytest.param(seen(CERTIFICATE, FILE | 0o444), Status.OK, None, id="certificate"),
        pytest.param(
            seen(CERTIFICATE, FILE | 0o644),
            Status.HELD,
            "chmod 444 /etc/docker/certs.d/",
            id="certificate-may-be-written",
        ),
        pytest.param(
            {"config": TLS, **seen("/k/key.pem", FILE | 0o400)}, Status.OK, None, id="key"
        ),
        pytest.param(
            {"config": TLS, **seen("/k/key.pem", FILE | 0o440)},
            Status.HELD,
            "/k/key.pem is 440 (chmod 400 /k/key.pem)",
            id="key-of-a-group",
        ),
        pytest.param(
            {"config": TLS, **seen("/k/cert.pem", FILE | 0o644)},
            Status.HELD,
            "chmod 444 /k/cert.pem",
            id="server-certificate",
        ),
        pytest.param(
            {"config": TLS, **seen("/k/ca.pem", FILE | 0o644)},
            Status.HELD,
            "chmod 444 /k/ca.pem",
            id="authority",
        ),
        pytest.param(
            {"flags": {"tlskey": ("/k/f",)}, **seen("/k/f", FILE | 0o600)},
            Status.HELD,
            "chmod 400 /k/f",
            id="key-of-a-flag",
        ),
        pytest.param(
            seen("/a b", FILE | 0o666), Status.HELD, "/a b is 666 (chmod 644 '/a b')", id="quoted"
        ),
        pytest.param(sock(), Status.OK, None, id="socket"),
        pytest.param(sock(group=0), Status.OK, None, id="socket-of-root-alone"),
        pytest.param(
            sock(0o666),
            Status.HELD,
            "/var/run/docker.sock is 666 (chmod 660 /var/run/docker.sock)",
            id="socket-for-all",
        ),
        pytest.param(
            sock(group=100),
            Status.HELD,
            "belongs to 0:100 (chown root:docker /var/run/docker.sock)",
            id="socket-of-another-group",
        ),
        pytest.param(
            {**sock(group=998), "docker_group": None},
            Status.HELD,
            "chown root:root /var/run/docker.sock",
            id="no-group",
        ),
        pytest.param(
            {**sock(group=50), "config": {"group": "ops"}, "docker_group": Group("ops", 50)},
            Status.OK,
            None,
            id="a-group-of-the-operators",
        ),
        pytest.param(
            {**sock(), "config": {"group": "ops"}},
            Status.UNKNOWN,
            "the group ops",
            id="a-group-that-was-not-read",
        ),
        pytest.param(
            sock(group=998, path="/run/containerd/containerd.sock"),
            Status.HELD,
            "chown root:root /run/containerd/containerd.sock",
            id="containerds-socket-is-roots",
        ),
        pytest.param(
            sock(group=0, path="/run/containerd/containerd.sock"),
            Status.OK,
            None,
            id="containerds-socket",
        ),
        pytest.param(
            {**ROOTLESS, **seen("/home/a/.config/docker/daemon.json", FILE | 0o644, 1000, 100)},
            Status.OK,
            None,
            id="rootless",
        ),
        pytest.param(
            {**ROOTLESS, **seen("/home/a/.config/docker/daemon.json", FILE | 0o664, 1001, 100)},
            Status.HELD,
            "belongs to 1001:100 (chown 1000:100 /home/a/",
            id="rootless-of-another",
        ),
        pytest.param(
            {**ROOTLESS, **seen("/run/user/1000/docker.sock", SOCKET | 0o660, 1000, 100)},
            Status.OK,
            None,
            id="rootless-socket",
        ),
        pytest.param(
            seen("/var/lib/docker", FOLDER | 0o777, 5),
            Status.OK,
            None,
            id="the-data-root-is-none-of-these",
        ),
        pytest.param(
            seen("/var/lib/docker/..", FOLDER | 0o777, 5),
            Status.OK,
            None,
            id="nor-what-is-above-it",
        ),
        pytest.param(
            {"running": False, **seen(JSON, FILE | 0o666)}, Status.HELD, "chmod 644", id="stopped"
        ),
        pytest.param({"engine": None}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"),
        pytest.param(
            {"guarded": Unread("permission denied: /etc/docker")},
            Status.UNKNOWN,
            "permission denied: /etc/docker",
            id="unread",
        ),
        pytest.param(
            {"dockerd_uid": Unread("?"), **seen(JSON, FILE | 0o644)},
            Status.UNKNOWN,
            "?",
            id="user-unread",
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


def test_one_file_may_have_two_faults(host, policy, finding):
    found = finding(CONTROL, host(**seen(JSON, FILE | 0o666, 7)), policy())
    assert found.actual == [
        f"{JSON} is 666 (chmod 644 {JSON})",
        f"{JSON} belongs to 7:0 (chown root:root {JSON})",
    ]


def test_the_benchmarks_whole_section():
    assert CONTROL.refs["cis-1.8"].split(", ") == [f"3.{number}" for number in range(1, 25)]
