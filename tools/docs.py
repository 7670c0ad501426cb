"""Write the generated pages docs/controls.md and docs/cli.md; a test holds them current.

make docs
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from oakum.cli import oakum
from oakum.controls import controls
from oakum.exit_codes import ExitCode
from oakum.layers import PREFIX, profiles
from oakum.policy import Policy
from oakum.render import render

DOCS = Path(__file__).parents[1] / "docs"


def controls_page() -> str:
    """Every control's page, and the settings and profiles that they read."""
    settings = [
        (f"{PREFIX}{name}", field.description, {p: row.get(name) for p, row in profiles().items()})
        for name, field in Policy.model_fields.items()
    ]
    return render("controls.md.j2", controls=controls(), profiles=profiles(), settings=settings)


def cli_page() -> str:
    """The help of every command, as a terminal of 100 columns shows it."""
    pages = [("oakum", _help(oakum, "oakum"))]
    for name in oakum.list_commands(click.Context(oakum)):
        pages += _pages(oakum.commands[name], f"oakum {name}")
    return render("cli.md.j2", pages=pages, codes=list(ExitCode))


def _pages(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """A command's help, and that of the commands in it."""
    yield name, _help(command, name)
    if isinstance(command, click.Group):
        for inner in command.list_commands(click.Context(command)):
            yield from _pages(command.commands[inner], f"{name} {inner}")


def _help(command: click.Command, name: str) -> str:
    settings = {**oakum.context_settings, "terminal_width": 100, "max_content_width": 100}
    context = click.Context(command, info_name=name, **settings)
    return command.get_help(context)


PAGES = {"controls.md": controls_page, "cli.md": cli_page}

if __name__ == "__main__":
    for file, page in PAGES.items():
        (DOCS / file).write_text(page(), "utf-8")
