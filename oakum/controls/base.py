"""What a control is made of: data, the settings it can want, and the reasons not to act.

A control says what should be so; verdict, merge, diff, plan, report row and docs page are derived
from it once for all. Settings in daemon.json are ``daemon_key``'s.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from oakum.facts import HostFacts, Read
from oakum.model import Area, Impact, Json, Severity
from oakum.parts import Engine
from oakum.policy import Policy


class NotApplicable(Exception):
    """The control has nothing to say about this host; the message is the reason."""


class _Absent:
    """The key is not to be in daemon.json at all."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()

Guard = Callable[[HostFacts, Policy], str | None]
"""Why not to act on this host now, or None. May raise CannotTell."""


@dataclass(frozen=True, slots=True)
class KeyEdit:
    """One key of daemon.json and its value; ABSENT takes the key out."""

    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class FileEdit:
    """A whole file: where, and what it will hold. ``before`` is None when it is not there."""

    path: str
    before: bytes | None
    after: bytes
    mode: str = "644"
    owner: int = 0
    group: int = 0


@dataclass(frozen=True, slots=True)
class PackageEdit:
    """A package to install, whose service is then started and enabled."""

    package: str


Edit = KeyEdit | FileEdit | PackageEdit


@dataclass(frozen=True, slots=True)
class State:
    """What a setting is on a host. ``fault`` is None when it is as desired, otherwise why not,
    which may be the empty string: then actual and desired say it all. ``held`` is why the fault is
    none for oakum to set right, None where it may be."""

    actual: Json
    fault: str | None
    held: str | None = None


class Setting(Protocol):
    """Where a control's value lives."""

    @property
    def label(self) -> str:
        """What the setting is called where a person looks for it."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of daemon.json that it is made of; none where it lives elsewhere."""

    def state(self, facts: HostFacts, desired: Json) -> State:
        """What it is now. Raises NotApplicable or CannotTell."""

    def held(self, facts: HostFacts, desired: Json) -> str | None:
        """Why the resource itself must not be changed now, or None."""

    def edits(self, facts: HostFacts, desired: Json) -> tuple[Edit, ...]:
        """What makes it so; empty when what is written only has to become active."""


def _nothing(facts: HostFacts, policy: Policy) -> tuple[FileEdit, ...]:
    return ()


def _no_impact(facts: HostFacts) -> Iterable[Impact]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One thing that should be so, with reason, references and guards.

    ``desired`` gives the value wanted on this host and may raise NotApplicable. ``files`` gives the
    other files that the setting needs, only those that differ. ``impact`` is what the change does
    to running containers; ``until_restarted`` what of it ends when a container starts again, so
    that a change which stops the containers has none of it. ``refs`` maps a benchmark to its
    number there; ``sources`` say where the facts come from. ``cost`` and ``undo`` are sentences.
    """

    id: str
    area: Area
    title: str
    why: str
    cost: str
    undo: str
    severity: Severity
    refs: Mapping[str, str]
    sources: tuple[str, ...]
    setting: Setting
    desired: Callable[[HostFacts, Policy], Json]
    parameter: str | None = None
    guards: tuple[Guard, ...] = ()
    files: Callable[[HostFacts, Policy], tuple[FileEdit, ...]] = _nothing
    impact: Callable[[HostFacts], Iterable[Impact]] = _no_impact
    until_restarted: Callable[[HostFacts], Iterable[Impact]] = _no_impact


def require_engine(facts: HostFacts) -> Engine:
    """The engine. Raises NotApplicable without one, CannotTell when a running one is silent."""
    engine = facts.engine.value
    if engine is None:
        raise NotApplicable("no Docker engine on this host")
    if facts.dockerd.value is not None:
        facts.info.value  # noqa: B018 - raises CannotTell with the reason
    return engine


def compiled_out(facts: HostFacts, option: str) -> bool:
    """Whether the kernel's configuration says that ``option`` (without CONFIG_) is not there."""
    config = facts.kernel_config
    return isinstance(config, Read) and config.value.get(option) is False


# Packages ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HostPackage:
    """A package of the host's distribution whose service should run."""

    package: str
    running: Callable[[HostFacts], bool]
    keys: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"package {self.package}"

    def state(self, facts: HostFacts, desired: Json) -> State:
        runs = self.running(facts)
        return State("running" if runs else "absent", None if runs else "")

    def held(self, facts: HostFacts, desired: Json) -> str | None:
        if facts.packages.value == "none":
            return f"no package manager that could install {self.package}"
        return None if facts.uid.value == 0 else "not root"

    def edits(self, facts: HostFacts, desired: Json) -> tuple[Edit, ...]:
        return (PackageEdit(self.package),)


# Told, and left alone ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What oakum tells and does not change, so that a fault is held with what to do about it.

    ``faults`` gives what is wrong here, each in a few words that begin with the name of what has
    the fault; ``desired`` are the thresholds that it goes by. ``advice`` is the rest of a sentence.
    """

    label: str
    faults: Callable[[HostFacts, Json], Iterable[str]]
    advice: str
    keys: tuple[str, ...] = ()

    def state(self, facts: HostFacts, desired: Json) -> State:
        found = list(self.faults(facts, desired))
        if not found:
            return State([], None)
        left = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        return State(found[:MOST_FAULTS], "", f"{', '.join(found[:NAMED])}{left}: {self.advice}")

    def held(self, facts: HostFacts, desired: Json) -> str | None:
        return None

    def edits(self, facts: HostFacts, desired: Json) -> tuple[Edit, ...]:
        return ()


NAMED: Final = 8
"""Faults that a reason names before it counts the rest."""

MOST_FAULTS: Final = 200
"""Faults that a finding carries."""
