"""Facts, policy and controls in, a plan out: pure functions, no I/O, no clock.

Ten thousand hosts are planned in a unit test. The verdict is made here, in ``judge``, once for all
controls; so are the merge of daemon.json, what a change costs, and whom it hits.
"""

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from packaging.version import Version

from oakum.controls.base import ABSENT, Control, Edit, FileEdit, KeyEdit, NotApplicable, PackageEdit
from oakum.controls.daemon_key import daemon_file_guards, in_force
from oakum.engine.catalogue import (
    NEWEST,
    OLDEST_PLANNED,
    flag_for,
    refusal,
    reloadable,
)
from oakum.engine.document import merge
from oakum.facts import CannotTell, HostFacts, Read
from oakum.model import Change, Disruption, Finding, Impact, Kind, Plan, Status, loader
from oakum.parts import Engine
from oakum.policy import Policy
from oakum.render import render

SERVICE = "docker"
"""The service that reads daemon.json."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A control's finding and, where it drifts, what would set it right."""

    control: Control
    finding: Finding
    edits: tuple[Edit, ...] = ()

    @property
    def drifts(self) -> bool:
        return self.finding.status is Status.DRIFT


def build(
    facts: HostFacts, policy: Policy, controls: Sequence[Control], today: datetime.date
) -> Plan:
    """What would be done to a host, and what every control says about it.

    ``today`` decides which waivers have ended. Nothing raises: what cannot be told is a finding.
    """
    wanted = [control for control in controls if policy.wants(control.id, control.area)]
    judged = [judge(control, facts, policy, today) for control in wanted]
    staying = without_tasks(facts, policy)
    verdicts = _within(policy.max_disruption, judged, staying)
    findings = tuple(verdict.finding for verdict in verdicts)
    drifting = [verdict for verdict in verdicts if verdict.drifts]
    changes = tuple(_changes(drifting, staying))
    disruption = max((change.disruption for change in changes), default=Disruption.NONE)
    bare = facts.engine == Read(None)
    return Plan(
        findings,
        changes,
        _before_first_start(facts, policy, wanted, today) if bare else (),
        disruption=disruption,
        impact=tuple(_impact(drifting, facts, policy, disruption)),
        notes=(*_of_former_runs(facts), *_notes(drifting, staying, disruption)),
        away=facts.away and policy.has_neighbours,
    )


def judge(control: Control, facts: HostFacts, policy: Policy, today: datetime.date) -> Verdict:
    """What one control says about one host; the one place where CannotTell is caught."""

    def finding(status: Status, reason: str | None, actual: object = None) -> Finding:
        return Finding(control.id, status, control.severity, actual, desired, reason, control.refs)

    desired = actual = None
    setting = control.setting
    try:
        desired = control.desired(facts, policy)
        state = setting.state(facts, desired)
        actual = state.actual
        files = control.files(facts, policy)
        fault = state.fault
        if fault is None and files:
            fault = f"{files[0].path} differs"
        if fault is None:
            return Verdict(control, finding(Status.OK, None, actual))
        ended = ""
        if waiver := policy.waiver(control.id):
            if waiver.until >= today:
                reason = f"{waiver.reason} ({waiver.owner}, until {waiver.until})"
                return Verdict(control, finding(Status.WAIVED, reason, actual))
            ended = f"the waiver of {waiver.owner} ended on {waiver.until}"
        guards = (guard(facts, policy) for guard in control.guards)
        held = next(filter(None, guards), None) or state.held or setting.held(facts, desired)
        if held:
            held = "; ".join(filter(None, (held, ended)))
            return Verdict(control, finding(Status.HELD, held, actual))
        drift = "; ".join(filter(None, (fault, ended))) or None
        edits = (*setting.edits(facts, desired), *files)
        return Verdict(control, finding(Status.DRIFT, drift, actual), edits)
    except NotApplicable as why:
        desired = None
        return Verdict(control, finding(Status.NOT_APPLICABLE, str(why)))
    except CannotTell as why:
        return Verdict(control, finding(Status.UNKNOWN, str(why), actual))


# Cost --------------------------------------------------------------------------------------------


def _within(most: Disruption, verdicts: Sequence[Verdict], facts: HostFacts) -> list[Verdict]:
    """The verdicts, with what would cost more than the policy allows held.

    What a restart costs depends on whether live-restore may be switched on, so holding that one
    makes the others dearer: it goes round until nothing more is held.
    """
    kept = list(verdicts)
    while True:
        costs = {verdict.control.id: cost(verdict, kept, facts) for verdict in kept}
        dear = [v for v in kept if v.drifts and costs[v.control.id] > most]
        if not dear:
            return kept
        cheapest = min(costs[verdict.control.id] for verdict in dear)
        kept = [
            _too_dear(verdict, costs[verdict.control.id], most)
            if verdict in dear and costs[verdict.control.id] is cheapest
            else verdict
            for verdict in kept
        ]


