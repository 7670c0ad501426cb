"""A container that holds the host's own files, or the engine's socket, holds the host."""

from collections.abc import Iterator
from typing import Final

from oakum.controls.base import Control
from oakum.controls.running import none_but_trusted, of_untrusted, require_told
from oakum.facts import HostFacts, Read
from oakum.model import Area, Severity
from oakum.parts import Container, Mount

SOCKETS: Final = ("/run/docker.sock", "/run/containerd/containerd.sock")
"""Whoever can connect to one of these is root on the host; a read-only mount forbids no connect."""

DIRECTORIES: Final = (
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/proc",
    "/root",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/containerd",
    "/var/lib/docker",
)
"""Whoever can write there can change what root of the host runs."""


def sensitive(container: Container, facts: HostFacts) -> str | None:
    require_told(container, "mounts")
    found = {what for mount in container.mounts if (what := exposed(mount, facts))}
    return ", ".join(sorted(found)) or None


def exposed(mount: Mount, facts: HostFacts) -> str | None:
    """What a mount exposes, or None. A mount brings what is mounted below it (rbind)."""
    if not mount.source.startswith("/"):
        return None
    source = _canonical(mount.source)
    for socket in _sockets(facts):
        if source == socket or source.endswith(("/docker.sock", "/containerd.sock")):
            return mount.source
        if _within(socket, source):
            return f"{mount.source} with {socket.rpartition('/')[2]}"
    if mount.writable and any(_within(path, source) for path in _directories(facts)):
        return f"{mount.source} writable"
    return None


def _sockets(facts: HostFacts) -> Iterator[str]:
    yield from SOCKETS
    if isinstance(facts.flags, Read):
        hosts = facts.flags.value.get("host", ())
        yield from (_canonical(host[7:]) for host in hosts if host.startswith("unix:///"))


def _directories(facts: HostFacts) -> Iterator[str]:
    yield from DIRECTORIES
    if isinstance(facts.data_root, Read):
        yield facts.data_root.value


def _canonical(path: str) -> str:
    """/var/run is a link to /run everywhere."""
    path = path.rstrip("/") or "/"
    return path.removeprefix("/var") if f"{path}/".startswith("/var/run/") else path


def _within(path: str, above: str) -> bool:
    """Whether ``path`` is ``above`` or below it; /var holds /var/run, which only names /run."""
    return above == "/" or f"{path}/".startswith(f"{above}/")


CONTROL = Control(
    area=Area.CONTAINERS,
    id="sensitive-mounts",
    title="No container holds the engine's socket or the host's own files",
    why="Through docker.sock a container starts a privileged one and is root on the host, "
    "read-only or not, and also when it was given only the directory above the socket. Whoever "
    "writes to /etc, /usr or /boot is root there a little later.",
    cost="Nothing here changes; the container has to be created anew without the mount, or behind "
    "a proxy that lets through only the calls that it needs.",
    undo="Nothing was changed.",
    severity=Severity.HIGH,
    refs={
        "cis-1.6": "5.6, 5.32",
        "cis-1.7": "5.6, 5.32",
        "cis-1.8": "5.6, 5.32",
        "seed": "containers-and-machines",
    },
    sources=(
        "moby volume/mounts/linux_parser.go: a bind mount is recursive unless said otherwise",
        "linux fs/namei.c sb_permission: a read-only file system refuses no write to a socket",
    ),
    setting=of_untrusted(
        "mounts of containers",
        sensitive,
        "mount only what they need, read-only, and no socket, or name those that may in "
        "oakum_trusted_containers",
    ),
    desired=none_but_trusted,
    parameter="trusted_containers",
)
