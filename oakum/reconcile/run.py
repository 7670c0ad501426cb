"""One run: a policy that verifies, the road of ``oakum apply @local``, a record, the metrics.

The road is walked by a child, ``python -m oakum``: it is the very command, with gevent patched
before anything else is loaded and an exit code and a JSON report as its contract; and whatever
becomes of it, here is somebody left to write it down.
"""

import fcntl
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from oakum.controls import controls
from oakum.exit_codes import ExitCode
from oakum.layers import load, resolve
from oakum.model import Disruption
from oakum.policy import PolicyError
from oakum.reconcile import Places, metrics, prepare, write
from oakum.reconcile.config import BadConfig, Config, read
from oakum.reconcile.program import PROGRAM, environment
from oakum.reconcile.record import (
    Damaged,
    Memory,
    Record,
    Result,
    Seen,
    keep,
    remember,
    remembered,
    sweep,
)
from oakum.reconcile.sources import Unverified, fetch

LIMIT: Final = 3 * 3600
"""Seconds for one road; a transaction has limits of its own, far below."""


class Busy(Exception):
    """Another run holds the lock."""


@dataclass(frozen=True, slots=True)
class Walked:
    """What a child said: its exit code, its report if it printed one, its last complaint."""

    code: int
    report: Mapping[str, Any] | None
    words: str


Walk = Callable[[Sequence[str], Places], Walked]
"""``oakum`` with these arguments."""


