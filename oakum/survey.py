"""What lies on a host that a migration would have to carry, as ``host/survey.sh`` printed it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from oakum.ledger import ID
from oakum.wire import BadProbe, Raw, readings

KINDS: Final = ("userns-remap", "storage-driver")
"""What can be migrated, by its control."""

STATES: Final = ("begun", "saved", "switched", "loaded", "copied", "done", "undoing", "undone")
"""How far a migration came."""

MOST: Final = 5000
"""Lines of one reading; the script sends no more."""


@dataclass(frozen=True, slots=True)
class Volume:
    """``kilobytes`` is None where the data is not in the data root; ``options`` say where."""

    name: str
    driver: str
    kilobytes: int | None
    options: str


@dataclass(frozen=True, slots=True)
class Held:
    """A container, running or not. ``needs_host``: it does not start in a user namespace;
    ``one_off``: it is removed when it ends; ``task``: a swarm put it there."""

    name: str
    state: str
    needs_host: bool
    one_off: bool = False
    task: bool = False


@dataclass(frozen=True, slots=True)
class Former:
    """A migration that the host knows of; ``change`` is the transaction that it called last."""

    id: str
    kind: str
    state: str
    change: str | None
    scratch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What lies on a host. ``images`` are (tags, digests) of each, ``space`` is device and free
    bytes by folder."""

    root: str
    layers: int
    images: tuple[tuple[int, int], ...] = ()
    volumes: tuple[Volume, ...] = ()
    containers: tuple[Held, ...] = ()
    networks: tuple[tuple[str, str, str], ...] = ()
    space: Mapping[str, tuple[str, int]]
    aside: int | None = None
    missing: tuple[str, ...] = ()
    migrations: tuple[Former, ...] = ()

    def last(self, kind: str) -> Former | None:
        """The newest migration of a kind that was not undone."""
        standing = [one for one in self.migrations if one.kind == kind and one.state != "undone"]
        return standing[-1] if standing else None


def survey(output: Sequence[str]) -> Survey:
    """What ``host/survey.sh`` printed.

    Raises:
        BadProbe: it did not, or not all of it; the message says what is missing.
    """
    raw = readings(output)
    try:
        return Survey(
            root=_path(_text(raw, "root")),
            layers=size(_text(raw, "layers")),
            images=tuple((int(tags), int(digests)) for tags, digests in _rows(raw, "images", 2)),
            volumes=tuple(_volume(row) for row in _rows(raw, "volumes", 4)),
            containers=tuple(_container(row) for row in _rows(raw, "containers", 8)),
            networks=tuple((row[0], row[1], row[2]) for row in _rows(raw, "networks", 3)),
            space={row[0]: (row[1], int(row[2]) * 1024) for row in _rows(raw, "space", 3)},
            aside=None if (kept := _text(raw, "aside")) == "-" else int(kept) * 1024,
            missing=tuple(row[0] for row in _rows(raw, "tools", 1)),
            migrations=tuple(_former(row) for row in _rows(raw, "migrations", 5)),
        )
    except ValueError as error:
        raise BadProbe(f"what lies on the host could not be read: {error}"[:300]) from None


_UNITS: Final = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def size(text: str) -> int:
    """Bytes of docker's ``1.2GB``. Raises ValueError."""
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?(?:e\+[0-9]{2})?)([kKMGT]?B)", text)
    if not found:
        raise ValueError(f"{text[:40]!r} is no size")
    return int(float(found[1]) * _UNITS[found[2]])


def _text(raw: Mapping[str, Raw], name: str) -> str:
    found = raw.get(name)
    if found is None or found.text is None:
        reason = found.reason if found and found.reason else "the host did not say"
        raise BadProbe(f"{name}: {reason}")
    return found.text


def _rows(raw: Mapping[str, Raw], name: str, columns: int) -> Iterator[list[str]]:
    found = raw.get(name)
    if found is None or found.lines is None:
        raise BadProbe(f"{name}: the host did not say")
    if len(found.lines) >= MOST:
        raise ValueError(f"{name}: {MOST} or more, which nobody counted to the end")
    for line in found.lines:
        row = line.split("\t")
        if len(row) != columns:
            raise ValueError(f"{name}: {line[:80]!r}")
        yield row


def _path(text: str) -> str:
    if not re.fullmatch(r"/[^\0\n]{0,500}", text):
        raise ValueError(f"{text[:80]!r} is no path")
    return text


def _volume(row: Sequence[str]) -> Volume:
    name, driver, kilobytes, options = row
    if not driver:
        raise ValueError(f"volumes: {name[:80]} cannot be inspected")
    taken = None if kilobytes == "-" else int(kilobytes)
    return Volume(name, driver, taken, "" if options == "-" else options)


def _container(row: Sequence[str]) -> Held:
    name, state, privileged, userns, network, pid, one_off, task = row
    host = privileged == "true" or "host" in (network, pid)
    return Held(name, state, host and userns != "host", one_off == "true", task != "-")


def _former(row: Sequence[str]) -> Former:
    identity, kind, state, change, scratch = row
    if not re.fullmatch(ID, identity) or kind not in KINDS or state not in STATES:
        raise ValueError(f"migrations: {' '.join(row)[:120]!r}")
    return Former(identity, kind, state, None if change == "-" else change, _path(scratch))
