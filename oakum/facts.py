"""What one probe says about one host, typed; every reading is a value or the reason why not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
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
class Container:
    """A running container, as far as a change of its host can touch it.

    ``ports`` are published addresses such as ``0.0.0.0:80`` or ``[::1]:3000``; ``mounts`` are
    sources on the host. ``task`` says that a swarm put it there.
    """

    name: str
    image: str = ""
    pid: int = 0
    privileged: bool = False
    userns: str = ""
    pid_mode: str = ""
    network: str = "default"
    restart: str = "no"
    ports: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    security: tuple[str, ...] = ()
    task: bool = False


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

    ``clock`` is the host's own time in its own zone.
    ``engine`` is Read(None) where no engine is installed, ``dockerd`` where none runs; ``first`` is
    process 1, from which every service inherits. ``info`` is ``docker info``. ``document`` is
    daemon.json as it lies there; ``flags`` what the running dockerd was started with,
    ``unit_flags`` what the next start will give it, both by flag name without dashes;
    ``unit_limits`` are the hard limits that its unit asks for. ``reloaded`` is the configuration
    that dockerd logged at its last reload. ``transaction`` is Read(None) where there never was one.

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
    hwrng: Reading[str] = Read("none")
    rdrand: Reading[bool] = Read(True)
    entropy_daemons: Reading[tuple[str, ...]] = Read(())
    haveged: Reading[bool] = Read(False)
    engine: Reading[Engine | None] = Read(None)
    info: Reading[Mapping[str, Any]] = Read({})
    first: Reading[Process] = Read(Process(1, capabilities=1 << CAP_SYS_RESOURCE))
    dockerd: Reading[Process | None] = Read(None)
    containerd: Reading[Process | None] = Read(None)
    flags: Reading[Mapping[str, tuple[str, ...]]] = Read({})
    unit_flags: Reading[Mapping[str, tuple[str, ...]]] = Read({})
    unit_limits: Reading[Mapping[str, int | None]] = Read({})
    reloaded: Reading[Mapping[str, Any] | None] = Read(None)
    daemon_file: Reading[FileState] = Read(
        FileState("/etc/docker/daemon.json", "/etc/docker/daemon.json")
    )
    document: Reading[Document] = Read(loads(b"{}"))
    subuid: Reading[FileState] = Read(FileState("/etc/subuid", "/etc/subuid", b""))
    subgid: Reading[FileState] = Read(FileState("/etc/subgid", "/etc/subgid", b""))
    seccomp_file: Reading[FileState] = Read(
        FileState("/etc/docker/oakum-seccomp.json", "/etc/docker/oakum-seccomp.json")
    )
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
    filesystem: Reading[str] = Read("ext4")
    d_type: Reading[bool] = Read(True)
    drivers_on_disk: Reading[tuple[str, ...]] = Read(())
    images: Reading[int] = Read(0)
    image_bytes: Reading[int] = Read(0)
    volumes: Reading[int] = Read(0)
    container_count: Reading[int] = Read(0)
    containers: Reading[tuple[Container, ...]] = Read(())
    kubelet: Reading[bool] = Read(False)
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
