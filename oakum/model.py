"""The words of the house as frozen values; docs/glossary.md says what each one means.

Nothing here does any work: verbs live in the planner, and every other module may import this one.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import unified_diff
from typing import Any, Final

Json = Any
"""A value that ``json.loads`` can give: None, bool, int, float, str, list or dict."""


class Status(enum.StrEnum):
    """What one control says about one host."""

    OK = "ok"
    DRIFT = "drift"
    HELD = "held"
    WAIVED = "waived"
    NOT_APPLICABLE = "not-applicable"
    UNKNOWN = "unknown"


class Area(enum.StrEnum):
    """What a control is about; ``oakum_only`` and ``oakum_skip`` take these words too."""

    DAEMON = "daemon"
    HOST = "host"
    IMAGES = "images"
    CONTAINERS = "containers"
    PLATFORM = "platform"


class _Ordered(enum.StrEnum):
    """A scale whose members compare by the order in which they are written."""

    @property
    def rank(self) -> int:
        return list(type(self)).index(self)

    def __lt__(self, other: str) -> bool:
        return self.rank < type(self)(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= type(self)(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > type(self)(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= type(self)(other).rank


class Severity(_Ordered):
    """How much a drift matters; ``--fail-on`` takes these words."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Disruption(_Ordered):
    """What a change costs a running host, from nothing to moving its data."""

    NONE = "none"
    RELOAD = "reload"
    RESTART = "restart"
    OUTAGE = "outage"
    MIGRATION = "migration"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one control says about one host.

    ``actual`` and ``desired`` are JSON values; ``reason`` is a sentence fragment for a person.
    """

    control: str
    status: Status
    severity: Severity
    actual: Json = None
    desired: Json = None
    reason: str | None = None
    refs: Mapping[str, str] = field(default_factory=dict)


class Kind(enum.StrEnum):
    """What a change touches."""

    FILE = "file"
    PACKAGE = "package"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One file, package or service as it is and as it will be.

    ``path`` is the file's path, the package's or the service's name. ``before`` is None when the
    file is not there, ``after`` when it is removed. ``mode`` is octal text such as ``644``;
    ``owner`` and ``group`` are ids.
    """

    path: str
    kind: Kind
    controls: tuple[str, ...]
    before: bytes | None = None
    after: bytes | None = b""
    mode: str = "644"
    owner: int = 0
    group: int = 0
    disruption: Disruption = Disruption.NONE
    note: str | None = None

    @property
    def diff(self) -> str:
        """A unified diff as ``diff -u`` prints it; one line of words for what is no file."""
        if self.kind is not Kind.FILE:
            return f"{self.kind} {self.path}: {self.note}\n"
        old = "/dev/null" if self.before is None else self.path
        new = "/dev/null" if self.after is None else self.path
        lines = unified_diff(_lines(self.before or b""), _lines(self.after or b""), old, new)
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in lines
        )


def _lines(content: bytes) -> list[str]:
    """As ``diff`` counts them: a line ends with a line feed and with nothing else."""
    *whole, rest = content.decode("utf-8", "backslashreplace").split("\n")
    return [f"{line}\n" for line in whole] + ([rest] if rest else [])


LOADERS: Final = {"/etc/systemd/system/": "systemd", "/etc/audit/rules.d/": "audit"}
"""Below which folders a file is read by somebody else than dockerd: a word of the transaction."""


def loader(path: str) -> str | None:
    """Who has to be told that a file changed, so that it counts; None where dockerd reads it, or
    nobody has to."""
    return next((word for folder, word in LOADERS.items() if path.startswith(folder)), None)


