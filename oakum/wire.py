"""The probe's wire format: lines in, raw readings by name out, or a reason to trust none of it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final


class BadProbe(Exception):
    """The host's answer is no probe output; the message says what was seen."""


BEGIN: Final = "oakum-probe 1 begin"
END: Final = "oakum-probe 1 end"
_NAME: Final = re.compile(r"[a-z0-9_.]{1,40}\Z")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Raw:
    """One reading as it was sent: text, bytes, lines, or the reason why there is none."""

    text: str | None = None
    data: bytes | None = None
    lines: tuple[str, ...] | None = None
    reason: str | None = None


def readings(output: Sequence[str]) -> dict[str, Raw]:
    """The readings between the markers of a probe's output, by name.

    What a login shell prints before the first marker is none of our business and is left out.

    Raises:
        BadProbe: no markers, cut off, or a line that no probe writes.
    """
    if BEGIN not in output:
        seen = next((line for line in output if line.strip()), "")
        raise BadProbe(f"no probe output; the host's shell answered {seen[:80]!r}")
    found: dict[str, Raw] = {}
    lines = iter(output[list(output).index(BEGIN) + 1 :])
    for line in lines:
        if line == END:
            return found
        kind = line[:1]
        name, _, rest = line[1:].partition(" ")
        if _CONTROL.search(line) or not _NAME.match(name) or name in found:
            raise BadProbe(f"a line that no probe writes: {line[:80]!r}")
        if kind == "=":
            found[name] = Raw(text=rest)
        elif kind == "!":
            found[name] = Raw(reason=rest or "no reason given")
        elif kind == "@":
            found[name] = Raw(data=_unhex(name, rest))
        elif kind == "<":
            found[name] = Raw(lines=_block(name, lines))
        else:
            raise BadProbe(f"a line that no probe writes: {line[:80]!r}")
    last = next(reversed(found), "nothing")
    raise BadProbe(f"the probe's output is cut off after {last}")


def _unhex(name: str, digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise BadProbe(f"{name}: not hexadecimal: {digits[:40]!r}") from None


def _block(name: str, lines: Iterator[str]) -> tuple[str, ...]:
    block: list[str] = []
    for line in lines:
        if line == f">{name}":
            return tuple(block)
        if not line.startswith("|") or _CONTROL.search(line):
            raise BadProbe(f"{name}: a line that no probe writes: {line[:80]!r}")
        block.append(line[1:])
    raise BadProbe(f"the probe's output is cut off inside {name}")
