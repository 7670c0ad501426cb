"""What a host remembers and what stands there now in, the plan of a rollback out: pure functions.

A file that is still byte for byte what oakum wrote gets its former bytes back. In a daemon.json
that somebody edited since, each key is judged by itself, and what is not oakum's keeps its bytes.
What cannot be told apart is a conflict: it is shown, and the whole host is left alone.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from oakum.controls import controls
from oakum.controls.base import (
    ABSENT,
    DaemonKey,
    HostPackage,
    at_next_start,
    daemon_file_guards,
)
from oakum.controls.userns_remap import would_hide_data
from oakum.engine.catalogue import reloadable
from oakum.engine.document import Document, Malformed, loads, merge, same
from oakum.facts import CannotTell, FileState, HostFacts, Read
from oakum.ledger import History
from oakum.model import Change, Disruption, Entry, FileEntry, Finding, Kind, Plan, Severity, Status
from oakum.planner import (
    SERVICE,
    containers_stay,
    reload_hurts,
    reload_is_logged,
    restart_hits,
)
from oakum.policy import Policy


class NotInForce(ValueError):
    """The transaction that was named is none that a rollback could go back to."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What to take back: the last change; all after ``to``, an id; or ``everything``."""

    to: str | None = None
    everything: bool = False


@dataclass(frozen=True, slots=True)
class _Way:
    """The way back on one host: files as they are and as they will be, by path."""

    before: Mapping[str, FileState]
    after: Mapping[str, FileState]
    conflicts: tuple[Finding, ...]

    @property
    def changed(self) -> list[str]:
        return [path for path, state in self.after.items() if state != self.before[path]]


def chosen(history: History, selection: Selection) -> tuple[Entry, ...]:
    """The transactions that a selection takes back, newest first.

    Raises:
        NotInForce: ``to`` names no change that is in force on this host.
    """
    standing = history.in_force
    if selection.everything:
        return standing[::-1]
    if selection.to is None:
        return standing[-1:]
    known = [entry.id for entry in standing]
    if selection.to not in known:
        listed = ", ".join(known[-8:]) or "none"
        raise NotInForce(f"{selection.to} is not in force on this host; in force: {listed}")
    return standing[: known.index(selection.to) : -1]


def build(facts: HostFacts, history: History, policy: Policy, selection: Selection) -> Plan:
    """What a rollback would do to a host. What cannot be told is a finding.

    Raises:
        NotInForce: as ``chosen``.
    """
    entries = chosen(history, selection)
    undoes = tuple(entry.id for entry in entries)
    try:
        leave = selection.everything and bool(history.entries or facts.oakum_state.value)
        if not entries:
            return Plan((), leave=leave, notes=_LEAVES if leave else ())
        way = _way_back(facts, history, entries)
        if way.conflicts:
            return Plan(way.conflicts, notes=tuple(_named(entries, "would take back")))
        plan = _planned(facts, way, entries)
        if held := next(_held(facts, policy, way, plan), None):
            notes = tuple(_named(entries, "would take back"))
            return Plan(tuple(_said(entries, Status.HELD, held)), notes=notes)
        return replace(plan, undoes=undoes, leave=leave, notes=plan.notes + _LEAVES * leave)
    except CannotTell as why:
        return Plan(tuple(_said(entries, Status.UNKNOWN, str(why))))


def left(plan: Plan, facts: HostFacts, history: History) -> str | None:
    """What a second reading still shows of what a rollback took back, as an error; None if nothing.

    ``history`` has the files of the plan as they are now.
    """
    try:
        return next(_left(plan, facts, history), None)
    except CannotTell as why:
        return f"rolled back, not verified: {why}"


def _left(plan: Plan, facts: HostFacts, history: History) -> Iterator[str]:
    for entry in history.in_force:
        if entry.id in plan.undoes:
            yield f"still in force after the rollback: {entry.id}"
    for change in plan.changes:
        if change.kind is Kind.FILE and not _as_planned(history.present(change.path), change):
            yield f"not as it was before, after the rollback: {change.path}"
    if plan.live_restore_last and facts.info.value.get("LiveRestoreEnabled"):
        yield "live-restore is still on after the rollback"
    if plan.leave and (history.entries or facts.oakum_state.value):
        yield "still there after the rollback: /var/lib/oakum"


def _as_planned(state: FileState, change: Change) -> bool:
    if change.after is None or state.content is None:
        return state.content is change.after
    wanted = (change.after, change.mode, change.owner, change.group)
    return (state.content, state.mode, state.owner, state.group) == wanted


# The way back ------------------------------------------------------------------------------------


