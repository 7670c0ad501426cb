"""What an operator sees while a run goes on: on a terminal a few lines that change, for three hosts
as for three thousand; elsewhere a line for each thing that happens."""

import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.text import Text

from oakum.model import HostReport, Outcome
from oakum.report import broke, printable

SLOWEST: Final = 5
"""How many hosts are shown by name while they are at work; the longest at it first."""

_WORDS: Final = {
    Outcome.UNCHANGED: "unchanged",
    Outcome.APPLIED: "changed",
    Outcome.FAILED: "failed",
    Outcome.ROLLED_BACK: "rolled back",
    Outcome.NOT_REACHED: "not reached",
}


class Live:
    """A sink of events that shows them on stderr."""

    def __init__(
        self, doing: str, total: int, *, quiet: bool, console: Console | None = None
    ) -> None:
        self.doing, self.total, self.quiet = doing, total, quiet
        self.console = console or Console(stderr=True)
        self.began = time.monotonic()
        self.stage = ""
        self.ended: dict[str, str] = {}  # by name: a host that did not hold ends a second time
        self.working: dict[str, tuple[float, str]] = {}  # since when, and at what
        self.live = RichLive(
            console=self.console, get_renderable=self.shown, transient=True, refresh_per_second=4
        )

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.live.stop()

    def write(self, event: Mapping[str, Any], row: HostReport | None) -> None:
        """Take one event."""
        name = str(event.get("host", ""))
        match event["event"]:
            case "stage":
                self.stage = str(event["stage"])
                self.say(f"{event['stage']}: {event['hosts']} hosts")
            case "begin":
                self.working[name] = time.monotonic(), "connect and read"
            case "planned":
                self.working[name] = self._since(name), "begin"
            case "step":
                self.working[name] = self._since(name), str(event["step"])
                self.say(f"{name}: {event['step']} {event['detail']}".rstrip())
            case "done" if row is not None:
                self.working.pop(name, None)
                self.ended[name] = self._word(row)
                if self.stage and (broke(row) or (row.error and row.outcome is None)):
                    self.say(f"{name}: {self._word(row)}: {row.error}", always=True)
            case "pause":
                self.say(f"{event['stage']}: waiting {event['seconds']:g} s, then looking again")
            case "stop":
                self.say(f"stopped: {event['reason']}", always=True)

    def _since(self, name: str) -> float:
        return self.working.get(name, (time.monotonic(), ""))[0]

    def _word(self, row: HostReport) -> str:
        if row.outcome is not None:
            return _WORDS[row.outcome]
        if row.error is None:
            return "read"
        return "could not tell" if row.reached else "unreachable"

    def say(self, text: str, *, always: bool = False) -> None:
        """A line that stays; trouble also for who asked for quiet."""
        if always or not self.quiet:
            self.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def shown(self) -> Group:
        """The lines that change."""
        now = time.monotonic()
        done = len(self.ended)
        parts = [f"{self.stage or self.doing}  {done}/{self.total}"]
        parts += [f"{number} {word}" for word, number in Counter(self.ended.values()).items()]
        if left := self._left(now, done):
            parts.append(f"about {left} left")
        slowest = sorted(self.working.items(), key=lambda item: item[1][0])
        lines = [
            Text(f"  {printable(name)}  {printable(step)}  {now - since:.0f} s")
            for name, (since, step) in slowest[:SLOWEST]
        ]
        if more := len(slowest) - SLOWEST:
            lines += [Text(f"  and {more} more at work")] if more > 0 else []
        return Group(Text(" · ".join(parts)), *lines)

    def _left(self, now: float, done: int) -> str:
        """The time that the rest will take if it goes on as before."""
        if done < 3 or done >= self.total:
            return ""
        seconds = (now - self.began) / done * (self.total - done)
        return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
