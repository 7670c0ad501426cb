"""The same audit, plan, change and rollback of a host, whichever door they come through.

``harden``, ``audit`` and ``rollback`` are pyinfra deploys; ``oakum.rollout`` calls ``policy_for``,
``change`` and the functions of a ``Road`` for the command line. So a dry run cannot differ from the
real one.
"""

import datetime
import getpass
import os
import re
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from pyinfra.api.command import FunctionCommand
from pyinfra.api.deploy import deploy
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import ctx_host

from oakum import bootstrap as new_host
from oakum import operations, planner, undo, upgrading
from oakum.controls import controls
from oakum.engine.upgrade import target
from oakum.facts import CannotTell, HostFacts, Read
from oakum.history import looked_at, remembered
from oakum.inventory import PLACES
from oakum.layers import Layer, from_inventory, resolve
from oakum.manifest import About
from oakum.model import Finding, Kind, Plan, Status
from oakum.offers import Package, offers
from oakum.policy import Policy, PolicyError, Waiver
from oakum.probe import NoAnswer, ask, read


def layers(host: Host) -> list[Layer]:
    """The ``oakum_*`` keys of a host's inventory data, lowest first: all, groups, host, --data.

    Those of an Ansible inventory are all the host's; each is told by the file that it is in.
    """
    inventory: Any = host.inventory  # untyped in pyinfra
    own = inventory.get_host_data(host.name)
    places: dict[str, str] = own.get(PLACES, {})
    files = [from_inventory({key: own[key]}, place) for key, place in places.items()]
    rest = {key: value for key, value in own.items() if key not in places}
    groups = [
        from_inventory(inventory.get_group_data(group), f"group {group}")
        for group in dict.fromkeys(host.groups)
    ]
    return [
        from_inventory(inventory.get_data(), "group all"),
        *groups,
        *files,
        from_inventory(rest, f"host {host.name}"),
        from_inventory(inventory.get_override_data(), "--data"),
    ]


def policy_for(host: Host, below: Sequence[Layer] = (), above: Sequence[Layer] = ()) -> Policy:
    """The policy of a host: ``below`` under its inventory data, ``above`` over it.

    Raises:
        PolicyError: a wrong key, value or control.
    """
    policy = _whole_policy(host, below, above)
    meant = tuple(one for one in policy.waivers if one.is_for(host.name, host.groups))
    return policy if meant == policy.waivers else policy.model_copy(update={"waivers": meant})


def waivers_of(host: Host, below: Sequence[Layer] = ()) -> tuple[Waiver, ...]:
    """Every waiver that is said of a host, also where it is for others. Raises PolicyError."""
    return _whole_policy(host, below, ()).waivers


def _whole_policy(host: Host, below: Sequence[Layer], above: Sequence[Layer]) -> Policy:
    known = [control.id for control in controls()]
    return resolve([*below, *layers(host), *above], known)


def plan_for(facts: HostFacts, policy: Policy) -> Plan:
    """The plan of a host from facts that were just read."""
    return planner.build(facts, policy, controls(), _today())


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def new_transaction_id() -> str:
    """A name that sorts by time, such as ``20260131T120000Z-1a2b3c4d``."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def change(plan: Plan, facts: HostFacts, policy: Policy, transaction_id: str) -> None:
    """Call the operations that carry out a plan on the current host."""
    manager = facts.packages.value if isinstance(facts.packages, Read) else "none"
    operations.packages(name="Install packages", plan=plan, manager=manager)
    operations.transaction(
        name="Change files and service",
        plan=plan,
        facts=facts,
        policy=policy,
        about=About(transaction_id, whoami()),
    )


def follow(plan: Plan, transaction_id: str) -> None:
    """Call the operation that waits for a transaction which is on the current host already."""
    operations.follow(name="Follow the transaction", transaction_id=transaction_id)


def whoami() -> str:
    """Who changes hosts from here, such as ``ann@desk``, as one word for a ledger."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        user = str(os.getuid())
    return re.sub(r"[^A-Za-z0-9._@+-]", "_", f"{user}@{socket.gethostname()}")[:100]


