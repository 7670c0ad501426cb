"""Settings in daemon.json: what is written, what is in force, and why it must not be touched.

The guards of daemon.json as a resource live here, not in the controls that set its keys.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from oakum.controls.base import ABSENT, Edit, KeyEdit, NotApplicable, State, require_engine
from oakum.engine.catalogue import Option, flag_for, ignored, options, refusal, release
from oakum.engine.document import same
from oakum.facts import CannotTell, HostFacts, Read
from oakum.model import Json


def _same(value: Json) -> Any:
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonKey:
    """One key of daemon.json.

    ``live`` reads the value from ``docker info`` where every engine tells it there; ``seen`` from
    whatever reading tells it, and gives None where none does. ``normal`` brings what stands in a
    file or flag into the form that is compared; ``written`` turns what is desired into what is
    written. ``absent_keeps`` says that without the key the engine keeps what is in effect.
    """

    key: str
    live: Callable[[Mapping[str, Any]], Json] | None = None
    seen: Callable[[HostFacts], Json] | None = None
    normal: Callable[[Json], Json] = _same
    written: Callable[[Json], Any] = _same
    absent_keeps: bool = False

    @property
    def label(self) -> str:
        return f"{self.key} in daemon.json"

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key,)

    def state(self, facts: HostFacts, desired: Json) -> State:
        require_engine(facts)
        version = facts.version
        if option_why := _too_old(self.key, facts):
            raise NotApplicable(option_why)
        lasting = self.normal(at_next_start(facts, self.key))
        written = same(lasting, desired)
        if facts.dockerd.value is None:
            return State(lasting, None if written else "")
        told = self._told(facts)
        actual = self.normal(in_force(facts, self.key)) if told is None else told
        keeps = self.absent_keeps and not _set(facts, self.key)
        if not same(actual, desired):
            return State(actual, "written, not active" if written and not keeps else "")
        if not written and not keeps:
            starts = f"the next start of Docker {release(version)} ends it"
            return State(actual, f"active, not written: {starts}")
        if told is None and changed_since_start(facts) and _set(facts, self.key):
            return State(actual, "written, not active: daemon.json changed after dockerd started")
        return State(actual, None)

    def _told(self, facts: HostFacts) -> Json:
        """What is in force as the engine tells it; None where only its configuration says."""
        if self.live is not None:
            return self.live(facts.info.value)
        return self.seen(facts) if self.seen else None

    def held(self, facts: HostFacts, desired: Json) -> str | None:
        running = facts.flags.value if facts.dockerd.value else {}
        if flag := flag_for(self.key, {**running, **facts.unit_flags.value}):
            return (
                f"--{flag} is a flag of dockerd's service; the key beside it would stop dockerd. "
                "Drop the flag there first"
            )
        if self.key in KUBELETS and runs_pods(facts):
            return f"the kubelet of this node goes by {self.key}: change it there and here at once"
        if facts.dockerd.value:
            facts.containers.value  # noqa: B018 - whom a restart would hit must be known before it
        value = self.written(desired)
        if value is not ABSENT and (why := refusal(self.key, value, facts.version)):
            return why
        return next(daemon_file_guards(facts), None)

    def edits(self, facts: HostFacts, desired: Json) -> tuple[Edit, ...]:
        value = self.written(desired)
        settings = facts.document.value.settings
        if value is ABSENT:
            return (KeyEdit(self.key, ABSENT),) if self.key in settings else ()
        if same(self.normal(_from_file(facts, options()[self.key])), desired):
            return ()
        return (KeyEdit(self.key, value),)


@dataclass(frozen=True, slots=True)
class DaemonKeys:
    """Keys of daemon.json that mean something only together; desired is an object of them all."""

    parts: tuple[DaemonKey, ...]

    @property
    def label(self) -> str:
        return f"{' and '.join(self.keys)} in daemon.json"

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(part.key for part in self.parts)

    def state(self, facts: HostFacts, desired: Json) -> State:
        states = [part.state(facts, desired[part.key]) for part in self.parts]
        actual = {part.key: state.actual for part, state in zip(self.parts, states, strict=True)}
        faults = [state.fault for state in states if state.fault is not None]
        return State(actual, "; ".join(dict.fromkeys(filter(None, faults))) if faults else None)

    def held(self, facts: HostFacts, desired: Json) -> str | None:
        reasons = (part.held(facts, desired[part.key]) for part in self.parts)
        return next(filter(None, reasons), None)

    def edits(self, facts: HostFacts, desired: Json) -> tuple[Edit, ...]:
        return tuple(edit for part in self.parts for edit in part.edits(facts, desired[part.key]))


def _too_old(key: str, facts: HostFacts) -> str | None:
    version = facts.version
    option = options()[key]
    if option.since and version < option.since:
        return f"{key} needs Docker {release(option.since)} or later"
    return ignored(key, version)


def _set(facts: HostFacts, key: str) -> bool:
    return key in facts.document.value.settings or bool(flag_for(key, facts.unit_flags.value))


KUBELETS: Final = frozenset({"cgroup-parent", "exec-opts", "icc", "log-driver", "log-opts"})
"""Keys that must fit what a kubelet was told: cgroup driver, where logs lie, network."""


def runs_pods(facts: HostFacts) -> bool:
    """Whether a kubelet runs its pods on this dockerd: by cri-dockerd, or as older ones did."""
    if not facts.kubelet.value:
        return False
    return facts.cri_dockerd.value or any(
        container.by_kubelet for container in facts.containers.value
    )


def flag_or_file(facts: HostFacts, key: str) -> Json:
    """The value that dockerd uses, or would use at its next start."""
    return in_force(facts, key) if facts.dockerd.value else at_next_start(facts, key)


def in_force(facts: HostFacts, key: str) -> Json:
    """The value that the running dockerd uses: its flag, its last logged configuration, its file.

    dockerd logs its whole configuration at each reload, and leaves out what is zero
    (docker-facts a12). A file that changed later than dockerd's start is the business of
    ``changed_since_start``.
    """
    option, flags = options()[key], facts.flags.value
    if flag := flag_for(key, flags):
        return _from_flag(option, flags[flag])
    if isinstance(facts.reloaded, Read) and facts.reloaded.value is not None:
        return facts.reloaded.value.get(key, option.zero)
    return _from_file(facts, option)


def at_next_start(facts: HostFacts, key: str) -> Json:
    """The value that the next start of dockerd will use, from its unit's flags and its file."""
    option, flags = options()[key], facts.unit_flags.value
    if flag := flag_for(key, flags):
        return _from_flag(option, flags[flag])
    return _from_file(facts, option)


