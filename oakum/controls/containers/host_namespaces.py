"""A container that shares a namespace of the host is not contained in it."""

from collections.abc import Iterator

from oakum.controls.base import Control
from oakum.controls.daemon.userns_remap import remapped
from oakum.controls.running import none_but_trusted, of_untrusted, require_told
from oakum.facts import HostFacts
from oakum.model import Area, Severity
from oakum.parts import Container


def shared_namespaces(container: Container, facts: HostFacts) -> str | None:
    """Which ones; one that was not told matters only where no other is shared."""
    if found := list(_shared(container, facts)):
        return ", ".join(found)
    require_told(container, "network", "pidmode", "ipcmode", "utsmode", "userns")
    return None


def _shared(container: Container, facts: HostFacts) -> Iterator[str]:
    modes = {
        "network": container.network,
        "pid": container.pid_mode,
        "ipc": container.ipc_mode,
        "uts": container.uts_mode,
    }
    yield from (name for name, mode in modes.items() if mode == "host")
    # Without userns-remap no container has a user namespace that it could do without.
    if container.userns == "host" and remapped(facts.info.value):
        yield "user"


CONTROL = Control(
    area=Area.CONTAINERS,
    id="host-namespaces",
    title="No container shares a namespace of its host",
    why="In the host's network a container reaches what listens on localhost and every abstract "
    "socket; with the host's processes it can signal and trace them; with its IPC it reads their "
    "shared memory.",
    cost="Nothing here changes; the container has to be created anew without the option.",
    undo="Nothing was changed.",
    severity=Severity.HIGH,
    refs={
        "cis-1.6": "5.10, 5.16, 5.17, 5.21, 5.31",
        "cis-1.7": "5.10, 5.16, 5.17, 5.21, 5.31",
        "cis-1.8": "5.10, 5.16, 5.17, 5.21, 5.31",
        "seed": "containers-and-machines",
    },
    sources=(
        "moby api/types/container/hostconfig.go: IsHost of each mode",
        "moby daemon/oci_linux.go WithNamespaces",
    ),
    setting=of_untrusted(
        "namespaces of containers",
        shared_namespaces,
        "create them without --network, --pid, --ipc, --uts or --userns host, or name those that "
        "may in oakum_trusted_containers",
    ),
    desired=none_but_trusted,
    parameter="trusted_containers",
)
