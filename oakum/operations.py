"""What changes a host: packages by pyinfra's own operations, everything else by one transaction.

Nothing to do yields nothing, so every host calls the same operations in the same order. A refusal
is a failing command, which fails one host and no other (pyinfra-notes P2, P12).
"""

import hashlib
import shlex
from collections.abc import Generator
from typing import Final

from pyinfra.api.command import PyinfraCommand, StringCommand
from pyinfra.api.operation import operation
from pyinfra.operations import apt, server, systemd

from oakum.engine.document import loads, merge
from oakum.model import Change, Disruption, Kind, Plan
from oakum.probe import script

MOST_COMMAND: Final = 120_000
"""Bytes that one argument may have on Linux (MAX_ARG_STRLEN is 131,072), less some for quoting."""

Commands = Generator[PyinfraCommand, None, None]


@operation()
def refuse(reason: str | None) -> Commands:
    """Fail this host, and only this one, with a reason; None does nothing."""
    if reason is not None:
        yield StringCommand(_failing(reason))


@operation()
def packages(plan: Plan, manager: str) -> Commands:
    """Install the plan's packages, start and enable their services.

    ``manager`` is the probe's word, such as ``apt``.
    """
    names = [change.path for change in plan.changes if change.kind is Kind.PACKAGE]
    if not names:
        return
    if manager == "apt":
        yield from apt.packages._inner(packages=names, update=True, cache_time=86400)
    else:
        yield from server.packages._inner(packages=names)
    for name in names:
        yield from systemd.service._inner(service=name, running=True, enabled=True)


@operation()
def transaction(plan: Plan, transaction_id: str, containers: int) -> Commands:
    """Swap the plan's files and make dockerd take them, in one exec that undoes itself on failure.

    ``containers`` is how many run now: where there are some, live-restore comes first.
    """
    if command := transaction_command(plan, transaction_id, containers):
        yield StringCommand(command)


def transaction_command(plan: Plan, transaction_id: str, containers: int) -> str | None:
    """The shell text of a plan's transaction, or None when it changes neither file nor service."""
    files = [change for change in plan.changes if change.kind is Kind.FILE]
    action, first = service_action(plan, containers)
    if not files and action == "none":
        return None
    if odd := [change.path for change in files if not _is_text(change.after)]:
        return _failing(f"cannot be sent in a command, for it is no text: {', '.join(odd)}")
    stay = "may-stop" if plan.disruption >= Disruption.OUTAGE else "stay"
    calls = [
        ("begin", transaction_id),
        *(_file_call(change) for change in files),
        *(
            _bridge_call(change)
            for change in files
            if first == "yes" and change.disruption > Disruption.NONE
        ),
        ("service", action, first, stay),
        ("finish",),
    ]
    text = script("transaction.sh") + "".join(f"{shlex.join(call)}\n" for call in calls)
    # pyinfra quotes the text once more, and every single quote then takes four bytes.
    if len(text.encode()) + 4 * text.count("'") > MOST_COMMAND:
        names = ", ".join(change.path for change in files)
        return _failing(f"too much to send in one command: {names}")
    return text


def _is_text(content: bytes | None) -> bool:
    """Whether a command line can carry it: UTF-8, and no NUL."""
    try:
        return "\0" not in (content or b"").decode("utf-8")
    except UnicodeDecodeError:
        return False


def _failing(reason: str) -> str:
    """A command that does nothing but fail with a reason."""
    return f"echo {shlex.quote(reason)} >&2; exit 1"


def service_action(plan: Plan, containers: int) -> tuple[str, str]:
    """``none``, ``reload`` or ``restart``, and ``yes`` when live-restore must come on before."""
    if plan.disruption is Disruption.NONE:
        return "none", "no"
    if plan.disruption is Disruption.RELOAD:
        return "reload", "no"
    turning_on = not plan.undoes and any("live-restore" in row.controls for row in plan.changes)
    stay = plan.disruption is Disruption.RESTART
    return "restart", "yes" if turning_on and stay and containers else "no"


def _bridge_call(change: Change) -> tuple[str, ...]:
    """daemon.json as it was, with live-restore on: what a rollback starts dockerd under first."""
    former = loads(change.before or b"", empty_ok=True)
    return "bridge", change.path, merge(former, {"live-restore": True}).decode()


def _file_call(change: Change) -> tuple[str, ...]:
    before = "absent" if change.before is None else hashlib.sha256(change.before).hexdigest()
    if change.after is None:
        return "remove", change.path, before
    return (
        "file",
        change.path,
        change.mode,
        str(change.owner),
        str(change.group),
        before,
        change.after.decode("utf-8"),
    )