def _too_dear(verdict: Verdict, needed: Disruption, most: Disruption) -> Verdict:
    reason = f"would cost: {needed}; oakum_max_disruption is {most}"
    return Verdict(verdict.control, replace(verdict.finding, status=Status.HELD, reason=reason))


def cost(verdict: Verdict, verdicts: Sequence[Verdict], facts: HostFacts) -> Disruption:
    """What setting one control right costs the host, given what else is set right."""
    setting = verdict.control.setting
    if not verdict.drifts or not setting.keys or facts.dockerd.value is None:
        return Disruption.NONE
    if verdict.edits and all(_loaded(edit) for edit in verdict.edits):
        return Disruption.NONE
    by_reload = all(reloadable(key, facts.version) for key in setting.keys)
    if by_reload and not reload_hurts(facts) and reload_is_logged(facts):
        return Disruption.RELOAD
    return Disruption.RESTART if containers_stay(verdicts, facts) else Disruption.OUTAGE


def _loaded(edit: Edit) -> bool:
    """Whether somebody else than dockerd reads what is edited."""
    return isinstance(edit, FileEdit) and loader(edit.path) is not None


def without_tasks(facts: HostFacts, policy: Policy) -> HostFacts:
    """The facts, without the containers that leave the host before anything would stop them."""
    if not policy.drains_tasks or not isinstance(facts.containers, Read):
        return facts
    staying = tuple(container for container in facts.containers.value if not container.task)
    return replace(facts, containers=Read(staying))


def containers_stay(verdicts: Sequence[Verdict], facts: HostFacts) -> bool:
    """Whether a restart of dockerd leaves every container running."""
    if not facts.containers.value or facts.info.value.get("LiveRestoreEnabled"):
        return True
    coming = any(v.drifts and v.control.id == "live-restore" for v in verdicts)
    return coming and not reload_hurts(facts)


def reload_is_logged(facts: HostFacts) -> bool:
    """Whether the next probe could tell what a reload did: dockerd logs it, at level info, and the
    journal keeps it. Without that only a restart can be verified."""
    level = in_force(facts, "log-level") or "info"
    return facts.init == Read("systemd") and level in ("info", "debug", "trace")


def reload_hurts(facts: HostFacts) -> str | None:
    """Why a SIGHUP must not be sent to this dockerd, or None (docker-facts a13)."""
    settings = facts.document.value.settings
    if flag_for("authorization-plugins", facts.flags.value) and (
        "authorization-plugins" not in settings
    ):
        return "a reload would switch off authorization, which only its flag sets"
    if settings.get("userland-proxy") is True and not settings.get("userland-proxy-path"):
        return refusal("userland-proxy", True, facts.version)
    return None


# Changes -----------------------------------------------------------------------------------------


def _changes(drifting: Sequence[Verdict], facts: HostFacts) -> Iterator[Change]:
    """Packages first, then files, and daemon.json last, which is what restarts dockerd."""
    edits = [(verdict.control.id, edit) for verdict in drifting for edit in verdict.edits]
    for control, edit in edits:
        if isinstance(edit, PackageEdit):
            yield Change(
                path=edit.package,
                kind=Kind.PACKAGE,
                controls=(control,),
                note="install it, start and enable its service",
            )
    for control, edit in edits:
        if isinstance(edit, FileEdit):
            yield Change(
                path=edit.path,
                kind=Kind.FILE,
                controls=(control,),
                before=edit.before,
                after=edit.after,
                mode=edit.mode,
                owner=edit.owner,
                group=edit.group,
            )
    yield from _daemon_changes(drifting, facts)


def _daemon_changes(drifting: Sequence[Verdict], facts: HostFacts) -> Iterator[Change]:
    """daemon.json with everything that drifts in it, or the bare service where only what is
    written has to become active."""
    ours = [verdict for verdict in drifting if verdict.control.setting.keys]
    if not ours:
        return
    disruption = max(cost(verdict, drifting, facts) for verdict in ours)
    names = tuple(verdict.control.id for verdict in ours)
    keys = [edit for verdict in ours for edit in verdict.edits if isinstance(edit, KeyEdit)]
    if keys:
        yield _daemon_file(keys, names, disruption, facts)
    elif disruption > Disruption.NONE:
        verb = "reload" if disruption is Disruption.RELOAD else "restart"
        yield Change(
            path=SERVICE,
            kind=Kind.SERVICE,
            controls=names,
            disruption=disruption,
            note=f"{verb} it, so that what is written becomes active",
        )


