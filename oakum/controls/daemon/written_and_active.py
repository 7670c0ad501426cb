"""What is written is what dockerd runs with, for each key that no other control judges."""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from oakum.controls import controls
from oakum.controls.base import Control, NotApplicable, Observed, require_engine
from oakum.controls.daemon.insecure_registries import in_effect, registry
from oakum.controls.daemon_key import at_next_start, changed_since_start, in_force
from oakum.engine.catalogue import Option, flag_for, ignored, options
from oakum.engine.document import same
from oakum.facts import CannotTell, HostFacts, Read
from oakum.model import Area, Json, Severity
from oakum.policy import Policy

Info = Mapping[str, Any]


def _words(value: Any) -> list[str]:
    return sorted({str(word).rstrip("/") for word in value or ()})


def _registries(value: Any) -> list[str]:
    return sorted({registry(str(name)) for name in value or ()} - OWN)


def _pools(value: Any) -> list[str]:
    """The engine writes the names of their fields with capitals."""
    rows = [{str(name).lower(): row[name] for name in row} for row in value or ()]
    return [f"{row.get('base')} {row.get('size')}" for row in rows]


def _runtimes(value: Any) -> list[str]:
    """Those that are no engine's own; dockerd merges its file with its flags (docker-facts a4)."""
    return sorted(n for n in value or () if n != "runc" and not n.startswith("io.containerd."))


OWN: Final = frozenset({"127.0.0.0/8", "::1/128"})
"""Networks that dockerd trusts without being told."""

TOLD: Final[Mapping[str, tuple[Callable[[Info], Any], Callable[[Any], Json]]]] = {
    "debug": (lambda info: info.get("Debug"), bool),
    "default-address-pools": (lambda info: info.get("DefaultAddressPools"), _pools),
    "default-runtime": (lambda info: info.get("DefaultRuntime"), str),
    "experimental": (lambda info: info.get("ExperimentalBuild"), bool),
    "insecure-registries": (in_effect, _registries),
    "labels": (lambda info: info.get("Labels"), _words),
    "log-driver": (lambda info: info.get("LoggingDriver"), str),
    "registry-mirrors": (
        lambda info: (info.get("RegistryConfig") or {}).get("Mirrors"),
        _words,
    ),
    "runtimes": (lambda info: info.get("Runtimes"), _runtimes),
    "selinux-enabled": (lambda info: "name=selinux" in (info.get("SecurityOptions") or ()), bool),
}
"""Keys that ``docker info`` tells: where it does, and the form in which both sides are compared."""

REWRITTEN: Final = frozenset(
    {"containerd", "data-root", "default-shm-size", "hosts", "init-path", "restart", "tls"}
)
"""Keys that dockerd changes before it logs them, or never logs: there the log is no witness."""

KEPT_BY_RELOAD: Final = frozenset({"default-ipc-mode", "network-diagnostic-port"})
"""Keys without a word in ``docker info`` that a reload leaves as they were once the file no longer
names them; the numbers fall back to their defaults (docker-facts a13)."""

UNTOLD: Final = object()
"""The value of a key of which nothing tells."""


def as_written(facts: HostFacts, policy: Policy) -> str:
    """There has to be a dockerd that could run with something else."""
    require_engine(facts)
    if facts.dockerd.value is None:
        raise NotApplicable("dockerd does not run: what is written counts when it starts")
    return "as written"


def apart(facts: HostFacts, desired: Json) -> Iterator[str]:
    """The keys that run with another value than the next start would give them.

    Raises CannotTell where none does, and the file changed under a dockerd that tells nothing of
    some of its keys.
    """
    settings, flags, coming = (
        facts.document.value.settings,
        facts.flags.value,
        facts.unit_flags.value,
    )
    untold, found = [], False
    for key, option in options().items():
        stands = key in settings or bool(flag_for(key, coming))
        if not stands and key not in TOLD.keys() | KEPT_BY_RELOAD and not flag_for(key, flags):
            continue
        if key in _judged() or not _meant(key, facts):
            continue
        active, lasting = _both(option, facts)
        if active is UNTOLD or lasting is UNTOLD:
            untold += [key] if key in settings else []
        elif not same(active, lasting):
            found = True
            yield f"{key} is " + ("written, not active" if stands else "active, not written")
    if untold and not found and changed_since_start(facts):
        raise CannotTell(
            "daemon.json changed after dockerd started, and nothing tells whether dockerd runs "
            f"with its {', '.join(untold[:5])}" + " and others" * (len(untold) > 5)
        )


