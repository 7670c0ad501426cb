"""Facts and what lies on a host in, the plan of its migration out: pure functions.

The plan is that of the one control, with the guard lifted that keeps ``apply`` from hiding data.
"""

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from oakum import planner, undo
from oakum.controls.base import Control
from oakum.controls.daemon import storage_driver, userns_remap
from oakum.controls.daemon_key import at_next_start
from oakum.facts import CannotTell, HostFacts
from oakum.ledger import History
from oakum.model import Disruption, Finding, Migration, Plan, Room, Severity, Status
from oakum.policy import Policy
from oakum.survey import KINDS, Survey

CONTROLS: Final[Mapping[str, Control]] = {
    control.id: control for control in (userns_remap.CONTROL, storage_driver.CONTROL)
}
"""What can be migrated, by the word for it."""

FOLDER: Final = "/var/lib/oakum/migrations"
SPARE: Final = 100_000_000
"""Bytes that stay free beside a tenth of what is needed."""


# Forward -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """What an operator asked for; ``scratch`` is the folder of the archive, None is oakum's own."""

    kind: str
    back: bool = False
    scratch: str | None = None


def lifted(kind: str) -> Control:
    """The control of a migration: what would hide data is carried over."""
    control = CONTROLS[kind]
    guards = tuple(one for one in control.guards if one not in _LIFTED)
    return replace(control, guards=(_no_daemon, *guards, _store, _no_estimate))


_LIFTED: Final = (userns_remap.would_hide_data, storage_driver.would_hide_data)


def _no_daemon(facts: HostFacts, policy: Policy) -> str | None:
    """Nothing can be saved where nobody reads it."""
    return "dockerd does not run, and only it can save images" if not facts.dockerd.value else None


def _store(facts: HostFacts, policy: Policy) -> str | None:
    """The containerd store is no graph driver: a named one would hide every image."""
    if storage_driver.containerd_store(facts.info.value):
        return "the host uses the containerd image store, which this does not migrate"
    return None


def _no_estimate(facts: HostFacts, policy: Policy) -> str | None:
    """vfs copies every layer below every image: nobody can say beforehand what that takes."""
    if policy.storage_driver == "vfs" and facts.info.value.get("Driver") != "vfs":
        return "oakum_storage_driver is vfs, which copies every layer; nothing is migrated to it"
    return None


def target_root(facts: HostFacts, plan: Plan, base: str) -> tuple[str, str, str]:
    """Where dockerd will have its data under userns-remap, and the ranges of users and groups.

    Raises:
        CannotTell: the user that is meant has no ranges.
    """
    meant = at_next_start(facts, "userns-remap")
    if meant in (None, "", "root", "host", "default"):
        user = group = userns_remap.USER
    else:
        user, _, group = str(meant).partition(":")
        group = group or user
    users = _ranges(_coming(plan, facts.subuid.value), user)
    groups = _ranges(_coming(plan, facts.subgid.value), group)
    if not users or not groups:
        raise CannotTell(f"{user} has no range in /etc/subuid or {group} none in /etc/subgid")
    for name, ranges in ((user, users), (group, groups)):
        starts = [int(one.partition(":")[0]) for one in ranges.split()]
        if starts != sorted(starts):
            # moby pkg/idtools sorted them, and does not any more
            raise CannotTell(f"the ranges of {name} are not in order, and engines differ in that")
    first = [ranges.partition(":")[0] for ranges in (users, groups)]
    return f"{base}/{first[0]}.{first[1]}", users, groups


def _coming(plan: Plan, file: Any) -> bytes:
    after = (change.after for change in plan.changes if change.path == file.target)
    return next(after, file.content) or b""


def _ranges(content: bytes, user: str) -> str:
    lines = content.decode("utf-8", "replace").splitlines()
    found = (re.fullmatch(rf"{re.escape(user)}:(\d{{1,10}}):(\d{{1,10}})\s*", one) for one in lines)
    return " ".join(f"{match[1]}:{match[2]}" for match in found if match)


def switch(
    facts: HostFacts, policy: Policy, kind: str, today: datetime.date
) -> tuple[Plan, tuple[str, str, str]]:
    """The plan of the change alone, and where the data will lie, with the ranges of its owners.

    Raises:
        CannotTell: where that will be.
    """
    plan = planner.build(facts, policy, [lifted(kind)], today)
    if kind != userns_remap.CONTROL.id:
        return plan, (facts.data_root.value, "", "")
    if not plan.changes and not _is_ok(plan):
        return plan, ("", "", "")
    return plan, target_root(facts, plan, facts.data_base)


