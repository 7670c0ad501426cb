"""What changes a host: packages by pyinfra's own operations, everything else by one transaction.

Nothing to do yields nothing, so every host calls the same operations in the same order. A refusal
is a failing command, which fails one host and no other (pyinfra-notes P2, P12).
"""

import shlex
from collections.abc import Generator, Sequence
from typing import Final

from pyinfra.api.command import PyinfraCommand, StringCommand
from pyinfra.api.operation import operation

from oakum import manifest
from oakum.facts import HostFacts
from oakum.manifest import About
from oakum.model import Kind, Plan
from oakum.policy import Policy
from oakum.probe import script
from oakum.wire import BadProbe

MOST_COMMAND: Final = 120_000
"""Bytes that one argument may have on Linux (MAX_ARG_STRLEN is 131,072), less some for quoting."""

Commands = Generator[PyinfraCommand, None, None]


@operation()
def refuse(reason: str | None) -> Commands:
    """Fail this host, and only this one, with a reason; None does nothing."""
    if reason is not None:
        yield StringCommand(failing(reason))


@operation()
def packages(plan: Plan, manager: str) -> Commands:
    """Install the plan's packages, start and enable their services.

    ``manager`` is the probe's word, such as ``apt``.
    """
    names = [change.path for change in plan.changes if change.kind is Kind.PACKAGE]
    if not names or plan.install or plan.upgrade:
        return  # an engine comes by its transaction, which says when it starts
    # Here, for they cost a fifth of the start of every command.
    from pyinfra.operations import apt, server, systemd

    if manager == "apt":
        yield from apt.packages._inner(packages=names, update=True, cache_time=86400)
    else:
        yield from server.packages._inner(packages=names)
    for name in names:
        yield from systemd.service._inner(service=name, running=True, enabled=True)


@operation()
def follow(transaction_id: str) -> Commands:
    """Wait for a transaction that is on the host already; fails unless it is confirmed."""
    yield StringCommand(follow_command(transaction_id))


@operation()
def transaction(plan: Plan, facts: HostFacts, policy: Policy, about: About) -> Commands:
    """Carry a plan out on the host, in one exec that follows what goes on without it."""
    if command := transaction_command(plan, facts, policy, about):
        yield StringCommand(command)


def transaction_command(plan: Plan, facts: HostFacts, policy: Policy, about: About) -> str | None:
    """The shell text of a plan's transaction, or None when it changes neither file nor service."""
    files = [change for change in plan.changes if change.kind is Kind.FILE]
    if odd := [change.path for change in files if not _is_text(change.after)]:
        return failing(f"cannot be sent in a command, for it is no text: {', '.join(odd)}")
    calls = manifest.calls(plan, facts, policy, about)
    if not calls:
        return None
    lines = "".join(f"{shlex.join(call)}\n" for call in calls)
    leaving = " leaving" if plan.leave else ""
    text = (
        f"{script('launch.sh')}begin {about.id}\n"
        f"{here('transaction.sh', script('transaction.sh'), about.id)}"
        f"{''.join(here(name, script(name), about.id) for name in _parts(plan))}"
        f"{here('manifest', lines + END, about.id)}"
        f"start\nfollow {about.id}{leaving}\n"
    )
    if not fits(text):
        names = ", ".join(change.path for change in files)
        return failing(f"too much to send in one command: {names}")
    return text


def _parts(plan: Plan) -> tuple[str, ...]:
    """What the script of a transaction reads besides."""
    if plan.upgrade:
        return "packages.sh", "upgrade.sh"
    return ("packages.sh",) if plan.install else ()


def offers_command(manager: str, release: str, names: Sequence[str]) -> str:
    """The shell text that says which packages of ``names`` are installed, and what the package
    manager has of ``release``, as far as it knows; it changes nothing."""
    words = {"manager": manager, "release": release, "names": " ".join(names), "install": "60"}
    given = "".join(f"{name}={shlex.quote(word)}\n" for name, word in words.items())
    return f"{given}{script('packages.sh')}{script('upgrade.sh')}offer\n"


def follow_command(transaction_id: str) -> str:
    """The shell text that follows a transaction, and has it undone if nobody else does."""
    return f"{script('launch.sh')}follow {shlex.quote(transaction_id)}\n"


def soak_command(transaction_id: str) -> str:
    """The shell text that looks once more at what a confirmed transaction changed, and prints
    ``held`` where it still is as it was left."""
    id = shlex.quote(transaction_id)
    return (
        f"dir=/var/lib/oakum/txn/{id}\n"
        f"give_up() {{ echo 'failed: there is no' {id} 'here' >&2; exit 1; }}\n"
        f"{here('soak.sh', script('transaction.sh'), transaction_id)}"
        f'sh "$dir/soak.sh" soak {id} </dev/null; code=$?; rm -f "$dir/soak.sh"; exit $code\n'
    )


def held(lines: Sequence[str]) -> None:
    """Understand what the text of ``soak_command`` prints.

    Raises:
        BadProbe: it did not hold.
    """
    if list(lines) != ["held"]:
        raise BadProbe("the host did not say that the change held")


def fits(text: str) -> bool:
    """Whether one command can carry a shell text: pyinfra quotes it once more, and every single
    quote then takes four bytes."""
    return len(text.encode()) + 4 * text.count("'") <= MOST_COMMAND


END: Final = "# end\n"
"""The last line of what is sent as a file: without it, the file was cut off."""


def here(name: str, text: str, mark: str) -> str:
    """Lines that write ``text`` to a file of the transaction; ``mark`` is no line of it."""
    return f"cat >\"$dir/{name}\" <<'{mark}' || give_up\n{text}{mark}\n"


def _is_text(content: bytes | None) -> bool:
    """Whether a command line can carry it: UTF-8, and no NUL."""
    try:
        return "\0" not in (content or b"").decode("utf-8")
    except UnicodeDecodeError:
        return False


def failing(reason: str) -> str:
    """A command that does nothing but fail with a reason."""
    return f"echo {shlex.quote(reason)} >&2; exit 1"
