"""What happens in a run, as JSON lines: for programs that watch, and for the run that goes on after
a crash of this one.

Every line has ``time`` (UTC), ``run`` and ``event``:
``run`` begins (command, inventory, stages) · ``stage`` begins · ``begin`` host · ``planned`` host,
before it is changed (transaction) · ``step`` host, step, detail · ``done`` host, outcome ·
``pause`` seconds · ``stop`` reason · ``end``.
"""

import dataclasses
import fcntl
import functools
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, Protocol

from pydantic import TypeAdapter, ValidationError

from oakum.model import HostReport, Outcome, Step
from oakum.schedule import Stage

KEEP: Final = 50
"""Logs of runs that stay; the oldest of the ended ones go first."""

_BYTES: Final = "oakum:bytes"


class BadLog(Exception):
    """A run's log is not there, in use, or not as a run writes it; the message says which."""


@functools.cache
def _rows() -> TypeAdapter[HostReport]:
    return TypeAdapter(HostReport)


def packed(row: HostReport) -> dict[str, Any]:
    """A row as JSON values, from which ``unpacked`` makes an equal one."""
    found: dict[str, Any] = _plain(dataclasses.asdict(row))
    return found


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return {_BYTES: value.decode("latin-1")}
        case str():
            return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
        case Mapping():
            return {_plain(str(key)): _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
    return value


def unpacked(data: Any) -> HostReport:
    """The row that ``packed`` was given. Raises BadLog."""
    try:
        return _rows().validate_python(_thick(data))
    except (ValidationError, ValueError) as error:
        raise BadLog(f"no row of a report: {' '.join(str(error).split())[:300]}") from None


def _thick(value: Any) -> Any:
    match value:
        case {"oakum:bytes": str(content)} if len(value) == 1:
            return content.encode("latin-1")
        case dict():
            return {key: _thick(one) for key, one in value.items()}
        case list():
            return [_thick(one) for one in value]
    return value


# Writing -----------------------------------------------------------------------------------------


def folder() -> Path:
    """Where this user's runs are kept, by the XDG base directory specification."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "oakum" / "runs"


class Sink(Protocol):
    """Whoever is told of events: ``row`` is the host's, where an event has one."""

    def write(self, event: Mapping[str, Any], row: HostReport | None) -> None: ...


class FileSink:
    """A file that takes events; ``private`` ones hold whole rows, from which a run can go on."""

    def __init__(self, stream: IO[str], *, private: bool) -> None:
        self.stream = stream
        self.private = private

    def write(self, event: Mapping[str, Any], row: HostReport | None) -> None:
        line = _plain(event)
        if row is not None and self.private:
            line["row"] = packed(row)
        elif row is not None:
            from oakum.report.json import host_row

            line["report"] = _plain(host_row(row))
        self.stream.write(json.dumps(line, separators=(",", ":")) + "\n")
        self.stream.flush()


def open_file(path: Path) -> FileSink:
    """The file of ``--events``, new, for its owner's eyes. Raises OSError."""
    return FileSink(_open(path, os.O_TRUNC), private=False)


def _open(path: Path, flag: int) -> IO[str]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | flag, 0o600), "w", encoding="utf-8")


def open_log(run: str, *, resumed: bool = False) -> FileSink:
    """The log of a run, held by this process alone.

    Raises:
        OSError: it cannot be written.
        BadLog: another process goes on with this run.
    """
    folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    if not resumed:
        _prune()
    stream = _open(folder() / f"{run}.jsonl", os.O_APPEND)
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        stream.close()
        raise BadLog(f"{run}: this run is still going on in another process") from None
    if resumed:
        stream.write("\n")  # ends a line that a crash tore
    return FileSink(stream, private=True)


def _prune() -> None:
    for old in sorted(folder().glob("*.jsonl"), reverse=True)[KEEP - 1 :]:
        old.unlink(missing_ok=True)


@dataclass(slots=True)
class Events:
    """Tells every sink what happens in a run."""

    run: str
    sinks: Sequence[Sink] = ()

    def tell(self, event: str, row: HostReport | None = None, **more: Any) -> None:
        """Write one event, with the row of a host where there is one."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        named = {"host": row.name, "outcome": row.outcome, "error": row.error} if row else {}
        for sink in self.sinks:
            sink.write({"time": now, "run": self.run, "event": event, **named, **more}, row)

    def heard(self, host: str, step: Step) -> None:
        """Tell of a step that a host's transaction has done."""
        self.tell("step", host=host, step=step.name, detail=step.detail)


# Reading -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Past:
    """What the log of a run says: its stages, who is done and how, and who had a transaction begun
    and no end."""

    run: str
    command: str
    inventory: str
    stages: tuple[Stage, ...]
    done: Mapping[str, HostReport] = field(default_factory=dict)
    begun: Mapping[str, HostReport] = field(default_factory=dict)


def past(word: str) -> Past:
    """The run whose id begins or ends with ``word``.

    Raises:
        BadLog: no such run, several of them, or a log that no run wrote.
    """
    if not re.fullmatch(r"[A-Za-z0-9-]{1,80}", word):
        raise BadLog(f"{word!r} is no run")
    names = sorted(path.stem for path in folder().glob("*.jsonl"))
    found = [name for name in names if name.startswith(word) or name.endswith(word)]
    if len(found) != 1:
        said = f"{len(found)} runs" if found else "no run"
        raise BadLog(f"{word}: {said} of this name; there are: {', '.join(names[-5:]) or 'none'}")
    try:
        text = (folder() / f"{found[0]}.jsonl").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadLog(f"{found[0]}: {error}") from None
    return _read(found[0], text.splitlines())


def _read(run: str, lines: Iterable[str]) -> Past:
    """A line that a crash tore, the last one of its process, says nothing."""
    events: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
            events.append({**event, "event": str(event["event"])})
        except (ValueError, TypeError, KeyError) as error:
            if events and isinstance(error, json.JSONDecodeError):
                continue
            raise BadLog(f"{run}, line {number}: no event of a run") from None
    if not events or events[0]["event"] != "run":
        raise BadLog(f"{run}: the log has no beginning")
    first = events[0]
    done: dict[str, HostReport] = {}
    begun: dict[str, HostReport] = {}
    for event in events:
        if event["event"] == "planned":
            begun[event["host"]] = unpacked(event.get("row"))
        elif event["event"] == "done":
            begun.pop(event["host"], None)
            done.pop(event["host"], None)  # what was done well may not have held
            row = unpacked(event.get("row"))
            if row.outcome in (Outcome.APPLIED, Outcome.UNCHANGED):
                done[row.name] = row
    try:
        planned = tuple(Stage(one["name"], tuple(one["hosts"])) for one in first["stages"])
        return Past(run, first["command"], first["inventory"], planned, done, begun)
    except (KeyError, TypeError) as error:
        raise BadLog(f"{run}: the log's beginning lacks {error}") from None
