"""What an operator wants of one host: its settings and waivers, each a flat inventory key
``oakum_*``. Where they are said, and how they lie on each other, is ``layers``'s."""

import datetime
import difflib
import enum
import fnmatch
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import Field, model_validator

from oakum.model import Area, Disruption
from oakum.policy_values import AddressPool, EngineSource, Init, LogRotation
from oakum.policy_values import Strict as _Strict
from oakum.policy_values import Word as _Word

NODE_NAME: Final = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
"""What Kubernetes takes for a node's name: a subdomain of RFC 1123."""

REPOSITORIES: Final = r"^[a-z0-9][-a-z0-9.]*(:[0-9]+)?(/[a-z0-9][-a-z0-9._]*)*$"
"""A registry, and below it repositories or the beginning of their names up to a slash."""


class PolicyError(Exception):
    """The policy is wrong; ``problems`` names each fault, its place and what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Mode(enum.StrEnum):
    """How far a control that may hurt is taken: change it, only report it, or leave it alone."""

    ENFORCE = "enforce"
    AUDIT = "audit"
    OFF = "off"


class SeccompProfile(enum.StrEnum):
    """Which seccomp profile containers get: the engine's own, or ours, which allows less."""

    BUILTIN = "builtin"
    TIGHT = "tight"


class StorageDriver(enum.StrEnum):
    """Which storage driver is wanted; ``auto`` is what fits the kernel and the file system."""

    AUTO = "auto"
    OVERLAY2 = "overlay2"
    BTRFS = "btrfs"
    ZFS = "zfs"
    FUSE_OVERLAYFS = "fuse-overlayfs"
    VFS = "vfs"


class ContainerLimit(enum.StrEnum):
    """A resource of which a container should have no more than so much."""

    MEMORY = "memory"
    PIDS = "pids"
    CPU = "cpu"


class ContainerCheck(enum.StrEnum):
    """A control of containers, by its id, that nearly every host would fail at first."""

    HEALTHCHECKS = "healthchecks"
    NO_NEW_PRIVILEGES = "no-new-privileges-in-force"
    ROOT_FILESYSTEMS = "writable-root-filesystems"


_AsDisruption = Annotated[Disruption, Field(strict=False), _Word]


class Ulimit(_Strict):
    """A default ulimit of containers; -1 is unlimited."""

    soft: int = Field(ge=-1)
    hard: int = Field(ge=-1)

    @model_validator(mode="after")
    def _soft_below_hard(self) -> "Ulimit":
        if self.hard != -1 and (self.soft == -1 or self.soft > self.hard):
            raise ValueError(f"soft {self.soft} is above hard {self.hard}")
        return self


class KernelPanic(_Strict):
    """What the kernel does when it cannot go on: after how many seconds it boots anew, and whether
    an oops, which kills one process, counts as such."""

    reboot_after: int = Field(default=10, ge=1, le=3600)
    on_oops: bool = False


class Slice(_Strict):
    """What all containers of a host may have together: ``tasks_max``, processes and threads, a
    number or a part of what the host can have; ``memory_reserve``, the part that they may not."""

    tasks_max: str = Field(default="75%", pattern=r"^([1-9][0-9]?%|[1-9][0-9]{1,6})$")
    memory_reserve: str = Field(default="10%", pattern=r"^[1-9][0-9]?%$")


class TimeLimits(_Strict):
    """Seconds: to ``connect``, all tries together; to ``probe`` a host; to ``install`` packages.
    Of a change: until dockerd ``answer``s; for the ``shadow`` boot before it; and how long to
    ``watch`` afterwards for a dockerd that dies late, which a missing authorization plugin makes it
    do after 16."""

    connect: int = Field(default=60, ge=1, le=900)
    probe: int = Field(default=90, ge=5, le=900)
    install: int = Field(default=900, ge=30, le=7200)
    answer: int = Field(default=60, ge=5, le=900)
    shadow: int = Field(default=20, ge=2, le=300)
    watch: int = Field(default=25, ge=0, le=900)


class Preflight(enum.StrEnum):
    """Which trials a change needs before it: those that the host can do, or all of them."""

    AVAILABLE = "available"
    REQUIRED = "required"


class Swarm(enum.StrEnum):
    """Whether the node of a swarm is drained before its containers would stop."""

    DRAIN = "drain"
    OFF = "off"


class Where(enum.StrEnum):
    """Where a command runs: on the host that is changed, or where oakum runs."""

    HOST = "host"
    CONTROLLER = "controller"


class Command(_Strict):
    """A program and its arguments, no shell; it fails when it takes more than ``limit`` seconds."""

    where: Annotated[Where, Field(strict=False)]
    run: tuple[Annotated[str, Field(pattern=r"^[^\x00]+$")], ...] = Field(
        min_length=1, strict=False
    )
    limit: int = Field(default=60, ge=1, le=3600)


