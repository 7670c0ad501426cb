"""Figures, never tests: how long oakum takes where no host is involved.

    make bench

Seconds on a shared machine are worth little, so each figure stands beside one of the same run that
nobody can change: a bare Python, or parsing the same JSON with the standard library.
"""

from __future__ import annotations

import datetime
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from oakum.controls import controls
from oakum.parse import parse
from oakum.planner import build
from oakum.policy import Layer, resolve

HOSTS = 10_000
ROUNDS = 7
PROBES = Path(__file__).parents[1] / "tests" / "probes"


def plan_fleet() -> None:
    """Parse and plan HOSTS recorded probes, on one core."""
    recorded = [path.read_text("utf-8").splitlines() for path in sorted(PROBES.glob("*.txt"))]
    policy = resolve([Layer("bench", {})], [control.id for control in controls()])
    today = datetime.datetime.now(datetime.UTC).date()
    began = time.process_time()
    parsed = [parse(recorded[n % len(recorded)]) for n in range(HOSTS)]
    between = time.process_time()
    changes = sum(len(build(facts, policy, controls(), today).changes) for facts in parsed)
    ended = time.process_time()
    print(
        f"plan {HOSTS} recorded hosts: {ended - between:.2f} s CPU, "
        f"after {between - began:.2f} s of parsing their probes "
        f"({len(recorded)} recordings, {changes} changes)"
    )


def start_up() -> None:
    """``oakum --help`` against a Python that does nothing, interleaved."""
    rows: dict[str, list[float]] = {"-c pass": [], "-m oakum --help": []}
    for _ in range(ROUNDS):
        for words, seconds in rows.items():
            seconds.append(wall(lambda words=words: run(words)))  # type: ignore[misc]
    bare, ours = (statistics.median(seconds) for seconds in rows.values())
    print(f"oakum --help: {ours:.3f} s, {ours / bare:.1f} times a bare Python ({bare:.3f} s)")


def run(words: str) -> None:
    subprocess.run(
        [sys.executable, *words.split(" ", 1 if "-c" in words else -1)],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def wall(action: Callable[[], None]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


if __name__ == "__main__":
    start_up()
    plan_fleet()
