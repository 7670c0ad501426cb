"""Commands that a change needs done elsewhere: where oakum runs, and on hosts by a connection of
their own, since the one of a host's visit may end at any time."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import IO, Final

from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host

from oakum.facts import HostFacts
from oakum.policy import Policy
from oakum.probe import NoAnswer, leave, reach, run


class Trouble(Exception):
    """Something could not be done for a host, and why."""


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended: what it printed, and its last words, on stderr if there are any."""

    done: bool
    lines: tuple[str, ...]
    last: str

    def expected(self, what: str) -> tuple[str, ...]:
        """The lines. Raises Trouble where the command failed."""
        if not self.done:
            raise Trouble(f"{what}: {self.last or 'failed without a word'}")
        return self.lines


# Here --------------------------------------------------------------------------------------------

KEPT: Final = ("HOME", "KUBECONFIG", "LANG", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER")
"""What of our environment a command sees: nothing that may hold a secret."""

MOST: Final = 64_000
"""Bytes of a command's output that are looked at, from its end."""

GRACE: Final = 2
"""Seconds between SIGTERM and SIGKILL."""


def here(argv: Sequence[str], limit: float, told: Mapping[str, str] | None = None) -> Said:
    """Run a program where oakum runs, in a session of its own; ``told`` is added to its
    environment. After ``limit`` seconds it is ended, with all that it started there.

    Raises:
        Trouble: it could not be started, or took too long.
    """
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    # Files, not pipes: one that it left behind in the background would hold a pipe open.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**environment, **(told or {})},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise Trouble(f"{argv[0]}: {getattr(error, 'strerror', None) or error}") from None
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            raise Trouble(f"{argv[0]}: not done within {limit:g} s") from None
        finally:
            if process.returncode is None:
                _end(process)
        return _said(code == 0, _tail(out), _tail(err))


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(GRACE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(file: IO[bytes]) -> list[str]:
    file.seek(max(0, file.seek(0, os.SEEK_END) - MOST))
    return file.read().decode("utf-8", "replace").splitlines()


def _said(done: bool, out: Sequence[str], err: Sequence[str]) -> Said:
    words = [line.strip() for line in (*out, *err) if line.strip()]
    return Said(done, tuple(out), words[-1][:300] if words else "")


# On hosts ----------------------------------------------------------------------------------------


class Link:
    """A connection of our own to a host of the inventory, with its data; made when it is needed,
    and once more when it was lost."""

    def __init__(self, host: Host) -> None:
        self.name = host.name
        self._host = Host(host.name, host.inventory, host.groups, host.connector_cls)
        self._host.init(host.state)

    def run(self, text: str, limit: int, *, again: bool = True) -> Said:
        """Run a shell text there, within ``limit`` seconds; ``again`` if the connection dies.

        Raises:
            Trouble: no connection, or no answer in time.
        """
        try:
            reach(self._host)
            done, output = run(self._host, text, limit)
        except ConnectError as error:
            raise Trouble(f"{self.name}: {' '.join(str(error).split())}") from None
        except NoAnswer as error:
            self.close()
            if error.lost and again:
                return self.run(text, limit, again=False)
            raise Trouble(f"{self.name}: {error}") from None
        return _said(done, output.stdout_lines, output.stderr_lines)

    def close(self) -> None:
        """Disconnect; ``run`` connects again."""
        leave(self._host)


@dataclass(frozen=True, slots=True)
class Trip:
    """One host whose change is about to begin, or has ended.

    ``say`` tells of a step and its detail; ``held`` is what is given back when the host is back.
    """

    host: Host
    policy: Policy
    facts: HostFacts
    transaction: str
    say: Callable[[str, str], None]
    held: ExitStack

    def link(self, host: Host) -> Link:
        """A connection to ``host`` that lasts as long as the trip."""
        link = Link(host)
        self.held.callback(link.close)
        return link
