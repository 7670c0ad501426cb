"""What a command on hosts does, from its options to its exit code."""

import os
import pickle
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from oakum import events, options, screen
from oakum.crew import GAINS_FROM, NoWorkers, Workers, on_dask, on_this_machine
from oakum.deploy import HARDEN, Road, new_transaction_id, waivers_of
from oakum.events import BadLog, Events, Past, Sink
from oakum.exit_codes import ExitCode
from oakum.exit_codes import of as exit_code_of
from oakum.fleet import Fleet
from oakum.layers import Layer
from oakum.live import Live
from oakum.migrating import migrating
from oakum.migration import Request
from oakum.model import HostReport, Outcome, Report, Severity
from oakum.policy import PolicyError
from oakum.report import printable
from oakum.rollout import Rollout
from oakum.schedule import BadSchedule, Order, Strategy, amount
from oakum.selection import EmptySelection, SelectionError, load_inventory, select
from oakum.visit import not_reached
from oakum.waivers import Host, as_json, as_text, listed

Given = Mapping[str, Any]
"""The options of a command, by the names that ``oakum.options`` gives them."""

CHANGING: Final = {
    "apply": ("applying", "Apply this?"),
    "bootstrap": ("bootstrapping", "Install and start it?"),
    "rollback": ("rolling back", "Take back?"),
    "upgrade": ("upgrading", "Upgrade it?"),
}
"""What changes hosts: what it does on the screen, and what is asked first."""


def history(inventory: str, given: Given) -> NoReturn:
    """Read the ledgers of the hosts, report, and end."""
    _writable(given["output"])
    started, clock = _now(), time.monotonic()
    with (
        _fleet(inventory, given, HARDEN) as fleet,
        _told("reading", fleet, given) as told,
        _crew(fleet, given, told) as crew,
    ):
        rows = Rollout(fleet, told, crew=crew).remember()
    report = Report("history", fleet.profiles, started, _now(), tuple(rows))
    code = exit_code_of(report, None)
    screen.write(report, given, code, None, time.monotonic() - clock)
    sys.exit(code)


def waivers(inventory: str, given: Given) -> NoReturn:
    """List the waivers of an inventory, and end; no host is contacted."""
    _writable(given["output"])
    with complaining():
        below, _ = options.layers_of(given)
        hosts = [
            Host(host.name, tuple(dict.fromkeys(host.groups)), waivers_of(host, below))
            for host in select(load_inventory(inventory, {}), given["limit"])
        ]
    rows = listed(hosts, datetime.now(UTC).date())
    screen.put((as_json if given["form"] == "json" else as_text)(rows), given["output"])
    sys.exit(ExitCode.DRIFT if any(row.ended for row in rows) else ExitCode.OK)


def run(
    command: str, inventory: str, given: Given, *, yes: bool = True, road: Road | None = None
) -> NoReturn:
    """Look at the hosts or change them, report, and end."""
    changes = command in CHANGING and not given["dry_run"]
    if changes and not yes and not sys.stdin.isatty():
        screen.refuse(
            f"{command} asks before it changes anything, and nobody is there to answer; use --yes, "
            "or --dry-run to see what it would do"
        )
    _writable(given["output"])
    started, clock = _now(), time.monotonic()
    with _fleet(inventory, given, road or HARDEN) as fleet:
        if changes:
            report = _change(command, inventory, fleet, given, started, yes=yes)
        else:
            with _told("probing", fleet, given) as told, _crew(fleet, given, told) as crew:
                rows = Rollout(fleet, told, crew=crew).look()
            report = Report(_as(command, given), fleet.profiles, started, _now(), tuple(rows))
    code = exit_code_of(report, _severity(given["fail_on"]))
    if command in CHANGING and not changes and not all(_idle(row) for row in report.hosts):
        code = max(code, ExitCode.DRIFT)
    following = _next(command, report, inventory, given)
    screen.write(report, given, code, following, time.monotonic() - clock)
    sys.exit(code)


def _as(command: str, given: Given) -> str:
    """Whose page a report is: what would be done is shown as a plan is."""
    return "plan" if given.get("dry_run") and given["form"] == "text" else command


def _idle(row: HostReport) -> bool:
    return row.plan is None or row.plan.idle


def _change(
    command: str, inventory: str, fleet: Fleet, given: Given, started: str, *, yes: bool
) -> Report:
    """Look and ask where that is wanted, then change; the log lets another run go on with it."""
    strategy = options.strategy_of(given)
    past = _past(given["resume"], command, inventory, fleet)
    doing, question = CHANGING[command]
    agreed: dict[str, HostReport] = {}
    if not yes or strategy.order is Order.LEAST_DISRUPTION_FIRST:
        with _told("probing", fleet, given) as told, _crew(fleet, given, told) as crew:
            agreed = {row.name: row for row in Rollout(fleet, told, crew=crew).look()}
    if not yes and not all(_idle(row) for row in agreed.values()):
        preview = Report("plan", fleet.profiles, started, _now(), tuple(agreed.values()))
        click.echo(screen.page(preview, given, ExitCode.OK, None, None, stderr=True), err=True)
        if not click.confirm(question, err=True):
            raise click.exceptions.Exit(ExitCode.INTERRUPTED)
    name = past.run if past else new_transaction_id()
    with (
        _told(doing, fleet, given, name, _log(name, past)) as told,
        _crew(fleet, given, told) as crew,
    ):
        rollout = Rollout(fleet, told, crew=crew, strategy=strategy, past=past)
        rows = rollout.change(command, inventory, agreed)
    return Report(
        command, fleet.profiles, started, _now(), tuple(rows), run=name, stopped=rollout.stopped
    )


