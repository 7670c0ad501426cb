"""A Dask cluster of two worker processes on this machine visits hosts that @fake plays."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab.cluster import Cluster, cluster

ROOT = Path(__file__).parents[1]
PROBE = ROOT / "tests" / "probes" / "debian12-systemd-20.10.24.txt"
FLEET = """
hosts = [
    (f"@fake/host-{number}", {
        "fake_responses": {"oakum-probe 1 begin": open(PROBE).read().splitlines()},
        "fake_delay": 0.3 * number,
    })
    for number in range(6)
]
"""


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("dask")) as running:
        yield running


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.py"
    path.write_text(f"PROBE = {str(PROBE)!r}\n{FLEET}")
    return path


def oakum(*argv: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "oakum", *argv],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def report(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, err = process.communicate(timeout=120)
    assert out, err
    found = json.loads(out)
    return {key: value for key, value in found.items() if key not in ("started", "finished")}


def test_same_report_as_from_here_also_when_a_worker_is_killed(
    dask: Cluster, inventory: Path, tmp_path: Path
) -> None:
    plan = ("plan", str(inventory), "--format", "json")
    here = report(oakum(*plan, "--executor", "here"))
    assert here["summary"]["drift"] == 6
    assert report(oakum(*plan, "--executor", dask.executor)) == here

    events = tmp_path / "events.jsonl"
    going = oakum(*plan, "--executor", dask.executor, "--events", str(events))
    deadline = time.monotonic() + 60
    while '"done"' not in (events.read_text() if events.exists() else ""):
        assert time.monotonic() < deadline
        assert going.poll() is None
        time.sleep(0.05)
    os.kill(dask.workers[0].pid, signal.SIGKILL)
    assert report(going) == here


def test_no_scheduler_is_said(inventory: Path) -> None:
    process = oakum("plan", str(inventory), "--executor", "dask://127.0.0.1:1", "-q")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "")
    assert "127.0.0.1:1" in err
    assert "no worker started; no host was contacted" in err
