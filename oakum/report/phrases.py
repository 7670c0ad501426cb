"""What a reader is told, as plain strings: values, facts, costs and impacts in a person's words."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from oakum.model import (
    Change,
    Disruption,
    Finding,
    HostReport,
    Json,
    Kind,
    Outcome,
    Plan,
    Report,
    Status,
)
from oakum.report import Standing, standing

NAMES: Final = 8
"""How many names stand in a row before the rest is counted."""

COSTS: Final[Mapping[Disruption, str]] = {
    Disruption.NONE: "nothing restarts",
    Disruption.RELOAD: "reload",
    Disruption.RESTART: "restart, containers stay",
    Disruption.OUTAGE: "outage, containers stop",
    Disruption.MIGRATION: "migration, data moves",
}

_STANDINGS: Final = {
    Standing.DRIFT: "drift",
    Standing.HELD: "held",
    Standing.UNKNOWN: "unknown",
    Standing.UNREACHED: "unreachable",
    Standing.NOT_REACHED: "not reached",
    Standing.OK: "ok",
}


def in_words(value: Json) -> str:
    """A setting's value as an operator says it: on, off, none, ``nofile 1024:65536``."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, str | int | float):
        return str(value)
    if _ulimits(value):
        return ", ".join(_ulimit(name, limit) for name, limit in value.items())
    if isinstance(value, Mapping) and not any(isinstance(x, list | dict) for x in value.values()):
        return ", ".join(f"{name} {in_words(one)}" for name, one in value.items())
    if isinstance(value, list) and not any(isinstance(one, list | dict) for one in value):
        return ", ".join(map(in_words, value))
    return json.dumps(value, ensure_ascii=False, default=str)


def _ulimits(value: Json) -> bool:
    return isinstance(value, Mapping) and all(map(_is_ulimit, value.values()))


def _is_ulimit(value: Json) -> bool:
    return isinstance(value, Mapping) and {"Soft", "Hard"} <= value.keys()


def _ulimit(name: str, limit: Mapping[str, Any]) -> str:
    """As ``docker run --ulimit`` takes it; dockerd goes by the inner name, so another one shows."""
    inner = limit.get("Name", name)
    named = "" if inner == name else f" (named {inner or 'nothing'})"
    return f"{name}{named} {_bound(limit['Soft'])}:{_bound(limit['Hard'])}"


def _bound(number: Json) -> str:
    return "unlimited" if number == -1 else str(number)


def enumerated(names: Iterable[str], *, most: int | None = None) -> str:
    """``a, b and c``; with ``most`` the names after that many are counted."""
    shown = list(names)
    if most is not None and len(shown) > most:
        return f"{', '.join(shown[:most])} and {len(shown) - most} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


# The whole run -----------------------------------------------------------------------------------


def opening(report: Report, elapsed: float | None) -> str:
    """What was done, to how many hosts, how fast, against which profile."""
    hosts = len(report.hosts)
    if changes_hosts(report.command):
        verb, done = "Changed", sum(row.outcome is Outcome.APPLIED for row in report.hosts)
    else:
        verb, done = "Probed", sum(row.reached for row in report.hosts)
    number = counted(hosts, "host") if done == hosts else f"{done} of {counted(hosts, 'host')}"
    took = "" if elapsed is None else f" in {_duration(elapsed)}"
    profile = f" · profile {report.profile}" if report.profile else ""
    return f"{verb} {number}{took}{profile}"


def stopped(report: Report) -> str:
    """Why the run ended before it came to all hosts, and how many are left."""
    left = sum(row.outcome is Outcome.NOT_REACHED for row in report.hosts)
    return f"Stopped: {report.stopped}. {counted(left, 'host')} not reached."


def changes_hosts(command: str) -> bool:
    return command not in ("audit", "plan")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def outcomes(report: Report) -> dict[Outcome, str]:
    """How it ended, such as ``3 applied``; what happened nowhere is left out."""
    number = Counter(row.outcome for row in report.hosts)
    return {
        each: f"{number[each]} {ended(each, report.command)}" for each in _OUTCOMES if number[each]
    }


def ended(outcome: Outcome, command: str) -> str:
    """How it ended on a host; of a rollback in words that name no other one."""
    words = {**_IN_WORDS, **_TAKEN_BACK} if command == "rollback" else _IN_WORDS
    return words.get(outcome, outcome)


_IN_WORDS: Final[Mapping[Outcome, str]] = {Outcome.NOT_REACHED: "not reached"}

_TAKEN_BACK: Final[Mapping[Outcome, str]] = {
    Outcome.APPLIED: "taken back",
    Outcome.ROLLED_BACK: "not taken back",
}


_OUTCOMES: Final = (Outcome.APPLIED, Outcome.FAILED, Outcome.ROLLED_BACK, Outcome.UNCHANGED)


def standings(report: Report) -> dict[Standing, str]:
    """How the hosts stand, such as ``2 drift``; the worst to look at first, ok last.

    A rollback looks at what it takes back alone, so that ok would say too much.
    """
    number = Counter(map(standing, report.hosts))
    if report.command == "rollback":
        del number[Standing.OK]
    return {each: f"{number[each]} {word}" for each, word in _STANDINGS.items() if number[each]}


# Hosts -------------------------------------------------------------------------------------------