def migrate(inventory: str, given: Given, request: Request) -> NoReturn:
    """Count what a migration would carry, ask for each host, carry it out, report, and end."""
    agreed_to: tuple[str, ...] = given["yes_for"]
    asks = not agreed_to and not given["dry_run"]
    if asks and not sys.stdin.isatty():
        screen.refuse(
            "migrate asks for each host, and nobody is there to answer; use --yes-for HOST, or "
            "--dry-run to see what it would carry over"
        )
    _writable(given["output"])
    started, clock = _now(), time.monotonic()
    chosen = {
        "oakum_only": [request.kind],
        "oakum_skip": [],
        "oakum_max_disruption": "migration",
        **({"oakum_userns_remap": "enforce"} if request.kind == "userns-remap" else {}),
    }
    with _fleet(inventory, given, migrating(request), [Layer("oakum migrate", chosen)]) as fleet:
        if odd := sorted(set(agreed_to) - set(fleet.targets)):
            screen.refuse(
                f"--yes-for {odd[0]}: no such host here; {', '.join(fleet.targets)}"[:500]
            )
        order = list(fleet.targets)
        with _told("counting", fleet, given) as told:
            rows = {row.name: row for row in Rollout(fleet, told).look()}
        profiles = fleet.profiles
        ready = [name for name, row in rows.items() if row.plan and row.plan.migration]
        if asks and ready:
            page = Report("plan", profiles, started, _now(), tuple(rows[name] for name in ready))
            click.echo(screen.page(page, given, ExitCode.OK, None, None, stderr=True), err=True)
        yes = [name for name in ready if name in agreed_to or (asks and _agrees(name))]
        if not given["dry_run"]:
            for name, row in rows.items():
                if name in ready and name not in yes:
                    rows[name] = not_reached(row, "nobody said yes for this host")
                elif name not in ready and row.plan and not row.error:
                    rows[name] = replace(row, outcome=Outcome.UNCHANGED)
            fleet.targets = {name: fleet.targets[name] for name in yes}
            rows |= _migrated(inventory, fleet, given, {name: rows[name] for name in yes})
    found = tuple(rows[name] for name in order)
    report = Report(_as("migrate", given), profiles, started, _now(), found)
    code = exit_code_of(report, Severity.LOW)
    screen.write(report, given, code, None, time.monotonic() - clock)
    sys.exit(code)


def _migrated(
    inventory: str, fleet: Fleet, given: Given, agreed: dict[str, HostReport]
) -> dict[str, HostReport]:
    """The rows of hosts that were migrated, one after the other until one fails."""
    if not agreed:
        return {}
    strategy = Strategy(batches=(amount("1"),))
    with _told("migrating", fleet, given) as told:
        rows = Rollout(fleet, told, strategy=strategy).change("migrate", inventory, agreed)
    return {row.name: row for row in rows}


def _agrees(name: str) -> bool:
    """Whether somebody at the terminal says yes for a host: by ``y`` or by its name."""
    shown = printable(name)
    answer = click.prompt(f"Migrate {shown}? [y or its name/N]", default="", err=True)
    return answer.strip() in ("y", "yes", name)


def _past(word: str | None, command: str, inventory: str, fleet: Fleet) -> Past | None:
    """The run that is to be resumed, if it was the same command on the same hosts."""
    if word is None:
        return None
    past = events.past(word)
    hosts = {name for stage in past.stages for name in stage.hosts}
    if past.command != command:
        raise BadLog(f"{past.run} was oakum {past.command}, not {command}")
    if odd := sorted(hosts ^ set(fleet.targets)):
        raise BadLog(
            f"{past.run} was for other hosts of {past.inventory} ({', '.join(odd[:5])}); "
            "give the same inventory and --limit again"
        )
    return past


def _log(run: str, past: Past | None) -> list[Sink]:
    try:
        return [events.open_log(run, resumed=past is not None)]
    except OSError as error:
        screen.complain(f"no log of this run, so it cannot be resumed: {error}")
        return []


@contextmanager
def _told(
    doing: str, fleet: Fleet, given: Given, run: str | None = None, logs: Sequence[Sink] = ()
) -> Iterator[Events]:
    """Whoever is told what happens: the screen, the file of --events, the run's log."""
    sinks = list(logs)
    if given["events"]:
        sinks.append(events.open_file(given["events"]))
    with Live(doing, len(fleet.targets), quiet=bool(given["quiet"])) as live:
        yield Events(run or new_transaction_id(), [live, *sinks])


