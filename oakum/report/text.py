"""The report as text: one glance says whether to worry, one line says why, and what comes next.

Everything on the page is made by ``_text``, which writes it ``printable``; nothing is ever read as
markup, and nothing is cut short without saying so.
"""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from typing import Final

from rich.cells import chop_cells
from rich.console import Console
from rich.text import Text

from oakum.model import Change, Finding, HostReport, Kind, Outcome, Plan, Report, Status
from oakum.report import (
    Block,
    Standing,
    broke,
    left_out,
    one_by_one,
    phrases,
    printable,
    standing,
    together,
    uneventful,
)

__all__ = ["printable", "render"]

MANY: Final = 30
"""With more hosts than this the page begins with controls and puts like hosts together."""

DIFF_LINES: Final = 60
"""How many lines of one diff are shown without -v; the rest is counted."""

MEASURE: Final = 110
"""The longest line of prose; wider ones are hard to read."""

LISTED: Final = (Status.DRIFT, Status.HELD, Status.UNKNOWN, Status.WAIVED)
"""The findings that need reading, in the order in which they are read."""

STYLES: Final[Mapping[str, str]] = {
    Status.OK: "green",
    Status.DRIFT: "yellow",
    Status.HELD: "magenta",
    Status.UNKNOWN: "red",
    Status.WAIVED: "dim",
    Status.NOT_APPLICABLE: "dim",
    Standing.UNREACHED: "red",
    Standing.NOT_REACHED: "",
    Outcome.NOT_REACHED: "",
    Outcome.APPLIED: "green",
    Outcome.UNCHANGED: "green",
    Outcome.FAILED: "bold red",
    Outcome.ROLLED_BACK: "bold red",
    "+": "green",
    "-": "red",
    "@": "cyan",
}
"""By status, standing or outcome, and by the first character of a diff's line."""


@dataclass(frozen=True, slots=True)
class _Page:
    """What every line has to know: the command, the room, and on which host a diff is shown."""

    command: str
    console: Console
    verbose: bool
    names: int
    controls: int
    diffs: Mapping[Change, str]

    @property
    def width(self) -> int:
        return min(self.console.width, MEASURE)

    @property
    def words(self) -> int:
        """Where the text beside ``drift``, ``note`` or ``impact`` begins."""
        return 4 + len(Status.NOT_APPLICABLE if self.verbose else Status.UNKNOWN)


def render(
    report: Report,
    *,
    width: int,
    colour: bool,
    verbosity: int = 0,
    exit_code: int,
    next_command: str | None,
    elapsed: float | None = None,
) -> str:
    """The page; ``verbosity`` is -1 for the summary line alone, 1 for all that was read."""
    many = len(report.hosts) > MANY
    blocks = together(report.hosts, whole=verbosity > 0) if many else one_by_one(report.hosts)
    page = _page(report, blocks, _console(max(width, 40), colour), verbose=verbosity > 0)
    foot = _sides(_tally(report), _text(f"exit {exit_code}"), page)
    if report.stopped:
        foot = [*_wrapped(_text(phrases.stopped(report)), page.width, page), *foot]
    if verbosity < 0:
        return _written(foot, page)
    parts = [
        _wrapped(_text(phrases.opening(report, elapsed)), page.width, page),
        list(_by_control(report)) if many else [],
        list(_spaced(_block(block, page) for block in blocks)),
        foot + ([_text("Next: ", (next_command, "bold"))] if next_command else []),
    ]
    return _written(_spread(parts), page)


def _page(report: Report, blocks: Sequence[Block], console: Console, *, verbose: bool) -> _Page:
    plans = [(block.rows[0].name, block.rows[0].plan) for block in blocks]
    diffs: dict[Change, str] = {}
    for name, plan in plans:
        for change in (*plan.changes, *plan.deferred) if plan else ():
            diffs.setdefault(change, name)
    controls = {found.control for _, plan in plans if plan for found in plan.findings}
    return _Page(
        command=report.command,
        console=console,
        verbose=verbose,
        names=2 + min(24, max((_label(block).cell_len for block in blocks), default=0)),
        controls=2 + min(24, max(map(len, controls), default=0)),
        diffs=diffs,
    )


# Blocks ------------------------------------------------------------------------------------------


def _block(block: Block, page: _Page) -> list[Text]:
    """A head, and below it whatever needs reading."""
    row, label = block.rows[0], _label(block)
    names = phrases.enumerated((one.name for one in block.rows), most=phrases.NAMES)
    heads = [_text(names)] if len(block.rows) > 1 else []
    if row.plan is None or not row.reached:
        said = _text((phrases.could_not(row), STYLES[row.outcome or standing(row)]))
        return _row(label, page.names, [*heads, said], page)
    if uneventful(row) and not page.verbose:
        return _row(label, page.names, [*heads, _one_word(row, row.plan, page)], page)
    if block.like is not None:
        return [*_like(block, block.like, page), *_impacts(block, page), *_journal(block, page)]
    return [*_head(heads, block, page), *_body(block, row.plan, page)]


