"""One host's visit: connect, probe, plan, change, verify, disconnect; whatever goes wrong stays in
its row."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from pyinfra.api.exceptions import ConnectError, NestedOperationError, PyinfraError
from pyinfra.api.host import Host
from pyinfra.context import ctx_host

from oakum import operations
from oakum.deploy import HARDEN, Road, change, new_transaction_id
from oakum.facts import HostFacts
from oakum.history import ledger
from oakum.model import HostReport, Outcome, Plan, Step
from oakum.policy import Policy
from oakum.probe import NoAnswer


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


def guarded(target: Target, visit: Callable[[Target], HostReport]) -> HostReport:
    """What ``visit`` makes of a host, connected before and disconnected after; never raises."""
    host = target.host
    row = HostReport(name=host.name, groups=target.groups, reached=False)
    with ctx_host.use(host):
        try:
            row = visit(target)
        except ConnectError as error:
            return replace(row, error=_words(error))
        except NoAnswer as error:
            return replace(row, reached=host.connected, error=str(error))
        except Exception as error:  # one host's surprise must not end the run for the others
            return replace(row, error=f"{type(error).__name__}: {error}")
        finally:
            _leave(host)
    return row


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def planned(target: Target) -> tuple[HostReport, HostFacts]:
    host = target.host
    host.connect(show_errors=False, raise_exceptions=True)
    facts, plan = target.road.look(host, target.policy)
    row = HostReport(name=host.name, groups=target.groups, facts=facts.summary(), plan=plan)
    return row, facts


def remembered(target: Target) -> HostReport:
    host = target.host
    host.connect(show_errors=False, raise_exceptions=True)
    return HostReport(name=host.name, groups=target.groups, history=ledger(host))


def changed(target: Target, agreed: HostReport | None) -> HostReport:
    row, facts = planned(target)
    if (unended := facts.unended) is not None:
        _follow(target.host, unended)
        row, facts = planned(target)
    plan = row.plan or Plan(())
    if agreed is not None and not _same(plan, agreed.plan):
        error = "stale: the host is no longer what the plan was made from; plan again"
        return replace(row, error=error, outcome=Outcome.FAILED)
    if plan.idle:
        return replace(row, outcome=Outcome.UNCHANGED)
    transaction_id = new_transaction_id()
    row = replace(row, transaction=transaction_id)
    try:
        change(plan, facts, target.policy, transaction_id)
    except NestedOperationError:
        if _verdict(target.host) is None and _lost(target.host):
            _catch_up(target, transaction_id)
        if _verdict(target.host) != "confirmed":
            return _failed(target, row)
    return _verified(target, replace(row, steps=tuple(_steps(target.host))), plan)


def _same(plan: Plan, agreed: Plan | None) -> bool:
    """Whether two plans do the same; notes may tell of something that has ended since."""
    return agreed is not None and replace(plan, notes=()) == replace(agreed, notes=())


def _lost(host: Host) -> bool:
    """Whether the connection died under an operation, or what ran there ended without a word."""
    client = getattr(host.connector, "client", None)
    transport = client.get_transport() if client else None
    died = client is not None and not (transport and transport.is_active())
    return died or not _complaints(host)


def _catch_up(target: Target, transaction_id: str) -> None:
    """Follow a transaction whose connection was lost, if the host can be reached again."""
    _leave(target.host)
    with suppress(ConnectError):
        target.host.connect(show_errors=False, raise_exceptions=True)
        _follow(target.host, transaction_id)


def _follow(host: Host, transaction_id: str) -> None:
    """Wait until a transaction that is on the host has ended, however it ends."""
    with suppress(NestedOperationError):
        operations.follow(name="Follow the transaction", transaction_id=transaction_id)


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
    return replace(row, outcome=outcome, error=reason[:500], steps=tuple(_steps(target.host)))


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

    The row keeps the changes that were made, beside what every control says now.
    """
    try:
        facts, now, left = target.road.check(target.host, target.policy, plan)
    except NoAnswer as error:
        return replace(row, outcome=Outcome.FAILED, error=f"changed, not verified: {error}")
    row = replace(row, facts=facts.summary(), plan=now)
    return replace(row, outcome=Outcome.FAILED if left else Outcome.APPLIED, error=left)


def _leave(host: Host) -> None:
    """Disconnect for good: pyinfra's SSH connector leaves its client open."""
    client = getattr(host.connector, "client", None)
    try:
        if host.connected:
            host.disconnect()
    except (PyinfraError, OSError, EOFError):
        pass  # the host is gone, which its row says already
    finally:
        if client is not None:
            client.close()
            host.connector.client = None  # type: ignore[attr-defined]
        host.connected = False
