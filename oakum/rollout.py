"""Hosts in, rows of a report out: the only place that owns a pyinfra State.

Each host is one greenlet that connects, probes, plans, changes, verifies and disconnects. There is
no barrier between hosts, and whatever goes wrong on one stays in its row.
"""

import logging
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, TextIO

import gevent
from gevent import Greenlet
from gevent.pool import Pool
from pyinfra.api.config import Config
from pyinfra.api.exceptions import ConnectError, NestedOperationError, PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.output import set_echo
from pyinfra.api.state import State, StateStage
from pyinfra.connectors import util as connector_util
from pyinfra.context import ctx_host, ctx_state

from oakum import operations
from oakum.deploy import HARDEN, Road, change, new_transaction_id, policy_for
from oakum.facts import HostFacts
from oakum.history import ledger
from oakum.model import HostReport, Outcome, Plan, Step
from oakum.policy import Layer, Policy, PolicyError
from oakum.probe import NoAnswer
from oakum.selection import load_inventory, select

for talker in ("pyinfra", "paramiko"):
    # What they log belongs in rows; without a handler it would go to stderr.
    logging.getLogger(talker).addHandler(logging.NullHandler())

PARALLEL: Final = 40
"""Hosts that are worked on at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How hosts are reached, in pyinfra's words: ``override`` such as ``ssh_user``, and ``config``
    such as ``SUDO``."""

    override: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    parallel: int = PARALLEL


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


Seen = Callable[[HostReport], None]
"""Told of each host's row as soon as it is known."""

Told = Callable[[str, str], None]
"""Told of each step of a transaction as soon as it is done: the host's name, and the step."""


class Fleet:
    """The hosts of an inventory that are meant, ready to be looked at and changed.

    Raises:
        SelectionError: no such inventory, or no host in it that ``limit`` means.
        PolicyError: a wrong ``oakum_*`` key, anywhere in the fleet.
    """

    def __init__(
        self,
        inventory: str,
        *,
        limit: Sequence[str] = (),
        below: Sequence[Layer] = (),
        above: Sequence[Layer] = (),
        access: Access | None = None,
        road: Road = HARDEN,
    ) -> None:
        self.access = access or Access()
        loaded = load_inventory(inventory, self.access.override)
        hosts = select(loaded, limit)
        config = Config(**self.access.config)  # type: ignore[no-untyped-call]
        config.PARALLEL = self.access.parallel
        self.state = State(loaded, config, check_for_changes=False)
        # pyinfra runs an operation at once when it is called in this stage, which is what lets
        # every host walk its road alone.
        self.state.set_stage(StateStage.Execute)
        self.state.is_executing = True
        self.targets = [replace(target, road=road) for target in _targets(hosts, below, above)]

    @property
    def profiles(self) -> str:
        """The names of the profiles in use, most often one."""
        return ", ".join(sorted({target.policy.profile for target in self.targets}))

    def look(self, seen: Seen) -> list[HostReport]:
        """Probe and plan every host; one exec each."""
        return self._each(self.targets, lambda target: _planned(target)[0], seen)

    def change(
        self,
        seen: Seen,
        *,
        planned: Mapping[str, HostReport] | None = None,
        told: Told | None = None,
    ) -> list[HostReport]:
        """Probe, plan, change and verify every host; a clean one costs one exec.

        ``planned`` holds the rows that an operator has seen and agreed to, by host: a host whose
        plan is no longer the same is left alone, and one with nothing to do is not asked again.
        """

        def one(target: Target) -> HostReport:
            agreed = planned[target.host.name] if planned else None
            if agreed is not None and (agreed.plan is None or agreed.plan.idle):
                unchanged = agreed.plan is not None and agreed.error is None
                return replace(agreed, outcome=Outcome.UNCHANGED if unchanged else None)
            return _changed(target, agreed)

        with _streaming(self, told):
            return self._each(self.targets, one, seen)

    def remember(self, seen: Seen) -> list[HostReport]:
        """Read the ledger of every host; one exec each."""
        return self._each(self.targets, _remembered, seen)

    def _each(
        self, targets: Sequence[Target], visit: Callable[[Target], HostReport], seen: Seen
    ) -> list[HostReport]:
        pool = Pool(self.access.parallel)

        def walk(target: Target) -> HostReport:
            row = _guarded(target, visit)
            seen(row)
            return row

        with _no_questions(), _interruptible(), ctx_state.use(self.state):
            walks: list[Greenlet[..., HostReport]] = [
                pool.spawn(walk, target) for target in targets
            ]
            pool.join(raise_error=True)
        return [row for row in (done.value for done in walks) if row is not None]


def _targets(hosts: Sequence[Host], below: Sequence[Layer], above: Sequence[Layer]) -> list[Target]:
    targets: list[Target] = []
    problems: list[str] = []
    for host in hosts:
        try:
            targets.append(Target(host, policy_for(host, below, above)))
        except PolicyError as error:
            problems += error.problems
    if problems:
        raise PolicyError(list(dict.fromkeys(problems)))
    return targets


# One host ----------------------------------------------------------------------------------------


def _guarded(target: Target, visit: Callable[[Target], HostReport]) -> HostReport:
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


def _planned(target: Target) -> tuple[HostReport, HostFacts]:
    host = target.host
    host.connect(show_errors=False, raise_exceptions=True)
    facts, plan = target.road.look(host, target.policy)
    row = HostReport(name=host.name, groups=target.groups, facts=facts.summary(), plan=plan)
    return row, facts


def _remembered(target: Target) -> HostReport:
    host = target.host
    host.connect(show_errors=False, raise_exceptions=True)
    return HostReport(name=host.name, groups=target.groups, history=ledger(host))


def _changed(target: Target, agreed: HostReport | None) -> HostReport:
    row, facts = _planned(target)
    if (unended := facts.unended) is not None:
        _follow(target.host, unended)
        row, facts = _planned(target)
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


@contextmanager
def _streaming(fleet: Fleet, told: Told | None) -> Iterator[None]:
    """Hand on what transactions say while they say it; pyinfra echoes it behind a host's name."""
    if told is None:
        yield
        return
    names = {target.host.name for target in fleet.targets}
    said: set[tuple[str, str]] = set()  # a transaction that is followed again says all once more

    def heard(message: object = "", **_: object) -> None:
        found = re.match(r"\[(.*?)\] *(?:nested)? *step (.*)", str(message))
        if found and found[1] in names and found.groups() not in said:
            said.add((found[1], found[2]))
            told(found[1], found[2])

    set_echo(heard)
    fleet.state.print_output = True
    try:
        yield
    finally:
        fleet.state.print_output = False
        set_echo(lambda *_, **__: None)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends the wait for all hosts, not the one greenlet that happens to run."""
    waiting = gevent.getcurrent()
    handler = gevent.signal_handler(signal.SIGINT, waiting.throw, KeyboardInterrupt)
    try:
        yield
    finally:
        handler.cancel()
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _no_questions() -> Iterator[None]:
    """Nothing may ask for a password in the middle of a fleet."""

    def no_prompt(prompt: str = "", stream: TextIO | None = None) -> str:
        raise NoAnswer(
            "sudo wants a password: set _sudo_password in the inventory or use --same-sudo-password"
        )

    ask = connector_util.getpass  # type: ignore[attr-defined]
    connector_util.getpass = no_prompt  # type: ignore[attr-defined]
    try:
        yield
    finally:
        connector_util.getpass = ask  # type: ignore[attr-defined]