class Kubernetes(_Strict):
    """The node that a host is in a cluster: the ``context`` of kubectl, the ``node``'s name where
    it is not the host's, seconds that its drain may take, more options of ``kubectl drain``."""

    context: str = Field(min_length=1)
    node: str | None = Field(default=None, pattern=NODE_NAME)
    limit: int = Field(default=300, ge=1, le=3600)
    drain_options: tuple[Annotated[str, Field(pattern="^--[a-z]")], ...] = Field(
        default=(), strict=False
    )


class Waiver(_Strict):
    """A control set aside for a while: why, by whom, and until which day (inclusive). ``hosts``
    (names or patterns) and ``groups`` narrow it; it is for either. Without both it is for every
    host that it is said of."""

    control: str
    reason: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    until: datetime.date = Field(strict=False)
    hosts: tuple[str, ...] = Field(default=(), strict=False)
    groups: tuple[str, ...] = Field(default=(), strict=False)

    def is_for(self, host: str, groups: Collection[str]) -> bool:
        """Whether a host of that name in those groups is meant."""
        if not self.hosts and not self.groups:
            return True
        named = any(fnmatch.fnmatchcase(host, pattern) for pattern in self.hosts)
        return named or not set(self.groups).isdisjoint(groups)


_AsMode = Annotated[Mode, Field(strict=False), _Word]


