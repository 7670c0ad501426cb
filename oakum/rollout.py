"""A fleet in, rows of a report out: stage by stage, no barrier between the hosts of one, until all
are done or the stop rule ends it.

Each host is one greenlet of a bounded pool. Who visits it, this process or another one, is the
crew's business.
"""

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import gevent
from gevent.event import Event
from gevent.pool import Pool

from oakum.deploy import new_transaction_id
from oakum.events import Events, Past
from oakum.fleet import Fleet
from oakum.model import INTERRUPTED, HostReport, Outcome
from oakum.schedule import CANARY, Stage, StopRule, Strategy, ready, stages
from oakum.visit import Begin, NotNow, Task, Want, not_reached


class Crew(Protocol):
    """Who visits hosts."""

    @property
    def remote(self) -> bool:
        """Whether it works in other processes, which cannot be asked in the middle of a visit."""

    def visit(self, task: Task, begin: Begin) -> HostReport:
        """The row of one host; waits for it. A remote crew never calls ``begin``."""


class Rollout:
    """One run over a fleet.

    ``past`` is an earlier run that this one goes on with: who is done is not asked again, and whose
    change was begun is taken up.
    """

    def __init__(
        self,
        fleet: Fleet,
        events: Events,
        *,
        crew: Crew | None = None,
        strategy: Strategy | None = None,
        past: Past | None = None,
    ) -> None:
        self.fleet = fleet
        self.events = events
        self.crew = crew
        self.strategy = strategy or Strategy()
        self.past = past
        self.rule = StopRule(
            self.strategy.max_fail.of(len(fleet.targets)), self.strategy.count_unreachable
        )
        self.rows: dict[str, HostReport] = {}
        self.begun: set[str] = set()
        self.visits: dict[str, gevent.Greenlet[..., None]] = {}
        self.waking = Event()
        self.broken: BaseException | None = None  # a bug of ours, which must not pass for a row

    @property
    def stopped(self) -> str | None:
        """Why the run did not come to all hosts, None where it did."""
        return self.rule.reason

    # Looking: every host at once, nothing is at stake ----------------------------------------

    def look(self) -> list[HostReport]:
        """Probe and plan every host; one exec each."""
        return self._each(Want.LOOK)

    def remember(self) -> list[HostReport]:
        """Read the ledger of every host; one exec each."""
        return self._each(Want.REMEMBER)

    def _each(self, want: Want) -> list[HostReport]:
        pool = Pool(self.fleet.access.parallel)

        def one(name: str) -> None:
            self.events.tell("begin", host=name)
            self.rows[name] = self._visit(Task(host=name, want=want), _nothing)
            self.events.tell("done", self.rows[name])

        with self._open(), _interruptible(_leave):
            pool.map(one, self.fleet.targets)
        return self._in_order()

    # Changing --------------------------------------------------------------------------------

    def change(
        self, command: str, inventory: str, agreed: Mapping[str, HostReport] | None = None
    ) -> list[HostReport]:
        """Probe, plan, change and verify every host, stage by stage; a clean one costs one exec.

        ``agreed`` holds the rows that an operator has seen and agreed to, by host: a host whose
        plan is no longer the same is left alone, and one with nothing to do is not asked again.

        Raises:
            BadSchedule: the strategy does not fit these hosts.
        """
        agreed = agreed or {}
        members = self.fleet.members(self.strategy.spread, agreed)
        self.domains = {member.name: member.domain for member in members}
        planned = self.past.stages if self.past else tuple(stages(members, self.strategy))
        self.events.tell(
            "run",
            command=command,
            inventory=inventory,
            resumed=self.past is not None,
            stages=[{"name": stage.name, "hosts": stage.hosts} for stage in planned],
        )
        self.rows.update(self.past.done if self.past else {})
        with self._open(), _interruptible(self._interrupt):
            for stage in planned:
                if not self.stopped:
                    self._stage(stage, agreed)
        for name, target in self.fleet.targets.items():
            if name not in self.rows:
                row = HostReport(name=name, groups=target.groups, reached=False)
                self.rows[name] = not_reached(agreed.get(name, row), str(self.stopped))
        if self.stopped:
            self.events.tell("stop", reason=self.stopped)
        self.events.tell("end")
        return self._in_order()

    def _stage(self, stage: Stage, agreed: Mapping[str, HostReport]) -> None:
        waiting = [name for name in stage.hosts if name not in self.rows]
        if not waiting:
            return
        self.events.tell("stage", stage=stage.name, hosts=len(waiting))
        names = list(waiting)
        while (waiting and not self.stopped) or self.visits:
            self.waking.clear()
            while not self.stopped and (name := self._next(waiting)):
                waiting.remove(name)
                visit = gevent.spawn(self._one, name, agreed.get(name), stage)
                self.visits[name] = visit
                visit.link(partial(self._left, name))
            self.waking.wait()
        if self.broken:
            raise self.broken
        if not self.stopped:
            self._soak(names, stage)

    def _next(self, waiting: Sequence[str]) -> str | None:
        if len(self.visits) >= self.fleet.access.parallel:
            return None
        return ready(waiting, self.domains, {self.domains[name] for name in self.visits})

    def _one(self, name: str, agreed: HostReport | None, stage: Stage) -> None:
        with suppress(NotNow):  # told to leave before it began; the end of the run gives it its row
            self._done(self._changed(name, agreed), stage)

    def _left(self, name: str, visit: "gevent.Greenlet[..., None]") -> None:
        del self.visits[name]
        self.broken = self.broken or visit.exception
        self.waking.set()

    def _done(self, row: HostReport, stage: Stage) -> None:
        self.rows[row.name] = row
        self.events.tell("done", row, stage=stage.name)
        failed = row.outcome in (Outcome.FAILED, Outcome.ROLLED_BACK)
        self.rule.count(
            failed=failed,
            unreachable=row.outcome is None and row.error is not None,
            canary=stage.name == CANARY,
        )
        if self.stopped:
            self._call_back()

    def _changed(self, name: str, agreed: HostReport | None) -> HostReport:
        cut_off = self.past.begun.get(name) if self.past else None
        if cut_off is None and agreed is not None and (agreed.plan is None or agreed.plan.idle):
            unchanged = agreed.plan is not None and agreed.error is None
            return replace(agreed, outcome=Outcome.UNCHANGED if unchanged else None)
        self.events.tell("begin", host=name)
        agreed = cut_off or agreed
        if agreed is None and self.crew is not None and self.crew.remote:
            agreed = self._visit(Task(host=name), _nothing)
            if agreed.plan is None or agreed.error is not None:
                return agreed
            if agreed.plan.idle:
                return replace(agreed, outcome=Outcome.UNCHANGED)
        task = Task(
            host=name,
            want=Want.CHANGE,
            agreed=agreed,
            transaction=(cut_off and cut_off.transaction) or new_transaction_id(),
            window=self.strategy.window,
        )
        if self.crew is not None and self.crew.remote and agreed is not None:
            self._begin(replace(agreed, transaction=task.transaction))
        return self._visit(task, self._begin)

    def _begin(self, row: HostReport) -> None:
        if self.stopped:
            raise NotNow(str(self.stopped))
        self.begun.add(row.name)
        self.events.tell("planned", row, transaction=row.transaction)

    def _soak(self, names: Sequence[str], stage: Stage) -> None:
        """Wait, then let the hosts that were changed show that they still are well."""
        changed = [name for name in names if self.rows[name].outcome is Outcome.APPLIED]
        if not (self.strategy.pause and changed):
            return
        self.events.tell("pause", seconds=self.strategy.pause, stage=stage.name)
        self.waking.clear()
        self.waking.wait(self.strategy.pause)
        if self.stopped:
            return

        def again(name: str) -> None:
            task = Task(host=name, want=Want.SOAK, agreed=self.rows[name])
            row = self._visit(task, _nothing)
            if row.outcome is None:  # it could not even be asked
                error = f"did not hold: {row.error}"
                row = replace(self.rows[name], outcome=Outcome.FAILED, error=error)
            if row.outcome is not Outcome.APPLIED:
                self._done(row, stage)

        Pool(self.fleet.access.parallel).map(again, changed)

    # Both --------------------------------------------------------------------------------

    def _visit(self, task: Task, begin: Begin) -> HostReport:
        return (self.crew or self.fleet).visit(task, begin)

    def _in_order(self) -> list[HostReport]:
        return [self.rows[name] for name in self.fleet.targets]

    @contextmanager
    def _open(self) -> Iterator[None]:
        if self.crew is not None and self.crew.remote:
            yield
        else:
            with self.fleet.ready(self.events.heard):
                yield

    def _interrupt(self) -> None:
        """Ctrl-C: once, what runs may finish; twice, it finishes alone on its hosts."""
        if self.stopped:
            _leave()
        self.rule.stop(INTERRUPTED)
        self._call_back()

    def _call_back(self) -> None:
        """Whoever has not begun to change a host leaves it now."""
        for name, visit in list(self.visits.items()):
            if name not in self.begun and visit is not gevent.getcurrent():
                visit.kill(NotNow(str(self.stopped)), block=False)
        self.waking.set()


def _nothing(row: HostReport) -> None:
    pass


def _leave() -> None:
    raise KeyboardInterrupt


@contextmanager
def _interruptible(interrupted: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C is this run's, not that of the greenlet that happens to run."""
    waiting = gevent.getcurrent()

    def pressed() -> None:
        try:
            interrupted()
        except KeyboardInterrupt as left:
            waiting.throw(left)

    handler: Any = gevent.signal_handler(signal.SIGINT, pressed)
    try:
        yield
    finally:
        handler.cancel()
        signal.signal(signal.SIGINT, signal.default_int_handler)
