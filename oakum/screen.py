"""What an operator sees of a run: complaints on stderr, the report on stdout or in a file.

rich and jinja2 are imported where they are used, so that --help answers at once.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from oakum.exit_codes import ExitCode
from oakum.model import Report


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
    put(text, output)


def put(text: str, output: Path | None) -> None:
    """Write what a command has to say to a file, or to stdout."""
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


def complain(text: str) -> None:
    """Say on stderr what is wrong."""
    from oakum.report import printable

    for line in text.splitlines():
        click.echo(f"oakum: {printable(line)}", err=True)


def refuse(text: str) -> NoReturn:
    """Say on stderr what is wrong with how the command was called, and end."""
    complain(text)
    sys.exit(ExitCode.USAGE)
