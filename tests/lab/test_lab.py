"""The lab keeps the promises that scenarios build on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from .conftest import Inventory
from .engine import execute
from .guest import DAEMON_JSON
from .hosts import HARD_NOFILE, Lab, LabError, LabHost

CAP_SYS_RESOURCE = 1 << 24


def nofile(limit: int) -> dict[str, Any]:
    return {"default-ulimits": {"nofile": {"Name": "nofile", "Soft": limit, "Hard": limit}}}


def reconfigure(host: LabHost, config: Mapping[str, Any]) -> None:
    host.write(DAEMON_JSON, json.dumps(config))
    host.docker_restart()


# The door


def test_sessions_are_counted_exactly(docker_host: LabHost) -> None:
    assert docker_host.ssh_connections() == 0
    docker_host.ssh("echo 'Starting session: command '")
    docker_host.ssh("exit 3", check=False)
    execute(*docker_host.ssh_argv(), "-s", "sftp", stdin="", check=False)
    docker_host.run("true")
    assert docker_host.ssh_connections() == 3
    assert docker_host.ssh_execs() == 2
    assert docker_host.sftp_sessions() == 1


@pytest.mark.parametrize(
    ("user", "cmd", "answer"),
    [
        pytest.param("root", "id -un", "root", id="root"),
        pytest.param("op", "echo 'tar&hemp 1' | sudo -S -p '' id -un", "root", id="password"),
        pytest.param("op", "sudo -n id -un || echo refused", "refused", id="no-password-given"),
        pytest.param("nopass", "sudo -n id -un", "root", id="no-password-needed"),
        pytest.param("plain", "echo x | sudo -S id -un || echo refused", "refused", id="no-sudo"),
    ],
)
def test_users(shared_host: LabHost, user: str, cmd: str, answer: str) -> None:
    assert shared_host.ssh(cmd, user).stdout.strip() == answer


def test_pyinfra_verifies_host_keys(shared_host: LabHost, inventory: Inventory) -> None:
    path = inventory([shared_host])
    command = [sys.executable, "-m", "pyinfra", str(path), "exec", "--", "hostname"]
    shown = execute(*command)
    assert shared_host.name in shown.stdout + shown.stderr
    (path.parent / "known_hosts").write_text("")
    with pytest.raises(LabError, match="No host key"):
        execute(*command)


# The machine


def test_host_is_healthy_and_has_a_name(shared_host: LabHost) -> None:
    assert shared_host.run("systemctl is-system-running").stdout.strip() == "running"
    assert shared_host.run("hostname").stdout.strip() == shared_host.name


def test_pulled_plug_keeps_the_disk(docker_host: LabHost) -> None:
    docker_host.busy()
    docker_host.write("/etc/survivor", "here")
    docker_host.write("/run/ghost", "here")
    docker_host.stop()
    assert docker_host.run("true", check=False).returncode != 0
    docker_host.start()
    assert docker_host.read("/etc/survivor") == b"here"
    assert docker_host.run("test -e /run/ghost", check=False).returncode != 0
    assert docker_host.ssh("hostname").stdout.strip() == docker_host.name
    assert set(docker_host.running()) == {"web", "cron"}


def test_paused_host_does_not_answer(docker_host: LabHost) -> None:
    docker_host.pause()
    with pytest.raises(subprocess.TimeoutExpired):
        docker_host.ssh("true", timeout=2)
    docker_host.unpause()
    docker_host.ssh("true")


def test_files_arrive_unchanged(shared_host: LabHost) -> None:
    content = bytes(range(256)) + b"\r\n\t'\""
    shared_host.write("/srv/new dir/file", content, mode=0o640)
    assert shared_host.read("/srv/new dir/file") == content
    assert shared_host.run("stat -c %a '/srv/new dir/file'").stdout.strip() == "640"


def test_packages_can_be_installed(bare_host: LabHost) -> None:
    assert bare_host.run("command -v dockerd", check=False).returncode != 0
    bare_host.run("apt-get update", timeout=300)
    bare_host.run("DEBIAN_FRONTEND=noninteractive apt-get install -y haveged", timeout=300)
    assert bare_host.run("systemctl is-active haveged").stdout.strip() == "active"


# The engine in the host


def test_docker_is_as_debian_ships_it(shared_host: LabHost) -> None:
    changed = shared_host.run("dpkg --verify docker.io containerd | grep -v /usr/share/ || true")
    assert changed.stdout == ""
    assert shared_host.docker("version", "--format={{.Server.Version}}").startswith("20.10.24")


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"userland-proxy": False}, id="userland-proxy"),
        pytest.param({"live-restore": True}, id="live-restore"),
        pytest.param(nofile(16384), id="default-ulimits"),
        pytest.param({"userns-remap": "default"}, id="userns-remap"),
        pytest.param({"no-new-privileges": True}, id="no-new-privileges"),
    ],
)
def test_containers_run_hardened(docker_host: LabHost, config: dict[str, Any]) -> None:
    reconfigure(docker_host, config)
    docker_host.import_image()
    docker_host.run_container(
        "web", "--publish=8080:80", cmd=("httpd", "-f", "-p", "80", "-h", "/www")
    )
    assert docker_host.run("busybox wget -q -O - http://127.0.0.1:8080/").stdout == "ahoy\n"
    status = docker_host.container_status("web")
    remapped = status["Uid"].split()[0] != "0"
    limit = docker_host.container_limits("web")["Max open files"]
    assert remapped == ("userns-remap" in config)
    assert (status["NoNewPrivs"] == "1") == ("no-new-privileges" in config)
    assert (limit == ("16384", "16384")) == ("default-ulimits" in config)
    assert status["Seccomp"] == "2"
    docker_host.docker_restart()
    assert ("web" in docker_host.running()) == ("live-restore" in config)


def test_limit_that_dockerd_cannot_grant_stops_every_container(docker_host: LabHost) -> None:
    if docker_host.lab.privileged:
        pytest.skip("hosts are privileged here: they can grant any limit")
    dockerd = docker_host.run("cat /proc/$(pidof dockerd)/status").stdout.splitlines()
    powers = next(line.split()[1] for line in dockerd if line.startswith("CapEff:"))
    assert not int(powers, 16) & CAP_SYS_RESOURCE
    assert docker_host.run("ulimit -Hn").stdout.strip() == str(HARD_NOFILE)
    docker_host.import_image()
    reconfigure(docker_host, nofile(HARD_NOFILE + 1))
    assert docker_host.docker("info", "--format={{.ServerVersion}}")
    with pytest.raises(LabError, match="error setting rlimit"):
        docker_host.run_container("doomed")


def test_flags_of_the_unit(docker_host: LabHost) -> None:
    docker_host.unit_flags("--userland-proxy=true --log-level=debug")
    running = docker_host.run("tr '\\0' ' ' </proc/$(pidof dockerd)/cmdline").stdout
    assert running.endswith(" --userland-proxy=true --log-level=debug ")


def test_busy_host(busy_host: LabHost) -> None:
    assert set(busy_host.running()) == {"web", "db", "cron"}
    assert '\t"registry-mirrors"' in busy_host.read(DAEMON_JSON).decode()
    assert "https://mirror.example" in busy_host.docker("info")
    assert busy_host.run("busybox wget -q -O - http://127.0.0.1:8080/").stdout == "ahoy\n"


# The lab itself


def test_leftovers_of_a_dead_session_are_removed(lab: Lab, tmp_path: Path) -> None:
    package = __package__ or ""
    above = Path(__file__).parents[len(package.split("."))]
    script = (
        f"import os, sys; sys.path.insert(0, {str(above)!r});"
        f"from {package}.hosts import Lab;"
        "lab = Lab().__enter__(); print(lab.host(wait=False).container, flush=True);"
        "os.kill(os.getpid(), 9)"
    )
    left = execute(sys.executable, "-c", script, check=False).stdout.strip()
    assert left in lab.engine.docker("ps", "--format={{.Names}}").stdout.split()
    with Lab():
        assert left not in lab.engine.docker("ps", "--all", "--format={{.Names}}").stdout.split()
    assert lab.engine.pid() is not None
