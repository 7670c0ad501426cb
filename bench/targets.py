"""What oakum has to reach, and is proud to reach, and whether a run did; ratios, and counts."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.fleets import FAR, FARTHER, Figures

Measure = Callable[[Figures, argparse.Namespace], float | None]


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that is to be at most ``must``, better ``great``; ``more`` turns that round."""

    what: str
    must: float
    great: float
    measure: Measure
    unit: str = ""
    more: bool = False


def over(above: str, below: str, of: str) -> Measure:
    """How many times as much of ``cpu`` or ``wall`` one thing takes as another."""

    def measure(figures: Figures, _: argparse.Namespace) -> float | None:
        one, other = figures.median(above, of), figures.median(below, of)
        return None if one is None or not other else one / other

    return measure


def count(what: str, which: int) -> Measure:
    """Connections (0), execs (1) or sftp channels (2) per host."""

    def measure(figures: Figures, _: argparse.Namespace) -> float | None:
        counts = figures.counts(what)
        return None if counts is None else counts[which]

    return measure


def round_trips(what: str) -> Measure:
    """The slope between two hosts that are far away; least of the rounds."""

    def measure(figures: Figures, _: argparse.Namespace) -> float | None:
        near, far = (figures.least(f"{what}, one host, {at}", "wall") for at in ("far", "farther"))
        return None if near is None or far is None else (far - near) / (FARTHER - FAR)

    return measure


def least(what: str, of: str) -> Measure:
    return lambda figures, _: figures.least(what, of)


def marginal(figures: Figures, asked: argparse.Namespace) -> float | None:
    """CPU milliseconds for each host more than one, in the largest plan."""
    return _marginal(figures, f"plan, {asked.many} hosts, ulimit -n 256", asked.many)


def _marginal(figures: Figures, what: str, hosts: int) -> float | None:
    most, one = figures.median(what, "cpu"), figures.median("plan, 1 host", "cpu")
    return None if most is None or one is None else (most - one) / (hosts - 1) * 1000


def flatness(figures: Figures, asked: argparse.Namespace) -> float | None:
    """That of the largest plan over that of 100 hosts."""
    few, many = _marginal(figures, "plan, 100 hosts", 100), marginal(figures, asked)
    return None if not few or many is None else many / few


def memory(figures: Figures, asked: argparse.Namespace) -> float | None:
    return figures.median(f"plan, {asked.many} hosts, ulimit -n 256", "rss")


def strangers(kind: str) -> Measure:
    """CPU seconds that unrelated lines add."""

    def measure(figures: Figures, _: argparse.Namespace) -> float | None:
        found = [figures.median(f"plan, unrelated keys: {one}", "cpu") for one in (kind, "none")]
        return None if found[0] is None or found[1] is None else found[0] - found[1]

    return measure


TARGETS = (
    Target("connections per host, no-op", 1, 1, count("oakum no-op", 0)),
    Target("execs per host, no-op", 1, 1, count("oakum no-op", 1)),
    Target("sftp channels per host, no-op", 0, 0, count("oakum no-op", 2)),
    Target("connections per host, first run", 1, 1, count("oakum first run", 0)),
    Target("execs per host, first run", 3, 2, count("oakum first run", 1)),
    Target("sftp channels per host, first run", 0, 0, count("oakum first run", 2)),
    Target("round trips, no-op", 11, 9.5, round_trips("oakum no-op")),
    Target("round trips, first run", 15, 11.5, round_trips("oakum first run")),
    Target("the same of B", 11, 9.5, round_trips("B")),
    Target("no-op : B, wall", 1.5, 1.15, over("oakum no-op", "B", "wall"), "x"),
    Target("no-op : B, CPU", 1.3, 0.85, over("oakum no-op", "B", "cpu"), "x"),
    Target("CPU for each further host, largest plan", 10, 7, marginal, " ms"),
    Target("the same : that of 100 hosts", 1.2, 1.2, flatness, "x"),
    Target("first run : no-op, wall", 2, 1.25, over("oakum first run", "oakum no-op", "wall"), "x"),
    Target("first run : no-op, CPU", 1.3, 1.1, over("oakum first run", "oakum no-op", "cpu"), "x"),
    Target(
        "pyinfra : oakum, no-op, CPU", 4, 6, over("pyinfra no-op", "oakum no-op", "cpu"), "x", True
    ),
    Target(
        "pyinfra : oakum, first run, CPU",
        5,
        8,
        over("pyinfra first run", "oakum first run", "cpu"),
        "x",
        True,
    ),
    Target(
        "pyinfra : oakum, first run, wall",
        3,
        4,
        over("pyinfra first run", "oakum first run", "wall"),
        "x",
        True,
    ),
    Target(
        "Ansible : oakum, no-op, CPU",
        40,
        80,
        over("Ansible no-op", "oakum no-op, beside Ansible", "cpu"),
        "x",
        True,
    ),
    Target(
        "Ansible : oakum, no-op, wall in the simulator",
        20,
        50,
        over("Ansible no-op", "oakum no-op, beside Ansible", "wall"),
        "x",
        True,
    ),
    Target(
        "Mitogen : oakum, no-op, CPU",
        30,
        60,
        over("mitogen no-op", "oakum no-op, beside Ansible", "cpu"),
        "x",
        True,
    ),
    Target(
        "Mitogen : oakum, no-op, wall",
        10,
        18,
        over("mitogen no-op", "oakum no-op, beside Ansible", "wall"),
        "x",
        True,
    ),
    Target(
        "one host, round trips of 200 ms, no-op, wall",
        3,
        2.4,
        least("oakum no-op, one host, far", "wall"),
        " s",
    ),
    Target("memory, largest plan, at most 256 open files", 150, 90, memory, " MB"),
    Target("10,000 unrelated lines of known_hosts, CPU", 0.2, 0.05, strangers("10000 plain"), " s"),
    Target("1,000 hashed lines, CPU", 0.5, 0.2, strangers("1000 hashed"), " s"),
    Target("--help, CPU", 0.15, 0.1, least("python -m oakum --help", "cpu"), " s"),
    Target("explain, CPU", 0.15, 0.1, least("python -m oakum explain seccomp", "cpu"), " s"),
)


def table(figures: Figures, asked: argparse.Namespace) -> Iterator[str]:
    """Each target with what was reached: great, met or missed, and what was not measured."""
    yield "| target | must | great | reached | |"
    yield "|---|---|---|---|---|"
    for target in TARGETS:
        sign = "≥" if target.more else "≤"
        reached = target.measure(figures, asked)
        said, word = "", "not measured"
        if reached is not None:
            said, word = f"{reached:.2f}".rstrip("0").rstrip(".") + target.unit, "missed"
            for name, bound in (("met", target.must), ("great", target.great)):
                if reached >= bound if target.more else reached <= bound:
                    word = name
        bounds = [f"{sign} {bound:g}{target.unit}" for bound in (target.must, target.great)]
        yield f"| {target.what} | {' | '.join(bounds)} | {said} | {word} |"