@functools.cache
def _judged() -> frozenset[str]:
    """The keys that other controls see to."""
    return frozenset(key for control in controls() for key in control.setting.keys)


def _meant(key: str, facts: HostFacts) -> bool:
    """Whether this engine does anything with the key."""
    since = options()[key].since
    return since is not None and since <= facts.version and not ignored(key, facts.version)


def _both(option: Option, facts: HostFacts) -> tuple[Any, Any]:
    """What dockerd runs with and what its next start will, in one form; UNTOLD where unknown."""
    key, flag = option.key, flag_for(option.key, facts.flags.value)
    unit = flag_for(key, facts.unit_flags.value)
    if (flag or unit) and not (facts.init.value == "systemd" and facts.unit_flags.value):
        return UNTOLD, UNTOLD  # only a unit says all the flags of the next start
    if key in TOLD:
        read, form = TOLD[key]
        said, lasting = read(facts.info.value), at_next_start(facts, key)
        if key == "runtimes":
            lasting = _merged_runtimes(facts)
        lasting = _or_default(option, lasting, facts)
        right = isinstance(lasting, _KINDS[option.type])
        return (UNTOLD if said is None and option.type == "string" else form(said)), (
            form(lasting) if right else UNTOLD
        )
    if flag and unit and option.type == "map":
        return list(facts.flags.value[flag]), list(facts.unit_flags.value[unit])
    logged = facts.reloaded.value if isinstance(facts.reloaded, Read) else None
    if not flag and not unit and (logged is None or key in REWRITTEN):
        return UNTOLD, UNTOLD
    return tuple(_plain(option, read(facts, key), facts) for read in (in_force, at_next_start))


_KINDS: Final[Mapping[str, type]] = {"bool": bool, "string": str, "list": list, "map": dict}


def _merged_runtimes(facts: HostFacts) -> Mapping[str, Any]:
    written = facts.document.value.settings.get("runtimes")
    flags = facts.unit_flags.value.get("add-runtime", ())
    named = dict.fromkeys(value.partition("=")[0] for value in flags)
    return {**(written if isinstance(written, dict) else {}), **named}


def _or_default(option: Option, value: Any, facts: HostFacts) -> Any:
    """dockerd takes an empty text and a nought for unset (docker-facts a8)."""
    empty = option.type in ("string", "int") and value in ("", 0, "0")
    unset = value is None or (empty and option.key != "default-stop-timeout")
    return option.default_in(facts.version) if unset else value


def _plain(option: Option, value: Any, facts: HostFacts) -> Any:
    """The value as text or list of texts, since a flag knows no numbers."""
    value = _or_default(option, value, facts)
    if option.type == "list" and isinstance(value, list):
        return sorted(map(str, value))
    if option.type == "map":
        return value if isinstance(value, dict) else UNTOLD
    if isinstance(value, list | dict) or " " in str(value):
        return UNTOLD  # a default that depends on the host is told in words
    return str(value)


CONTROL = Control(
    area=Area.DAEMON,
    id="written-and-active",
    title="The running dockerd has taken what is written",
    why="What was written and never taken by a restart protects nobody, though every scan of the "
    "file is content; what runs and is written nowhere ends with the next restart.",
    cost="Nothing changes.",
    undo="Nothing to undo.",
    severity=Severity.LOW,
    refs={"seed": "drift-of-the-living"},
    sources=(
        "moby daemon/reload.go: what a reload takes, and that it logs all that is then in force",
        "moby daemon/info.go: what docker info tells of the configuration",
        "docker-bench-security 2.2, 2.8, 2.9, 2.14: content with a file that nobody restarted for",
    ),
    setting=Observed(
        label="other keys of daemon.json and flags of dockerd's service",
        faults=apart,
        advice="restart dockerd, or reload it where that is enough, to run with what is written; "
        "write what is to stay",
    ),
    desired=as_written,
)
