"""One host's visit: connect, probe, plan, change, verify, disconnect; whatever goes wrong stays in
its row."""

import enum
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

import gevent
from pyinfra.api.exceptions import ConnectError, NestedOperationError
from pyinfra.api.host import Host
from pyinfra.context import ctx_host

from oakum import operations
from oakum.deploy import HARDEN, Road, new_transaction_id
from oakum.facts import HostFacts, Read
from oakum.history import ledger
from oakum.model import HostReport, Outcome, Plan, Step
from oakum.neighbours import around
from oakum.planner import LEAVES
from oakum.policy import Policy
from oakum.probe import NoAnswer, ask, leave, reach
from oakum.schedule import Window


@dataclass(frozen=True, slots=True)
class Target:
    """One host that is meant, with its policy, checked before any host is contacted, and what the
    run wants of it."""

    host: Host
    policy: Policy
    road: Road = HARDEN

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.host.groups))


class Want(enum.StrEnum):
    """What a visit is for: read and plan, change, read the ledger, or look after a change again."""

    LOOK = "look"
    CHANGE = "change"
    REMEMBER = "remember"
    SOAK = "soak"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A visit that a host gets.

    ``agreed`` is the row that an operator has seen and agreed to: a host whose plan is no longer
    the same is left alone. ``transaction`` is the id that a change gets; where the host knows it
    already, this visit takes up what another one began. Outside of ``window``, in the host's own
    time, nothing is changed.
    """

    host: str
    want: Want = Want.LOOK
    agreed: HostReport | None = None
    transaction: str | None = None
    window: Window | None = None


class NotNow(gevent.GreenletExit):
    """A change must not begin any more, or not yet; the message says why.

    No Exception, so that whoever catches what a connection dies of lets it pass; and a visit that
    is told so before its first step ends without a complaint.
    """


Begin = Callable[[HostReport], None]
"""Told of a plan and its transaction just before it is carried out; raises NotNow to prevent it."""


def visited(target: Target, task: Task, begin: Begin) -> HostReport:
    """The row of a host that was visited; never raises but what ends the whole run."""
    host = target.host
    row = HostReport(name=host.name, groups=target.groups, reached=False)
    with ctx_host.use(host):
        try:
            _connect(target)
            row = _walk(target, task, begin)
        except ConnectError as error:
            row = replace(row, error=_words(error))
        except NotNow as reason:
            row = not_reached(task.agreed or row, str(reason))
        except NoAnswer as error:
            row = replace(row, reached=host.connected, error=str(error))
        except Exception as error:  # one host's surprise must not end the run for the others
            row = replace(row, reached=host.connected, error=f"{type(error).__name__}: {error}")
        finally:
            leave(host)
    return row


def not_reached(row: HostReport, why: str) -> HostReport:
    """The row of a host that a run was to change and did not come to."""
    return replace(row, outcome=Outcome.NOT_REACHED, error=why, transaction=None)


def _walk(target: Target, task: Task, begin: Begin) -> HostReport:
    match task.want:
        case Want.LOOK:
            return _planned(target)[0]
        case Want.REMEMBER:
            entries = ledger(target.host)
            return HostReport(name=target.host.name, groups=target.groups, history=entries)
        case Want.SOAK:
            return _soaked(target, task)
        case Want.CHANGE:
            return _changed(target, task, begin)


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _limited(seconds: float, what: str) -> Iterator[None]:
    """Raise NoAnswer where what is done here takes longer."""
    timeout = gevent.Timeout(seconds)
    try:
        with timeout:
            yield
    except gevent.Timeout as passed:
        if passed is not timeout:
            raise
        raise NoAnswer(f"{what} took longer than {seconds:g} s") from None


def _connect(target: Target) -> None:
    """Connect within the time limit, all tries together."""
    with _limited(target.policy.time_limits.connect, "connecting"):
        reach(target.host)


def _planned(target: Target) -> tuple[HostReport, HostFacts]:
    with _limited(_reading(target), "reading the host"):
        facts, plan = target.road.look(target.host, target.policy)
    row = HostReport(name=target.host.name, groups=target.groups, facts=facts.summary(), plan=plan)
    return row, facts


def _changed(target: Target, task: Task, begin: Begin) -> HostReport:
    row, facts = _planned(target)
    if task.transaction is not None and _last(facts) == task.transaction:
        return _taken_up(target, facts, task.transaction, task.agreed or row)
    if (unended := facts.unended) is not None:
        _follow(target, unended)
        row, facts = _planned(target)
    plan = row.plan or Plan(())
    if task.agreed is not None and not _same(plan, task.agreed.plan):
        error = "stale: the host is no longer what the plan was made from; plan again"
        return replace(row, error=error, outcome=Outcome.FAILED)
    if plan.idle:
        return replace(row, outcome=Outcome.UNCHANGED)
    if task.window is not None:
        _inside(task.window, facts)
    transaction_id = task.transaction or new_transaction_id()
    row = replace(row, transaction=transaction_id)
    return around(
        target.host,
        target.policy,
        facts,
        row,
        begin=lambda: begin(row),
        carry=lambda: _carried_out(target, row, facts),
    )


def _carried_out(target: Target, row: HostReport, facts: HostFacts) -> HostReport:
    plan, transaction_id = row.plan or Plan(()), row.transaction or ""
    if not plan.acts:
        return replace(row, outcome=Outcome.UNCHANGED, transaction=None)
    try:
        with _limited(_most(target, packages=bool(plan.upgrade)), "the change"):
            target.road.carry(plan, facts, target.policy, transaction_id)
    except (NestedOperationError, NoAnswer) as error:
        lost = _verdict(target.host) is None and _lost(target.host)
        if lost or isinstance(error, NoAnswer):
            _catch_up(target, plan, transaction_id)
        return _ended(target, row, plan)
    return _verified(target, row, plan)


def _last(facts: HostFacts) -> str | None:
    known = facts.transaction
    return known.value.id if isinstance(known, Read) and known.value else None


def _taken_up(
    target: Target, facts: HostFacts, transaction_id: str, agreed: HostReport
) -> HostReport:
    """The row of a change that an earlier visit of the same run began, and saw no end of."""
    row = replace(agreed, transaction=transaction_id)

    def followed() -> HostReport:
        _follow(target, transaction_id)
        return _ended(target, row, agreed.plan or Plan(()))

    if not facts.away:
        return followed()
    away = replace(row, plan=Plan((), away=True))
    return around(target.host, target.policy, facts, away, begin=lambda: None, carry=followed)


def _ended(target: Target, row: HostReport, plan: Plan) -> HostReport:
    """The row of a change that did not end in plain success; the host's verdict says in what."""
    if _verdict(target.host) != "confirmed":
        return _failed(target, row)
    return _verified(target, row, plan)


