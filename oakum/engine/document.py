"""daemon.json as text: read as dockerd reads it, changed without touching what is not ours.

A JSON library would write the whole file anew. An operator's file keeps its order, its
indentation and its inline lists here, because only the members that change are spliced.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

BOM: Final = b"\xef\xbb\xbf"
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")

DEEPEST: Final = 100
"""How many brackets may stand inside each other; dockerd's own settings need five."""


class Malformed(ValueError):
    """The bytes are no JSON object; the message names line and column."""


@dataclass(frozen=True, slots=True)
class Member:
    """One top-level member and where it stands in the text: [start, end) from its key's quote to
    the end of its value, ``value_at`` where the value begins."""

    key: str
    value: Any
    start: int
    value_at: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed daemon.json.

    ``bom`` says that the file begins with a byte order mark (engines up to 20.10 refuse it),
    ``trailing`` that text follows the object (engines from 23.0 refuse it), ``blank`` that there
    was nothing but space (engines up to 20.10 refuse it); docker-facts a6.
    """

    text: str
    members: tuple[Member, ...]
    bom: bool = False
    trailing: bool = False
    blank: bool = False
    duplicates: tuple[str, ...] = ()

    @property
    def settings(self) -> Mapping[str, Any]:
        """The members by key; of a duplicate the last one counts, as for dockerd."""
        return {member.key: member.value for member in self.members}

    @property
    def indent(self) -> str:
        """The white space before the first member, or two spaces."""
        found = re.search(r"\{[ \t]*\r?\n([ \t]+)\"", self.text)
        return found[1] if found else "  "

    @property
    def newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"


def loads(content: bytes, *, empty_ok: bool = False) -> Document:
    """Parse the bytes of a JSON object.

    Raises:
        Malformed: not UTF-8, not JSON, not an object, or what no other program could read again:
            a number out of range, half a character, brackets without end.
    """
    bom = content.startswith(BOM)
    try:
        text = content.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-8 at byte {error.start}") from None
    start = _skip(text, 0)
    if start == len(text) and empty_ok:
        return Document("{}\n", (), bom=bom, blank=bool(content))
    if _too_deep(text):
        raise Malformed("nested too deeply")
    try:
        members, end = _members(text, start)
    except json.JSONDecodeError as error:
        raise Malformed(f"line {error.lineno} column {error.colno}: {error.msg}") from None
    if _HALF.search(text) and not _whole([[member.key, member.value] for member in members]):
        raise Malformed("half a character in a string")
    top = _twice(member.key for member in members)
    values = (text[m.value_at : m.end] for m in members if isinstance(m.value, dict | list))
    nested = (name for value in values for name in _repeated(value))
    return Document(
        text,
        tuple(members),
        bom=bom,
        trailing=_skip(text, end) != len(text),
        duplicates=tuple(dict.fromkeys([*top, *nested])),
    )


def plain(text: str) -> dict[str, Any]:
    """The object that a JSON text holds, as strict as ``loads`` but without where things stand.

    Raises:
        Malformed: as ``loads``.
    """
    if _too_deep(text):
        raise Malformed("nested too deeply")
    start = _skip(text, 0)
    try:
        if text[start : start + 1] != "{":
            raise json.JSONDecodeError("expected an object", text, start)
        value, end = _value(text, start)
    except json.JSONDecodeError as error:
        raise Malformed(f"line {error.lineno} column {error.colno}: {error.msg}") from None
    if _skip(text, end) != len(text):
        raise Malformed("text after the object")
    if _HALF.search(text) and not _whole(value):
        raise Malformed("half a character in a string")
    found: dict[str, Any] = value
    return found


def _too_deep(text: str) -> bool:
    if text.count("{") + text.count("[") <= DEEPEST:
        return False
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        if depth > DEEPEST:
            return True
    return False


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


class _Unfit(ValueError):
    """A value that Python's parser takes and JSON does not."""


