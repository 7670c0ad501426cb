"""What hosts remember, as text and as JSON: who changed what, when, and how it ended."""

from collections.abc import Iterator
from typing import Any, Final

from oakum import __version__
from oakum.model import Ending, Entry, HostReport, Report
from oakum.report import phrases, printable
from oakum.report.json import SCHEMA, written

UNFINISHED: Final = "unfinished"
"""Of a transaction without a verdict: it runs, or it was cut off and nobody looked yet."""


def standing(entry: Entry) -> str:
    """How a transaction ended, or what became of it since."""
    if entry.outcome is None:
        return UNFINISHED
    if entry.outcome is Ending.CONFIRMED and entry.command not in ("rollback", "upgrade"):
        return "in force" if entry.in_force else "taken back"
    return entry.outcome


# Text --------------------------------------------------------------------------------------------


def text(report: Report, *, verbosity: int = 0, exit_code: int) -> str:
    """The page; ``verbosity`` is -1 for the summary line alone, 1 with the digests of files."""
    number = sum(len(row.history) for row in report.hosts)
    silent = sum(bool(row.error) for row in report.hosts)
    counted = [phrases.counted(number, "transaction")]
    counted += [f"{silent} could not tell"] if silent else []
    hosts = phrases.counted(len(report.hosts), "host")
    foot = f"{' · '.join(counted)} on {hosts}, exit {exit_code}"
    parts = [_host(row, verbosity > 0) for row in report.hosts] if verbosity >= 0 else []
    return "".join(f"{printable(line)}\n" for part in parts for line in (*part, "")) + f"{foot}\n"


def _host(row: HostReport, whole: bool) -> Iterator[str]:
    if row.error:
        yield f"{row.name}  {phrases.could_not(row)}"
    elif not row.history:
        yield f"{row.name}  oakum never changed this host"
    else:
        yield row.name
    for entry in reversed(row.history):
        yield from _entry(entry, whole)


def _entry(entry: Entry, whole: bool) -> Iterator[str]:
    yield f"  {entry.id}  {standing(entry):11}  {entry.command} by {entry.by} at {entry.time}"
    if entry.reason:
        yield f"      because: {entry.reason}"
    if entry.undoes:
        yield f"      takes back {phrases.enumerated(entry.undoes)}"
    yield f"      for {phrases.enumerated(entry.controls) or 'no control'}, plan {entry.plan}"
    for file in entry.files:
        made = "removed" if file.new is None else "new" if file.was is None else "changed"
        digests = f", sha256 {file.was or 'absent'} → {file.new or 'absent'}" if whole else ""
        yield f"      {made} {file.path}{digests}"


# JSON --------------------------------------------------------------------------------------------


def json(report: Report) -> str:
    """Hosts in inventory order, transactions newest first; ends with a newline."""
    return written(
        {
            "schema": SCHEMA,
            "oakum": __version__,
            "command": report.command,
            "started": report.started,
            "finished": report.finished,
            "hosts": [
                {
                    "name": row.name,
                    "groups": row.groups,
                    "reached": row.reached,
                    "error": row.error,
                    "transactions": [_transaction(entry) for entry in reversed(row.history)],
                }
                for row in report.hosts
            ],
        }
    )


def _transaction(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "time": entry.time,
        "command": entry.command,
        "by": entry.by,
        "plan": entry.plan,
        "controls": entry.controls,
        "files": [{"path": one.path, "was": one.was, "new": one.new} for one in entry.files],
        "undoes": entry.undoes,
        "outcome": entry.outcome,
        "reason": entry.reason,
        "in_force": entry.in_force,
    }