def _most(target: Target, *, packages: bool = False) -> float:
    """Seconds after which no transaction can still be at it, by ``overdue_after`` of its script;
    and those that packages may take: in an upgrade to be fetched, to come, and to go back."""
    if target.road.most is not None:
        return target.road.most
    limits = target.policy.time_limits
    return (
        limits.install * (3 if packages else 1)
        + limits.answer * 6
        + limits.watch
        + limits.shadow * 2
        + 360
    )


def _reading(target: Target) -> float:
    return target.road.reading or target.policy.time_limits.probe


def _inside(window: Window, facts: HostFacts) -> None:
    if not isinstance(facts.clock, Read):
        raise NotNow(f"the host's own time is unknown, which --window {window} needs")
    now = facts.clock.value
    if not window.holds(now.time()):
        raise NotNow(f"outside of --window {window}: it is {now:%H:%M} there")


def _soaked(target: Target, task: Task) -> HostReport:
    """The agreed row, unless what was changed a while ago does not hold any more."""
    row = task.agreed or HostReport(name=target.host.name, groups=target.groups)
    try:
        with _limited(_most(target), "looking again"):
            if row.transaction:
                ask(target.host, operations.soak_command(row.transaction), operations.held)
            _, _, left = target.road.check(target.host, target.policy, row.plan or Plan(()))
    except NoAnswer as error:
        left = str(error)
    if left is None:
        return row
    return replace(row, outcome=Outcome.FAILED, error=f"did not hold: {left}"[:500])


def _same(plan: Plan, agreed: Plan | None) -> bool:
    """Whether two plans do the same; notes may tell of something that has ended since, and a
    swarm's tasks may have come from a node that was drained before; a first start is what an
    installation was to lead to."""
    if agreed is None:
        return False
    return _essence(plan) == _essence(agreed) or bool(agreed.install and plan.start)


def _essence(plan: Plan) -> Plan:
    impact = tuple(hit for hit in plan.impact if hit.effect != LEAVES)
    return replace(plan, notes=(), impact=impact, migration=None)


def _lost(host: Host) -> bool:
    """Whether the connection died under an operation, or what ran there ended without a word."""
    return _lost_client(host) or not _complaints(host)


def _lost_client(host: Host) -> bool:
    client = getattr(host.connector, "client", None)
    transport = client.get_transport() if client else None
    return client is not None and not (transport and transport.is_active())


