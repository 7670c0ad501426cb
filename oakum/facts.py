"""What one probe says about one host, typed; every reading is a value or the reason why not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Final, Generic, TypeVar

from packaging.version import Version

from oakum.engine.document import Document, loads

T = TypeVar("T")

CAP_SYS_RESOURCE: Final = 24
"""Number of the capability that lifts rlimit bounds, ``linux/capability.h``."""


AWAY: Final = "away"
"""The file below /var/lib/oakum that stands there while a host is away from its neighbours."""


class CannotTell(Exception):
    """A reading is missing; the message is the reason. Caught in exactly one place, ``judge``."""


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """A reading that the probe could take."""

    value: T


@dataclass(frozen=True, slots=True)
class Unread:
    """A reading that the probe could not take, and why."""

    reason: str

    @property
    def value(self) -> Any:
        """Raises CannotTell: asking for what was not read is never answered with a guess."""
        raise CannotTell(self.reason)


Reading = Read[T] | Unread


def attempt(make: Callable[[], T]) -> Reading[T]:
    """What ``make`` gives, as a reading; the first reading that it misses becomes the reason."""
    try:
        return Read(make())
    except CannotTell as why:
        return Unread(str(why))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """Everything that a decision about a host may rest on; one probe, nothing remembered.

    ``clock`` is the host's own time in its own zone. ``engine`` is Read(None) where no engine is
    installed, ``dockerd`` where none runs; ``first`` is process 1, from which every service
    inherits. ``info`` is ``docker info``. ``document`` is daemon.json as it lies there; ``flags``
    what the running dockerd was started with, ``unit_flags`` what the next start will give it, both
    by flag name without dashes; ``unit_limits`` are the hard limits that its unit asks for.
    ``bridge_icc`` says whether containers on the default bridge reach each other now, Read(None)
    where there is no such network; ``init_binary`` whether docker-init is installed; ``selinux`` is
    enforcing, permissive or none. ``reloaded`` is the configuration that dockerd logged at its last
    reload. ``confinements`` are those of containers by process id; what has ended meanwhile is not
    among them. ``image_releases`` are distributions such as ``debian 12`` by image, of those that
    have one inside; ``setuid_files`` are by image too. ``content_trust`` are the files that set
    DOCKER_CONTENT_TRUST and to what, ``server`` where a file names a Notary server that is not
    Docker's. ``lsm`` are the kernel's security modules, ``apparmor`` the mode in which it has the
    profile of Docker's containers, or none. ``docker_group`` is Read(None) where there is no such
    group. ``containerd_root`` is where images lie that are not in the data root, None where they
    are in it. ``podman`` says that podman answers to Docker's name. ``sockets`` are those on which
    dockerd listens by TCP, as the kernel shows them, none where no dockerd runs. ``transaction`` is
    Read(None) where there never was one.

    ``cgroup`` is v1, hybrid, v2 or none. ``sysctl_locked`` says why nothing below /proc/sys can be
    written; ``sysctl_files`` are (file, name, value) of what sets ``kernel.panic`` and
    ``kernel.panic_on_oops`` at a boot. ``slices`` are the slices with a unit file, ``slice_unit``
    is what systemd says of oakum.slice. ``audit`` is Read(None) without auditctl; ``audit_paths``
    are (program, folder or file, path) of what Docker is made of here.
    """

    name: Reading[str] = Read("")
    os: Reading[Mapping[str, str]] = Read({})
    kernel: Reading[Version] = Read(Version("6.1"))
    kernel_text: Reading[str] = Read("6.1.0")
    arch: Reading[str] = Read("x86_64")
    virt: Reading[str] = Read("none")
    init: Reading[str] = Read("systemd")
    packages: Reading[str] = Read("apt")
    uid: Reading[int] = Read(0)
    clock: Reading[datetime] = Unread("not asked")
    kernel_config: Reading[Mapping[str, bool]] = Read({})
    sysctl: Reading[Mapping[str, str]] = Read({})
    lsm: Reading[tuple[str, ...]] = Read(("capability", "apparmor"))
    selinux: Reading[str] = Read("none")
    apparmor: Reading[str] = Read("enforce")
    hwrng: Reading[str] = Read("none")
    rdrand: Reading[bool] = Read(True)
    entropy_daemons: Reading[tuple[str, ...]] = Read(())
    haveged: Reading[bool] = Read(False)
    engine: Reading[Engine | None] = Read(None)
    engine_package: Reading[str] = Read("docker.io 20.10.24")
    podman: Reading[bool] = Read(False)
    info: Reading[Mapping[str, Any]] = Read({})
    first: Reading[Process] = Read(Process(1, capabilities=1 << CAP_SYS_RESOURCE))
    dockerd: Reading[Process | None] = Read(None)
    dockerd_uid: Reading[int] = Read(0)
    containerd: Reading[Process | None] = Read(None)
    flags: Reading[Mapping[str, tuple[str, ...]]] = Read({})
    unit_flags: Reading[Mapping[str, tuple[str, ...]]] = Read({})
    unit_limits: Reading[Mapping[str, int | None]] = Read({})
    reloaded: Reading[Mapping[str, Any] | None] = Read(None)
    sockets: Reading[tuple[Listener, ...]] = Read(())
    daemon_file: Reading[FileState] = Read(
        FileState("/etc/docker/daemon.json", "/etc/docker/daemon.json")
    )
    document: Reading[Document] = Read(loads(b"{}"))
    subuid: Reading[FileState] = Read(FileState("/etc/subuid", "/etc/subuid", b""))
    subgid: Reading[FileState] = Read(FileState("/etc/subgid", "/etc/subgid", b""))
    seccomp_file: Reading[FileState] = Read(
        FileState("/etc/docker/oakum-seccomp.json", "/etc/docker/oakum-seccomp.json")
    )
    guarded: Reading[tuple[Guarded, ...]] = Read(())
    docker_group: Reading[Group | None] = Read(None)
    cgroup: Reading[str] = Read("v2")
    sysctl_locked: Reading[str | None] = Read(None)
    sysctl_files: Reading[tuple[tuple[str, str, str], ...]] = Read(())
    sysctl_file: Reading[FileState] = Read(
        FileState("/etc/sysctl.d/60-oakum.conf", "/etc/sysctl.d/60-oakum.conf")
    )
    slices: Reading[tuple[str, ...]] = Read(())
    slice_unit: Reading[Mapping[str, str]] = Read({})
    slice_file: Reading[FileState] = Read(
        FileState("/etc/systemd/system/oakum.slice", "/etc/systemd/system/oakum.slice")
    )
    dropin_file: Reading[FileState] = Read(
        FileState(
            "/etc/systemd/system/docker.service.d/oakum.conf",
            "/etc/systemd/system/docker.service.d/oakum.conf",
        )
    )
    audit: Reading[Audit | None] = Read(None)
    audit_paths: Reading[tuple[tuple[str, str], ...]] = Read(())
    audit_file: Reading[FileState] = Read(
        FileState("/etc/audit/rules.d/oakum-docker.rules", "/etc/audit/rules.d/oakum-docker.rules")
    )
    data_root: Reading[str] = Read("/var/lib/docker")
    space: Reading[Space] = Read(Space(100, 100))
    inodes: Reading[Inodes] = Read(Inodes(100, 100))
    containerd_root: Reading[str | None] = Read(None)
    containerd_space: Reading[Space] = Unread("images are in the data root")
    containerd_inodes: Reading[Inodes] = Unread("images are in the data root")
    filesystem: Reading[str] = Read("ext4")
    d_type: Reading[bool] = Read(True)
    drivers_on_disk: Reading[tuple[str, ...]] = Read(())
    images: Reading[int] = Read(0)
    image_bytes: Reading[int] = Read(0)
    image_list: Reading[tuple[Image, ...]] = Read(())
    image_releases: Reading[Mapping[str, str]] = Read({})
    setuid_files: Reading[Mapping[str, SetuidFiles]] = Read({})
    content_trust: Reading[tuple[tuple[str, str], ...]] = Read(())
    volumes: Reading[int] = Read(0)
    container_count: Reading[int] = Read(0)
    containers: Reading[tuple[Container, ...]] = Read(())
    confinements: Reading[Mapping[int, Confinement]] = Read({})
    bridge_icc: Reading[bool | None] = Read(True)
    init_binary: Reading[bool] = Read(True)
    kubelet: Reading[bool] = Read(False)
    cri_dockerd: Reading[bool] = Read(False)
    oakum_state: Reading[tuple[str, ...]] = Read(())
    transaction: Reading[Transaction | None] = Read(None)

    @property
    def version(self) -> Version:
        """The engine's version. Raises CannotTell where there is no engine to ask."""
        engine = self.engine.value
        if engine is None:
            raise CannotTell("no Docker engine on this host")
        return engine.version

    @property
    def away(self) -> bool:
        """Whether a run took the host from its neighbours and did not put it back."""
        return isinstance(self.oakum_state, Read) and AWAY in self.oakum_state.value

    @property
    def unended(self) -> str | None:
        """The id of a transaction that runs, or was cut off and has to be undone; None if none."""
        last = self.transaction.value if isinstance(self.transaction, Read) else None
        return last.id if last and last.state in ("running", "unfinished") else None

    def summary(self) -> dict[str, str]:
        """The few facts that head a host in a report; what was not read is left out."""
        rows: dict[str, Reading[Any]] = {
            "docker": attempt(lambda: _engine_text(self.engine.value)),
            "kernel": self.kernel_text,
            "os": attempt(lambda: _os_text(self.os.value)),
            "arch": self.arch,
            "virt": self.virt,
            "init": self.init,
            "containers": attempt(lambda: str(len(self.containers.value))),
        }
        return {name: row.value for name, row in rows.items() if isinstance(row, Read)}


def _engine_text(engine: Engine | None) -> str:
    return "none" if engine is None else engine.text


def _os_text(release: Mapping[str, str]) -> str:
    return f"{release.get('ID', 'linux')} {release.get('VERSION_ID', '')}".strip()
