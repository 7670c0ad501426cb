"""The text report: golden pages (``pytest --accept`` rewrites them), and what no host may do."""

from collections.abc import Callable
from typing import Any

import fleets
import pytest

from oakum.model import Report
from oakum.report.text import printable, render

Golden = Callable[[str, str], None]
PAGES = [fleets.mixed, fleets.many, fleets.applied, fleets.engineless, fleets.hostile]


def page(report: Report, **known: Any) -> str:
    options = {"width": 100, "colour": False, "exit_code": 1, "next_command": None, **known}
    return render(report, **options)


@pytest.mark.parametrize("make", PAGES, ids=lambda make: make.__name__)
def test_page(make: Callable[[], Report], golden: Golden) -> None:
    text = page(make(), next_command="oakum apply fleet.py")
    golden(f"report-{make.__name__}.txt", text)
    assert text == page(make(), next_command="oakum apply fleet.py")


@pytest.mark.parametrize("width", [40, 72, 100, 200])
@pytest.mark.parametrize("make", PAGES, ids=lambda make: make.__name__)
def test_without_colour_nothing_but_printable_text(make: Callable[[], Report], width: int) -> None:
    text = page(make(), width=width, verbosity=1)
    assert all(mark == "\n" or mark.isprintable() for mark in text)
    text.encode("utf-8")


def test_colour_is_there_only_when_asked_for() -> None:
    assert "\x1b[" in page(fleets.mixed(), colour=True)
    assert "\x1b[" not in page(fleets.mixed())


def test_hostile_text_never_reaches_a_terminal_as_it_is() -> None:
    text = page(fleets.hostile(), colour=True, verbosity=1)
    assert "\x1b[31m[bold]" not in text
    assert "\u202e" not in text
    assert "[bold]" in text, "markup is shown, not obeyed"


def test_quiet_is_one_line() -> None:
    text = page(fleets.mixed(), verbosity=-1)
    assert text.count("\n") == 1
    assert "2 drift" in text


def test_verbose_says_why_something_does_not_apply() -> None:
    assert "bare metal" not in page(fleets.mixed())
    assert "bare metal" in page(fleets.mixed(), verbosity=1)


def test_identical_diffs_are_printed_once() -> None:
    text = page(fleets.mixed())
    assert text.count('"userland-proxy": false') == 1
    assert "same" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param("\x1b[2J", "\\x1b[2J", id="escape"),
        pytest.param("a\nb\r", "a\\nb\\r", id="lines"),
        pytest.param("\u202eabc\u2066", "\\u202eabc\\u2066", id="bidirectional"),
        pytest.param("\udc80", "\\udc80", id="half-a-character"),
        pytest.param("漢字 é", "漢字 é", id="other-scripts"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text).replace("\\x0a", "\\n").replace("\\x0d", "\\r") == shown
