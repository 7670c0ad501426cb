"""What Prometheus' node_exporter is told, in its text format."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from oakum.reconcile.record import Memory, Record, Result, Seen

_ESCAPED: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def text(record: Record, memory: Memory) -> str:
    """The file of one run; a finding is that of the last run that could read the host."""
    return "".join(f"{line}\n" for line in _lines(record, memory))


def _lines(record: Record, memory: Memory) -> Iterator[str]:
    for status in ("drift", "held", "unknown"):
        yield from _head(f"oakum_{status}", f"Whether a control is {_WORDS[status]}.")
        for seen in memory.findings:
            yield _sample(f"oakum_{status}", _of(seen), int(seen.status == status))
    for name, help_text, when in (
        ("last_run", "When the last run ended, whatever came of it.", record.finished),
        ("last_read", "When the host was last read.", memory.read),
        ("last_apply", "When something was last applied, and verified.", memory.applied),
    ):
        name = f"oakum_reconcile_{name}_timestamp_seconds"
        yield from _head(name, help_text)
        if when:
            yield _sample(name, {}, int(datetime.fromisoformat(when).timestamp()))
    name = "oakum_reconcile_last_outcome"
    yield from _head(name, "How the last run ended: 1 for one of them.")
    for result in Result:
        yield _sample(name, {"outcome": str(result)}, int(record.outcome is result))
    name = "oakum_reconcile_policy_info"
    yield from _head(name, "The policy that was accepted last.")
    if memory.source and memory.revision:
        yield _sample(name, {"source": memory.source, "revision": memory.revision}, 1)


_WORDS: Final = {
    "drift": "not as the policy wants it",
    "held": "held: not as the policy wants it, and not to be changed now",
    "unknown": "unknown: its reading failed",
}


def _of(seen: Seen) -> dict[str, str]:
    return {"control": seen.control, "severity": seen.severity}


def _head(name: str, help_text: str) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} gauge"


def _sample(name: str, labels: dict[str, str], value: int) -> str:
    said = ",".join(f'{key}="{word.translate(_ESCAPED)}"' for key, word in labels.items())
    return f"{name}{{{said}}} {value}" if said else f"{name} {value}"
