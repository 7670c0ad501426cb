"""What one probe says about one host, typed; every reading is a value or the reason why not."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from packaging.version import Version

from oakum.engine.document import Document, loads
from oakum.parts import (
    CAP_SYS_RESOURCE,
    Audit,
    Confinement,
    Container,
    Engine,
    FileState,
    Group,
    Guarded,
    Image,
    Inodes,
    Listener,
    Process,
    SetuidFiles,
    Space,
    Transaction,
)

T = TypeVar("T")


AWAY: Final = "away"
"""The file below /var/lib/oakum that stands there while a host is away from its neighbours."""

RECONCILES: Final = "reconciles"
"""The file below /var/lib/oakum that stands there while a host brings itself to its policy."""


HELD: Final = "held"
"""The file there while Docker is kept from starting, until a bootstrap has hardened it."""


INSTALLED: Final = "installed"
"""The file there while it is kept so and its packages have come."""


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
    """Graph drivers that have data there; ``containerd`` where only its image store can have."""
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
    def data_base(self) -> str:
        """The data root; under userns-remap what docker tells is a directory in it, such as
        ``100000.100000``."""
        return re.sub(r"/\d+\.\d+$", "", self.data_root.value)

    @property
    def away(self) -> bool:
        """Whether a run took the host from its neighbours and did not put it back."""
        return isinstance(self.oakum_state, Read) and AWAY in self.oakum_state.value

    @property
    def held_back(self) -> bool:
        """Whether a bootstrap keeps Docker from starting, and has not come to its end."""
        return isinstance(self.oakum_state, Read) and HELD in self.oakum_state.value

    @property
    def unfinished(self) -> bool:
        """Whether the packages of an engine came only in part, as far as this host's bootstrap, or
        its package manager, knows."""
        if self.held_back and INSTALLED not in self.oakum_state.value:
            return True
        package = self.engine_package
        return isinstance(package, Read) and package.value.endswith(" unfinished")

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
