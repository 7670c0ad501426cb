"""The readings of one probe, asked for by name and type: what was not read stays a reason.

The text comes from a host and is untrusted, so it is read strictly: what ``host/probe.sh`` could
not have written is an error that names it, never a guess.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from packaging.version import Version

from oakum.engine.document import plain
from oakum.facts import Read, Reading, Unread
from oakum.wire import Raw

T = TypeVar("T")
U = TypeVar("U")


class Source:
    """The readings of one probe, asked for by name and type."""

    def __init__(self, raw: Mapping[str, Raw]) -> None:
        self.raw = raw

    def text(self, name: str) -> Reading[str]:
        return self._typed(name, lambda raw: raw.text, str)

    def word(self, name: str, convert: Callable[[str], T]) -> Reading[T]:
        return self._typed(name, lambda raw: raw.text, convert)

    def lines(self, name: str, convert: Callable[[tuple[str, ...]], T]) -> Reading[T]:
        return self._typed(name, lambda raw: raw.lines, convert)

    def data(self, name: str) -> Reading[bytes]:
        return self._typed(name, lambda raw: raw.data, lambda value: value)

    def _typed(
        self, name: str, part: Callable[[Raw], U | None], convert: Callable[[U], T]
    ) -> Reading[T]:
        raw = self.raw.get(name)
        if raw is None:
            return Unread(f"the probe did not read {name}")
        if raw.reason is not None:
            return Unread(raw.reason)
        value = part(raw)
        if value is None:
            return Unread(f"{name} came in another form than expected")
        try:
            return Read(convert(value))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return Unread(f"{name} is unreadable: {error}"[:200])


def leading_version(text: str) -> Version:
    """The dotted number at the start of a version, such as 6.1.0 of ``6.1.0-30-amd64``.

    Raises:
        ValueError: the text starts with no number.
    """
    found = re.match(r"\d+(\.\d+)*", text)
    if not found:
        raise ValueError(f"no version number: {text[:40]!r}")
    return Version(found[0])


def assignments(rows: Sequence[str]) -> dict[str, str]:
    pairs = (row.partition("=") for row in rows)
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs if name.strip()}


def yes_no(word: str) -> bool:
    if word not in ("yes", "no"):
        raise ValueError(f"{word!r} is neither yes nor no")
    return word == "yes"


def words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split() if word != "none")


def json_object(rows: Sequence[str]) -> dict[str, Any]:
    return plain("\n".join(rows))