class Policy(_Strict):
    """What is wanted of one host. Field names are inventory keys without ``oakum_``."""

    profile: str = Field(description="the profile that the other keys start from")
    only: tuple[str, ...] = Field(
        default=(), strict=False, description="controls or areas to look at, none other"
    )
    skip: tuple[str, ...] = Field(
        default=(), strict=False, description="controls or areas to leave out"
    )
    waivers: tuple[Waiver, ...] = Field(
        default=(),
        strict=False,
        description="controls set aside: control, reason, owner, until; hosts, groups",
    )
    profiles: Mapping[str, Mapping[str, Any]] = Field(
        default={}, description="profiles of your own: name to title, extends and settings"
    )
    max_disruption: _AsDisruption = Field(
        description="the most that a change may cost; what costs more is held"
    )
    storage_driver: Annotated[StorageDriver, Field(strict=False), _Word] = Field(
        description="the storage driver; auto is what fits the host"
    )
    userns_remap: Annotated[Mode, Field(strict=False), _Word] = Field(
        description="whether containers' root is mapped to an ordinary user"
    )
    seccomp: Annotated[SeccompProfile, Field(strict=False), _Word] = Field(
        description="the seccomp profile of containers"
    )
    default_ulimits: Mapping[str, Ulimit] = Field(
        description="limits of containers that set none: name to soft and hard"
    )
    container_limits: tuple[Annotated[ContainerLimit, Field(strict=False)], ...] = Field(
        strict=False, description="what every container should have a limit of: memory, pids, cpu"
    )
    container_checks: tuple[Annotated[ContainerCheck, Field(strict=False)], ...] = Field(
        strict=False, description="controls of containers that nearly every host fails at first"
    )
    published_ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] | None = Field(
        strict=False, description="ports that may be open on every address; null asks for nothing"
    )
    trusted_containers: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="names of containers that may have power over their host, as shell patterns",
    )
    registries: tuple[Annotated[str, Field(pattern=REPOSITORIES)], ...] = Field(
        default=(),
        strict=False,
        description="where images may come from, such as docker.io/library; none says anywhere",
    )
    unofficial_images: bool = Field(
        description="whether images of Docker Hub that are not its official ones are told"
    )
    unpinned_images: bool = Field(description="whether images that no digest names are told")
    image_setuid: bool = Field(
        description="whether setuid files are looked for in images, which is slow"
    )
    image_size: int = Field(ge=1, description="MB from which an image is told as big")
    image_layers: int = Field(ge=1, le=127, description="layers from which an image is told")
    image_age: int = Field(ge=1, description="days from which an image in use is told as old")
    unused_images: int = Field(
        ge=0, description="GB of images that no running container uses, before they are told"
    )
    log_rotation: LogRotation = Field(
        description="how containers log: driver (keep, json-file, local); max_size and max_file of "
        "json-file"
    )
    no_new_privileges: _AsMode = Field(
        description="whether containers are kept from gaining privileges, as by sudo"
    )
    icc: _AsMode = Field(
        description="whether containers on the default bridge are kept from each other"
    )
    iptables: _AsMode = Field(
        description="whether dockerd must be allowed to write the firewall's rules"
    )
    experimental: _AsMode = Field(description="whether experimental features must be off")
    cgroup_namespaces: _AsMode = Field(
        description="whether containers get control group namespaces of their own"
    )
    selinux: _AsMode = Field(
        description="whether dockerd labels containers where SELinux is enforced"
    )
    init: Annotated[Init, Field(strict=False), _Word] = Field(
        description="whether containers get an init as process 1; keep leaves it as it is"
    )
    shutdown_timeout: int | None = Field(
        default=None,
        ge=1,
        le=3600,
        description="seconds that containers may take to stop; without it only less than 15 is "
        "changed",
    )
    address_pools: tuple[AddressPool, ...] = Field(
        default=(), strict=False, description="where new networks get addresses: base, size"
    )
    docker_group: tuple[str, ...] = Field(
        strict=False, description="users who may be in the group docker, which makes them root"
    )
    disk_free: int = Field(
        ge=1, le=90, description="percent that must be free where images and containers lie"
    )
    insecure_registries: tuple[str, ...] = Field(
        default=(), strict=False, description="registries that may be asked without TLS"
    )
    authorization_plugins: tuple[str, ...] = Field(
        default=(), strict=False, description="plugins that must pass every call of the API"
    )
    engine: EngineSource = Field(
        default=EngineSource(),
        description="where a new host's engine comes from: source, release, hold; key, fingerprint",
    )
    for_engine: str | None = Field(
        default=None,
        pattern=r"^\d{1,2}(\.\d{1,2}){0,2}$",
        description="the release of Docker that an upgrade will bring, such as 29 or 28.5",
    )
    kernel_panic: KernelPanic = Field(
        description="what the kernel does when it cannot go on: reboot_after, on_oops"
    )
    resource_isolation: Annotated[Mode, Field(strict=False), _Word] = Field(
        description="whether containers share a slice with limits, so that the host keeps the rest"
    )
    slice: Slice = Field(description="the limits of that slice: tasks_max, memory_reserve")
    audit_rules: Annotated[Mode, Field(strict=False), _Word] = Field(
        description="whether the kernel's audit records who changes Docker's files"
    )

    time_limits: TimeLimits = Field(
        description="seconds: connect, probe, install, answer, shadow, watch"
    )
    preflight: Annotated[Preflight, Field(strict=False), _Word] = Field(
        description="whether a host that cannot try the change beforehand is changed",
    )
    before: tuple[Command, ...] = Field(
        default=(), strict=False, description="commands before a change: where, run, limit"
    )
    after: tuple[Command, ...] = Field(
        default=(), strict=False, description="commands after it, however it ended"
    )
    swarm: Annotated[Swarm, Field(strict=False), _Word] = Field(
        description="whether a swarm node is drained before its containers would stop"
    )
    swarm_limit: int = Field(
        ge=1, le=3600, description="seconds that its tasks may take to leave it"
    )
    swarm_manager: str | None = Field(
        default=None, min_length=1, description="the host that is asked as its manager"
    )
    kubernetes: Kubernetes | None = Field(
        default=None, description="the node to drain: context, node, limit, drain_options"
    )

    @model_validator(mode="after")
    def _known_limits(self) -> "Policy":
        if "nproc" in self.default_ulimits:
            raise ValueError("default_ulimits: nproc counts over all containers; use a pids limit")
        for name in self.default_ulimits:
            if name not in ULIMITS:
                raise ValueError(f"default_ulimits: {name} is no ulimit{nearest(name, ULIMITS)}")
        return self

    @property
    def has_neighbours(self) -> bool:
        """Whether anybody beside the host has a part in its change."""
        return bool(self.before or self.after or self.kubernetes or self.drains_tasks)

    @property
    def drains_tasks(self) -> bool:
        """Whether the tasks of a swarm leave a host before its containers would stop."""
        return self.swarm is Swarm.DRAIN

    def waiver(self, control: str) -> Waiver | None:
        """The waiver of ``control``, current or expired; the one that lasts longest."""
        found = [waiver for waiver in self.waivers if waiver.control == control]
        return max(found, key=lambda waiver: waiver.until, default=None)

    def wants(self, control: str, area: Area) -> bool:
        """Whether ``only`` and ``skip`` let in ``control``, which is in ``area``."""
        names = {control, area}
        return (not self.only or not names.isdisjoint(self.only)) and names.isdisjoint(self.skip)


ULIMITS: Final = (
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
)
"""The names that dockerd takes, go-units ``ulimit.go``."""


def nearest(word: str, known: Collection[str]) -> str:
    """``; nearest: X`` for the best match among ``known``, or the whole list when none is near."""
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; nearest: {found[0]}" if found else f"; known: {', '.join(sorted(known))}"
