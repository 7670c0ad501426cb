"""Figures, never tests: what oakum costs, beside plain ssh, pyinfra, Ansible and Mitogen.

    make bench
    python -m bench.bench [--hosts N] [--rounds N] [--ansible-hosts N] [--many N] [--only PART …]

Seconds on a shared machine are worth little, so each figure stands beside one of the same run that
nobody can change. A whole run writes the table in docs/performance.md; one of some parts prints it.
Fleets are simulated, for which root is needed; without it the parts that need no host are run.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import os
import platform
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import fleets, targets
from bench.fleets import Cost, Figures
from oakum.controls import controls
from oakum.parse import parse
from oakum.planner import build
from oakum.policy import Layer, resolve
from tests.lab import simulated

RECORDED = 10_000
ROOT = Path(__file__).parents[1]
PROBES = ROOT / "tests" / "probes"
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


def page(figures: Figures, arguments: argparse.Namespace) -> str:
    """What was measured, and each target with what was reached, as Markdown."""
    memory = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30)
    sshd = subprocess.run(["ssh", "-V"], capture_output=True, text=True).stderr.split(",")[0]
    packages = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("pyinfra", "paramiko")
    )
    today = datetime.datetime.now(datetime.UTC).date()
    command = shlex.join(["python", "-m", "bench.bench", *sys.argv[1:]])
    lines = [
        BEGIN,
        "",
        f"Measured on {today} by `{command}`: a virtual machine of "
        f"{os.cpu_count()} cores and {memory} GiB, Linux {platform.release().split('-')[0]}, "
        f"{sshd}, Python {platform.python_version()}, {packages}, {', '.join(fleets.PINNED)}; "
        f"load average {os.getloadavg()[2]:.0f} over the last quarter of an hour.",
        f"Fleets of {arguments.hosts} hosts in {arguments.rounds} rounds; Ansible and Mitogen "
        f"once, on {arguments.ansible_hosts}.",
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
    for part in chosen:
        print(f"{part}:", flush=True)
        parts[part](asked)
    text = page(figures, asked)
    print(text)
    if chosen == list(parts):
        write(text)
        print(f"written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
