"""The same audit, plan and change for a host, whichever door they come through.

``harden`` and ``audit`` are pyinfra deploys; ``oakum.rollout`` calls ``policy_for``, ``plan_for``
and ``change`` for the command line. So a dry run cannot differ from the real one.
"""

import datetime
import secrets
from collections.abc import Sequence
from typing import Any

from pyinfra.api.command import FunctionCommand
from pyinfra.api.deploy import deploy
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import ctx_host

from oakum import operations, planner
from oakum.controls import controls
from oakum.facts import HostFacts, Read
from oakum.model import Finding, Plan, Status
from oakum.policy import Layer, Policy, PolicyError, from_inventory, resolve
from oakum.probe import NoAnswer, read


def layers(host: Host) -> list[Layer]:
    """The ``oakum_*`` keys of a host's inventory data, lowest first: all, groups, host, --data."""
    inventory: Any = host.inventory  # untyped in pyinfra
    groups = [
        from_inventory(inventory.get_group_data(group), f"group {group}")
        for group in dict.fromkeys(host.groups)
    ]
    return [
        from_inventory(inventory.get_data(), "group all"),
        *groups,
        from_inventory(inventory.get_host_data(host.name), f"host {host.name}"),
        from_inventory(inventory.get_override_data(), "--data"),
    ]


def policy_for(host: Host, below: Sequence[Layer] = (), above: Sequence[Layer] = ()) -> Policy:
    """The policy of a host: ``below`` under its inventory data, ``above`` over it.

    Raises:
        PolicyError: a wrong key, value or control.
    """
    known = [control.id for control in controls()]
    return resolve([*below, *layers(host), *above], known)


def plan_for(facts: HostFacts, policy: Policy) -> Plan:
    """The plan of a host from facts that were just read."""
    return planner.build(facts, policy, controls(), datetime.datetime.now(datetime.UTC).date())


def new_transaction_id() -> str:
    """A name that sorts by time, such as ``20260131T120000Z-1a2b3c4d``."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def change(plan: Plan, facts: HostFacts, transaction_id: str) -> None:
    """Call the operations that carry out a plan on the current host."""
    manager = facts.packages.value if isinstance(facts.packages, Read) else "none"
    running = len(facts.containers.value) if isinstance(facts.containers, Read) else 0
    operations.packages(name="Install packages", plan=plan, manager=manager)
    operations.transaction(
        name="Change files and service",
        plan=plan,
        transaction_id=transaction_id,
        containers=running,
    )


def left_over(plan: Plan) -> str | None:
    """What the plan of a second reading still wants to change, as an error; None when nothing."""
    left = ", ".join(row.path for row in plan.changes)
    return f"still to change after the change: {left}" if left else None


@deploy("oakum: harden Docker")
def harden() -> None:
    """Bring the current host's Docker to its policy; with --dry --diff, show what that would be."""
    host = _current()
    facts, plan, reason = _look(host)
    operations.refuse(name="Read the host", reason=reason)
    if host.state.config.DIFF and not host.state.is_executing:
        for row in [*plan.changes, *plan.deferred]:
            host.log(f"\n{row.diff}")
    _tell(host, plan.findings, {Status.HELD, Status.UNKNOWN})
    change(plan, facts, new_transaction_id())
    verified(name="Verify by reading again", plan=plan)


@deploy("oakum: audit Docker")
def audit() -> None:
    """Tell every finding of the current host; changes nothing."""
    host = _current()
    _, plan, reason = _look(host)
    operations.refuse(name="Read the host", reason=reason)
    _tell(host, plan.findings, set(Status))


@operation()
def verified(plan: Plan) -> operations.Commands:
    """Read the host again after a change; it fails unless nothing is left to do."""
    if plan.changes:
        yield FunctionCommand(_nothing_left, (), {})


def _nothing_left() -> None:
    _, plan, reason = _look(_current())
    if left := reason or left_over(plan):
        raise RuntimeError(left)


def _current() -> Host:
    host: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    return host


def _look(host: Host) -> tuple[HostFacts, Plan, str | None]:
    """Facts, plan and no reason; or empty ones and the reason why the host is not touched."""
    try:
        policy = policy_for(host)
        facts = read(host)
    except (NoAnswer, PolicyError) as error:
        return HostFacts(), Plan(()), ascii(str(error))[1:-1]
    return facts, plan_for(facts, policy), None


def _tell(host: Host, findings: Sequence[Finding], which: set[Status]) -> None:
    for finding in findings:
        if finding.status in which:
            reason = f": {ascii(finding.reason)[1:-1]}" if finding.reason else ""
            host.log(f"{finding.status} {finding.control}{reason}")
