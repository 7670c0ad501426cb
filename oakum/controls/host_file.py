"""Settings that are files of ours on the host, and the values of the kernel beside them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from oakum.controls.base import Edit, FileEdit, State
from oakum.facts import HostFacts
from oakum.model import Json
from oakum.parts import FileState


def _no_values(facts: HostFacts, desired: Json) -> tuple[FileEdit, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFile:
    """A whole file of ours, compared by its bytes, which brings something into force on the host.

    ``actual`` is what is in force, whoever saw to it, and ``fault`` why that is not as desired, or
    None. ``file`` is ours as it lies there, ``content`` what it should hold. ``values`` are what
    is set beside it at once, below /proc/sys. ``advice`` says what an operator does where nothing
    of this has to change and the fault is there all the same.
    """

    label: str
    actual: Callable[[HostFacts], Json]
    fault: Callable[[HostFacts, Json], str | None]
    file: Callable[[HostFacts], FileState]
    content: Callable[[HostFacts, Json], bytes]
    advice: str
    values: Callable[[HostFacts, Json], tuple[FileEdit, ...]] = _no_values
    mode: str = "644"
    keys: tuple[str, ...] = ()

    def state(self, facts: HostFacts, desired: Json) -> State:
        return State(self.actual(facts), self.fault(facts, desired))

    def held(self, facts: HostFacts, desired: Json) -> str | None:
        if why := locked([self.file(facts)]):
            return why
        return None if self.edits(facts, desired) else self.advice

    def edits(self, facts: HostFacts, desired: Json) -> tuple[Edit, ...]:
        written = whole_file(self.file(facts), self.content(facts, desired), self.mode)
        return (*written, *self.values(facts, desired))


def whole_file(file: FileState, after: bytes, mode: str = "644") -> tuple[FileEdit, ...]:
    """The edit that gives a file its bytes, none where it has them. Rights that somebody gave a
    file that is there stay."""
    if file.content == after:
        return ()
    if file.content is None:
        return (FileEdit(file.target, None, after, mode),)
    return (FileEdit(file.target, file.content, after, file.mode, file.owner, file.group),)


def locked(files: Iterable[FileState]) -> str | None:
    """Why one of the files cannot be replaced, or None."""
    reasons = (f"{file.path} cannot be replaced: {file.locked}" for file in files if file.locked)
    return next(reasons, None)