@dataclass(frozen=True, slots=True)
class RepositoryFile:
    """A file that a package manager needs before it can be asked: a key, or where packages are."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Installation:
    """How an engine comes to a host: the package manager's name, its packages (``NAME=`` is of
    ``release``, ``NAME?`` is taken where it is there, ``NAME@`` where it is installed), whether
    upgrades of the whole host leave their version alone, and the files of its repository."""

    manager: str
    names: tuple[str, ...]
    release: str | None = None
    hold: bool = True
    files: tuple[RepositoryFile, ...] = ()

    @property
    def packages(self) -> tuple[str, ...]:
        """The names alone."""
        return tuple(name.rstrip("=?@") for name in self.names)


@dataclass(frozen=True, slots=True)
class Impact:
    """What a change does to a named container, and why."""

    container: str
    effect: str
    reason: str


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes that a migration needs in a folder's file system, and those that are free there."""

    folder: str
    needed: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """What a migration carries over on one host, and what it does not.

    ``id`` names its folder below /var/lib/oakum/migrations, ``kind`` is the control, ``state`` how
    far it came. ``back`` says that it is the undo. ``change`` is the id of the transaction that
    made the change, None where there was none yet. ``root`` is where the data will lie. Bytes are
    of images as they share layers, and of what volumes take on the disk; ``aside`` is what lies in
    ``root`` already. ``elsewhere`` are volumes whose data is not in the data root, ``foreign``
    those of other drivers, which are not carried. ``users`` and ``groups`` are ranges such as
    ``100000:65536`` that ids are shifted into, empty where they stay.
    """

    id: str
    kind: str
    state: str = "begun"
    back: bool = False
    change: str | None = None
    driver: str = ""
    root: str = ""
    scratch: str = ""
    images: int = 0
    image_bytes: int = 0
    without_tag: int = 0
    volumes: int = 0
    volume_bytes: int = 0
    elsewhere: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    one_off: tuple[str, ...] = ()
    need_host: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    lost_networks: tuple[str, ...] = ()
    rooms: tuple[Room, ...] = ()
    aside: int = 0
    users: str = ""
    groups: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What oakum would do to one host: data, no behaviour.

    ``changes`` is empty when nothing is left to do. ``deferred`` holds the files that a host
    without an engine should have before its first dockerd starts; ``apply`` does not write them.

    ``away`` says that a former run took the host from its neighbours and did not put it back.

    Of a rollback only: ``undoes`` are the transactions that it takes back, newest first;
    ``live_restore_last`` says that live-restore goes off, but only by a reload after everything
    else; ``leave`` that nothing of oakum's shall stay on the host.

    Of a bootstrap only: ``install`` is how the engine comes to the host, kept from starting, and
    another plan follows; ``start`` says that it is started for the first time.

    Of an upgrade only: ``upgrade`` are the packages that are replaced, and by which release. Of a
    migration only: ``migration`` is what it carries over.
    """

    findings: tuple[Finding, ...]
    changes: tuple[Change, ...] = ()
    deferred: tuple[Change, ...] = ()
    disruption: Disruption = Disruption.NONE
    impact: tuple[Impact, ...] = ()
    notes: tuple[str, ...] = ()
    away: bool = False
    undoes: tuple[str, ...] = ()
    live_restore_last: bool = False
    leave: bool = False
    install: Installation | None = None
    start: bool = False
    upgrade: Installation | None = None
    migration: Migration | None = None

    @property
    def acts(self) -> bool:
        """Whether there is something to do on the host itself."""
        return bool(self.changes or self.undoes or self.leave or self.migration)

    @property
    def idle(self) -> bool:
        """Whether a host with this plan is left alone."""
        return not (self.acts or self.away)


class Ending(enum.StrEnum):
    """How a transaction ended, in the ledger's words."""

    CONFIRMED = "confirmed"
    ROLLED_BACK = "rolled-back"
    REFUSED = "refused"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file that a transaction replaced: SHA-256 of its bytes before and after, None where there
    was no file."""

    path: str
    was: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One transaction in a host's ledger.

    ``time`` is UTC such as ``2026-01-31T12:00:00Z``, ``by`` is user@machine, ``plan`` the first 16
    hexadecimal digits of the plan's digest, ``undoes`` the ids that a rollback takes back.
    ``outcome`` is None while it runs, or where it was cut off. ``in_force`` says that a change was
    confirmed and not taken back since.
    """

    id: str
    time: str
    command: str
    by: str
    plan: str
    controls: tuple[str, ...] = ()
    files: tuple[FileEntry, ...] = ()
    undoes: tuple[str, ...] = ()
    outcome: Ending | None = None
    reason: str | None = None
    in_force: bool = False


class Outcome(enum.StrEnum):
    """How ``apply`` or ``rollback`` ended on one host; not reached is one that the run stopped
    before."""

    UNCHANGED = "unchanged"
    APPLIED = "applied"
    FAILED = "failed"
    ROLLED_BACK = "rolled-back"
    NOT_REACHED = "not-reached"


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a transaction did on a host, in its own words, such as ``preflight``."""

    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """One host's row of a report, whatever command made it.

    ``error`` says why the host could not be read or changed; ``facts`` is the summary of
    ``facts.summary``: plain text by name. ``history`` is the host's ledger, oldest first;
    ``steps`` are what its transaction did.
    """

    name: str
    groups: tuple[str, ...] = ()
    reached: bool = True
    error: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    plan: Plan | None = None
    outcome: Outcome | None = None
    transaction: str | None = None
    history: tuple[Entry, ...] = ()
    steps: tuple[Step, ...] = ()


INTERRUPTED: Final = "interrupted"
"""Why a run stopped that somebody stopped by Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one run has to say; every format is a function of this value.

    ``started`` and ``finished`` are UTC times such as ``2026-01-31T12:00:00Z``. Of a change:
    ``run`` is its id, ``stopped`` why it did not come to all hosts.
    """

    command: str
    profile: str
    started: str
    finished: str
    hosts: tuple[HostReport, ...]
    run: str | None = None
    stopped: str | None = None