@contextmanager
def alone(places: Places) -> Iterator[None]:
    """Hold the lock of this host's runs. Raises Busy, OSError."""
    prepare(places)
    with (places.folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy("another run of oakum reconcile is under way on this host") from None
        yield


def reconcile(places: Places, walk: Walk | None = None) -> Record:
    """Run once, and keep what came of it.

    Raises:
        Busy: another run is under way.
        OSError: nothing can be kept below /var/lib/oakum, so nothing is changed either; or the
            metrics cannot be written.
    """
    with alone(places):
        sweep(places)
        write(places.mark, b"")
        started = now()
        try:
            config = read(places.config)
        except BadConfig as error:
            record = _ended(started, Result.FAILED, ExitCode.USAGE, str(error))
            keep(record, places)
            return record
        record, memory = _reconciled(config, places, started, walk or child)
        keep(record, places)
        write(places.textfile(config.textfile), metrics.text(record, memory).encode(), 0o644)
        return record


def _reconciled(config: Config, places: Places, started: str, walk: Walk) -> tuple[Record, Memory]:
    memory = Memory()
    try:
        memory = remembered(places)
        found = verified(config, places, memory)
    except (Unverified, Damaged) as error:
        said = _ended(started, Result.UNVERIFIED, ExitCode.UNKNOWN, str(error), config.named)
        return said, memory
    memory = replace(memory, source=config.named, revision=found.revision)
    # Before anything is changed by it: from here on there is no way behind this policy.
    remember(memory, places)
    result, code, reason, report = _walked(config, found.most, places, walk)
    record = replace(
        _ended(started, result, code, reason, config.named), revision=found.revision, report=report
    )
    row = record.host
    if row and row["findings"]:
        memory = replace(memory, read=record.finished, findings=_seen(row))
    if result is Result.APPLIED:
        memory = replace(memory, applied=record.finished)
    remember(memory, places)
    return record, memory


@dataclass(frozen=True, slots=True)
class Accepted:
    """A policy that may be applied: what names its bytes, and the most that a change may cost."""

    revision: str
    most: Disruption


def verified(config: Config, places: Places, memory: Memory) -> Accepted:
    """The policy, fetched, verified, valid, and copied to where nobody else writes: what was
    looked at is what will be applied.

    Raises:
        Unverified: there is none that may be applied.
        OSError: it cannot be copied.
    """
    last = memory.revision if memory.source == config.named else None
    found = fetch(config, places, last)
    path = candidate(places)
    write(path, found.content)
    try:
        layer = load(path)
        if not layer.data:
            raise PolicyError(["it is empty; write oakum_profile: baseline where that is meant"])
        policy = resolve([layer], [control.id for control in controls()])
    except PolicyError as error:
        text = str(error).replace(str(path), config.policy)
        raise Unverified(f"is no valid policy: {text}"[:2000]) from None
    return Accepted(found.revision, policy.max_disruption)


def candidate(places: Places) -> Path:
    """The private copy that a run applies."""
    return places.folder / "policy.yml"


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ended(
    started: str, outcome: Result, code: int, reason: str | None, source: str = "-"
) -> Record:
    return Record(
        started=started,
        finished=now(),
        outcome=outcome,
        exit=int(code),
        reason=reason,
        source=source,
        revision=None,
        report=None,
    )


def _seen(row: Mapping[str, Any]) -> tuple[Seen, ...]:
    return tuple(Seen(one["control"], one["severity"], one["status"]) for one in row["findings"])


# The road ----------------------------------------------------------------------------------------

_Judged = tuple[Result, int, str | None, Mapping[str, Any] | None]


def _walked(config: Config, most: Disruption, places: Places, walk: Walk) -> _Judged:
    """Apply where that is allowed now; else only look."""
    words = _words(config, most, places)
    hours = config.hours
    inside = hours is None or hours.holds(datetime.now().time())
    if inside and not config.drift_only:
        done = walk(["apply", *words, *_window(config), "--yes"], places)
        result, code, reason = applied(done)
        if result is not Result.OUTSIDE_WINDOW:
            return result, code, reason, done.report
    done = walk(["plan", *words, "--fail-on", "never"], places)
    result, code, reason = looked(done)
    if config.drift_only or result is Result.UNKNOWN:
        return result, code, reason, done.report
    return Result.OUTSIDE_WINDOW, code, reason or f"outside of {hours}", done.report


def _words(config: Config, most: Disruption, places: Places) -> list[str]:
    # A command line's word is the last one, but nobody is there to say it: a policy that allows
    # less than the host's settings is a fleet that waits.
    mine = config.max_disruption
    limits = ["--max-disruption", str(min(mine, most))] if mine else []
    return ["@local", "--policy", str(candidate(places)), "--format", "json", *limits]


def _window(config: Config) -> list[str]:
    return ["--window", config.window] if config.window else []


def applied(done: Walked) -> tuple[Result, int, str | None]:
    """What came of ``oakum apply @local``: the result, the exit code, and the reason."""
    row = _row(done)
    if row is None:
        return Result.FAILED, ExitCode.FAILED, done.words or f"oakum apply ended with {done.code}"
    error = row["error"]
    match row["outcome"]:
        case "applied":
            return Result.APPLIED, done.code, error
        case "rolled-back":
            return Result.ROLLED_BACK, done.code, error
        case "failed":
            return Result.FAILED, done.code, error
        case "not-reached" if error and error.startswith("outside of --window"):
            return Result.OUTSIDE_WINDOW, done.code, error
        case "unchanged" if done.code in (ExitCode.OK, ExitCode.DRIFT):
            result = Result.DRIFT if _drifts(row) else Result.UNCHANGED
            return result, done.code, error
    return Result.UNKNOWN, ExitCode.UNKNOWN, error or _unread(row) or done.words


def looked(done: Walked) -> tuple[Result, int, str | None]:
    """What came of ``oakum plan @local``, which never changes anything."""
    row = _row(done)
    if row is None or done.code != ExitCode.OK:
        reason = (row and (row["error"] or _unread(row))) or done.words
        return Result.UNKNOWN, ExitCode.UNKNOWN, reason or f"oakum plan ended with {done.code}"
    if _drifts(row):
        return Result.DRIFT, ExitCode.DRIFT, None
    return Result.UNCHANGED, ExitCode.OK, None


def _row(done: Walked) -> Mapping[str, Any] | None:
    return done.report["hosts"][0] if done.report and done.report["hosts"] else None


def _drifts(row: Mapping[str, Any]) -> bool:
    return bool(row["deferred"]) or any(one["status"] == "drift" for one in row["findings"])


def _unread(row: Mapping[str, Any]) -> str | None:
    unread = [one for one in row["findings"] if one["status"] == "unknown"]
    return f"{unread[0]['control']}: {unread[0]['reason']}" if unread else None


def child(words: Sequence[str], places: Places) -> Walked:
    """``oakum WORDS`` in a process of its own. Raises OSError."""
    # From the folder, so that no group data of where this was called counts.
    env = {**os.environ, **environment(), "XDG_STATE_HOME": str(places.folder)}
    try:
        done = subprocess.run(
            [*PROGRAM, *words],
            cwd=places.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Walked(-1, None, f"oakum {words[0]} took longer than {LIMIT} s")
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    try:
        report = json.loads(done.stdout)
        report["hosts"]
    except (ValueError, KeyError, TypeError):
        report = None
    return Walked(done.returncode, report, lines[-1][:500] if lines else "")
