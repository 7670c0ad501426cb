"""Hosts that are visited by other processes: several on this machine, or a Dask cluster's.

A worker is ``oakum worker``, a process of its own with one pyinfra State. It is given a roster and
then tasks on its standard input, and answers with steps and rows, all as pickles: both ends are
this program. A bridge is the same for a Dask cluster, in a process where gevent is not patched,
which Dask could not bear.

Whoever is lost in the middle of a visit is replaced, and its visits are made again: a change has
the same transaction id then, which the host knows if it was begun (``oakum.visit``).
"""

import pickle
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Executor, Future
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Protocol, Self

from oakum.fleet import Heard, Roster
from oakum.model import HostReport, Outcome, Step
from oakum.visit import Begin, Task, Want

GAINS_FROM: Final = 100
"""Hosts at once from which on ``auto`` takes worker processes; docs/scale.md says why."""

LIVES: Final = 3
"""How often a visit is given to another worker before it counts as failed."""

READY: Final = "ready"

Answer = str | tuple[str, Step] | HostReport
"""What a worker says: that it is ready; a step of a host's transaction; or a host's row."""


class LostWorker(Exception):
    """A worker process ended before it had answered."""


class NoWorkers(Exception):
    """The workers that are wanted cannot be had; what they said is on stderr."""


class Writes(Protocol):
    """Where values can be written."""

    def write(self, content: bytes, /) -> Any: ...
    def flush(self) -> Any: ...


class Reads(Protocol):
    """Where values can be read."""

    def read(self, size: int, /) -> bytes | None: ...


def send(sink: Writes, value: Any) -> None:
    """Write one value, whole."""
    content = pickle.dumps(value)
    sink.write(struct.pack(">I", len(content)) + content)
    sink.flush()


def receive(source: Reads) -> Any:
    """Read one value. Raises EOFError at the end, also where it comes in the middle of one."""
    (size,) = struct.unpack(">I", _exactly(source, 4))
    return pickle.loads(_exactly(source, size))


def _exactly(source: Reads, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        part = source.read(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return parts


class Worker:
    """A process that visits hosts, and the visits that it owes."""

    def __init__(self, argv: Sequence[str], roster: Roster, heard: Heard) -> None:
        # A session of its own: Ctrl-C is the controller's to understand. It ends with its input.
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self.heard = heard
        self.owed: dict[str, Future[HostReport]] = {}
        self.lock = threading.Lock()
        self.lost = False
        self.ready: Future[None] = Future()
        self._send(roster)
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def submit(self, task: Task) -> "Future[HostReport]":
        """Ask for a visit; one host is visited once at a time."""
        future: Future[HostReport] = Future()
        with self.lock:
            if self.lost:
                future.set_exception(LostWorker())
                return future
            self.owed[task.host] = future
        self._send(task)
        return future

    def _send(self, value: Any) -> None:
        try:
            assert self.process.stdin is not None
            send(self.process.stdin, value)
        except (OSError, ValueError):
            self._mourn()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        try:
            while True:
                answer: Answer = receive(self.process.stdout)
                match answer:
                    case HostReport():
                        self.owed.pop(answer.name).set_result(answer)
                    case str():
                        self.ready.set_result(None)
                    case (host, step):
                        self.heard(host, step)
        except (EOFError, OSError, ValueError):
            pass
        finally:
            self._mourn()  # also after a bug in here: nobody may wait for what nobody reads
            self.process.stdout.close()
            self._end()

    def _mourn(self) -> None:
        with self.lock:
            self.lost = True
            owed, self.owed = self.owed, {}
        for future in owed.values():
            future.set_exception(LostWorker())
        if not self.ready.done():
            self.ready.set_exception(LostWorker())

    def close(self) -> None:
        """Let it end; visits that run finish first."""
        self._end()
        self.listener.join()

    def _end(self) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()
        self.process.wait()


@dataclass(frozen=True, slots=True)
class Team:
    """Which workers there are to be: how each is started, and how many."""

    argv: tuple[str, ...]
    number: int


def on_this_machine(number: int) -> Team:
    """Worker processes here."""
    return Team((sys.executable, "-m", "oakum", "worker"), number)


def on_dask(address: str) -> Team:
    """The workers of a Dask scheduler such as ``tcp://10.0.0.1:8786``."""
    return Team((sys.executable, "-m", "oakum", "bridge", address), 1)


class Workers(Executor):
    """Worker processes as an executor of visits; it is the crew of a ``Rollout``."""

    remote = True

    def __init__(self, roster: Roster, team: Team, heard: Heard) -> None:
        self.start: Callable[[], Worker] = lambda: Worker(team.argv, roster, heard)
        self.workers = [self.start() for _ in range(team.number)]

    def __enter__(self) -> Self:
        """Wait for the first one. Raises NoWorkers."""
        try:
            self.workers[0].ready.result()
        except LostWorker:
            raise NoWorkers from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not KeyboardInterrupt:  # whoever leaves does not wait
            for worker in self.workers:
                worker.close()

    def submit(self, task: Task, /) -> "Future[HostReport]":  # type: ignore[override]
        """Give a visit to the worker that owes the fewest; one that is lost is replaced."""
        self.workers = [self.start() if worker.lost else worker for worker in self.workers]
        return min(self.workers, key=lambda worker: len(worker.owed)).submit(task)

    def visit(self, task: Task, begin: Begin) -> HostReport:
        """The row of one host, also where the first worker is lost on the way."""
        for _ in range(LIVES):
            try:
                return self.submit(task).result()
            except (LostWorker, CancelledError):
                continue
        error = f"{LIVES} worker processes ended before they had answered"
        outcome = Outcome.FAILED if task.want is Want.CHANGE else None
        return HostReport(name=task.host, reached=False, error=error, outcome=outcome)
