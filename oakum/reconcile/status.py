"""How reconciling stands on this host, from its files, its timer and its records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from oakum.exit_codes import ExitCode
from oakum.reconcile import Places, units
from oakum.reconcile.config import BadConfig, Config, read, spelled
from oakum.reconcile.record import Damaged, Memory, Record, Result, load, names, remembered
from oakum.report import printable
from oakum.report.json import SCHEMA, written

MISSED = 3
"""Periods without a run after which something is wrong."""
LEAST = 900
"""Seconds that have to pass for that, since a run itself may take minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known; ``problems`` are what is wrong with the installation, newest run last."""

    config: Config | None
    timer: units.Timer | None
    runs: tuple[Record, ...]
    memory: Memory
    problems: tuple[str, ...]

    @property
    def last(self) -> Record | None:
        return self.runs[-1] if self.runs else None

    @property
    def exit_code(self) -> ExitCode:
        """0 fine; 1 the last run left drift; 3 it could not tell, there is none, or something is
        wrong; 4 it failed."""
        last = self.last
        if last and last.outcome in (Result.FAILED, Result.ROLLED_BACK):
            return ExitCode.FAILED
        if last is None or self.problems or last.exit == ExitCode.UNKNOWN:
            return ExitCode.UNKNOWN
        return ExitCode.DRIFT if last.exit == ExitCode.DRIFT else ExitCode.OK


def look(places: Places) -> Standing:
    """Read it all; changes nothing. Raises OSError where it may not be read."""
    problems: list[str] = []
    config = None
    memory, runs = Memory(), list[Record]()
    if places.config.exists():
        try:
            config = read(places.config)
        except BadConfig as error:
            problems.append(str(error))
    else:
        problems.append("not installed: oakum reconcile install --policy SOURCE does it")
    for path in names(places):
        try:
            runs.append(load(path))
        except Damaged as error:
            problems.append(str(error))
    try:
        memory = remembered(places)
    except Damaged as error:
        problems.append(str(error))
    timer = None
    if config and places.timer.exists():
        try:
            timer = units.timer()
        except units.NoSystemd as error:
            problems.append(str(error))
        problems += _of_units(config, timer, places)
    if config:
        since = places.config.stat().st_mtime
        problems += overdue(config, since, runs, datetime.now(UTC))
    return Standing(
        config=config, timer=timer, runs=tuple(runs), memory=memory, problems=tuple(problems)
    )


def _of_units(config: Config, timer: units.Timer | None, places: Places) -> Iterator[str]:
    for file in units.units(config, places):
        if not file.stands:
            yield f"{file.path} is not what {places.config} asks for; install again"
    if timer and not timer.runs:
        word = "enabled" if not timer.enabled else "as its file says" if timer.active else "running"
        yield f"{units.TIMER} is not {word}; install again"


def overdue(
    config: Config, installed: float, runs: Sequence[Record], now: datetime
) -> Iterator[str]:
    """Says so where no run has ended for three periods; ``installed`` is a Unix time."""
    ends = [datetime.fromisoformat(run.finished) for run in runs[-1:]]
    since = max([datetime.fromtimestamp(installed, UTC), *ends])
    most = max(LEAST, MISSED * (config.period + config.delay))
    if (passed := int((now - since).total_seconds())) > most:
        yield f"no run for {spelled(passed)}; there should be one every {config.every}"


# How it is said ----------------------------------------------------------------------------------


def as_json(seen: Standing) -> str:
    """Ends with a newline; runs newest first."""
    timer = seen.timer
    return written(
        {
            "schema": SCHEMA,
            "command": "reconcile status",
            "installed": seen.config is not None,
            "config": seen.config.model_dump(mode="json") if seen.config else None,
            "timer": timer
            and {"enabled": timer.enabled, "active": timer.active, "next": _utc(timer.next)},
            "problems": seen.problems,
            "accepted": {"source": seen.memory.source, "revision": seen.memory.revision},
            "last_apply": seen.memory.applied,
            "last_read": seen.memory.read,
            "drift": _named(seen.memory, "drift"),
            "held": _named(seen.memory, "held"),
            "unknown": _named(seen.memory, "unknown"),
            "runs": [_run(run) for run in reversed(seen.runs)],
        }
    )


def _run(run: Record) -> dict[str, Any]:
    rest = ("started", "finished", "outcome", "exit", "reason", "source", "revision")
    return {name: getattr(run, name) for name in rest}


def _utc(time: datetime | None) -> str | None:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ") if time else None


def _named(memory: Memory, status: str) -> list[str]:
    return [seen.control for seen in memory.findings if seen.status == status]


def as_text(seen: Standing) -> str:
    """Ends with a newline; the last five runs."""
    return "".join(f"{printable(line)}\n" for line in _lines(seen))


def _lines(seen: Standing) -> Iterator[str]:
    if seen.config:
        config = seen.config
        limits = [f"window {config.window}"] if config.window else []
        limits += [f"at most {config.max_disruption}"] if config.max_disruption else []
        limits += ["drift only"] if config.drift_only else []
        yield f"policy   {config.named}"
        yield f"every    {', '.join([config.every, f'jitter {spelled(config.delay)}', *limits])}"
    if seen.timer:
        state = f"next run {_utc(seen.timer.next) or 'when this one is over'}"
        yield f"timer    {state if seen.timer.active else 'stopped'}"
    if seen.memory.revision:
        yield f"accepted {seen.memory.revision[:19]} of {seen.memory.source}"
    if seen.memory.read:
        words = [
            f"{status}: {', '.join(found)}"
            for status in ("drift", "held", "unknown")
            if (found := _named(seen.memory, status))
        ]
        yield f"read     {seen.memory.read}, {'; '.join(words) or 'nothing to say'}"
    for run in seen.runs[:-6:-1]:
        reason = f"  {run.reason.splitlines()[0]}" if run.reason else ""
        yield f"run      {run.started}  {run.outcome:14}  {(run.revision or '-')[:19]}{reason}"
    for problem in seen.problems:
        yield from (f"wrong    {line}" for line in problem.splitlines())
