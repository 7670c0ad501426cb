"""What an operator wants: a profile, settings and waivers, for one host, checked at this edge.

Everything is a flat inventory key ``oakum_*``. Layers lie on each other key by key, the last one
wins: profile, ``--policy FILE``, group, host, command line. A wrong key or value is refused by
name, with the nearest valid one, before any host is contacted.
"""

import datetime
import difflib
import enum
import functools
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from oakum.model import Area, Disruption

PREFIX: Final = "oakum_"

NODE_NAME: Final = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
"""What Kubernetes takes for a node's name: a subdomain of RFC 1123."""


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


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _not_a_bool(value: Any) -> Any:
    """YAML 1.1 reads a bare ``off`` as false and ``on`` as true; the words were meant."""
    return {False: "off", True: "on"}.get(value, value) if isinstance(value, bool) else value


_Word = BeforeValidator(_not_a_bool)
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
    """A control set aside for a while: why, by whom, and until which day (inclusive)."""

    control: str
    reason: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    until: datetime.date = Field(strict=False)


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
        default=(), strict=False, description="controls set aside: control, reason, owner, until"
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
    insecure_registries: tuple[str, ...] = Field(
        default=(), strict=False, description="registries that may be asked without TLS"
    )
    authorization_plugins: tuple[str, ...] = Field(
        default=(), strict=False, description="plugins that must pass every call of the API"
    )
    for_engine: str | None = Field(
        default=None,
        pattern=r"^\d{1,2}(\.\d{1,2}){0,2}$",
        description="the release of Docker that an upgrade will bring, such as 29 or 28.5",
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


@dataclass(frozen=True, slots=True)
class Layer:
    """Some ``oakum_*`` keys and where they were said, such as ``group web``."""

    source: str
    data: Mapping[str, Any]


@functools.cache
def profiles() -> Mapping[str, Mapping[str, Any]]:
    """The profiles by name, ``extends`` resolved; each has a ``title``."""
    rows: dict[str, dict[str, Any]] = yaml.safe_load(
        files("oakum").joinpath("profiles.yml").read_text("utf-8")
    )

    def whole(name: str) -> dict[str, Any]:
        row = dict(rows[name])
        base = row.pop("extends", None)
        return {**(whole(base) if base else {}), **row}

    return {name: whole(name) for name in rows}


def nearest(word: str, known: Collection[str]) -> str:
    """``; nearest: X`` for the best match among ``known``, or the whole list when none is near."""
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; nearest: {found[0]}" if found else f"; known: {', '.join(sorted(known))}"


def resolve(layers: Sequence[Layer], controls: Collection[str]) -> Policy:
    """The policy that ``layers`` make, lowest first; ``controls`` are the ids that may be named.

    Raises:
        PolicyError: every wrong key, value or control id, each with its layer.
    """
    problems = [problem for layer in layers for problem in _unknown_keys(layer)]
    merged: dict[str, Any] = {}
    source: dict[str, str] = {}
    for layer in layers:
        for key, value in layer.data.items():
            merged[key.removeprefix(PREFIX)] = value
            source[key.removeprefix(PREFIX)] = layer.source
    name = merged.get("profile", "baseline")
    if not isinstance(name, str) or name not in profiles():
        said = f"oakum_profile: {name!r} is no profile ({source['profile']})"
        raise PolicyError([*problems, said + nearest(str(name), profiles())])
    if problems:
        raise PolicyError(problems)
    base = {key: value for key, value in profiles()[name].items() if key != "title"}
    try:
        policy = Policy.model_validate({**base, **merged, "profile": name})
    except ValidationError as error:
        raise PolicyError(_sentences(error, source)) from None
    if problems := list(_unknown_controls(policy, controls, source)):
        raise PolicyError(problems)
    return policy


def _unknown_keys(layer: Layer) -> list[str]:
    known = {PREFIX + name for name in Policy.model_fields}
    return [
        f"{key}: is no setting ({layer.source}){nearest(key, known)}"
        for key in layer.data
        if key not in known
    ]


def _sentences(error: ValidationError, source: Mapping[str, str]) -> list[str]:
    rows = []
    for fault in error.errors(include_url=False):
        where = ".".join(str(step) for step in fault["loc"])
        key = str(fault["loc"][0]) if fault["loc"] else "default_ulimits"
        seen = "" if fault["type"] == "value_error" else f"; seen: {fault['input']!r}"
        text = fault["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
        place = source.get(key, "profile")
        rows.append(f"{PREFIX}{where}: {text}{seen} ({place})" if where else f"{text} ({place})")
    return rows


def _unknown_controls(
    policy: Policy, controls: Collection[str], source: Mapping[str, str]
) -> list[str]:
    named = {
        "only": policy.only,
        "skip": policy.skip,
        "waivers": [waiver.control for waiver in policy.waivers],
    }
    known = {key: {*controls, *(() if key == "waivers" else Area)} for key in named}
    return [
        f"{PREFIX}{key}: {control!r} is no control ({source[key]}){nearest(control, known[key])}"
        for key, found in named.items()
        for control in found
        if control not in known[key]
    ]


class _NoDuplicates(yaml.SafeLoader):
    """A safe loader that refuses a key written twice, which PyYAML lets the last one win."""


def _unique(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if not isinstance(key, Hashable):
            raise yaml.MarkedYAMLError(problem="unhashable key", problem_mark=key_node.start_mark)
        if key in seen:
            raise yaml.MarkedYAMLError(
                problem=f"{key} is written twice", problem_mark=key_node.start_mark
            )
        seen.add(key)
    return dict(loader.construct_pairs(node))


_NoDuplicates.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique)


def load(path: Path) -> Layer:
    """The layer of a ``--policy`` file: YAML, a mapping of ``oakum_*`` keys.

    Raises:
        PolicyError: unreadable, no YAML, no mapping, or a key written twice.
    """
    try:
        # _NoDuplicates is a SafeLoader: no tag of the file makes an object.
        data = yaml.load(path.read_text("utf-8"), Loader=_NoDuplicates)
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: no UTF-8, no such day
        raise PolicyError([f"{path}: {' '.join(str(error).split())}"]) from None
    except RecursionError:
        raise PolicyError([f"{path}: nested too deeply"]) from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise PolicyError([f"{path}: expected oakum_* keys, found a {type(data).__name__}"])
    return Layer(f"file {path}", {str(key): value for key, value in data.items()})


def from_inventory(data: Mapping[str, Any], source: str) -> Layer:
    """The layer of one host's or group's inventory data; keys of other tools are left out."""
    return Layer(source, {key: value for key, value in data.items() if key.startswith(PREFIX)})


def policy_schema() -> dict[str, Any]:
    """The JSON Schema of a ``--policy`` file: every key optional, none other."""
    schema = Policy.model_json_schema()
    schema["properties"] = {f"{PREFIX}{key}": row for key, row in schema["properties"].items()}
    schema.pop("required", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "oakum policy",
    }