def _label(block: Block) -> Text:
    alone = len(block.rows) == 1
    return _text((block.rows[0].name if alone else f"{len(block.rows)} hosts", "bold"))


def _one_word(row: HostReport, plan: Plan, page: _Page) -> Text:
    if plan.findings and all(one.status is Status.NOT_APPLICABLE for one in plan.findings):
        return _text("nothing applies here; -v says why")
    word = phrases.ended(row.outcome, page.command) if row.outcome else "ok"
    return _text((word, STYLES[Status.OK]))


def _like(block: Block, like: HostReport, page: _Page) -> list[Text]:
    shown = page.command == "plan" and like.plan and (like.plan.changes or like.plan.deferred)
    same = _text(f"the same as {like.name}", " (diff identical)" if shown else "")
    return _row(_label(block), page.names, [same], page)


def _head(heads: list[Text], block: Block, page: _Page) -> list[Text]:
    row, label = block.rows[0], _label(block)
    facts = _text(phrases.facts(block.rows, whole=page.verbose))
    right = _text((phrases.cost(row, page.command), STYLES[row.outcome] if row.outcome else ""))
    lines = _row(label, page.names, [facts] if facts else [], page)
    if not heads and len(lines) == 1 and len(_sides(lines[0], right, page)) == 1:
        return _sides(lines[0], right, page)
    return _row(label, page.names, [text for text in (*heads, facts, right) if text], page)


def _body(block: Block, plan: Plan, page: _Page) -> Iterator[Text]:
    row = block.rows[0]
    if row.error:
        label = "because" if broke(row) or left_out(row) else "unknown"
        yield from _said(label, row.error, page, "red")
    yield from _findings(plan, page)
    yield from _changes(row, plan, page)
    yield from _deferred(row, plan, page)
    for note in () if broke(row) and not page.verbose else plan.notes:
        yield from _said("note", note, page)
    yield from _impacts(block, page)
    yield from _journal(block, page)


def _findings(plan: Plan, page: _Page) -> Iterator[Text]:
    rest = (Status.OK, Status.NOT_APPLICABLE)
    for status in (*LISTED, *rest) if page.verbose else LISTED:
        yield from (line for found in _of(status, plan) for line in _finding(found, page))
    if not page.verbose and (fine := [found.control for found in _of(Status.OK, plan)]):
        yield from _said(Status.OK, "  ".join(fine), page, STYLES[Status.OK])


def _of(status: Status, plan: Plan) -> list[Finding]:
    found = (one for one in plan.findings if one.status is status)
    return sorted(found, key=lambda one: one.control)


def _finding(found: Finding, page: _Page) -> list[Text]:
    """Verdict and reason on one line where they fit, else below each other."""
    status = (found.status.ljust(page.words - 4), STYLES[found.status])
    label = _text("  ", status, "  ", found.control)
    texts = [text for text in (phrases.verdict(found), found.reason) if text]
    column = page.words + page.controls
    lines = _row(label, column, [_text("   ".join(texts))] if texts else [], page)
    return lines if len(lines) == 1 else _row(label, column, map(_text, texts), page)


def _changes(row: HostReport, plan: Plan, page: _Page) -> Iterator[Text]:
    """Diffs before a change; afterwards what was changed, and its diffs only when asked for."""
    if phrases.changes_hosts(page.command) and not page.verbose:
        verb = "changed" if row.outcome is Outcome.APPLIED else "planned"
        for change in plan.changes:
            wanted_by = phrases.enumerated(change.controls)
            yield from _said(verb, f"{phrases.title(change)} for {wanted_by}", page)
    elif page.command != "audit":
        for change in plan.changes:
            yield from _frame(change, row.name, page)


def _deferred(row: HostReport, plan: Plan, page: _Page) -> Iterator[Text]:
    if not plan.deferred:
        return
    diffs = page.command == "plan"
    why = phrases.deferred(plan, named=not diffs)
    yield from _row(_text(" "), 2, [_text(why)], page)
    for change in plan.deferred if diffs else ():
        yield from _frame(change, row.name, page)


def _impacts(block: Block, page: _Page) -> Iterator[Text]:
    """Said before a change and after it; not where nothing came of it, nor twice."""
    if page.command == "audit" or broke(block.rows[0]):
        return
    sentences = list(phrases.impacts(block.rows, whole=page.verbose))
    if block.like and sentences == list(phrases.impacts([block.like], whole=page.verbose)):
        return
    for sentence in sentences:
        yield from _said("impact", sentence, page)


def _journal(block: Block, page: _Page) -> Iterator[Text]:
    row = block.rows[0]
    # A migration says in them what it compared, and where it kept what.
    if row.steps and (page.verbose or broke(row) or page.command == "migrate"):
        yield from _said("steps", phrases.steps(row), page)
    if row.transaction and (page.verbose or broke(row)):
        yield from _said("journal", phrases.journals(block.rows, whole=page.verbose), page)


# Diffs -------------------------------------------------------------------------------------------


