"""Worker processes: real ones, whose hosts pyinfra's @fake plays."""

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.inventory import Inventory

from oakum import fleet as fleets
from oakum.crew import LIVES, NoWorkers, Team, Workers, on_this_machine
from oakum.fleet import Fleet
from oakum.model import HostReport, Outcome, Step
from oakum.visit import Task, Want

PROBE = (Path(__file__).parent / "probes" / "debian12-systemd-20.10.24.txt").read_text("utf-8")
CONFIRMED = ["step swap 1 file", "verdict confirmed X"]


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """Four hosts that drift, and whose transactions change nothing."""
    data = {
        "fake_responses": {
            "oakum-probe 1 begin": PROBE.splitlines(),
            "begin T": CONFIRMED,
        },
        "fake_delay": 0.2,
        "oakum_only": ["userland-proxy"],
        "beside": ("kept", {"as": "it is"}),
    }
    inventory = Inventory(([(f"@fake/{name}", data) for name in "abcd"], {}), web=(["@fake/a"], {}))
    monkeypatch.setattr(fleets, "load_inventory", lambda name, override: inventory)
    return Fleet("played")


def no_one(host: str, step: Step) -> None:
    raise AssertionError(f"{host} said {step}")


def nothing(row: HostReport) -> None:
    pass


def all_visits(crew: Workers, fleet: Fleet, **task: Any) -> dict[str, HostReport]:
    with ThreadPoolExecutor(4) as pool:
        tasks = [Task(host=name, **task) for name in fleet.targets]
        return {row.name: row for row in pool.map(lambda one: crew.visit(one, nothing), tasks)}


def test_workers_say_what_this_process_would(fleet: Fleet) -> None:
    with fleet.ready(no_one):
        here = {name: fleet.visit(Task(host=name), nothing) for name in fleet.targets}
    with Workers(fleet.packed(), on_this_machine(2), no_one) as crew:
        there = all_visits(crew, fleet)
    assert there == here
    assert there["@fake/a"].groups == ("web", "@fake")


def test_agreed_plan_and_its_transaction_go_along(fleet: Fleet) -> None:
    heard: list[tuple[str, Step]] = []
    with Workers(fleet.packed(), on_this_machine(1), lambda *said: heard.append(said)) as crew:
        planned = crew.visit(Task(host="@fake/a"), nothing)
        task = Task(host="@fake/a", want=Want.CHANGE, agreed=planned, transaction="T-1")
        row = crew.visit(task, nothing)
    assert row.steps == (Step("swap", "1 file"),)
    assert heard in ([], [("@fake/a", row.steps[0])]), "@fake echoes only where it is let"
    assert (row.outcome, row.transaction) == (Outcome.FAILED, "T-1")
    assert "still to change" in str(row.error)


def test_lost_workers_hosts_are_taken_up_by_another(fleet: Fleet) -> None:
    with Workers(fleet.packed(), on_this_machine(2), no_one) as crew, ThreadPoolExecutor(4) as pool:
        all_visits(crew, fleet)  # both have started
        visits = [pool.submit(crew.visit, Task(host=name), nothing) for name in fleet.targets]
        deadline = time.monotonic() + 30
        while not crew.workers[0].owed and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(crew.workers[0].process.pid, signal.SIGKILL)
        rows = [visit.result(60) for visit in visits]
    assert [row.error for row in rows] == [None] * 4
    assert all(row.plan for row in rows)


def test_workers_that_do_not_start_are_said(fleet: Fleet) -> None:
    workers = Workers(fleet.packed(), Team((sys.executable, "-c", "pass"), 1), no_one)
    with pytest.raises(NoWorkers), workers:
        raise AssertionError("entered")


def test_workers_that_all_die_are_a_row_not_a_hang(fleet: Fleet) -> None:
    team = Team((sys.executable, "-c", "pass"), 1)
    workers = Workers(fleet.packed(), team, no_one)
    row = workers.visit(Task(host="@fake/a"), nothing)
    workers.__exit__(None, None, None)
    assert (row.reached, row.error) == (
        False,
        f"{LIVES} worker processes ended before they had answered",
    )
