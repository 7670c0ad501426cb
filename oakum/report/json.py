"""The report as JSON, version 1: for programs, and for a diff of two runs."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from oakum import __version__
from oakum.model import Change, Finding, HostReport, Impact, Migration, Report
from oakum.report import summary

SCHEMA: Final = 1
"""The version of the contract; it rises when a key goes or changes its meaning."""

_UNSEEN: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What JSON lets through and a terminal obeys: C1 controls and marks that turn text around."""


def render(report: Report) -> str:
    """The whole report, hosts in inventory order, findings by control id; ends with a newline."""
    document = {
        "schema": SCHEMA,
        "oakum": __version__,
        "command": report.command,
        "profile": report.profile,
        "started": report.started,
        "finished": report.finished,
        "run": report.run,
        "stopped": report.stopped,
        "summary": summary(report),
        "hosts": [host_row(row) for row in report.hosts],
    }
    return written(document)


def written(document: Mapping[str, Any]) -> str:
    """The text of a document, safe for a terminal; ends with a newline."""
    text = json.dumps(_plain(document), indent=2, ensure_ascii=False, allow_nan=False)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def host_row(row: HostReport) -> dict[str, Any]:
    """One host of the report, as the contract has it; ``migration`` where there is one."""
    moved = row.plan.migration if row.plan else None
    return _host_row(row) | ({"migration": _migration(moved)} if moved else {})


def _migration(moved: Migration) -> dict[str, Any]:
    hidden = ("users", "groups", "driver")
    told = {key: value for key, value in asdict(moved).items() if key not in hidden}
    return told | {"rooms": [asdict(room) for room in moved.rooms]}


def _host_row(row: HostReport) -> dict[str, Any]:
    plan = row.plan
    findings = sorted(plan.findings, key=lambda found: found.control) if plan else []
    return {
        "name": row.name,
        "groups": row.groups,
        "reached": row.reached,
        "error": row.error,
        "facts": row.facts,
        "findings": [_finding(found) for found in findings],
        "changes": [_change(change) for change in plan.changes] if plan else [],
        "deferred": [_change(change) for change in plan.deferred] if plan else [],
        "disruption": plan.disruption if plan else None,
        "impact": [_impact(hit) for hit in plan.impact] if plan else [],
        "notes": plan.notes if plan else [],
        "outcome": row.outcome,
        "transaction": row.transaction,
        "steps": [{"name": step.name, "detail": step.detail} for step in row.steps],
        "undoes": plan.undoes if plan else [],
    }


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "control": found.control,
        "status": found.status,
        "severity": found.severity,
        "actual": found.actual,
        "desired": found.desired,
        "reason": found.reason,
        "refs": found.refs,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "path": change.path,
        "kind": change.kind,
        "diff": change.diff,
        "controls": change.controls,
        "note": change.note,
    }


def _impact(hit: Impact) -> dict[str, Any]:
    return {"container": hit.container, "effect": hit.effect, "reason": hit.reason}


def _plain(value: Any) -> Any:
    """``value`` in nothing but JSON; what JSON has no form for becomes the text of it.

    A host can have such values: ``1e999`` in a daemon.json reads as infinity, and an escaped half
    of a surrogate pair as text that no encoding takes.
    """
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            return value.encode("utf-8", "backslashreplace").decode("utf-8")
        case Mapping():
            return {_plain(str(key)): _plain(one) for key, one in value.items()}
        case Sequence() if not isinstance(value, bytes | bytearray):
            return [_plain(one) for one in value]
    return _plain(str(value))
