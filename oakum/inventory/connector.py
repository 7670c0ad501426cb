"""The doors to pyinfra: entry points ``ansible`` and ``ansible-inventory``.

pyinfra gives every host that an inventory connector names the same execution connector. Hosts of
one Ansible inventory have several, so each door is an execution connector that makes, for each
host, the one which its ``ansible_connection`` means.
"""

import os
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.connectors.base import BaseConnector
from pyinfra.connectors.docker import DockerConnector, PodmanConnector
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.sshuserclient.client import get_ssh_config

from oakum.inventory.keys import CONNECTION, PROXY_COMMAND, host_data
from oakum.inventory.sources import ask_ansible, read
from oakum.inventory.tree import ResolvedHost


class ProxiedSSHConnector(SSHConnector):
    """pyinfra's, through the proxy command of a host that has one."""

    def make_paramiko_kwargs(self) -> dict[str, Any]:
        """What pyinfra gives paramiko, and the proxy as its socket: a new one for each attempt."""
        kwargs = super().make_paramiko_kwargs()
        if command := self.host.data.get(PROXY_COMMAND):
            config = get_ssh_config(self.data["ssh_config_file"])
            known = config.lookup(kwargs["hostname"]) if config else {}
            filled = {
                "%h": known.get("hostname", kwargs["hostname"]),
                "%p": str(kwargs.get("port") or known.get("port", 22)),
                "%r": kwargs.get("username") or known.get("user", ""),
            }
            for mark, value in filled.items():
                command = command.replace(mark, shlex.quote(value))
            kwargs["sock"] = self._through(shlex.split(command))
        return kwargs

    def _through(self, argv: list[str]) -> socket.socket:
        """The near end of a command, which ends when this is closed.

        Paramiko's own ProxyCommand spins and then raises from its thread when the command dies.
        """
        near, far = socket.socketpair()
        with far:
            end = far.fileno()
            os.set_blocking(end, True)  # gevent's are not, whatever they say
            self.proxy = subprocess.Popen(argv, stdin=end, stdout=end, stderr=subprocess.DEVNULL)
        return near

    def disconnect(self) -> None:
        """As pyinfra's; the proxy ends too."""
        super().disconnect()
        if proxy := getattr(self, "proxy", None):
            proxy.terminate()
            proxy.wait()


class NoConnector(SSHConnector):
    """Stands for a connection that pyinfra lacks: such a host is not reached, and says why."""

    def connect(self) -> None:
        """Raises ConnectError, always."""
        raise ConnectError(
            f"ansible_connection {self.host.data.get(CONNECTION)!r} is not supported"
        )


_CONNECTORS: Final[dict[str, type[BaseConnector]]] = {
    "ssh": ProxiedSSHConnector,
    "local": LocalConnector,
    "docker": DockerConnector,
    "podman": PodmanConnector,
}


@dataclass(frozen=True, slots=True)
class Door:
    """What pyinfra takes for a connector's class; ``read`` gives the hosts of a path."""

    read: Callable[[str], list[ResolvedHost]]
    handles_execution: ClassVar[bool] = True

    def make_names_data(self, name: str | None) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """Name, data and groups of each host; called by pyinfra with what follows ``@ansible/``.

        Raises:
            InventoryError: there is no such inventory, or something in it is wrong.
        """
        for host in self.read(name or ""):
            yield host.name, host_data(host.name, host.said), list(host.groups)

    def __call__(self, state: State, host: Host) -> BaseConnector:
        """The connector of one host."""
        return _CONNECTORS.get(host.data.get(CONNECTION, "ssh"), NoConnector)(state, host)


ANSIBLE: Final = Door(read)
ANSIBLE_INVENTORY: Final = Door(ask_ansible)