def _way_back(facts: HostFacts, history: History, entries: Sequence[Entry]) -> _Way:
    """Every file of the transactions, taken back through one after the other."""
    paths = dict.fromkeys(file.path for entry in entries for file in entry.files)
    before = {path: history.present(path) for path in paths}
    after, conflicts = dict(before), []
    for entry in entries:
        for file in entry.files:
            daemon_json = file.path == facts.daemon_file.value.target
            after[file.path], found = _back(after[file.path], history, entry, file, daemon_json)
            conflicts += found
    return _Way(before, after, tuple(conflicts))


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
        if _equal(ours, theirs) or _equal(stands, theirs):
            continue
        if _equal(stands, ours):
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


def _equal(one: Any, other: Any) -> bool:
    return one is other if ABSENT in (one, other) else same(one, other)


# What it costs -----------------------------------------------------------------------------------


def _planned(facts: HostFacts, way: _Way, entries: Sequence[Entry]) -> Plan:
    """The plan of a way back without conflicts; daemon.json last, for it restarts dockerd."""
    target = facts.daemon_file.value.target
    disruption, last = _cost(facts, way)
    paths = sorted(way.changed, key=lambda path: path == target)
    changes = [_change(path, way, entries) for path in paths]
    if target in paths:
        changes[-1] = replace(changes[-1], disruption=disruption)
    elif disruption > Disruption.NONE:
        wanted_by = tuple(dict.fromkeys(name for change in changes for name in change.controls))
        note = "restart it, so that it reads its files anew"
        changes.append(
            Change(
                path=SERVICE,
                kind=Kind.SERVICE,
                controls=wanted_by,
                disruption=disruption,
                note=note,
            )
        )
    hits = disruption >= Disruption.RESTART
    return Plan(
        (),
        tuple(changes),
        disruption=disruption,
        impact=tuple(restart_hits(facts, disruption)) if hits else (),
        notes=tuple(_notes(facts, entries, changes, disruption, last)),
        live_restore_last=last,
    )


def _change(path: str, way: _Way, entries: Sequence[Entry]) -> Change:
    before, after = way.before[path], way.after[path]
    touched = [entry for entry in entries if any(file.path == path for file in entry.files)]
    rights = [f"{one.mode} {one.owner}:{one.group}" for one in (before, after)]
    moved = None not in (before.content, after.content) and rights[0] != rights[1]
    return Change(
        path=path,
        kind=Kind.FILE,
        controls=tuple(dict.fromkeys(name for entry in touched for name in entry.controls)),
        before=before.content,
        after=after.content,
        mode=after.mode,
        owner=after.owner,
        group=after.group,
        note=f"mode and owner {' → '.join(rights)}" if moved else None,
    )


def _cost(facts: HostFacts, way: _Way) -> tuple[Disruption, bool]:
    """What the way back costs, and whether live-restore goes off last, by a reload.

    A dockerd that starts without live-restore stops the containers that outlived its predecessor.
    """
    if facts.engine.value is None or facts.dockerd.value is None:
        return Disruption.NONE, False
    then = _afterwards(facts, way)
    keys = _changed_keys(facts.document.value, then.document.value)
    files = any(_starts_with(path, facts, then) for path in way.changed)
    if not keys and not files:
        return Disruption.NONE, False
    goes_off = bool(facts.info.value.get("LiveRestoreEnabled")) and not at_next_start(
        then, "live-restore"
    )
    can_reload = not reload_hurts(then)
    if can_reload and not files and all(_reloads(key, then) for key in keys):
        return Disruption.RELOAD, goes_off and "live-restore" in keys
    last = goes_off and bool(facts.containers.value)
    stay = containers_stay((), facts) and (can_reload or not last)
    return (Disruption.RESTART, last) if stay else (Disruption.OUTAGE, False)


def _afterwards(facts: HostFacts, way: _Way) -> HostFacts:
    """The facts, with daemon.json as it will be."""
    file = facts.daemon_file.value
    if file.target not in way.changed:
        return facts
    content = way.after[file.target].content
    try:
        document = loads(content or b"", empty_ok=True)
    except Malformed as error:
        raise CannotTell(f"{file.path} as it was: {error}") from None
    return replace(facts, daemon_file=Read(replace(file, content=content)), document=Read(document))


def _changed_keys(now: Document, then: Document) -> set[str]:
    return {
        key
        for key in {*now.settings, *then.settings}
        if not _equal(now.settings.get(key, ABSENT), then.settings.get(key, ABSENT))
    }


