"""What a host is made of, as frozen values that its facts hold; nothing here decides anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Final

from packaging.version import Version

CAP_SYS_RESOURCE: Final = 24
"""Number of the capability that lifts rlimit bounds, ``linux/capability.h``."""


@dataclass(frozen=True, slots=True)
class FileState:
    """A file on the host: where it is, what it holds, and whether it can be replaced.

    ``target`` differs from ``path`` where the path is a symbolic link. ``content`` is None when
    there is no file. ``mode`` is octal text. ``changed`` is when it became what it is, in epoch
    seconds: the later of mtime and ctime, as a copy may keep the mtime of its original. ``locked``
    says why the file cannot be replaced, None when it can.
    """

    path: str
    target: str
    content: bytes | None = None
    kind: str = "file"
    mode: str = "644"
    owner: int = 0
    group: int = 0
    changed: int = 0
    locked: str | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """The Docker engine that is installed. ``origin`` is one of the probe's words for its source;
    ``text`` is the version as the engine writes it."""

    version: Version
    text: str
    origin: str = "distro"
    running: bool = True


@dataclass(frozen=True, slots=True)
class Process:
    """A daemon's process: hard limits by ``ulimit`` name (None is unlimited) and capabilities."""

    pid: int
    started: int = 0
    hard: Mapping[str, int | None] = field(default_factory=dict)
    capabilities: int = 0

    @property
    def lifts_limits(self) -> bool:
        """Whether the process may grant more than its own hard limits."""
        return bool(self.capabilities >> CAP_SYS_RESOURCE & 1)


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP socket on which dockerd listens.

    ``answer`` is what a client without a certificate found there: ``plain`` or ``tls`` is Docker's
    API, open to it; ``verified`` wants its certificate; ``other`` is no API; ``published`` and
    ``swarm`` are ports of containers and of a swarm, which were left alone; ``unasked`` and
    ``unclear`` could not be told, and ``reason`` says why.
    """

    address: str
    port: int
    answer: str
    reason: str | None = None

    @property
    def loopback(self) -> bool:
        return ip_address(self.address).is_loopback

    @property
    def where(self) -> str:
        """The address as dockerd's own flag would write it."""
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"tcp://{shown}:{self.port}"


@dataclass(frozen=True, slots=True)
class Mount:
    """What a container sees of its host: ``source`` is the path there."""

    source: str
    writable: bool = True


LIMITED: Final = ("memory", "pids", "cpu")
"""The resources of which a container can be given no more than so much."""


@dataclass(frozen=True, slots=True)
class Container:
    """A running container: what a change of its host can touch, and what it may do to the host.

    ``pid`` is its first process, 0 while it waits for its restart. ``ports`` are published
    addresses such as ``0.0.0.0:80`` or ``[::1]:3000``. ``masked`` says that the host's part of
    /proc and /sys is hidden from it. ``capabilities`` are those that it was given besides the
    engine's own. ``log`` is its log driver, ``log_size`` that driver's max-size, both fixed when it
    was created; empty is unknown or none. ``limits`` are the resources that are limited,
    ``ulimits`` the hard limits that docker tells (None is unlimited), which are those of its next
    start. ``task`` says that a swarm put it there, ``one_off`` that it is removed when it ends.
    ``unread`` are the names of the probe that were not told of it.
    """

    name: str
    image: str = ""
    pid: int = 0
    started: datetime | None = None
    privileged: bool = False
    userns: str = ""
    pid_mode: str = ""
    ipc_mode: str = ""
    uts_mode: str = ""
    network: str = "default"
    restart: str = "no"
    restarts: int = 0
    restarting: bool = False
    ports: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    security: tuple[str, ...] = ()
    masked: bool = True
    capabilities: tuple[str, ...] = ()
    limits: tuple[str, ...] = LIMITED
    ulimits: Mapping[str, int | None] = field(default_factory=dict)
    read_only: bool = False
    health: str = ""
    log: str = ""
    log_size: str = ""
    task: bool = False
    image_id: str = ""
    one_off: bool = False
    unread: tuple[str, ...] = ()

    @property
    def by_kubelet(self) -> bool:
        """Whether a kubelet runs it, which names it so (cri-dockerd and the dockershim before
        it)."""
        return self.name.startswith("k8s_")


@dataclass(frozen=True, slots=True)
class Confinement:
    """What the kernel says of a container's first process: hard limits by ``ulimit`` name (None is
    unlimited). ``no_new_privileges`` and ``filtered``, by seccomp, are None where it does not say.
    """

    no_new_privileges: bool | None = None
    filtered: bool | None = None
    hard: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that lies on the host.

    ``tags`` are names such as ``nginx:1.27``, ``digests`` such as ``nginx@sha256:...``, as Docker
    shortens them; of each the first 20. ``created`` is None where its builder wrote no real date.
    ``size`` is in bytes, layers that it shares included; ``layers`` their number. ``driver`` is
    the storage driver, empty where the containerd image store gives none.
    """

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    created: datetime | None = None
    size: int = 0
    layers: int = 0
    user: str = ""
    health: bool = False
    platform: str = "linux/amd64"
    driver: str = "overlay2"


@dataclass(frozen=True, slots=True)
class SetuidFiles:
    """How many setuid and setgid files an image has, and the paths of the first few."""

    count: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guarded:
    """A file, directory or socket that root alone should write, with links followed.

    ``mode`` holds type and permissions as in ``stat.st_mode``; ``device`` is its file system's.
    """

    path: str
    mode: int
    owner: int = 0
    group: int = 0
    device: int = 1


@dataclass(frozen=True, slots=True)
class Group:
    """A group of the host and who is in it, whether by the group or as a user's first group."""

    name: str
    gid: int
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Space:
    """Kilobytes of a file system, and those that an ordinary user could still write."""

    total: int
    available: int


@dataclass(frozen=True, slots=True)
class Inodes:
    """Inodes of a file system; none in all where it makes them as it needs them."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Audit:
    """The kernel's audit: ``enabled`` is 0 (off), 1, or 2 (on, and locked until the next boot);
    ``loader`` is ``augenrules``, ``by hand`` where its product was written by somebody, or
    ``missing``; ``watched`` are the rights (of ``rwxa``) that are watched, by path."""

    enabled: int
    loader: str
    watched: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Transaction:
    """The last transaction on a host.

    ``state`` is how it ended, in the ledger's words, or ``running``, or ``unfinished`` where it was
    cut off; ``detail`` is the reason, or the last step that it told.
    """

    id: str
    state: str
    detail: str | None = None
