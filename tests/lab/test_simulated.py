"""The simulator of fleets against itself: hosts that can be planned and changed, and each fault."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from .desk import ROOT, Ran, run
from .simulated import Counts, Fault, Simulator

pytestmark = pytest.mark.usefixtures("can_simulate")

HASTE = {"oakum_time_limits": {"answer": 30, "watch": 0}}


def oakum(fleet: Simulator, command: str, *args: str) -> Ran:
    words = [sys.executable, "-m", "oakum", command, str(fleet.inventory), "--format", "json"]
    return run([*words, *args])


def without_times(report: Any) -> Any:
    """A report but for when it was made."""
    if isinstance(report, dict):
        return {
            key: without_times(value)
            for key, value in report.items()
            if key not in ("started", "finished", "seconds")
        }
    return [without_times(one) for one in report] if isinstance(report, list) else report


def test_fleet_is_planned_hardened_and_then_clean() -> None:
    with Simulator(10, data=HASTE) as fleet:
        first, second = oakum(fleet, "plan"), oakum(fleet, "plan")
        assert (first.code, second.code) == (1, 1)
        assert without_times(first.report) == without_times(second.report)
        assert fleet.log() == [Counts(2, 2, 0)] * 10
        applied = oakum(fleet, "apply", "--yes")
        assert applied.code == 0, applied.err
        assert [fleet.restarts(n) for n in range(10)] == [1] * 10
        assert all(" confirmed" in fleet.ledger(n) for n in range(10))
        before = fleet.log()
        assert oakum(fleet, "plan").code == 0
        for then, now in zip(before, fleet.log(), strict=True):
            assert (now.connections - then.connections, now.execs - then.execs) == (1, 1)
        assert oakum(fleet, "rollback", "--yes").code == 0
        assert oakum(fleet, "plan").code == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.DROP, "eof|reset"),
        (Fault.DROP_PROBE, "probe"),
        (Fault.CHANGED_KEY, "key"),
        (Fault.SUDO_REFUSED, "sudoers"),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_fault_is_told_of_its_host_alone(fault: Fault, words: str) -> None:
    with Simulator(3, faults={1: fault}, data={"ssh_user": "op", "_sudo": True}) as fleet:
        broken = oakum(fleet, "plan")
        assert re.search(words, str(broken.host("sim-0001")["error"]).lower())
        assert all(broken.host(name)["error"] is None for name in ("sim-0000", "sim-0002"))
        fleet.set_faults({})
        assert oakum(fleet, "plan").code == 1


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.HANG_PROBE], ids=lambda fault: fault.name)
def test_host_that_hangs_is_answered_for(fault: Fault) -> None:
    data = {"ssh_paramiko_connect_kwargs": {"banner_timeout": 2}, "_timeout": 2}
    with Simulator(2, faults={1: fault}, data=data) as fleet:
        ran = oakum(fleet, "plan")
        assert ran.host("sim-0000")["error"] is None
        assert ran.host("sim-0001")["error"]


def test_lost_connection_does_not_end_a_change() -> None:
    with Simulator(2, faults={1: [Fault.DROP_CHANGE]}, data=HASTE) as fleet:
        ran = oakum(fleet, "apply", "--yes")
        assert ran.code == 0, ran.err
        assert [counts.connections for counts in fleet.log()] == [1, 2]
        assert " confirmed" in fleet.ledger(1)


def test_full_disk_is_refused() -> None:
    with Simulator(1, faults={0: Fault.DISK_FULL}, data=HASTE) as fleet:
        ran = oakum(fleet, "apply", "--yes")
        assert "cannot write /var/lib/oakum" in ran.host()["error"]
        assert fleet.restarts(0) == 0
        fleet.set_faults({})
        assert oakum(fleet, "apply", "--yes").code == 0


def test_faults_come_one_connection_after_another() -> None:
    with Simulator(1, faults={0: [Fault.CHANGED_KEY, None, Fault.DROP_PROBE]}) as fleet:
        told = [oakum(fleet, "plan").host()["error"] is None for _ in range(4)]
        assert told == [False, True, False, True]


def test_round_trips_take_their_time() -> None:
    with Simulator(1, rtt=0.1) as fleet:
        began = time.monotonic()
        assert oakum(fleet, "plan").code == 1
        assert time.monotonic() - began > 0.5
        assert fleet.log() == [Counts(1, 1, 0)]


def test_nothing_outlives_whoever_started_it() -> None:
    """Killed in the midst, with a transaction under way."""
    code = (
        "import time; from tests.lab.simulated import Simulator\n"
        "with Simulator(1) as fleet:\n"
        "    print(fleet.inventory, fleet.root(0), flush=True)\n"
        "    time.sleep(600)"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout
    inventory, root = map(Path, started.stdout.readline().split())
    started.stdout.close()
    namespace = os.readlink(Path(*root.parts[:3], "ns/pid"))
    apply = subprocess.Popen(
        [sys.executable, "-m", "oakum", "apply", "--yes", str(inventory)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert within(30, (root / "var/lib/oakum/ledger").exists)
    started.kill()
    started.wait()
    assert within(10, lambda: not inventory.parent.exists() and not is_inhabited(namespace))
    apply.kill()
    apply.wait()


def within(seconds: float, so: Callable[[], bool]) -> bool:
    """Whether something comes true in time."""
    end = time.monotonic() + seconds
    while not (true := so()) and time.monotonic() < end:
        time.sleep(0.05)
    return true


def is_inhabited(namespace: str) -> bool:
    """Whether any process is in a process namespace."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if os.readlink(f"/proc/{pid}/ns/pid") == namespace:
                return True
    return False
