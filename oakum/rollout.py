"""Hosts in, rows of a report out: the only place that owns a pyinfra State.

Each host is one greenlet that connects, probes, plans, changes, verifies and disconnects. There is
no barrier between hosts, and whatever goes wrong on one stays in its row.
"""

import logging
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, TextIO

import gevent
from gevent import Greenlet
from gevent.pool import Pool
from pyinfra.api.config import Config
from pyinfra.api.host import Host
from pyinfra.api.output import set_echo
from pyinfra.api.state import State, StateStage
from pyinfra.connectors import util as connector_util
from pyinfra.context import ctx_state

from oakum.deploy import HARDEN, Road, policy_for
from oakum.model import HostReport, Outcome
from oakum.policy import Layer, PolicyError
from oakum.probe import NoAnswer
from oakum.selection import load_inventory, select
from oakum.visit import Target, changed, guarded, planned, remembered

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
        return self._each(self.targets, lambda target: planned(target)[0], seen)

    def change(
        self,
        seen: Seen,
        *,
        agreed: Mapping[str, HostReport] | None = None,
        told: Told | None = None,
    ) -> list[HostReport]:
        """Probe, plan, change and verify every host; a clean one costs one exec.

        ``agreed`` holds the rows that an operator has seen and agreed to, by host: a host whose
        plan is no longer the same is left alone, and one with nothing to do is not asked again.
        """

        def one(target: Target) -> HostReport:
            seen = agreed[target.host.name] if agreed else None
            if seen is not None and (seen.plan is None or seen.plan.idle):
                unchanged = seen.plan is not None and seen.error is None
                return replace(seen, outcome=Outcome.UNCHANGED if unchanged else None)
            return changed(target, seen)

        with _streaming(self, told):
            return self._each(self.targets, one, seen)

    def remember(self, seen: Seen) -> list[HostReport]:
        """Read the ledger of every host; one exec each."""
        return self._each(self.targets, remembered, seen)

    def _each(
        self, targets: Sequence[Target], visit: Callable[[Target], HostReport], seen: Seen
    ) -> list[HostReport]:
        pool = Pool(self.access.parallel)

        def walk(target: Target) -> HostReport:
            row = guarded(target, visit)
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
