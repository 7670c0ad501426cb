"""The lab keeps the promises that scenarios build on."""

from __future__ import annotations

from .hosts import LabHost


def test_sessions_are_counted_exactly(docker_host: LabHost) -> None:
    assert (docker_host.ssh_connections(), docker_host.ssh_execs()) == (0, 0)
    docker_host.ssh("true")
    docker_host.ssh("echo 'Starting session: command ' >&2")
    docker_host.run("true")
    assert (docker_host.ssh_connections(), docker_host.ssh_execs()) == (2, 2)
    assert docker_host.sftp_sessions() == 0
