"""The other end of ``oakum.crew``: a process that is given a roster and tasks, and answers."""

import os
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import Any

from oakum.crew import READY, Workers, on_this_machine, receive, send
from oakum.fleet import Fleet, Roster
from oakum.model import HostReport, Step
from oakum.visit import NotNow, Task


def _pipes() -> tuple[int, int]:
    """Standard input and output; whatever else is printed goes to stderr from now on."""
    out = os.dup(1)
    os.dup2(2, 1)
    return 0, out


def work() -> None:
    """Visit hosts until the input ends. gevent is patched; visits are greenlets."""
    from gevent.fileobject import FileObject
    from gevent.pool import Pool

    into, out = _pipes()
    source, sink = FileObject(into, "rb"), FileObject(out, "wb")
    fleet = Fleet.unpacked(receive(source))
    orphaned = threading.Event()

    def begin(row: HostReport) -> None:
        if orphaned.is_set():
            raise NotNow("the controller is gone")

    def say(answer: Any) -> None:
        with suppress(OSError):  # nobody listens any more; what was begun still gets its end
            send(sink, answer)

    def visit(task: Task) -> None:
        say(fleet.visit(task, begin))

    pool = Pool(fleet.access.parallel)
    with fleet.ready(lambda host, step: say((host, step))):
        say(READY)
        try:
            while True:
                pool.spawn(visit, receive(source))
        except EOFError:
            orphaned.set()
            pool.join()


def bridge(address: str) -> None:
    """Hand tasks on to a Dask cluster until the input ends. gevent is not patched here.

    Ends with 1 where no scheduler answers there.
    """
    into, out = _pipes()
    lock = threading.Lock()
    with os.fdopen(into, "rb") as source, os.fdopen(out, "wb") as sink, _client(address) as client:
        roster = receive(source)
        topic = f"oakum-{os.getpid()}-{os.urandom(4).hex()}"

        def say(answer: Any) -> None:
            with lock:
                send(sink, answer)

        def told(event: tuple[float, tuple[str, str, str]]) -> None:
            host, name, detail = event[1]
            say((host, Step(name, detail)))

        client.subscribe_topic(topic, told)
        shared = client.scatter(roster, broadcast=True)
        executor = client.get_executor(pure=False, retries=2)
        say(READY)
        try:
            while True:
                future = executor.submit(visit_on_dask, shared, topic, receive(source))
                future.add_done_callback(lambda done: say(done.result()))
        except EOFError:
            executor.shutdown(wait=True)


def _client(address: str) -> Any:
    from distributed import Client

    try:
        return Client(address, timeout=10)  # type: ignore[no-untyped-call]
    except OSError as error:
        sys.exit(f"oakum: {address}: {error}")


def visit_on_dask(roster: Roster, topic: str, task: Task) -> HostReport:
    """Visit one host from a thread of a Dask worker, by one process that all its threads share."""
    from distributed import get_worker

    tell = partial(_log, get_worker(), topic)
    with _STARTING:
        workers = _child(topic, roster, tell)
    return workers.visit(task, lambda row: None)


_STARTING = threading.Lock()
_CHILDREN: dict[str, Workers] = {}


def _log(worker: Any, topic: str, host: str, step: Step) -> None:
    worker.log_event(topic, [host, step.name, step.detail])  # Dask takes plain values alone


def _child(topic: str, roster: Roster, tell: Any) -> Workers:
    """The process of a run on this Dask worker; those of runs before are let go."""
    if topic not in _CHILDREN:
        for old in [*_CHILDREN]:
            _CHILDREN.pop(old).__exit__(None, None, None)
        _CHILDREN[topic] = Workers(roster, on_this_machine(1), tell)
    return _CHILDREN[topic]