def build(
    request: Request,
    facts: HostFacts,
    policy: Policy,
    found: Survey,
    switched: tuple[Plan, tuple[str, str, str]],
    identity: str,
) -> Plan:
    """What a migration would do to a host; ``identity`` is for one that was not begun before."""
    plan, (root, users, groups) = switched
    last = found.last(request.kind)
    begun = last is not None and last.state != "done"
    if not begun and not plan.changes:
        return plan
    if last is not None and last.state == "undoing":
        return _held(plan, "its undo was begun: oakum migrate --undo finishes it")
    state = last.state if begun and last else "begun"
    if not plan.changes and not _is_ok(plan):
        return plan
    if plan.changes and state not in ("begun", "saved"):
        return _held(
            plan, f"the change of {last.id if last else ''} is not in force any more; --undo"
        )
    if found.missing:
        return _held(plan, f"the host lacks {', '.join(found.missing)}")
    if other := _unfinished(found, request.kind):
        return _held(plan, other)
    if (tasks := _tasks(found, policy)) and state in ("begun", "saved"):
        return _held(plan, tasks)
    moved = _migration(request, found, (root, users, groups), policy, facts)
    if begun and last:
        moved = replace(moved, id=last.id, state=state, change=last.change)
    else:
        moved = replace(moved, id=identity)
    if begun and last and state != "begun":
        moved = replace(moved, scratch=last.scratch)
    else:
        parent = (request.scratch or f"{FOLDER}/{moved.id}").rstrip("/")
        moved = replace(moved, scratch=f"{parent}/oakum-{moved.id}")
    moved = replace(moved, rooms=rooms(moved, found))
    short = [room for room in moved.rooms if room.free < room.needed]
    if short:
        return _held(plan, "; ".join(map(_too_small, short)))
    return _outage(plan, moved, tuple(notes(moved, resumed=begun)))


def _unfinished(found: Survey, kind: str) -> str | None:
    """Why a migration has to wait for one of the other kind: it would carry half of the data."""
    for other in KINDS:
        last = found.last(other)
        if other != kind and last is not None and last.state != "done":
            return (
                f"the migration {last.id} of {other} came as far as {last.state}; first finish it, "
                f"or undo it: oakum migrate {other}, and --undo"
            )
    return None


def _tasks(found: Survey, policy: Policy) -> str | None:
    """A swarm starts its tasks again as soon as they are stopped; a drained node has none."""
    tasks = [one.name for one in found.containers if one.task and one.state == "running"]
    if not tasks or policy.drains_tasks:
        return None
    return (
        f"a swarm has tasks here, which it starts again when they are stopped ({_named(tasks)}); "
        "first: docker node update --availability drain, or oakum_swarm"
    )


def _is_ok(plan: Plan) -> bool:
    return all(finding.status is Status.OK for finding in plan.findings)


def _too_small(room: Room) -> str:
    return (
        f"{room.folder} needs {gigabytes(room.needed)} for this and has {gigabytes(room.free)} "
        "free; --scratch names another folder for the archive"
    )


def _held(plan: Plan, reason: str) -> Plan:
    """The findings of a plan, held, and nothing to do."""
    held = tuple(
        replace(finding, status=Status.HELD, reason=reason) for finding in plan.findings
    ) or (Finding("oakum", Status.HELD, Severity.MEDIUM, reason=reason),)
    return Plan(held, notes=plan.notes)


def _outage(plan: Plan, moved: Migration, said: tuple[str, ...]) -> Plan:
    """A plan whose containers may stop, whatever the change alone would cost."""
    changes = tuple(
        replace(change, disruption=Disruption.MIGRATION)
        if change.disruption > Disruption.NONE
        else change
        for change in plan.changes
    )
    return replace(
        plan,
        changes=changes,
        disruption=Disruption.MIGRATION,
        impact=(),
        notes=said,
        live_restore_last=False,
        migration=moved,
    )


def _migration(
    request: Request,
    found: Survey,
    place: tuple[str, str, str],
    policy: Policy,
    facts: HostFacts,
) -> Migration:
    root, users, groups = place
    remap = bool(users)
    local = [volume for volume in found.volumes if volume.driver == "local"]
    driver = storage_driver.fitting(facts, policy) if not remap and facts.dockerd.value else ""
    return Migration(
        id="",
        kind=request.kind,
        driver=str(driver),
        root=root,
        images=len(found.images),
        image_bytes=found.layers,
        without_tag=sum(1 for tags, digests in found.images if not tags and digests),
        volumes=sum(1 for volume in local if volume.kilobytes is not None),
        volume_bytes=sum(1024 * (volume.kilobytes or 0) for volume in local),
        elsewhere=tuple(one.name for one in local if one.kilobytes is None),
        foreign=tuple(one.name for one in found.volumes if one.driver != "local"),
        containers=tuple(one.name for one in found.containers),
        running=tuple(one.name for one in found.containers if one.state == "running"),
        one_off=tuple(one.name for one in found.containers if one.one_off),
        need_host=tuple(one.name for one in found.containers if remap and one.needs_host),
        networks=tuple(name for name, *how in found.networks if remap and _is_made(*how)),
        lost_networks=tuple(name for name, *how in found.networks if remap and not _is_made(*how)),
        aside=found.aside or 0 if remap else 0,
        users=users,
        groups=groups,
    )