def facts(rows: Sequence[HostReport], *, whole: bool) -> str:
    """Operating system, kernel, engine and containers; where hosts differ, how many have what.

    ``whole`` is every fact as it was read.
    """
    names = dict.fromkeys(("os", "kernel", "docker", *(name for row in rows for name in row.facts)))
    known = {name: [row.facts[name] for row in rows if name in row.facts] for name in names}
    containers = [int(text) for text in known.pop("containers", []) if text.isdecimal()]
    if not whole:
        known = {name: known[name] for name in ("os", "kernel", "docker")}
        known["kernel"] = [_series(text) for text in known["kernel"]]
    parts = [_fact(name, values) for name, values in known.items() if values]
    if containers:
        parts.append(counted(sum(containers), "container"))
    return " · ".join(parts)


def _fact(name: str, values: Sequence[str]) -> str:
    text = _distribution(values)
    if name == "docker" and text == "none":
        return "no docker"
    return text if name == "os" else f"{name} {text}"


def _series(kernel: str) -> str:
    """``6.1`` of ``6.1.0-30-amd64``."""
    found = re.match(r"\d+\.\d+", kernel)
    return found[0] if found else kernel


def _distribution(values: Sequence[str]) -> str:
    number = Counter(values).most_common()
    if len(number) == 1:
        return number[0][0]
    return enumerated((f"{value} ({count})" for value, count in number), most=4)


def could_not(row: HostReport) -> str:
    """What is said of a host without a plan."""
    ended = row.outcome and _IN_WORDS.get(row.outcome, row.outcome)
    word = ended or ("could not tell" if row.reached else "unreachable")
    return f"{word}: {row.error or 'no reason given'}"


def verdict(found: Finding) -> str:
    """``actual → desired``; nothing where neither was read or looked at, or the reason says it."""
    actual, desired = found.actual, found.desired
    if found.status in (Status.UNKNOWN, Status.NOT_APPLICABLE) or _told(found):
        return ""
    if isinstance(actual, Mapping) and isinstance(desired, Mapping) and not _ulimits(desired):
        apart = [key for key in desired if actual.get(key) != desired[key]]
        return ", ".join(f"{key} {_change(actual.get(key), desired[key])}" for key in apart)
    return _change(actual, desired, ok=found.status is Status.OK)


def _told(found: Finding) -> bool:
    """Whether the reason begins with what is wrong, as that of a control that only tells does."""
    faults = found.actual if isinstance(found.actual, list) else []
    return bool(faults and found.reason and found.reason.startswith(str(faults[0])))


def _change(actual: Json, desired: Json, *, ok: bool = False) -> str:
    now, then = in_words(actual), in_words(desired)
    return now if ok or now == then else f"{now} → {then}"


# Changes and whom they hit -----------------------------------------------------------------------


def title(change: Change) -> str:
    """What a change touches; of a file that comes or goes also that."""
    if change.kind is not Kind.FILE:
        return f"{change.kind} {change.path}"
    if change.after is None:
        return f"{change.path} (removed)"
    if change.before is not None:
        return change.path
    owner = "" if (change.owner, change.group) == (0, 0) else f" of {change.owner}:{change.group}"
    return f"{change.path} (new, mode {change.mode}{owner})"


def cost(row: HostReport, command: str) -> str:
    """How it ended, or what it would cost; nothing where nothing would change."""
    if row.outcome is not None:
        return ended(row.outcome, command)
    if row.plan is None or not row.plan.changes:
        return ""
    return f"{'would cost: ' if command == 'audit' else ''}{COSTS[row.plan.disruption]}"


def deferred(plan: Plan, *, named: bool) -> str:
    """What is said of a host that has no engine yet; ``named`` where no diffs follow."""
    if named:
        files = enumerated(map(title, plan.deferred))
        return f"No Docker engine yet; its first dockerd should find {files}"
    if plan.install:
        return "These files follow before its first start, planned anew for the engine that came:"
    return (
        "No Docker engine yet, so apply leaves this host alone; oakum bootstrap installs it. "
        "These are the files that its first dockerd should find:"
    )


def journals(rows: Sequence[HostReport], *, whole: bool) -> str:
    """Where a host keeps what its transaction did and the former files."""
    named = [row for row in rows if row.transaction]
    if len(named) == 1:
        return f"/var/lib/oakum/txn/{named[0].transaction} on {named[0].name}"
    listed = (f"{row.transaction} on {row.name}" for row in named)
    return f"below /var/lib/oakum/txn: {enumerated(listed, most=None if whole else NAMES)}"


def steps(row: HostReport) -> str:
    """What a transaction did, in its order."""
    told = (f"{step.name} ({step.detail})" if step.detail else step.name for step in row.steps)
    return " · ".join(told)


def impacts(rows: Sequence[HostReport], *, whole: bool) -> Iterator[str]:
    """A sentence for each thing that happens to containers, with the containers' names.

    On one host every container is named; over many hosts names repeat and are counted.
    """
    hit: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for each in row.plan.impact if row.plan else ():
            hit.setdefault((each.effect, each.reason), []).append(each.container)
    for (effect, reason), containers in hit.items():
        names = enumerated(
            dict.fromkeys(containers), most=None if whole or len(rows) == 1 else NAMES
        )
        total = "" if len(rows) == 1 else f" ({counted(len(containers), 'container')})"
        what = f"each {effect}" if len(containers) > 1 else effect
        yield f"{names}{total}: {what} ({reason})"
