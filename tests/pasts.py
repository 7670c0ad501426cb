"""A host's past for tests: plans carried out on files in memory, as the transaction does it."""

import hashlib
from dataclasses import dataclass, field, replace

from oakum.facts import Read
from oakum.ledger import History, Kept, parse
from oakum.model import Kind, Plan
from oakum.parts import FileState

DAEMON_JSON = "/etc/docker/daemon.json"
TIME = "2026-01-31T12:00:00Z"


def identity(number: int) -> str:
    """The id of the transaction with a number."""
    return f"20260131T1200{number:02}Z-{number:08x}"


def file(content: bytes | None, path: str = DAEMON_JSON, **known) -> FileState:
    return FileState(path, path, content, **known)


def digest(state: FileState) -> str:
    return "absent" if state.content is None else hashlib.sha256(state.content).hexdigest()


@dataclass
class Past:
    """Files by path, the lines of the ledger, and what transactions kept."""

    files: dict[str, FileState] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    kept: dict[str, dict[str, Kept]] = field(default_factory=dict)

    def carry_out(self, plan: Plan, *, controls: str = "live-restore") -> str:
        """A transaction that is confirmed; its id."""
        name = identity(len(self.kept) + 1)
        command = "rollback" if plan.undoes else "apply"
        self.lines.append(f"{TIME} {name} begin {command} ops@desk {'0' * 16} {controls}")
        self.kept[name] = {}
        changes = [change for change in plan.changes if change.kind is Kind.FILE]
        for number, change in enumerate(changes, 1):
            was = self.at(change.path)
            assert was.content == change.before
            new = FileState(change.path, change.path)
            if change.after is not None:
                rights = {"mode": change.mode, "owner": change.owner, "group": change.group}
                new = replace(new, content=change.after, **rights)
            line = f"file {number} {digest(was)} {digest(new)} {change.path}"
            self.lines.append(f"{TIME} {name} {line}")
            self.kept[name][change.path] = Kept(Read(was), Read(new))
            self.files[change.path] = new
        self.lines += [f"{TIME} {name} undoes {undone}" for undone in plan.undoes]
        self.lines.append(f"{TIME} {name} confirmed")
        return name

    def at(self, path: str) -> FileState:
        return self.files.get(path, FileState(path, path))

    def edit(self, content: bytes | None, path: str = DAEMON_JSON, **known) -> None:
        """Somebody else's change."""
        self.files[path] = replace(self.at(path), content=content, **known)

    def history(self) -> History:
        text = "".join(f"{line}\n" for line in self.lines).encode()
        paths = {path for kept in self.kept.values() for path in kept}
        return History(parse(text), self.kept, {path: Read(self.at(path)) for path in paths})