def _daemon_file(
    keys: Sequence[KeyEdit], names: tuple[str, ...], disruption: Disruption, facts: HostFacts
) -> Change:
    file, document = facts.daemon_file.value, facts.document.value
    settings = {edit.key: edit.value for edit in keys if edit.value is not ABSENT}
    dropped = [edit.key for edit in keys if edit.value is ABSENT]
    if file.content is None:
        after = render("daemon.json.j2", settings=settings).encode()
    else:
        after = merge(document, settings, dropped)
    notes = ["the byte order mark goes, which engines up to 20.10 refuse"] if document.bom else []
    if file.target != file.path:
        notes.append(f"{file.path} stays a link to it")
    return Change(
        path=file.target,
        kind=Kind.FILE,
        controls=names,
        before=file.content,
        after=after,
        mode=file.mode,
        owner=file.owner,
        group=file.group,
        disruption=disruption,
        note="; ".join(notes) or None,
    )


def _before_first_start(
    facts: HostFacts, policy: Policy, controls: Sequence[Control], today: datetime.date
) -> tuple[Change, ...]:
    """The files that a first dockerd should find, with keys that every current engine accepts, or
    the one that the policy names."""
    oldest = Version(policy.engine.release) if policy.engine.release else OLDEST_PLANNED
    newest = oldest if policy.engine.release else NEWEST
    fresh = replace(
        facts,
        engine=Read(Engine(oldest, str(oldest), running=False)),
        dockerd=Read(None),
        containerd=Read(None),
        flags=Read({}),
        unit_limits=Read({}),
        images=Read(0),
        containers=Read(()),
        drivers_on_disk=Read(()),
    )
    verdicts = [judge(control, fresh, policy, today) for control in controls]
    accepted = [verdict for verdict in verdicts if verdict.drifts and _taken_by(newest, verdict)]
    changes = _changes(accepted, fresh)
    return tuple(change for change in changes if change.kind is Kind.FILE)


def _taken_by(newest: Version, verdict: Verdict) -> bool:
    keys = [edit for edit in verdict.edits if isinstance(edit, KeyEdit)]
    written = [edit for edit in keys if edit.value is not ABSENT]
    return not any(refusal(edit.key, edit.value, newest) for edit in written)


# Whom it hits ------------------------------------------------------------------------------------


def _impact(
    drifting: Iterable[Verdict], facts: HostFacts, policy: Policy, disruption: Disruption
) -> Iterator[Impact]:
    """What happens to containers, and what does not happen to them yet: a setting that dockerd has
    taken reaches some only when they are started, or created, again (docker-facts g7)."""
    if disruption is Disruption.NONE:
        return
    if disruption >= Disruption.RESTART:
        yield from restart_hits(facts, policy, disruption)
    staying = without_tasks(facts, policy)
    for verdict in drifting:
        yield from verdict.control.impact(staying)
        if disruption < Disruption.OUTAGE:
            yield from verdict.control.until_restarted(staying)


LEAVES: Final = "leaves"
"""The effect on a swarm's task whose node is drained first."""


def restart_hits(facts: HostFacts, policy: Policy, disruption: Disruption) -> Iterator[Impact]:
    """What a restart of dockerd does to each running container. Raises CannotTell."""
    for container in facts.containers.value:
        if container.task and policy.drains_tasks:
            yield Impact(container.name, LEAVES, "its swarm's node is drained first")
        elif disruption is Disruption.RESTART:
            yield Impact(container.name, "stays", "live-restore")
        elif container.restart in ("always", "unless-stopped"):
            yield Impact(container.name, "restarts", f"restart policy {container.restart}")
        else:
            yield Impact(container.name, "stops", f"restart policy {container.restart}")


_ENDED: Final = {
    "running": "is running",
    "unfinished": "was cut off, and the next one takes it back first",
    "rolled-back": "was rolled back",
    "broken": "failed, and so did the way back",
}
"""What is worth knowing of the last transaction before the next one; of the others nothing is."""


def _of_former_runs(facts: HostFacts) -> Iterator[str]:
    if facts.held_back:
        yield "Docker is kept from starting until oakum bootstrap, which goes on, has hardened it"
    if facts.away:
        yield "a former run took this host from its neighbours and did not put it back"
    last = facts.transaction.value if isinstance(facts.transaction, Read) else None
    if last is None or last.state not in _ENDED:
        return
    still = last.state in ("running", "unfinished")
    detail = last.detail and (f" (last step: {last.detail})" if still else f": {last.detail}")
    yield f"the last transaction, {last.id}, {_ENDED[last.state]}{detail or ''}"


def _notes(drifting: Sequence[Verdict], facts: HostFacts, disruption: Disruption) -> Iterator[str]:
    try:
        facts.version  # noqa: B018 - without an engine there is nothing to note
        if facts.dockerd.value is None:
            if drifting:
                yield "dockerd does not run: the files take effect when it is started"
            return
        turning_on = any(v.control.id == "live-restore" for v in drifting)
        if disruption is Disruption.RESTART and turning_on and facts.containers.value:
            yield "live-restore is switched on by reload first, so the restart stops nothing"
        if broken := next(daemon_file_guards(facts), None):
            yield broken
    except CannotTell:
        return
