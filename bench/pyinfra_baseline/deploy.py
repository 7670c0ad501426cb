"""The job of bench/ansible/harden.yml, as an ordinary pyinfra deploy."""

from __future__ import annotations

from pathlib import Path

from pyinfra.context import host
from pyinfra.facts.server import Command
from pyinfra.operations import files, server

JOB = Path(__file__).parents[1] / "job"
TEMPLATES = Path(__file__).parents[2] / "templates"

host.get_fact(Command, "docker version")

for folder in (
    "/etc/docker",
    "/etc/sysctl.d",
    "/etc/systemd/system/docker.service.d",
    "/etc/audit/rules.d",
):
    files.directory(name=f"Folder {folder}", path=folder, mode="755")

seccomp = files.put(
    name="Profile of seccomp",
    src=str(TEMPLATES / "seccomp.json.j2"),
    dest="/etc/docker/seccomp.json",
    mode="644",
)
daemon = files.template(
    name="daemon.json",
    src=str(JOB / "daemon.json.j2"),
    dest="/etc/docker/daemon.json",
    mode="644",
    nofile=65536,
)
limits = files.put(
    name="Limits of the unit",
    src=str(JOB / "limits.conf"),
    dest="/etc/systemd/system/docker.service.d/limits.conf",
    mode="644",
)
for name, path, mode in (
    ("sysctl.conf", "/etc/sysctl.d/60-docker.conf", "644"),
    ("audit.rules", "/etc/audit/rules.d/docker.rules", "640"),
    ("subids", "/etc/subuid", "644"),
    ("subids", "/etc/subgid", "644"),
):
    files.put(name=path, src=str(JOB / name), dest=path, mode=mode)

server.shell(
    name="Restart Docker",
    commands=["systemctl restart docker.service"],
    _if=lambda: any(one.did_change() for one in (seccomp, daemon, limits)),
)
