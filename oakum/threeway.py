"""Of each file what was there, what oakum wrote, and what stands there now: what it goes back to.

A file that is still byte for byte what oakum wrote gets its former bytes back. In a daemon.json
that somebody edited since, each key is judged by itself, and what is not oakum's keeps its bytes.
What cannot be told apart is a conflict.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from oakum.controls import controls
from oakum.controls.base import ABSENT
from oakum.engine.document import Malformed, loads, merge, same
from oakum.facts import HostFacts
from oakum.ledger import History
from oakum.model import Entry, FileEntry, Finding, Severity, Status
from oakum.parts import FileState


@dataclass(frozen=True, slots=True)
class Way:
    """The way back on one host: files as they are and as they will be, by path."""

    before: Mapping[str, FileState]
    after: Mapping[str, FileState]
    conflicts: tuple[Finding, ...]

    @property
    def changed(self) -> list[str]:
        return [path for path, state in self.after.items() if state != self.before[path]]


def way_back(facts: HostFacts, history: History, entries: Sequence[Entry]) -> Way:
    """Every file of the transactions, taken back through one after the other."""
    paths = dict.fromkeys(file.path for entry in entries for file in entry.files)
    before = {path: history.present(path) for path in paths}
    after, conflicts = dict(before), []
    for entry in entries:
        for file in entry.files:
            daemon_json = file.path == facts.daemon_file.value.target
            after[file.path], found = _back(after[file.path], history, entry, file, daemon_json)
            conflicts += found
    return Way(before, after, tuple(conflicts))


def _back(
    now: FileState, history: History, entry: Entry, file: FileEntry, daemon_json: bool
) -> tuple[FileState, list[Finding]]:
    """One file of one transaction: what it becomes, and what stands against it."""
    was, new = history.was(entry, file), history.new(entry, file)
    if _alike(now, new):
        return _restored(was, now, new), []
    if _alike(now, was):
        return now, []
    if daemon_json and now.kind == "file" and None not in (now.content, new.content):
        try:
            return _keys_back(now, was, new, entry)
        except Malformed:
            pass  # somebody left it broken, so that no key can be judged by itself
    return now, [_file_conflict(now, was, new, entry)]


def _alike(one: FileState, other: FileState) -> bool:
    return (one.kind, one.content) == (other.kind, other.content)


def _restored(was: FileState, now: FileState, new: FileState) -> FileState:
    """The former file; a mode or an owner that somebody gave it since stays."""
    if was.content is None or new.content is None:
        return was
    return replace(
        was,
        mode=was.mode if now.mode == new.mode else now.mode,
        owner=was.owner if now.owner == new.owner else now.owner,
        group=was.group if now.group == new.group else now.group,
    )


def _keys_back(
    now: FileState, was: FileState, new: FileState, entry: Entry
) -> tuple[FileState, list[Finding]]:
    """daemon.json that somebody edited: each key that the transaction set, by itself.

    Raises:
        Malformed: it cannot be read.
    """
    document = loads(now.content or b"", empty_ok=True)
    wrote, former = (loads(one.content or b"", empty_ok=True).settings for one in (new, was))
    back: dict[str, Any] = {}
    conflicts = []
    for key in dict.fromkeys([*wrote, *former]):
        ours, theirs, stands = (
            settings.get(key, ABSENT) for settings in (wrote, former, document.settings)
        )
        if equal(ours, theirs) or equal(stands, theirs):
            continue
        if equal(stands, ours):
            back[key] = theirs
        else:
            conflicts.append(_key_conflict(key, (ours, theirs, stands), now.path, entry))
    if not back:
        return now, conflicts
    settings = {key: value for key, value in back.items() if value is not ABSENT}
    content = merge(document, settings, [key for key in back if key not in settings])
    if was.content is None and not loads(content).members:
        return was, conflicts
    kept = now if was.content is None else _restored(was, now, new)
    return replace(kept, content=content), conflicts


def equal(one: Any, other: Any) -> bool:
    """Whether two values of a key are the same; ABSENT is like nothing but itself."""
    return one is other if ABSENT in (one, other) else same(one, other)


# What is said ------------------------------------------------------------------------------------


def finding(name: str, status: Status, reason: str, **values: Any) -> Finding:
    """What is said of a control, or of whatever else the ledger calls so."""
    known = {control.id: control for control in controls()}.get(name)
    severity, refs = (known.severity, known.refs) if known else (Severity.MEDIUM, {})
    return Finding(name, status, severity, reason=reason, refs=refs, **values)


def _key_conflict(key: str, values: tuple[Any, Any, Any], path: str, entry: Entry) -> Finding:
    wrote, was, stands = values
    owners = [control.id for control in controls() if key in control.setting.keys]
    return finding(
        next((name for name in owners if name in entry.controls), _together(entry)),
        Status.HELD,
        f"conflict in {path}: {entry.id} set {key} to {_shown(wrote)}, it was {_shown(was)} "
        f"before, and now it is {_shown(stands)}; settle it there by hand",
        actual=None if stands is ABSENT else stands,
        desired=None if was is ABSENT else was,
    )


def _file_conflict(now: FileState, was: FileState, new: FileState, entry: Entry) -> Finding:
    return finding(
        _together(entry),
        Status.HELD,
        f"conflict: {now.path} is {_described(now)} now; {entry.id} had left {_described(new)}, "
        f"and before there was {_described(was)}; settle it there by hand",
    )


def _together(entry: Entry) -> str:
    return ",".join(entry.controls) or "oakum"


def _shown(value: Any) -> str:
    return "absent" if value is ABSENT else json.dumps(value)[:200]


def _described(state: FileState) -> str:
    if state.path.startswith("/proc/sys/") and state.content is not None:
        return state.content.decode("utf-8", "replace").strip()
    if state.kind != "file":
        return f"a {state.kind}"
    return "no file" if state.content is None else f"a file of {len(state.content)} bytes"
