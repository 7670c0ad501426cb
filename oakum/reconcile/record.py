"""What is kept of each run: its record, the last thirty of them, and what outlives them."""

import enum
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from oakum.reconcile import TEMPORARY, Places, write
from oakum.report.json import SCHEMA, written

KEPT: Final = 30
_NAME: Final = re.compile(r"([0-9]{6,})-[0-9]{8}T[0-9]{6}Z\.json")


class Result(enum.StrEnum):
    """How a run ended. Drift is what was seen and not corrected; unknown, that the host could not
    be read."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    DRIFT = "drift"
    ROLLED_BACK = "rolled-back"
    FAILED = "failed"
    UNVERIFIED = "unverified"
    OUTSIDE_WINDOW = "outside-window"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One run: UTC times such as ``2026-01-31T12:00:00Z``, why it ended so, which policy it went
    by, and the whole report of ``oakum apply`` or ``oakum plan``; None where it came to neither."""

    started: str
    finished: str
    outcome: Result
    exit: int
    reason: str | None
    source: str
    revision: str | None
    report: Mapping[str, Any] | None

    @property
    def host(self) -> Mapping[str, Any] | None:
        """The row of this host in the report."""
        rows = self.report["hosts"] if self.report else []
        return rows[0] if rows else None


@dataclass(frozen=True, slots=True)
class Seen:
    """What one control said when the host was last read."""

    control: str
    severity: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What outlives the records: the policy that was accepted last, when something was applied
    last, and what the host was like when it was read last."""

    source: str | None = None
    revision: str | None = None
    applied: str | None = None
    read: str | None = None
    findings: tuple[Seen, ...] = ()


class Damaged(Exception):
    """A file of ours is not as we wrote it; the message names it."""


def remembered(places: Places) -> Memory:
    """What outlived the former runs; empty before the first. Raises Damaged, OSError."""
    path = places.folder / "memory.json"
    try:
        data = json.loads(path.read_text("utf-8"))
        return Memory(**{**data, "findings": tuple(Seen(**row) for row in data["findings"])})
    except FileNotFoundError:
        return Memory()
    except (ValueError, TypeError, KeyError) as error:
        raise Damaged(
            f"{path}: is damaged ({error}); look which policy was in force, then remove it"
        ) from None


def remember(memory: Memory, places: Places) -> None:
    """Raises OSError."""
    write(places.folder / "memory.json", f"{json.dumps(asdict(memory))}\n".encode())


def names(places: Places) -> list[Path]:
    """The records of this host, oldest first; a clock that was set back does not mix them up."""
    found = [path for path in places.folder.glob("*.json") if _NAME.fullmatch(path.name)]
    return sorted(found, key=_number)


def _number(path: Path) -> int:
    found = _NAME.fullmatch(path.name)
    return int(found[1]) if found else 0


def keep(record: Record, places: Places) -> Path:
    """Write a record, and take away all but the last thirty. Raises OSError."""
    before = names(places)
    stamp = re.sub("[-:]", "", record.started)
    path = places.folder / f"{_number(before[-1]) + 1 if before else 1:06}-{stamp}.json"
    write(path, as_json(record).encode())
    for old in [*before, path][:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def as_json(record: Record) -> str:
    """The text of a record; ends with a newline."""
    data = {name: getattr(record, name) for name in Record.__slots__}
    return written({"schema": SCHEMA, "command": "reconcile", **data})


def load(path: Path) -> Record:
    """Raises Damaged, OSError."""
    try:
        data = json.loads(path.read_text("utf-8"))
        found = {name: data[name] for name in Record.__slots__}
        return Record(**{**found, "outcome": Result(found["outcome"])})
    except (ValueError, TypeError, KeyError) as error:
        raise Damaged(f"{path}: is no record of a run ({error})") from None


def sweep(places: Places) -> None:
    """Remove what a run that was killed left behind. Raises OSError."""
    import shutil

    for path in places.folder.glob(f"{TEMPORARY}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
