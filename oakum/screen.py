"""What an operator sees of a run: progress and complaints on stderr, the report on stdout or in a
file.

rich and jinja2 are imported where they are used, so that --help answers at once.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from oakum.model import HostReport, Report


def write(
    report: Report, given: Mapping[str, Any], code: int, following: str | None, elapsed: float
) -> None:
    """The only place that writes a report."""
    output: Path | None = given["output"]
    if report.command == "history":
        text = _history(report, given, code)
    elif given["form"] == "json":
        from oakum.report import json as json_report

        text = json_report.render(report)
    else:
        text = page(report, given, code, following, elapsed, to_file=output is not None)
    try:
        if output is not None:
            output.write_text(text, "utf-8")
            return
    except OSError as error:
        # The folder was there when the run began; what was learned is not thrown away.
        complain(f"{output}: {error.strerror}; the report follows on stdout")
    click.echo(text, nl=False)


def _history(report: Report, given: Mapping[str, Any], code: int) -> str:
    from oakum.report import history

    if given["form"] == "json":
        return history.json(report)
    return history.text(report, verbosity=_verbosity(given), exit_code=code)


def _verbosity(given: Mapping[str, Any]) -> int:
    return -1 if given["quiet"] else int(given["verbose"])


def page(
    report: Report,
    given: Mapping[str, Any],
    code: int,
    following: str | None,
    elapsed: float | None,
    *,
    to_file: bool = False,
    stderr: bool = False,
) -> str:
    """The report as text, as wide and as colourful as where it goes."""
    from rich.console import Console

    from oakum.report import text

    console = Console(stderr=stderr)
    return text.render(
        report,
        width=100 if to_file else console.width,
        colour=console.is_terminal and not to_file and "NO_COLOR" not in os.environ,
        verbosity=_verbosity(given),
        exit_code=code,
        next_command=following,
        elapsed=elapsed,
    )


@dataclass(frozen=True, slots=True)
class Watched:
    """Who is told how a run goes: of each host that is done, and of each step on the way."""

    seen: Callable[[HostReport], None]
    told: Callable[[str, str], None] | None


@contextmanager
def progress(verb: str, total: int, *, quiet: bool) -> Iterator[Watched]:
    """A bar over hosts on stderr, where that is a terminal; steps as lines, unless ``quiet``."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    from oakum.report import printable

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Elapsed())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(verb, total=total)

        def told(host: str, step: str) -> None:
            console.print(printable(f"{host}: {step}"), markup=False, highlight=False)

        yield Watched(lambda row: bar.advance(task), None if quiet else told)


def complain(text: str) -> None:
    """Say on stderr what is wrong."""
    from oakum.report import printable

    for line in text.splitlines():
        click.echo(f"oakum: {printable(line)}", err=True)