# Roads -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Road:
    """What a run wants of a host.

    ``look`` reads the host and plans. ``check`` reads it again after a plan was carried out: facts,
    the plan with what its findings are now, and what is left to do, None when nothing is. Both
    raise NoAnswer. ``carry`` calls the operations that carry a plan out, and ``follow`` those that
    wait for what is on its way. ``reading`` and ``most`` are the seconds that looking and carrying
    may take, where the policy's own are not enough.
    """

    look: Callable[[Host, Policy], tuple[HostFacts, Plan]]
    check: Callable[[Host, Policy, Plan], tuple[HostFacts, Plan, str | None]]
    carry: Callable[[Plan, HostFacts, Policy, str], None] = change
    follow: Callable[[Plan, str], None] = follow
    reading: int | None = None
    most: int | None = None


def _look(host: Host, policy: Policy) -> tuple[HostFacts, Plan]:
    facts = read(host, setuid=policy.image_setuid)
    return facts, plan_for(facts, policy)


def _check(host: Host, policy: Policy, done: Plan) -> tuple[HostFacts, Plan, str | None]:
    facts, now = _look(host, policy)
    left = ", ".join(row.path for row in now.changes)
    error = f"still to change after the change: {left}" if left else None
    return facts, replace(done, findings=now.findings), error


HARDEN: Final = Road(_look, _check)
"""To the policy."""


def _look_new(host: Host, policy: Policy) -> tuple[HostFacts, Plan]:
    facts = read(host)
    try:
        return facts, new_host.build(facts, policy, controls(), _today())
    except (new_host.NotNew, CannotTell) as error:
        raise NoAnswer(str(error)) from None


BOOTSTRAP: Final = Road(_look_new, _check)
"""To a new host's first dockerd, under its policy."""


def upgrading_to(wanted: upgrading.Wanted) -> Road:
    """To a newer engine, as it is."""
    return Road(partial(_look_up, wanted), partial(_check_up, wanted))


def _look_up(wanted: upgrading.Wanted, host: Host, policy: Policy) -> tuple[HostFacts, Plan]:
    facts = read(host)
    packages: tuple[Package, ...] = ()
    try:
        if names := upgrading.names(facts):
            text = operations.offers_command(facts.packages.value, wanted.release, names)
            packages = ask(host, text, offers)
    except CannotTell as error:
        raise NoAnswer(str(error)) from None
    return facts, upgrading.build(facts, policy, packages, wanted)


def _check_up(
    wanted: upgrading.Wanted, host: Host, policy: Policy, done: Plan
) -> tuple[HostFacts, Plan, str | None]:
    facts, hardened = _look(host, policy)
    now = upgrading.now(facts, done, wanted, hardened)
    return facts, now, upgrading.left(facts, done, wanted)


def rolling_back(selection: undo.Selection) -> Road:
    """To what was there before the transactions that ``selection`` means."""
    return Road(partial(_look_back, selection), _check_back)


def _look_back(selection: undo.Selection, host: Host, policy: Policy) -> tuple[HostFacts, Plan]:
    facts = read(host)
    try:
        return facts, undo.build(facts, remembered(host), policy, selection)
    except undo.NotInForce as error:
        raise NoAnswer(str(error)) from None


def _check_back(host: Host, policy: Policy, done: Plan) -> tuple[HostFacts, Plan, str | None]:
    facts = read(host)
    paths = [change.path for change in done.changes if change.kind is Kind.FILE]
    return facts, done, undo.left(done, facts, looked_at(host, paths))


# Doors -------------------------------------------------------------------------------------------


