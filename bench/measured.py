"""Run a command and tell what its whole process tree cost, as JSON on a file of its own.

    python bench/measured.py RESULT COMMAND…

Orphans of the tree (Ansible's ControlPersist masters) come back to this process, a sub-reaper, and
are ended and counted when the command is over; `wall` is over then, too.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def children() -> list[int]:
    """The processes whose parent this one is."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
            if int(stat.rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(pid))
    return found


def main(result: str, *command: str) -> None:
    """Run the command; its own exit code is in the result."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    began = time.monotonic()
    code = subprocess.Popen(command).wait()
    wall = time.monotonic() - began
    while left := children():
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    Path(result).write_text(
        json.dumps(
            {
                "code": code,
                "wall": wall,
                "cpu": used.ru_utime + used.ru_stime,
                "rss": used.ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
