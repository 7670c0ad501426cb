"""What oakum did on a host: the ledger's lines, the files that it kept, and what stands there now.

The text comes from a host and is untrusted, so it is read strictly: a line that no transaction
writes is an error that names it, and a kept file that the ledger does not know is not believed.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from oakum.facts import CannotTell, Reading, attempt
from oakum.model import Ending, Entry, FileEntry
from oakum.parts import FileState
from oakum.wire import BadProbe, Raw, readings

ID: Final = "[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}"
"""A transaction's name, such as ``20260131T120000Z-1a2b3c4d``."""

TORN: Final = " torn"
"""What a transaction puts behind a line that a power cut or a full disk left without its end."""

_DIGEST: Final = "[0-9a-f]{64}|absent"
_LINE: Final = re.compile(
    rf"(\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ) ({ID}) ([a-z-]+)(?: (.*))?", re.ASCII
)
_BEGIN: Final = re.compile(
    r"(apply|bootstrap|migrate|rollback|upgrade) (\S{1,300}) "
    r"([0-9a-f]{16}) (-|[a-z0-9-]+(?:,[a-z0-9-]+)*)"
)
_FILE: Final = re.compile(rf"([0-9]{{1,4}}) ({_DIGEST}) ({_DIGEST}) (/.{{0,4095}})")


class BadLedger(ValueError):
    """The text is no ledger; the message names the line."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of a transaction: what it was before, and what the transaction made of it."""

    was: Reading[FileState]
    new: Reading[FileState]


@dataclass(frozen=True, slots=True)
class History:
    """A host's ledger, oldest entry first; what each transaction kept, by id and path; and the
    files as they are now, by path."""

    entries: tuple[Entry, ...] = ()
    kept: Mapping[str, Mapping[str, Kept]] = field(default_factory=dict)
    now: Mapping[str, Reading[FileState]] = field(default_factory=dict)

    @property
    def in_force(self) -> tuple[Entry, ...]:
        """The changes that were confirmed and not taken back since, oldest first."""
        return tuple(entry for entry in self.entries if entry.in_force)

    def was(self, entry: Entry, file: FileEntry) -> FileState:
        """What a file was before a transaction. Raises CannotTell."""
        return _believed(self._kept(entry, file).was.value, file.was, entry)

    def new(self, entry: Entry, file: FileEntry) -> FileState:
        """What a transaction made of a file. Raises CannotTell."""
        return _believed(self._kept(entry, file).new.value, file.new, entry)

    def present(self, path: str) -> FileState:
        """What a file is now. Raises CannotTell."""
        if path not in self.now:
            raise CannotTell(f"the host did not say what {path} is now")
        state: FileState = self.now[path].value
        return state

    def _kept(self, entry: Entry, file: FileEntry) -> Kept:
        kept = self.kept.get(entry.id, {}).get(file.path)
        if kept is None:
            raise CannotTell(f"/var/lib/oakum/txn/{entry.id} does not have {file.path}")
        return kept


def _believed(state: FileState, digest: str | None, entry: Entry) -> FileState:
    found = None if state.content is None else hashlib.sha256(state.content).hexdigest()
    if found != digest:
        raise CannotTell(
            f"the copy of {state.path} in /var/lib/oakum/txn/{entry.id} is not the one that the "
            "ledger names"
        )
    return state


# The ledger --------------------------------------------------------------------------------------


def parse(text: bytes) -> tuple[Entry, ...]:
    """The entries of a ledger, in the order in which they begin.

    A torn last line is left out, and one that was torn before and is marked so; where that was how
    a transaction began, with all that belongs to it.

    Raises:
        BadLedger: a line that no transaction writes.
    """
    entries: dict[str, Entry] = {}
    torn: set[str] = set()
    lines = text.decode("utf-8", "backslashreplace").split("\n")[:-1]
    for number, line in enumerate(lines, 1):
        if line.endswith(TORN):
            torn.update(re.findall(f" ({ID}) begin", line))
            continue
        if any(f" {identity} " in line for identity in torn):
            continue
        try:
            entry = _grown(entries, line)
        except ValueError as error:
            raise BadLedger(f"ledger line {number}: {error}: {line[:120]!r}") from None
        entries[entry.id] = entry
    undone = {
        identity
        for entry in entries.values()
        if entry.outcome is Ending.CONFIRMED
        for identity in entry.undoes
    }
    return tuple(replace(one, in_force=_holds(one, undone)) for one in entries.values())


def _holds(entry: Entry, undone: set[str]) -> bool:
    confirmed = entry.outcome is Ending.CONFIRMED
    # A former engine is no state to go back to: what the new one wrote stays.
    return confirmed and entry.command not in ("rollback", "upgrade") and entry.id not in undone


