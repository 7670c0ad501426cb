"""One exec on a host, and the facts that it gives: the pyinfra side of ``host/probe.sh``."""

import functools
import random
import re
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from typing import Any, Final, TypeVar

import gevent
from paramiko.channel import ChannelStderrFile
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.api.facts import FactBase
from pyinfra.api.host import Host
from pyinfra.connectors.util import CommandOutput

from oakum import windows
from oakum.facts import HostFacts
from oakum.parse import parse
from oakum.wire import BadProbe

T = TypeVar("T")

TIME_LIMIT: Final = 90
"""Seconds that a whole probe may take; its own limits add up to far less."""

MOST_OUTPUT: Final = 8_000_000
"""Bytes that a host may answer to one command; a probe's own bound is half of that."""


TRIES: Final = 3
"""How often a host is connected to before it counts as unreachable; a busy sshd drops some. Only
connecting is tried again, never a command. Where the inventory sets pyinfra's own
``ssh_connect_retries`` these come on top."""

LASTING: Final = ("Authentication error", "SSH host key error", "Could not resolve", "No host key")
"""What pyinfra says of a connection that will not be had by trying again."""


class NoAnswer(Exception):
    """The host gave no probe; the message says what was seen. ``lost`` is the connection."""

    def __init__(self, words: str, *, lost: bool = False) -> None:
        super().__init__(words)
        self.lost = lost


@functools.cache
def script(name: str) -> str:
    """One of the scripts in ``oakum/host`` as hosts get it: comments, a sixth of it, stay here, but
    for the mark at its end."""
    text = files("oakum.host").joinpath(name).read_text("utf-8")
    return re.sub(r"\n[ \t]*#(?! end\n)[^\n]*", "", text)


class DockerHost(FactBase[HostFacts | str]):
    """The facts of a Docker host, or the reason why there are none.

    ``pyinfra INVENTORY fact oakum.probe.DockerHost`` prints them.
    """

    def command(self) -> str:
        return script("probe.sh")

    @staticmethod
    def default() -> HostFacts | str:
        return "the host gave no answer"

    def process(self, output: Sequence[str]) -> HostFacts | str:
        # An exception in here would end the run for every host (pyinfra-notes P2).
        try:
            return parse(list(output))
        except BadProbe as error:
            return str(error)


def read(host: Host, *, setuid: bool = False) -> HostFacts:
    """The facts of a connected host, by one exec.

    Like ``host.get_fact(DockerHost)``, but a failure keeps its reason, and output has a bound.
    ``setuid`` asks for the setuid files in images too, which is slow.

    Raises:
        NoAnswer: the connection, the shell, sudo or the probe failed.
    """
    wishes = "OAKUM_PROBE_SETUID=yes\n" if setuid else ""
    banner = _banner(host)
    try:
        return ask(host, wishes + script("probe.sh"), parse)
    except NoAnswer as error:
        # The probe is longer than any command line of Windows, whose server may just hang up.
        if error.lost and windows.answered((), banner):
            raise NoAnswer(windows.REFUSAL, lost=True) from None
        raise


def ask(
    host: Host, text: str, understand: Callable[[Sequence[str]], T], limit: int | None = None
) -> T:
    """What ``understand`` makes of the lines that a shell text prints on a connected host, within
    ``limit`` seconds, as of ``run``.

    Raises:
        NoAnswer: the connection, the shell, sudo or the text failed, or ``understand`` raised
            BadProbe.
    """
    done, output = run(host, text, limit)
    try:
        return understand(output.stdout_lines)
    except BadProbe as error:
        if windows.answered([*output.stdout_lines, *output.stderr_lines], _banner(host)):
            raise NoAnswer(windows.REFUSAL) from None
        last = next((line for line in reversed(output.stderr_lines) if line.strip()), "")
        raise NoAnswer(last[:300] if last and not done else str(error)) from None


def run(host: Host, text: str, limit: int | None = None) -> tuple[bool, CommandOutput]:
    """Whether a shell text succeeded on a connected host, and what it printed.

    ``limit`` is in seconds; without one it is the host's ``_timeout`` or TIME_LIMIT.

    Raises:
        NoAnswer: the connection failed (``lost``), or there was no answer in time.
    """
    bound(host)
    arguments, _ = pop_global_arguments(host.state, host, {})
    connector: dict[str, Any] = {
        key: value for key, value in arguments.items() if key in CONNECTOR_ARGUMENT_KEYS
    }
    connector["_timeout"] = limit or connector.get("_timeout") or TIME_LIMIT
    try:
        return host.run_shell_command(StringCommand(text), **connector)
    except TimeoutError:
        raise NoAnswer(f"no answer within {connector['_timeout']} s") from None
    except Exception as error:  # paramiko, OSError, EOFError: whatever a connection dies of
        words = f"the connection failed: {error or type(error).__name__}"
        raise NoAnswer(words, lost=True) from None


def _banner(host: Host) -> str:
    """What the SSH server called itself; empty where the host is not reached by SSH, or no more."""
    transport = getattr(getattr(host.connector, "client", None), "get_transport", lambda: None)()
    return str(getattr(transport, "remote_version", ""))


def bound(host: Host) -> None:
    """Make sure that no host can fill our memory or break our decoding.

    pyinfra's SSH connector reads whatever comes, as strict UTF-8; this puts a bounded, tolerant
    reader between. Other connectors run on this machine and are left as they are.
    """
    client = getattr(host.connector, "client", None)
    if client is None or getattr(client, "bounded_by_oakum", False):
        return
    exec_command = client.exec_command

    def bounded(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
        stdin, *outputs = exec_command(*args, **kwargs)
        return (stdin, *(BoundedLines(output) for output in outputs))

    client.exec_command = bounded
    client.bounded_by_oakum = True


def reach(host: Host) -> None:
    """Connect; try again with growing, random pauses where that may help.

    Raises:
        ConnectError: it could not be had.
    """
    for turn in range(TRIES):
        try:
            host.connect(show_errors=False, raise_exceptions=True)
            return
        except ConnectError as error:
            if turn == TRIES - 1 or any(word in str(error) for word in LASTING):
                raise
        leave(host)
        gevent.sleep(random.uniform(0.5, 1) * 2**turn)


def leave(host: Host) -> None:
    """Disconnect for good: pyinfra's SSH connector leaves its client open."""
    client = getattr(host.connector, "client", None)
    try:
        if host.connected:
            host.disconnect()
    except (PyinfraError, OSError, EOFError):
        pass  # the host is gone, which whoever asked it has said already
    finally:
        if client is not None:
            client.close()
            host.connector.client = None  # type: ignore[attr-defined]
        host.connected = False


class BoundedLines:
    """The lines of a channel's file: at most MOST_OUTPUT bytes, decoded without ever failing."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.channel = file.channel

    def __iter__(self) -> Iterator[str]:
        left, rest = MOST_OUTPUT, b""
        while chunk := self._arrived():
            left -= len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in lines)
            if left < 0 or len(rest) > MOST_OUTPUT:
                self.channel.close()
                yield f"oakum: more than {MOST_OUTPUT} bytes of output; stopped reading"
                return
        if rest:
            yield rest.decode("utf-8", "replace")

    def _arrived(self) -> bytes:
        """What has come by now; waits for the first byte. Empty at the end."""
        if isinstance(self.file, ChannelStderrFile):
            return bytes(self.channel.recv_stderr(65536))
        return bytes(self.channel.recv(65536))
