"""Reports: what a run has to say, one module for each form; every form is made from a ``Report``.

Here is what all of them count, compare and write alike. Whatever comes from a host or an inventory
goes to a terminal through ``printable``.
"""

import enum
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from oakum.model import HostReport, Outcome, Report, Status


class Standing(enum.StrEnum):
    """How a host stands: the worst of what is known of it, so that each host counts once."""

    UNREACHED = "unreached"
    NOT_REACHED = "not_reached"
    UNKNOWN = "unknown"
    DRIFT = "drift"
    HELD = "held"
    OK = "ok"


def standing(row: HostReport) -> Standing:
    """The first that is true, from not reached to ok; a file not yet written is drift."""
    if left_out(row):
        return Standing.NOT_REACHED
    if not row.reached:
        return Standing.UNREACHED
    if row.plan is None or (row.error and not broke(row)):
        return Standing.UNKNOWN
    said = {finding.status for finding in row.plan.findings}
    if Status.UNKNOWN in said:
        return Standing.UNKNOWN
    if Status.DRIFT in said or row.plan.deferred:
        return Standing.DRIFT
    return Standing.HELD if Status.HELD in said else Standing.OK


def broke(row: HostReport) -> bool:
    """Whether applying failed on this host, rolled back or not."""
    return row.outcome in (Outcome.FAILED, Outcome.ROLLED_BACK)


def left_out(row: HostReport) -> bool:
    """Whether the run stopped before it came to this host."""
    return row.outcome is Outcome.NOT_REACHED


def summary(report: Report) -> dict[str, int]:
    """Hosts by standing, then by outcome, in the order of the contract."""
    stood = [standing(row) for row in report.hosts]
    ended = [row.outcome for row in report.hosts]
    return {
        "hosts": len(report.hosts),
        "ok": stood.count(Standing.OK),
        "drift": stood.count(Standing.DRIFT),
        "held": stood.count(Standing.HELD),
        "unknown": stood.count(Standing.UNKNOWN),
        "unreached": stood.count(Standing.UNREACHED),
        "not_reached": stood.count(Standing.NOT_REACHED),
        "changed": ended.count(Outcome.APPLIED),
        "failed": ended.count(Outcome.FAILED),
        "rolled_back": ended.count(Outcome.ROLLED_BACK),
    }


def likeness(row: HostReport) -> Hashable:
    """Equal for two hosts of which one may speak for the other: verdicts, diffs, how it ended.

    Names, facts, transaction and the containers that are hit are each host's own.
    """
    if row.plan is None:
        return (row.reached, row.error, row.outcome)
    findings = tuple(
        (one.control, one.status, one.severity, repr(one.actual), repr(one.desired), one.reason)
        for one in row.plan.findings
    )
    plan = row.plan
    rest = (plan.changes, plan.deferred, plan.disruption, plan.notes)
    return (row.reached, row.error, row.outcome, findings, rest)


def uneventful(row: HostReport) -> bool:
    """Whether one word says all that there is to say of a host."""
    if row.plan is None or row.error or row.outcome not in (None, Outcome.UNCHANGED):
        return False
    quiet = (Status.OK, Status.NOT_APPLICABLE)
    said = all(found.status in quiet for found in row.plan.findings)
    return said and not (row.plan.changes or row.plan.deferred or row.plan.notes)


@dataclass(frozen=True, slots=True)
class Block:
    """Hosts that are spoken of together; ``like`` came in a block before and is the same."""

    rows: tuple[HostReport, ...]
    like: HostReport | None = None


def one_by_one(rows: Sequence[HostReport]) -> list[Block]:
    """Each host in inventory order, with the first one that it is like."""
    seen: dict[Hashable, HostReport] = {}
    first = [seen.setdefault(likeness(row), row) for row in rows]
    return [
        Block((row,), None if one is row else one) for row, one in zip(rows, first, strict=True)
    ]


def together(rows: Sequence[HostReport], *, whole: bool) -> list[Block]:
    """Like hosts in one block: the largest first, then single ones, the uneventful last.

    The uneventful are alike, unless the ``whole`` of their findings is shown.
    """
    alike: dict[Hashable, list[HostReport]] = {}
    for row in rows:
        one_word = uneventful(row) and not whole
        alike.setdefault(row.outcome if one_word else likeness(row), []).append(row)
    blocks = [Block(tuple(found)) for found in alike.values()]
    return sorted(blocks, key=lambda block: (uneventful(block.rows[0]), -len(block.rows)))


def printable(text: str) -> str:
    r"""``text`` on one line, with whatever a terminal would obey or hide written as ``\x1b``.

    That is control characters, escape sequences, bidirectional overrides, characters of no width,
    and lone surrogates, which no file could hold.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in text
    )