def _catch_up(target: Target, plan: Plan, transaction_id: str) -> None:
    """Follow a transaction whose connection was lost, if the host can be reached again."""
    leave(target.host)
    with suppress(ConnectError, NoAnswer):
        _connect(target)
        _follow(target, transaction_id, plan)


def _follow(target: Target, transaction_id: str, plan: Plan | None = None) -> None:
    """Wait until what is on its way on the host has ended, however it ends: the carrying out of a
    plan, or any transaction."""
    with (
        suppress(NestedOperationError, NoAnswer),
        _limited(_most(target, packages=True), "following a transaction"),
    ):
        if plan is None:
            operations.follow(name="Follow the transaction", transaction_id=transaction_id)
        else:
            target.road.follow(plan, transaction_id)


_UNTOLD: Final = (
    "the connection was lost while it changed; "
    "the host finishes or undoes it alone, and the next run tells"
)


def _failed(target: Target, row: HostReport) -> HostReport:
    """The row of a host whose operation failed, with the host's own words and its state now."""
    verdict, words = _verdict(target.host), _complaints(target.host)
    reasons = [line for line in words if line.startswith(("refused: ", "failed: "))]
    reason = (reasons or words[-1:] or [_UNTOLD])[0]
    if verdict == "broken":
        reason = f"{reason}; dockerd is not well"
    outcome = Outcome.ROLLED_BACK if verdict == "rolled-back" else Outcome.FAILED
    steps = (*row.steps, *_steps(target.host))
    return replace(row, outcome=outcome, error=reason[:500], steps=steps)


def _said(host: Host) -> list[str]:
    """What the last operation on a host printed that printed anything."""
    outputs = [done.operation_meta._combined_output for done in host.state.ops[host].values()]
    said = [output.output_lines for output in outputs if output and output.output_lines]
    return said[-1] if said else []


def _complaints(host: Host) -> list[str]:
    """What it said besides steps and verdict: reasons, or a package manager's complaints."""
    return [line for line in _said(host) if not line.startswith(("step ", "verdict "))]


def _verdict(host: Host) -> str | None:
    """How the transaction on a host ended, None where it did not say."""
    found = (re.match(r"verdict ([a-z-]+) ", line) for line in reversed(_said(host)))
    return next((match[1] for match in found if match), None)


def _steps(host: Host) -> Iterator[Step]:
    for line in _said(host):
        if line.startswith("step "):
            name, _, detail = line.removeprefix("step ").partition(" ")
            yield Step(name, detail)


def _verified(target: Target, row: HostReport, plan: Plan) -> HostReport:
    """Applied is said only when a second reading leaves nothing to change.

    The row keeps the changes that were made, beside what every control says now. A connection that
    is lost here leaves something to know, so another one is made.
    """
    row = replace(row, steps=(*row.steps, *_steps(target.host)))
    if plan.install:
        return _started(target, row, plan)
    try:
        facts, now, left = _checked(target, plan)
    except NoAnswer as error:
        return replace(row, outcome=Outcome.FAILED, error=f"changed, not verified: {error}")
    row = replace(row, facts=facts.summary(), plan=now)
    return replace(row, outcome=Outcome.FAILED if left else Outcome.APPLIED, error=left)


def _started(target: Target, row: HostReport, plan: Plan) -> HostReport:
    """The row of a host whose engine has come: what it gets before its first start is planned from
    that engine, and carried out."""
    try:
        now, facts = _planned(target)
    except NoAnswer as error:
        return replace(row, outcome=Outcome.FAILED, error=f"installed, not started: {error}")
    if now.plan is None or not now.plan.start:
        return replace(row, outcome=Outcome.FAILED, error="installed, and not to be started")
    now = replace(now, steps=row.steps, transaction=new_transaction_id())
    done = _carried_out(target, now, facts)
    changes = (*plan.changes, *(done.plan.changes if done.plan else ()))
    return replace(done, plan=replace(done.plan or plan, changes=changes))


def _checked(target: Target, plan: Plan) -> tuple[HostFacts, Plan, str | None]:
    limit = _reading(target)
    try:
        with _limited(limit, "reading the host"):
            return target.road.check(target.host, target.policy, plan)
    except NoAnswer:
        if not _lost_client(target.host):
            raise
    leave(target.host)
    try:
        _connect(target)
    except ConnectError as error:
        raise NoAnswer(_words(error)) from None
    with _limited(limit, "reading the host"):
        return target.road.check(target.host, target.policy, plan)