def _reloads(key: str, then: HostFacts) -> bool:
    """Whether a SIGHUP brings a key to its former value. dockerd keeps what a key set when the key
    is gone; of live-restore alone the transaction says so first, and takes the key out then."""
    if key == "live-restore":
        return True
    return key in then.document.value.settings and (
        reloadable(key, then.version) and reload_is_logged(then)
    )


def _starts_with(path: str, facts: HostFacts, then: HostFacts) -> bool:
    """Whether dockerd reads a file when it starts, because daemon.json names it."""
    documents = (facts.document.value, then.document.value)
    return any(path in _texts(document) for document in documents)


def _texts(document: Document) -> list[Any]:
    return [value for value in document.settings.values() if isinstance(value, str)]


# Why not -----------------------------------------------------------------------------------------


def _held(facts: HostFacts, policy: Policy, way: _Way, plan: Plan) -> Iterator[str]:
    """Why the host is left alone."""
    then = _afterwards(facts, way)
    target = facts.daemon_file.value.target
    if facts.engine.value is not None and (
        target in way.changed or plan.disruption > Disruption.NONE
    ):
        yield from daemon_file_guards(then)
        for path in way.changed:
            if way.after[path].content is None and path in _texts(then.document.value):
                yield f"dockerd would not start: {target} still names {path}"
        if _data_moves(facts, then) and (why := would_hide_data(facts, policy)):
            yield why
    if plan.disruption > policy.max_disruption:
        yield f"would cost: {plan.disruption}; oakum_max_disruption is {policy.max_disruption}"


def _data_moves(facts: HostFacts, then: HostFacts) -> bool:
    """Whether dockerd would look for its data elsewhere. Without storage-driver it keeps what is in
    effect."""
    keys = _changed_keys(facts.document.value, then.document.value)
    if "storage-driver" in keys and facts.dockerd.value:
        driver = then.document.value.settings.get("storage-driver")
        return "userns-remap" in keys or driver not in (None, facts.info.value.get("Driver"))
    return bool(keys & {"userns-remap", "storage-driver"})


# What is said ------------------------------------------------------------------------------------

_LEAVES = ("nothing of oakum stays below /var/lib/oakum",)


def _named(entries: Sequence[Entry], verb: str = "takes back") -> Iterator[str]:
    for entry in entries:
        names = ", ".join(entry.controls) or "no control"
        yield f"{verb} {entry.id} of {entry.time} by {entry.by}: {names}"


def _notes(
    facts: HostFacts,
    entries: Sequence[Entry],
    changes: Sequence[Change],
    disruption: Disruption,
    last: bool,
) -> Iterator[str]:
    yield from _named(entries)
    if not changes:
        yield "nothing of it stands on the host any more; only the ledger will say so"
    elif facts.engine.value is not None and facts.dockerd.value is None:
        yield "dockerd does not run: the files take effect when it is started"
    if last and disruption is Disruption.RESTART:
        yield "live-restore is switched off last, by reload, so the restart stops nothing"
    named = {name for entry in entries for name in entry.controls}
    for control in controls():
        if control.id in named and isinstance(control.setting, HostPackage):
            yield f"package {control.setting.package}, which {control.id} wants, is not removed"


def _said(entries: Sequence[Entry], status: Status, reason: str) -> Iterator[Finding]:
    """The same for every control of the transactions."""
    names = dict.fromkeys(name for entry in entries for name in entry.controls)
    for name in names or ("oakum",):
        yield _finding(name, status, reason)


def _finding(name: str, status: Status, reason: str, **values: Any) -> Finding:
    known = {control.id: control for control in controls()}.get(name)
    severity, refs = (known.severity, known.refs) if known else (Severity.MEDIUM, {})
    return Finding(name, status, severity, reason=reason, refs=refs, **values)


def _key_conflict(key: str, values: tuple[Any, Any, Any], path: str, entry: Entry) -> Finding:
    wrote, was, stands = values
    owners = [
        control.id
        for control in controls()
        if isinstance(control.setting, DaemonKey) and control.setting.key == key
    ]
    return _finding(
        next((name for name in owners if name in entry.controls), _together(entry)),
        Status.HELD,
        f"conflict in {path}: {entry.id} set {key} to {_shown(wrote)}, it was {_shown(was)} "
        f"before, and now it is {_shown(stands)}; settle it there by hand",
        actual=None if stands is ABSENT else stands,
        desired=None if was is ABSENT else was,
    )


def _file_conflict(now: FileState, was: FileState, new: FileState, entry: Entry) -> Finding:
    return _finding(
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
    if state.kind != "file":
        return f"a {state.kind}"
    return "no file" if state.content is None else f"a file of {len(state.content)} bytes"