def _from_file(facts: HostFacts, option: Option) -> Json:
    default = option.default_in(facts.version)
    return facts.document.value.settings.get(option.key, default)


def _from_flag(option: Option, values: tuple[str, ...]) -> Json:
    if option.type == "bool":
        return values[-1].lower() in ("true", "t", "1")
    if option.type == "list":
        return list(values)
    if option.type == "int":
        return _int_flag(option.key, values[-1])
    if option.key == "default-ulimits":
        return dict(_ulimit_flag(value) for value in values)
    if option.type == "map":
        return {name: text for name, _, text in (value.partition("=") for value in values)}
    return values[-1]


def _int_flag(key: str, text: str) -> int:
    if not re.fullmatch(r"-?\d{1,19}", text):
        raise CannotTell(f"--{key} {text[:40]} is no number")
    return int(text)


def _ulimit_flag(text: str) -> tuple[str, Json]:
    found = re.fullmatch(r"(\w+)=(-?\d{1,19})(?::(-?\d{1,19}))?", text)
    if not found:
        raise CannotTell(f"--default-ulimit {text[:40]} is no limit that dockerd takes")
    name, soft, hard = found.groups()
    return name, {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}


CLOCK_SLACK: Final = 2
"""Seconds by which a process may look older than it is: /proc tells its start in ticks since a boot
time that is itself cut to a second. A file written just before a restart is not later than it."""


def changed_since_start(facts: HostFacts) -> bool:
    """Whether daemon.json changed after dockerd started, with no logged reload to tell what of it
    dockerd took."""
    dockerd = facts.dockerd.value
    if dockerd is None or (isinstance(facts.reloaded, Read) and facts.reloaded.value is not None):
        return False
    return bool(facts.daemon_file.value.changed > dockerd.started + CLOCK_SLACK)


SOCKETS: Final = frozenset(
    {"fd://", "unix://", "unix:///var/run/docker.sock", "unix:///run/docker.sock"}
)
"""Where a dockerd listens that the transaction can talk to."""


def daemon_file_guards(facts: HostFacts) -> Iterator[str]:
    """Why daemon.json, or the service that reads it, must not be touched on this host."""
    engine, file = require_engine(facts), facts.daemon_file.value
    if engine.origin in ("snap", "rootless", "desktop"):
        yield f"this engine comes from {engine.origin}, whose configuration oakum only audits"
    if file.locked:
        yield f"{file.path} cannot be replaced: {file.locked}"
    document = facts.document.value
    if document.duplicates:
        names = ", ".join(document.duplicates)
        yield f"{file.path} has {names} twice and dockerd takes the last; keep one of them"
    if document.trailing:
        yield f"{file.path} has text after its closing brace; remove it"
    for key, value in document.settings.items():
        if why := refusal(key, value, engine.version, to_start=True):
            yield f"dockerd would not start again with {file.path} as it is: {why}"
        # runtimes is the one key that dockerd merges with its flag (docker-facts a4).
        elif key != "runtimes" and (flag := flag_for(key, facts.unit_flags.value)):
            yield f"dockerd would not start again: {key} is also its flag --{flag}"
    listens = facts.flags.value.get("host", ()) if facts.dockerd.value else ()
    listens = listens or tuple(map(str, document.settings.get("hosts") or ()))
    if listens and not SOCKETS.intersection(listens):
        yield f"dockerd listens on {', '.join(listens)}; oakum needs /var/run/docker.sock"