@deploy("oakum: harden Docker")
def harden() -> None:
    """Bring the current host's Docker to its policy; with --dry --diff, show what that would be."""
    _walk(HARDEN)


@deploy("oakum: install Docker, hardened before its first start")
def bootstrap() -> None:
    """Bring a Docker that is hardened to the current host, which has none."""
    plan = _walk(BOOTSTRAP)
    if plan.install:
        first_start(name="Harden what came, and start it")


@operation()
def first_start() -> operations.Commands:
    """What the engine gets that was installed just now, planned from it; then its first start."""
    yield FunctionCommand(_start, (), {})


def _start() -> None:
    _walk(BOOTSTRAP)


@deploy("oakum: take changes back")
def rollback(to: str | None = None, all: bool = False) -> None:
    """Take back the last change of the current host, all after the transaction ``to``, or all.

    The inventory data ``rollback_to`` and ``rollback_all`` stand for arguments that are not given.
    """
    data: Any = _current().data
    back_to = to or data.get("rollback_to")
    _walk(rolling_back(undo.Selection(back_to, all or bool(data.get("rollback_all")))))


@deploy("oakum: upgrade Docker")
def upgrade(to: str | None = None) -> None:
    """Upgrade the current host's engine to a release of Docker, such as 28 or 28.5.1.

    The inventory data ``upgrade_to`` stands for an argument that is not given.
    """
    wanted = str(to or _current().data.get("upgrade_to") or "")
    try:
        target(wanted)
    except ValueError as error:
        operations.refuse(name="Read the release", reason=f"to={wanted[:20]}: {error}")
        return
    _walk(upgrading_to(upgrading.Wanted(wanted)))


@deploy("oakum: audit Docker")
def audit() -> None:
    """Tell every finding of the current host; changes nothing."""
    host = _current()
    _, _, plan, reason = _seen(host, HARDEN)
    operations.refuse(name="Read the host", reason=reason)
    _tell(host, plan.findings, set(Status))


def _walk(road: Road) -> Plan:
    host = _current()
    policy, facts, plan, reason = _seen(host, road)
    if policy.has_neighbours and not plan.idle:
        reason = "its neighbours have to be told before and after, which only oakum apply does"
    operations.refuse(name="Read the host", reason=reason)
    if host.state.config.DIFF and not host.state.is_executing:
        for row in [*plan.changes, *plan.deferred]:
            host.log(f"\n{row.diff}")
    _tell(host, plan.findings, {Status.HELD, Status.UNKNOWN})
    change(plan, facts, policy, new_transaction_id())
    if not plan.install:
        verified(name="Verify by reading again", plan=plan, road=road)
    return plan


@operation()
def verified(plan: Plan, road: Road) -> operations.Commands:
    """Read the host again after a change; it fails unless nothing is left to do."""
    if not plan.idle:
        yield FunctionCommand(_nothing_left, (plan, road), {})


def _nothing_left(plan: Plan, road: Road) -> None:
    host = _current()
    try:
        _, _, left = road.check(host, policy_for(host), plan)
    except (NoAnswer, PolicyError) as error:
        left = str(error)
    if left:
        raise RuntimeError(ascii(left)[1:-1])


def _current() -> Host:
    host: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    return host


def _seen(host: Host, road: Road) -> tuple[Policy, HostFacts, Plan, str | None]:
    """Policy, facts, plan and no reason; or empty ones and why the host is left alone."""
    try:
        policy = policy_for(host)
        facts, plan = road.look(host, policy)
    except (NoAnswer, PolicyError) as error:
        return resolve([], []), HostFacts(), Plan(()), ascii(str(error))[1:-1]
    return policy, facts, plan, None


def _tell(host: Host, findings: Sequence[Finding], which: set[Status]) -> None:
    for finding in findings:
        if finding.status in which:
            reason = f": {ascii(finding.reason)[1:-1]}" if finding.reason else ""
            host.log(f"{finding.status} {finding.control}{reason}")
