"""Which hosts are changed when, and when to stop: names in, names out, no I/O.

A run goes through stages, the canary first; a stage ends before the next one begins.
"""

import enum
import random
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time, timedelta
from typing import Final

from oakum.model import Disruption


class BadSchedule(Exception):
    """What was asked for does not fit the hosts that are meant; the message says how."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of hosts, or a share of them in percent."""

    number: int
    percent: bool = False

    def of(self, total: int) -> int:
        """How many of ``total`` hosts: a share is rounded down."""
        return total * self.number // 100 if self.percent else self.number

    def __str__(self) -> str:
        return f"{self.number}{'%' if self.percent else ''}"


def amount(text: str, least: int = 1) -> Amount:
    """The amount that ``3`` or ``25%`` means.

    Raises:
        ValueError: neither of these, below ``least``, or more than 100 %.
    """
    found = re.fullmatch(r"([0-9]{1,9})(%?)", text.strip())
    number = int(found[1]) if found else -1
    if not found or number < least or (found[2] and number > 100):
        raise ValueError(f"{text!r} is neither a number of hosts from {least} on nor N% up to 100%")
    return Amount(number, bool(found[2]))


class Order(enum.StrEnum):
    """Who comes first."""

    INVENTORY = "inventory"
    RANDOM = "random"
    LEAST_DISRUPTION_FIRST = "least-disruption-first"


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of a day in which hosts may be changed; past midnight where the end is earlier."""

    begin: time
    end: time

    def holds(self, now: time) -> bool:
        """Whether ``now`` lies in it; the end does not."""
        if self.begin <= self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end

    @property
    def seconds(self) -> int:
        """How long it is, on a day without a change of the clock."""
        begin, end = (timedelta(hours=at.hour, minutes=at.minute) for at in (self.begin, self.end))
        return int((end - begin).total_seconds()) % 86400

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M}"


def window(text: str) -> Window:
    """The window that ``22:00-05:30`` means. Raises ValueError."""
    try:
        begin, end = (time.fromisoformat(part.strip().zfill(5)) for part in text.split("-"))
    except ValueError:
        raise ValueError(f"{text!r} is no window such as 22:00-05:30") from None
    if begin == end:
        raise ValueError(f"{text!r} has no time in it")
    return Window(begin, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How a change goes through a fleet.

    ``canary`` is a number of hosts or a group; ``batches`` are the sizes of what follows, the last
    one again and again. More than ``max_fail`` failed hosts end the run. ``spread`` is a key of
    inventory data: two hosts with the same value are never changed at once. ``pause`` are seconds
    between stages.
    """

    canary: Amount | str | None = None
    batches: tuple[Amount, ...] = ()
    max_fail: Amount = Amount(0)
    count_unreachable: bool = False
    spread: str | None = None
    pause: float = 0
    order: Order = Order.INVENTORY
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A host as far as a schedule goes by it; ``domain`` is its value of the spread key."""

    name: str
    groups: tuple[str, ...] = ()
    domain: str | None = None
    disruption: Disruption = Disruption.NONE


CANARY: Final = "canary"


@dataclass(frozen=True, slots=True)
class Stage:
    """Hosts that may be changed at the same time."""

    name: str
    hosts: tuple[str, ...]


def stages(members: Sequence[Member], strategy: Strategy, seed: int | None = None) -> list[Stage]:
    """The stages of a run, in order; every member is in exactly one.

    Raises:
        BadSchedule: a canary group without a member, or a spread key that no host has.
    """
    if strategy.spread and not any(member.domain is not None for member in members):
        raise BadSchedule(f"--spread {strategy.spread}: no host has this key in its inventory data")
    ordered = _ordered(members, strategy.order, seed)
    canary = _canary(ordered, strategy.canary)
    rest = [member for member in ordered if member.name not in canary]
    found = [Stage(CANARY, tuple(canary))] if canary else []
    sizes = _sizes(strategy.batches, len(members))
    number = 0
    while rest:
        number += 1
        size = next(sizes)
        found.append(Stage(f"batch {number}", tuple(member.name for member in rest[:size])))
        rest = rest[size:]
    return found


def _ordered(members: Sequence[Member], order: Order, seed: int | None) -> list[Member]:
    if order is Order.RANDOM:
        return random.Random(seed).sample(list(members), len(members))
    if order is Order.LEAST_DISRUPTION_FIRST:
        return sorted(members, key=lambda member: member.disruption.rank)
    return list(members)


def _canary(members: Sequence[Member], wanted: Amount | str | None) -> list[str]:
    if wanted is None:
        return []
    if isinstance(wanted, Amount):
        return [member.name for member in members[: max(1, wanted.of(len(members)))]]
    named = [member.name for member in members if wanted in (*member.groups, member.name)]
    if not named:
        raise BadSchedule(f"--canary {wanted}: no group or host that is meant has this name")
    return named


def _sizes(batches: tuple[Amount, ...], total: int) -> Iterator[int]:
    """Sizes without end: the given ones, then the last one again; one batch of all without any."""
    given = [max(1, batch.of(total)) for batch in batches] or [total]
    yield from given
    while True:
        yield given[-1]


def ready(
    waiting: Iterable[str], domains: Mapping[str, str | None], busy: Collection[str | None]
) -> str | None:
    """The first waiting host whose failure domain nobody is busy in; None if there is none."""
    for name in waiting:
        domain = domains[name]
        if domain is None or domain not in busy:
            return name
    return None


@dataclass(slots=True)
class StopRule:
    """Counts failed hosts, and says when there are too many.

    ``allowed`` is how many may fail; in the canary none may, nor be unreachable.
    """

    allowed: int
    count_unreachable: bool = False
    failed: int = 0
    unreachable: int = 0
    reason: str | None = field(default=None)

    def count(self, *, failed: bool, unreachable: bool, canary: bool) -> None:
        """Take one host that is done into account; sets ``reason`` once the run must stop."""
        self.failed += failed
        self.unreachable += unreachable
        if canary and (failed or unreachable):
            self.stop(f"the canary {'failed' if failed else 'could not be read'}")
        counted = self.failed + (self.unreachable if self.count_unreachable else 0)
        if counted > self.allowed:
            what = "failed or unreachable" if self.count_unreachable else "failed"
            self.stop(f"{counted} {what}, --max-fail {self.allowed}")

    def stop(self, reason: str) -> None:
        """Stop for ``reason``; the first one stays."""
        self.reason = self.reason or reason
