"""From what a probe printed to who may write what, and how much room is left."""

import re
from collections.abc import Sequence
from typing import Final

from oakum.parts import Group, Guarded, Inodes, Space

_ROW: Final = re.compile(r"([0-9a-f]{1,8}) (\d{1,10}) (\d{1,10}) (\d{1,20}) (/.*)")


def guarded(rows: Sequence[str]) -> tuple[Guarded, ...]:
    """What ``stat`` told of each path, once."""
    found = {}
    for row in rows:
        match = _ROW.fullmatch(row)
        if not match:
            raise ValueError(f"no mode, owner, group, device and path: {row[:60]!r}")
        mode, owner, gid, device, path = match.groups()
        found[path] = Guarded(path, int(mode, 16), int(owner), int(gid), int(device))
    return tuple(found.values())


def group(text: str) -> Group | None:
    """A group as name, number and members, of whom some may be empty or twice."""
    if text == "none":
        return None
    name, gid, members = (*text.split(" "), "")[:3]
    return Group(name, int(gid), tuple(dict.fromkeys(filter(None, members.split(",")))))


def space(text: str) -> Space:
    total, _used, available = _numbers(text, 3)
    return Space(total, available)


def inodes(text: str) -> Inodes:
    total, free = _numbers(text, 2)
    return Inodes(total, free)


def _numbers(text: str, count: int) -> list[int]:
    found = text.split(" ")
    if len(found) != count or not all(re.fullmatch("[0-9]{1,20}", word) for word in found):
        raise ValueError(f"{text[:60]!r} is not {count} numbers")
    return [int(word) for word in found]


def path_or_none(text: str) -> str | None:
    if text != "none" and not text.startswith("/"):
        raise ValueError(f"{text[:60]!r} is no path")
    return None if text == "none" else text
