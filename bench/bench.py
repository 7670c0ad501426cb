"""Figures, never tests: what oakum costs, beside plain ssh, pyinfra, Ansible and Mitogen.

    make bench
    python -m bench.bench [--hosts N] [--rounds N] [--ansible-hosts N] [--many N] [--only PART …]

Seconds on a shared machine are worth little, so each figure stands beside one of the same part that
nobody can change. Parts are kept in build/bench.json, and a run of some of them replaces those;
once all are there, docs/performance.md is written. Fleets are simulated, for which root is needed;
without it the parts that need no host are run.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

from bench import fleets, targets
from bench.fleets import Cost, Figures
from oakum.controls import controls
from oakum.layers import Layer, resolve
from oakum.parse import parse
from oakum.planner import build
from tests.lab import simulated

RECORDED = 10_000
ROOT = Path(__file__).parents[1]
PROBES = ROOT / "tests" / "probes"
KEPT = ROOT / "build" / "bench.json"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- make bench writes from here -->", "<!-- to here -->"


def plan_recorded(figures: Figures) -> None:
    """Parse and plan RECORDED probes, on one core."""
    recorded = [path.read_text("utf-8").splitlines() for path in sorted(PROBES.glob("*.txt"))]
    policy = resolve([Layer("bench", {})], [control.id for control in controls()])
    today = datetime.datetime.now(datetime.UTC).date()
    began = time.process_time()
    parsed = [parse(recorded[n % len(recorded)]) for n in range(RECORDED)]
    between = time.process_time()
    for facts in parsed:
        build(facts, policy, controls(), today)
    ended = time.process_time()
    for what, seconds in (
        (f"parse {RECORDED} recorded probes", between - began),
        (f"plan {RECORDED} recorded hosts", ended - between),
    ):
        figures.add(what, Cost(seconds, seconds, 0, (0, 0, 0)))


def start_up(figures: Figures) -> None:
    """Commands that meet no host, against a Python that does nothing, interleaved."""
    for _ in range(7):
        for words in ("-c pass", "-m oakum --help", "-m oakum explain seccomp"):
            command = [sys.executable, *words.split(" ", 1 if "-c" in words else -1)]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            began = time.perf_counter()
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            wall = time.perf_counter() - began
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            figures.add(f"python {words}", Cost(wall, cpu, 0, (0, 0, 0)))


def page(figures: Figures, arguments: argparse.Namespace, told: Iterable[str]) -> str:
    """What was measured, and each target with what was reached, as Markdown."""
    memory = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30)
    sshd = subprocess.run(["ssh", "-V"], capture_output=True, text=True).stderr.split(",")[0]
    packages = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("pyinfra", "paramiko")
    )
    lines = [
        BEGIN,
        "",
        f"Measured by `make bench` on a virtual machine of {os.cpu_count()} cores, {memory} GiB, "
        f"Linux {platform.release().split('-')[0]}, {sshd}, Python {platform.python_version()}, "
        f"{packages}, {', '.join(fleets.PINNED)}. The parts, each with the load average when it "
        "ended:",
        "",
        *(f"- {line}" for line in told),
        "",
        "## Targets",
        "",
        *targets.table(figures, arguments),
        "",
        "## Figures",
        "",
        "Medians, with the number of runs; CPU of the controller's whole process tree; memory of "
        "its largest process.",
        "",
        "| what | runs | wall s | CPU s | MB | connections/execs/sftp per host |",
        "|---|---|---|---|---|---|",
    ]
    for what, runs in figures.runs.items():
        wall, cpu, rss = (figures.median(what, of) or 0 for of in ("wall", "cpu", "rss"))
        counts = "/".join(f"{count:.3g}" for count in figures.counts(what) or ())
        lines.append(
            f"| {what} | {len(runs)} | {wall:.2f} | {cpu:.2f} "
            f"| {f'{rss:.0f}' if rss else ''} | {counts if rss else ''} |"
        )
    return "\n".join([*lines, "", END])


def about(asked: argparse.Namespace) -> str:
    """When and how a part was measured."""
    today = datetime.datetime.now(datetime.UTC).date()
    knobs = f"--hosts {asked.hosts} --rounds {asked.rounds} --ansible-hosts {asked.ansible_hosts}"
    return f"{today}, {knobs} --many {asked.many}, load {os.getloadavg()[0]:.0f}"


def write(text: str) -> None:
    """Put the text in the page, between its marks."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{text}{after}", "utf-8")


def main() -> None:
    """Measure what is asked for, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.bench")
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ansible-hosts", type=int, default=50)
    parser.add_argument("--many", type=int, default=1000, help="hosts of the largest plan")
    figures = Figures()
    parts: dict[str, Callable[[argparse.Namespace], None]] = {
        "start": lambda _: start_up(figures),
        "recorded": lambda _: plan_recorded(figures),
        "job": lambda asked: fleets.job(figures, asked.hosts, asked.rounds),
        "latency": lambda asked: fleets.latency(figures, asked.rounds),
        "known-hosts": lambda asked: fleets.known_hosts(figures, 10, asked.rounds),
        "growth": lambda asked: fleets.growth(figures, asked.many, asked.rounds),
        "ansible": lambda asked: fleets.ansibles(figures, asked.ansible_hosts),
    }
    parser.add_argument("--only", nargs="+", choices=parts, help="parts, for all of them")
    asked = parser.parse_args()
    chosen = asked.only or list(parts)
    if reason := simulated.can_run():
        chosen = [part for part in chosen if part in ("start", "recorded")]
        print(f"NO FLEETS MEASURED: {reason}")
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for part in chosen:
        print(f"{part}:", flush=True)
        parts[part](asked)
        runs = {what: [asdict(one) for one in costs] for what, costs in figures.runs.items()}
        kept[part] = {"told": f"{part}: {about(asked)}", "runs": runs}
        figures.runs.clear()
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(kept))
    there = [kept[part] for part in parts if part in kept]
    for one in there:
        for what, costs in one["runs"].items():
            figures.runs[what] = [Cost(**{**it, "counts": tuple(it["counts"])}) for it in costs]
    text = page(figures, asked, [one["told"] for one in there])
    print(text)
    if kept.keys() >= parts.keys():
        write(text)
        print(f"written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
