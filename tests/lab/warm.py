"""oakum's command line from an interpreter that has imported it already, many times over.

Most of a command's time is Python's imports, and the lab runs some seven hundred. The
server (this file, as a program) imports once and forks for each command; the child is a process of
its own that can be killed, with the monkey-patching and the exit of the real one.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from .desk import ROOT, Ran


@dataclass(frozen=True)
class Running:
    """A command that was started; `wait` says how it ended."""

    server: subprocess.Popen[bytes]
    pid: int
    output: Path

    def kill(self) -> None:
        """As the kernel's out-of-memory killer does it: no goodbye to anybody."""
        os.kill(self.pid, signal.SIGKILL)

    def ended(self, within: float = 0) -> bool:
        """Whether it is over; `wait` then returns at once."""
        return bool(select.select([self._stdout], [], [], within)[0])

    def wait(self, limit: float = 240) -> Ran:
        """What it printed, and how it ended; minus the signal's number when it was killed."""
        lost = not self.ended(limit)
        if lost:
            self.kill()
        code = int(self._stdout.readline())
        out, err = ((self.output / name).read_text("utf-8") for name in ("out", "err"))
        assert not lost, f"oakum had not come back after {limit:.0f} s; it said: {err[-500:]}"
        return Ran(code, out, err)

    @property
    def _stdout(self) -> IO[bytes]:
        assert self.server.stdout
        return self.server.stdout


class Warm:
    """One server; runs one command at a time."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.warm"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Unbuffered, so that what `select` sees is all there is.
            bufsize=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._server.communicate()
        self._folder.cleanup()

    def start(self, *words: str) -> Running:
        """``oakum WORDS`` in the background."""
        assert self._server.stdin
        assert self._server.stdout
        output = Path(self._folder.name)
        for name in ("out", "err"):
            (output / name).write_text("")
        self._server.stdin.write(f"{json.dumps([str(output), *words])}\n".encode())
        return Running(self._server, int(self._server.stdout.readline()), output)

    def run(self, *words: str) -> Ran:
        return self.start(*words).wait()


def _serve() -> None:
    from gevent import monkey

    # As oakum.__main__ does it; the originals are for this process, which has no event loop.
    monkey.patch_all()
    fork, waitpid = monkey.get_original("os", "fork"), monkey.get_original("os", "waitpid")

    _learn()
    for line in sys.stdin:
        output, *words = json.loads(line)
        if (pid := fork()) == 0:
            _be(output, words)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(waitpid(pid, 0)[1]), flush=True)


def _learn() -> None:
    """Import and read, after the patching, what each child would have to import and read anew."""
    from pyinfra.api.connectors import get_all_connectors

    import oakum.cli
    import oakum.report.json
    import oakum.rollout
    import oakum.screen  # noqa: F401
    from oakum.controls import controls
    from oakum.engine.catalogue import options
    from oakum.layers import profiles

    for read in (controls, options, profiles, get_all_connectors):
        read()
    # Nothing of this is garbage, and a child that looked for some would copy every page of it.
    gc.freeze()


def _be(output: str, words: Sequence[str]) -> None:
    """Become ``oakum WORDS``; does not return."""
    from oakum.__main__ import main

    for number, name in enumerate(("/dev/null", f"{output}/out", f"{output}/err")):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if number else os.O_RDONLY
        os.dup2(os.open(name, flags, 0o600), number)
    sys.argv = ["oakum", *words]
    code: object = 70
    try:
        main()
    except SystemExit as error:
        code = error.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    _serve()
