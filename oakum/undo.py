"""What a host remembers and what stands there now in, the plan of a rollback out: pure functions.

The way back of each file is ``threeway``'s. A conflict is shown, and the whole host is left alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from oakum.controls import controls
from oakum.controls.base import ABSENT, HostPackage
from oakum.controls.daemon.userns_remap import hidden, would_hide_data
from oakum.controls.daemon_key import at_next_start, daemon_file_guards
from oakum.engine.catalogue import reloadable
from oakum.engine.document import Document, Malformed, loads
from oakum.facts import RECONCILES, CannotTell, HostFacts, Read
from oakum.ledger import History
from oakum.model import Change, Disruption, Entry, Finding, Kind, Plan, Status
from oakum.parts import FileState
from oakum.planner import (
    SERVICE,
    containers_stay,
    reload_hurts,
    reload_is_logged,
    restart_hits,
    without_tasks,
)
from oakum.policy import Policy
from oakum.threeway import Way, equal, finding, way_back


class NotInForce(ValueError):
    """The transaction that was named is none that a rollback could go back to."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What to take back: the last change; all after ``to``, an id; or ``everything``. ``migrates``
    says that data which moves is seen to."""

    to: str | None = None
    everything: bool = False
    migrates: bool = False


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
    plan = _built(facts, history, policy, selection)
    return replace(plan, away=facts.away and policy.has_neighbours)


def _built(facts: HostFacts, history: History, policy: Policy, selection: Selection) -> Plan:
    entries = chosen(history, selection)
    undoes = tuple(entry.id for entry in entries)
    try:
        leave = selection.everything and bool(history.entries or facts.oakum_state.value)
        if not entries:
            return Plan((), leave=leave, notes=(*_LEAVES, *_comes_back(facts)) if leave else ())
        way = way_back(facts, history, entries)
        if way.conflicts:
            return Plan(way.conflicts, notes=tuple(_named(entries, "would take back")))
        plan = _planned(facts, policy, way, entries)
        if held := next(_held(facts, policy, way, plan, migrates=selection.migrates), None):
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


# What it costs -----------------------------------------------------------------------------------


def _planned(facts: HostFacts, policy: Policy, way: Way, entries: Sequence[Entry]) -> Plan:
    """The plan of a way back without conflicts; daemon.json last, for it restarts dockerd."""
    target = facts.daemon_file.value.target
    disruption, last = _cost(without_tasks(facts, policy), way)
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
        impact=tuple(restart_hits(facts, policy, disruption)) if hits else (),
        notes=tuple(_notes(facts, entries, changes, disruption, last)),
        live_restore_last=last,
    )


def _change(path: str, way: Way, entries: Sequence[Entry]) -> Change:
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


def _cost(facts: HostFacts, way: Way) -> tuple[Disruption, bool]:
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


def _afterwards(facts: HostFacts, way: Way) -> HostFacts:
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
        if not equal(now.settings.get(key, ABSENT), then.settings.get(key, ABSENT))
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


def _held(
    facts: HostFacts, policy: Policy, way: Way, plan: Plan, *, migrates: bool
) -> Iterator[str]:
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
        if not migrates and (kind := _data_moves(facts, then)):
            if facts.dockerd.value is None:
                yield from filter(None, [would_hide_data(facts, policy)])
            elif why := hidden(facts):
                yield f"{why}; after a migration: oakum migrate {kind} --undo"
    if plan.disruption > policy.max_disruption:
        yield f"would cost: {plan.disruption}; oakum_max_disruption is {policy.max_disruption}"


def _data_moves(facts: HostFacts, then: HostFacts) -> str | None:
    """The key by which dockerd would look for its data elsewhere, if one does. Without
    storage-driver it keeps what is in effect."""
    keys = _changed_keys(facts.document.value, then.document.value)
    if "userns-remap" in keys:
        return "userns-remap"
    if "storage-driver" in keys and facts.dockerd.value:
        driver = then.document.value.settings.get("storage-driver")
        keeps = driver in (None, facts.info.value.get("Driver"))
        return None if keeps else "storage-driver"
    return "storage-driver" if "storage-driver" in keys else None


# What is said ------------------------------------------------------------------------------------

_LEAVES = ("nothing of oakum stays below /var/lib/oakum",)


def _comes_back(facts: HostFacts) -> Iterator[str]:
    if RECONCILES in facts.oakum_state.value:
        yield (
            "this host reconciles itself: its next run applies the policy again, unless "
            "oakum reconcile remove is run there first"
        )


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
    yield from _comes_back(facts)


def _said(entries: Sequence[Entry], status: Status, reason: str) -> Iterator[Finding]:
    """The same for every control of the transactions."""
    names = dict.fromkeys(name for entry in entries for name in entry.controls)
    for name in names or ("oakum",):
        yield finding(name, status, reason)