def _refuse(word: str) -> Any:
    raise _Unfit(f"{word} is no JSON")


def _finite(digits: str) -> float:
    if math.isinf(value := float(digits)):
        raise _Unfit(f"{digits[:20]} is out of range")
    return value


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def _value(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except _Unfit as error:
        raise json.JSONDecodeError(str(error), text, at) from None
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python converts no integer of more than 4,300 digits
        raise json.JSONDecodeError("a number is out of range", text, at) from None


def _whole(value: Any) -> bool:
    """Whether every string can be written again; JSON's escapes can spell half a character."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _members(text: str, at: int) -> tuple[list[Member], int]:
    if text[at : at + 1] != "{":
        raise json.JSONDecodeError("expected an object", text, at)
    members: list[Member] = []
    at = _skip(text, at + 1)
    if text[at : at + 1] == "}":
        return members, at + 1
    while True:
        if text[at : at + 1] != '"':
            raise json.JSONDecodeError("expected a key in double quotes", text, at)
        key, colon = _DECODER.raw_decode(text, at)
        colon = _skip(text, colon)
        if text[colon : colon + 1] != ":":
            raise json.JSONDecodeError("expected ':' after the key", text, colon)
        value_at = _skip(text, colon + 1)
        value, end = _value(text, value_at)
        members.append(Member(key, value, at, value_at, end))
        at = _skip(text, end)
        if text[at : at + 1] == "}":
            return members, at + 1
        if text[at : at + 1] != ",":
            raise json.JSONDecodeError("expected ',' or '}'", text, at)
        at = _skip(text, at + 1)


def _repeated(text: str) -> Iterator[str]:
    """Names that stand more than once in one object of ``text``, at any depth."""
    found: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found.extend(_twice(name for name, _ in pairs))
        return dict(pairs)

    json.loads(text, object_pairs_hook=note)
    yield from found


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal as JSON, where true is not 1 as it is for Python."""
    if isinstance(one, str | int | None) and isinstance(other, str | int | None):
        return type(one) is type(other) and one == other  # what a plan of a fleet asks most often
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def merge(document: Document, settings: Mapping[str, Any], drop: Sequence[str] = ()) -> bytes:
    """The document's text with ``settings`` set and the keys of ``drop`` gone.

    Everything else keeps its bytes; a byte order mark goes, since no engine needs it and old ones
    refuse it. New members come last, in the order given.
    """
    text = document.text
    for member in reversed(document.members):
        if member.key in drop:
            text = _without(text, document, member)
        elif member.key in settings and not same(settings[member.key], member.value):
            value = _written(settings[member.key], document)
            text = text[: member.value_at] + value + text[member.end :]
    kept = [member for member in document.members if member.key not in drop]
    fresh = [key for key in settings if key not in document.settings]
    return _appended(text, document, fresh, settings, empty=not kept).encode()


def _written(value: Any, document: Document) -> str:
    text = json.dumps(value, indent=document.indent, ensure_ascii=False)
    return text.replace("\n", document.newline + document.indent)


def _without(text: str, document: Document, member: Member) -> str:
    before = text[: member.start].rstrip()
    after = text[member.end :]
    comma = after.lstrip()
    if comma.startswith(","):
        return before + text[len(before) : member.start] + comma[1:].lstrip()
    return before.removesuffix(",") + after


def _appended(
    text: str, document: Document, fresh: Sequence[str], settings: Mapping[str, Any], *, empty: bool
) -> str:
    if not fresh:
        return text
    newline, indent = document.newline, document.indent
    rows = [f"{indent}{json.dumps(key)}: {_written(settings[key], document)}" for key in fresh]
    _, end = _members(text, _skip(text, 0))
    body, tail = text[: end - 1].rstrip(), text[end:]
    lead = newline if empty else f",{newline}"
    return f"{body}{lead}{f',{newline}'.join(rows)}{newline}}}{tail or newline}"