@contextmanager
def _crew(fleet: Fleet, given: Given, told: Events) -> Iterator[Workers | None]:
    """Who visits the hosts; None is this process."""
    wanted: str | int = given["executor"]
    cores = len(os.sched_getaffinity(0))
    alone = any(target.policy.drains_tasks for target in fleet.targets.values())
    if wanted == "auto":
        at_once = min(fleet.access.parallel, len(fleet.targets))
        wanted = 0 if at_once >= GAINS_FROM and cores > 1 and not alone else "here"
    if alone and wanted != "here":
        raise SelectionError(
            "--executor: oakum_swarm drains one node of a swarm at a time, which only one process "
            "can see to; use --executor here"
        )
    if wanted == "here":
        yield None
        return
    team = on_dask(wanted) if isinstance(wanted, str) else on_this_machine(wanted or cores)
    try:
        roster = pickle.dumps(fleet.packed())
    except Exception as error:  # an inventory may hold whatever it likes
        raise SelectionError(
            f"--executor: the inventory's data cannot go to another process: {error}; "
            "use --executor here"
        ) from None
    try:
        with Workers(pickle.loads(roster), team, told.heard) as crew:
            yield crew
    except NoWorkers:
        raise SelectionError("--executor: no worker started; no host was contacted") from None


def _writable(output: Path | None) -> None:
    if output is not None and not (output.parent.is_dir() and os.access(output.parent, os.W_OK)):
        screen.refuse(f"{output}: the folder {output.parent} is not there or cannot be written")


@contextmanager
def _fleet(
    inventory: str, given: Given, road: Road, chosen: Sequence[Layer] = ()
) -> Iterator[Fleet]:
    """The fleet that is meant; what is wrong with the arguments ends here, before any host."""
    with complaining():
        below, above = options.layers_of(given)
        yield Fleet(
            inventory,
            limit=given["limit"],
            below=below,
            above=[*above, *chosen],
            access=options.access_of(given),
            road=road,
        )


@contextmanager
def complaining() -> Iterator[None]:
    """What is wrong with inventory, policy or arguments ends the command with its words."""
    try:
        yield
    except PolicyError as error:
        screen.refuse("\n".join(error.problems))
    except EmptySelection as error:
        screen.complain(str(error))
        sys.exit(ExitCode.UNKNOWN)
    except (SelectionError, BadSchedule, BadLog) as error:
        screen.refuse(str(error))
    except KeyboardInterrupt:
        screen.complain("interrupted; hosts that were being changed finish alone")
        sys.exit(ExitCode.INTERRUPTED)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _severity(word: str) -> Severity | None:
    return None if word == "never" else Severity(word)


def _next(command: str, report: Report, inventory: str, given: Given) -> str | None:
    """The command that an operator would type next."""
    words = [f"--limit {shlex.quote(word)}" for word in given["limit"]]
    for key in ("only", "skip"):
        words += [f"--{key} {shlex.quote(','.join(given[key]))}"] if given.get(key) else []
    if given["policy"] and command != "rollback":
        words += [f"--policy {shlex.quote(str(given['policy']))}"]
    words += ["--sudo"] if given["sudo"] else []
    if command == "upgrade":
        words += [f"--to {given['to']}", *(f"--keep {shlex.quote(key)}" for key in given["keep"])]
    if command == "rollback":
        words += (
            [f"--to {given['to']}"] if given["to"] else ["--all"] if given["everything"] else []
        )
    rest = " ".join([shlex.quote(inventory), *words])
    if report.stopped and report.run:
        return " ".join([f"oakum {command} {rest}", *_care(given), f"--resume {report.run}"])
    if any(row.outcome in (Outcome.FAILED, Outcome.ROLLED_BACK) for row in report.hosts):
        if command == "rollback":
            return " ".join(
                ["oakum history", shlex.quote(inventory), *words[: len(given["limit"])]]
            )
        if command == "upgrade":
            return f"oakum plan {shlex.quote(inventory)} --for-engine {given['to']}"
        return f"oakum {'bootstrap' if command == 'bootstrap' else 'plan'} {rest}"
    changing = not all(_idle(row) for row in report.hosts)
    if given.get("dry_run"):
        return " ".join([f"oakum {command} {rest}", *_care(given)]) if changing else None
    if command in CHANGING or not changing:
        return None
    return f"oakum {'plan' if command == 'audit' else 'apply'} {rest}"


def _care(given: Given) -> Iterator[str]:
    """The options by which a run takes care of its hosts; its stages are in its log."""
    for key in ("max_fail", "spread", "pause", "window", "max_disruption", "parallel"):
        word = str(given.get(key) or 0)
        if word != "0":
            yield f"--{key.replace('_', '-')} {shlex.quote(word)}"
    if given.get("count_unreachable"):
        yield "--count-unreachable"