def _grown(entries: Mapping[str, Entry], line: str) -> Entry:
    """The entry that a line belongs to, with what the line adds. Raises ValueError."""
    found = _LINE.fullmatch(line)
    if not found:
        raise ValueError("is no line of a ledger")
    time, identity, word, rest = found.groups()
    entry = entries.get(identity)
    if word == "begin":
        if entry is not None:
            raise ValueError("begins twice")
        return _begun(identity, time, rest or "")
    if entry is None:
        raise ValueError("belongs to a transaction that did not begin")
    if entry.outcome is not None:
        raise ValueError(f"comes after the verdict {entry.outcome}")
    if word == "file":
        return replace(entry, files=(*entry.files, _file(entry, rest or "")))
    if word == "undoes":
        if rest not in entries or rest == identity:
            raise ValueError("undoes what was never done")
        return replace(entry, undoes=(*entry.undoes, rest))
    if word not in list(Ending):
        raise ValueError("is no line of a ledger")
    return replace(entry, outcome=Ending(word), reason=rest)


def _begun(identity: str, time: str, rest: str) -> Entry:
    found = _BEGIN.fullmatch(rest)
    if not found:
        raise ValueError("does not say who began what")
    command, by, plan, controls = found.groups()
    names = () if controls == "-" else tuple(controls.split(","))
    return Entry(id=identity, time=time, command=command, by=by, plan=plan, controls=names)


def _file(entry: Entry, rest: str) -> FileEntry:
    found = _FILE.fullmatch(rest)
    if not found or int(found[1]) != len(entry.files) + 1:
        raise ValueError("does not name the next file")
    _, was, new, path = found.groups()
    if any(file.path == path for file in entry.files):
        raise ValueError("names a file twice")
    return FileEntry(path, *(None if one == "absent" else one for one in (was, new)))


# What history.sh prints --------------------------------------------------------------------------


def history(output: Sequence[str]) -> History:
    """The history of one host, from the lines that ``host/history.sh`` printed there.

    Raises:
        BadProbe: the lines are no complete output of it.
        BadLedger: a line of the ledger that no transaction writes.
        CannotTell: the ledger could not be read, and why.
    """
    raw = readings(output)
    stored = range(1, _count(raw, "stored") + 1)
    looked = range(1, _count(raw, "now") + 1)
    return History(
        parse(_bytes(raw, "ledger")),
        {_text(raw, f"t{n}.id"): dict(_kept(raw, f"t{n}")) for n in stored},
        {(path := _path(raw, f"n{n}")): _state(raw, f"n{n}", path) for n in looked},
    )


def _kept(raw: Mapping[str, Raw], name: str) -> Iterator[tuple[str, Kept]]:
    for number in range(1, _count(raw, f"{name}.files") + 1):
        file = f"{name}.f{number}"
        path = _path(raw, file)
        yield path, Kept(_state(raw, f"{file}.was", path), _state(raw, f"{file}.new", path))


def _state(raw: Mapping[str, Raw], name: str, path: str) -> Reading[FileState]:
    def found() -> FileState:
        stat = _text(raw, f"{name}.stat")
        if stat in ("absent", "gone"):
            return FileState(path, path)
        if stat in ("link", "directory", "other"):
            return FileState(path, path, b"", stat)
        known = re.fullmatch(r"([0-7]{1,5}) ([0-9]{1,10}) ([0-9]{1,10})", stat)
        if not known:
            raise BadProbe(f"{name}.stat: {stat[:40]!r}")
        content, mode = _bytes(raw, f"{name}.bytes"), f"{int(known[1], 8):o}"
        return FileState(path, path, content, "file", mode, int(known[2]), int(known[3]))

    return attempt(found)


def _path(raw: Mapping[str, Raw], name: str) -> str:
    return _bytes(raw, f"{name}.path").decode("utf-8", "backslashreplace")


def _count(raw: Mapping[str, Raw], name: str) -> int:
    """0 where the script was not asked for it."""
    text = _text(raw, name) if name in raw else "0"
    if not re.fullmatch("[0-9]{1,5}", text):
        raise BadProbe(f"{name}: {text[:40]!r} is no number")
    return int(text)


def _text(raw: Mapping[str, Raw], name: str) -> str:
    found = _sent(raw, name).text
    if found is None:
        raise BadProbe(f"{name} came in another form than expected")
    return found


def _bytes(raw: Mapping[str, Raw], name: str) -> bytes:
    found = _sent(raw, name).data
    if found is None:
        raise BadProbe(f"{name} came in another form than expected")
    return found


def _sent(raw: Mapping[str, Raw], name: str) -> Raw:
    if name not in raw:
        raise BadProbe(f"{name} is missing")
    if (reason := raw[name].reason) is not None:
        raise CannotTell(reason)
    return raw[name]
