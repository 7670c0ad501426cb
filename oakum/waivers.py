"""Which waivers there are in a fleet, whom they are for, and how many days each has left."""

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from oakum.policy import Waiver
from oakum.report import printable
from oakum.report.json import SCHEMA, written
from oakum.report.phrases import NAMES, counted, enumerated


@dataclass(frozen=True, slots=True)
class Host:
    """A host, its groups, and every waiver that some layer of its policy holds."""

    name: str
    groups: tuple[str, ...]
    waivers: tuple[Waiver, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A waiver, the hosts for which it holds, and its ``days`` left: 0 on its last one, negative
    when it has ended."""

    waiver: Waiver
    hosts: tuple[str, ...]
    days: int

    @property
    def ended(self) -> bool:
        return self.days < 0


def listed(hosts: Iterable[Host], today: datetime.date) -> tuple[Row, ...]:
    """Every waiver once, the one that ends first at the top."""
    meant: dict[Waiver, list[str]] = {}
    for host in hosts:
        for waiver in host.waivers:
            names = meant.setdefault(waiver, [])
            if waiver.is_for(host.name, host.groups):
                names.append(host.name)
    rows = [Row(one, tuple(names), (one.until - today).days) for one, names in meant.items()]
    return tuple(sorted(rows, key=lambda row: (row.days, row.waiver.control)))


def as_text(rows: Sequence[Row]) -> str:
    """One line for each, and their number; ends with a newline."""
    return "".join(f"{printable(line)}\n" for line in (*_lines(rows), _foot(rows)))


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    wide = max((len(row.waiver.control) for row in rows), default=0)
    for row in rows:
        waiver = row.waiver
        left = f"ended {-row.days} d ago" if row.ended else f"{row.days} d left"
        yield f"{waiver.control:{wide}}  {waiver.until}  {left:14}  {_whom(row)}"
        yield f"{'':{wide}}  {waiver.owner}: {waiver.reason}"


def _whom(row: Row) -> str:
    return enumerated(row.hosts, most=NAMES) or "no host of this inventory"


def _foot(rows: Sequence[Row]) -> str:
    ended = sum(row.ended for row in rows)
    return counted(len(rows), "waiver") + (f" · {ended} ended" if ended else "")


def as_json(rows: Sequence[Row]) -> str:
    """The same for scripts; ends with a newline."""
    waivers = [
        {
            "control": row.waiver.control,
            "reason": row.waiver.reason,
            "owner": row.waiver.owner,
            "until": str(row.waiver.until),
            "days_left": row.days,
            "hosts": list(row.hosts),
        }
        for row in rows
    ]
    return written({"schema": SCHEMA, "waivers": waivers})