def _is_made(driver: str, scope: str) -> bool:
    """Whether a network can be made again from what its host knows of it."""
    return driver in ("bridge", "macvlan", "ipvlan") and scope == "local"


def rooms(moved: Migration, found: Survey) -> tuple[Room, ...]:
    """What a migration still needs where. ``docker save`` and ``docker load`` lay all layers down
    in the data root once more; volumes are copied only where their owners change."""
    if moved.state not in ("begun", "saved"):
        return ()
    volumes = moved.volume_bytes if moved.users else 0
    archive = moved.image_bytes if moved.state == "begun" else 0
    within = 2 * moved.image_bytes + volumes
    device, free = found.space[found.root]
    other, left = next(
        (space for folder, space in found.space.items() if folder != found.root), (device, free)
    )
    if device == other:
        return (Room(found.root, _spare(within + archive), free),)
    return (Room(found.root, _spare(within), free), Room(moved.scratch, _spare(archive), left))


def _spare(needed: int) -> int:
    return needed + needed // 10 + SPARE


def gigabytes(number: int) -> str:
    """A size as people read it."""
    return f"{number / 1e9:.1f} GB" if number >= 1e8 else f"{number / 1e6:.1f} MB"


def _named(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(names[:20]) + rest


def notes(moved: Migration, *, resumed: bool = False) -> Iterator[str]:
    """What an operator has to know before saying yes."""
    if resumed:
        yield f"goes on with {moved.id}, which came as far as: {moved.state}"
    carried = f"{moved.images} images ({gigabytes(moved.image_bytes)})"
    if moved.users:
        carried += f" and {moved.volumes} volumes ({gigabytes(moved.volume_bytes)})"
        yield f"carries {carried} over to {moved.root}"
    else:
        yield f"carries {carried} over to {moved.driver}; volumes and networks stay where they are"
    for room in moved.rooms:
        yield f"needs {gigabytes(room.needed)} in {room.folder}, {gigabytes(room.free)} are free"
    if moved.containers:
        yield (
            f"not carried over: {len(moved.containers)} containers with what they wrote into "
            f"themselves ({_named(moved.containers)}); oakum_after or your deploy tool makes them "
            "again, and after an undo they are there again"
        )
    if moved.running:
        yield f"stops {len(moved.running)} containers: {_named(moved.running)}"
    if moved.one_off:
        yield f"gone for good when they stop, also for an undo (--rm): {_named(moved.one_off)}"
    if moved.need_host:
        yield f"need --userns=host when they are made again: {_named(moved.need_host)}"
    if moved.elsewhere and moved.users:
        yield (
            f"made again, but their data lies elsewhere and keeps its owners: "
            f"{_named(moved.elsewhere)}"
        )
    if moved.foreign and moved.users:
        yield f"not carried over, for another driver has them: {_named(moved.foreign)}"
    if moved.networks:
        yield f"made again: the networks {_named(moved.networks)}"
    if moved.lost_networks:
        yield f"not carried over: the networks {_named(moved.lost_networks)}"
    if moved.without_tag:
        yield f"{moved.without_tag} images are known by digest alone, and lose that name"
    if moved.aside and moved.state in ("begun", "saved"):
        yield f"puts aside what an earlier remap left in {moved.root}: {gigabytes(moved.aside)}"
    yield "the former data stays untouched where it is; oakum migrate --undo goes back to it"


# Back --------------------------------------------------------------------------------------------


def build_back(
    request: Request,
    facts: HostFacts,
    policy: Policy,
    found: Survey,
    history: History,
) -> Plan:
    """What the undo of a host's last migration would do."""
    last = found.last(request.kind)
    if last is None:
        return Plan((), notes=(f"no migration of {request.kind} to undo",))
    standing = [entry.id for entry in history.in_force]
    plan = Plan(())
    if tasks := _tasks(found, policy):
        return _held(plan, tasks)
    if last.change in standing:
        if standing[-1] != last.change:
            reason = f"changed since; first: oakum rollback --to {last.change}"
            return _held(plan, reason)
        plan = undo.build(facts, history, policy, undo.Selection(migrates=True))
        if not plan.undoes:
            return plan
    moved = replace(
        _migration(request, found, (found.root, "", ""), policy, facts),
        id=last.id,
        state=last.state,
        change=last.change if plan.undoes else None,
        back=True,
        scratch=last.scratch,
    )
    said = [
        *plan.notes,
        f"undoes the migration {last.id}, which came as far as: {last.state}",
        "images, volumes and containers of before are there again; "
        "what was written since is kept where it is",
    ]
    if moved.running and plan.undoes:
        said.append(f"stops {len(moved.running)} containers: {_named(moved.running)}")
    return _outage(plan, moved, tuple(said))