def _frame(change: Change, name: str, page: _Page) -> Iterator[Text]:
    """A diff between its title and what it is for; only the title where it was shown before."""
    title = phrases.title(change)
    if page.diffs[change] != name:
        same = f"{title}: the same diff as on {page.diffs[change]}"
        yield from _row(_text("  ─"), 4, [_text(same)], page)
        return
    yield from _row(_text("  ╭"), 4, [_text((title, "bold"))], page)
    lines = change.diff.split("\n")[:-1] if change.kind is Kind.FILE else []
    hunks = list(dropwhile(lambda line: not line.startswith("@@"), lines))
    shown = hunks if page.verbose or len(hunks) <= DIFF_LINES else hunks[: DIFF_LINES - 20]
    for line in shown:
        yield from _diff_line(line, page)
    if left := len(hunks) - len(shown):
        yield _text(f"  │ … {left} more lines; -v shows them")
    yield from _row(
        _text("  ╰"), 4, [_text(change.note or f"for {phrases.enumerated(change.controls)}")], page
    )


def _diff_line(line: str, page: _Page) -> Iterator[Text]:
    """A line of a diff; where it is too long it goes on below a broken border."""
    whole = printable(line[:1] + line[1:].expandtabs())
    if line.startswith(" "):
        whole = whole.rstrip()
    for number, piece in enumerate(chop_cells(whole, page.console.width - 4) or [""]):
        border = "  ┊" if number else "  │"
        yield _text(border, " " if piece else "", (piece, STYLES.get(line[:1], "")))


# The whole fleet ---------------------------------------------------------------------------------


def _by_control(report: Report) -> Iterator[Text]:
    """On how many hosts each control drifts or is held, the most first."""
    findings = [found for row in report.hosts if row.plan for found in row.plan.findings]
    number = Counter((found.control, found.status) for found in findings)
    columns = [status for status in LISTED if any(found.status is status for found in findings)]
    controls = sorted({found.control for found in findings if found.status in columns})
    wide = max(map(len, controls), default=0)
    if columns:
        yield _text(" " * wide, *(("  " + status.rjust(7), STYLES[status]) for status in columns))
    for control in sorted(
        controls, key=lambda one: -number[one, Status.DRIFT] - number[one, Status.HELD]
    ):
        cells = (f"  {number[control, status] or '-':>7}" for status in columns)
        yield _text(control.ljust(wide), *cells)


def _tally(report: Report) -> Text:
    """How many hosts ended and stand how."""
    parts = [
        Text(" · ").join(_text((text, STYLES[key])) for key, text in counted.items())
        for counted in (phrases.outcomes(report), phrases.standings(report))
        if counted
    ]
    return Text("; now ").join(parts) if parts else _text("no hosts")


# Making text -------------------------------------------------------------------------------------


def _text(*parts: str | tuple[str, str]) -> Text:
    """The one maker of text: each part, with a style or without, made printable."""
    pairs = (part if isinstance(part, tuple) else (part, "") for part in parts)
    return Text.assemble(*((printable(text), style) for text, style in pairs))


def _said(word: str, text: str, page: _Page, style: str = "") -> list[Text]:
    return _row(_text("  ", (word, style)), page.words, [_text(text)], page)


def _row(label: Text, column: int, bodies: Iterable[Text], page: _Page) -> list[Text]:
    """A label with paragraphs beside it, each hanging under the one before."""
    column = min(column, page.width // 2)
    lines = [line for body in bodies for line in _wrapped(body, page.width - column, page)]
    if not lines:
        return [label]
    beside = page.width - label.cell_len - 2
    if label.cell_len < column:
        first = [Text.assemble(label, " " * (column - label.cell_len), lines.pop(0))]
    elif len(lines) == 1 and lines[0].cell_len <= beside:
        first = [Text.assemble(label, "  ", lines.pop(0))]
    else:
        first = _wrapped(label, page.width, page)
    return first + [Text.assemble(" " * column, line) for line in lines]


def _wrapped(text: Text, width: int, page: _Page) -> list[Text]:
    lines = list(text.wrap(page.console, width, overflow="fold"))
    for line in lines:
        line.rstrip()
    return lines


def _sides(left: Text, right: Text, page: _Page) -> list[Text]:
    """Two texts at the two ends of a line, or below each other where they do not fit."""
    if not right:
        return [left]
    gap = page.width - left.cell_len - right.cell_len
    if gap < 2:
        return [*_wrapped(left, page.width, page), right]
    return [Text.assemble(left, " " * gap, right)]


def _spaced(blocks: Iterable[list[Text]]) -> Iterator[Text]:
    """Blocks below each other, with air around those of several lines."""
    before: list[Text] = []
    for block in blocks:
        if before and len(before) + len(block) > 2:
            yield Text()
        yield from block
        before = block


def _spread(parts: Iterable[list[Text]]) -> list[Text]:
    """What is there of the parts, an empty line between two."""
    return [line for part in parts if part for line in (Text(), *part)][1:]


def _console(width: int, colour: bool) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        legacy_windows=False,
    )


def _written(lines: Iterable[Text], page: _Page) -> str:
    if page.console.no_color:
        return "".join(f"{line.plain}\n" for line in lines)
    with page.console.capture() as written:
        for line in lines:
            page.console.print(line, soft_wrap=True)
    return written.get()
