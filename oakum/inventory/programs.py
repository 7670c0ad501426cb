"""Programs that print an inventory: run without a shell, for a while, their output bounded."""

import errno
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Final

from pyinfra.api.exceptions import InventoryError

from oakum.inventory.values import LARGEST

PATIENCE: Final = 120
"""Seconds that a program has, with all its calls."""


def output(
    argv: Sequence[str], deadline: float, env: Mapping[str, str] | None = None
) -> str | None:
    """What a program prints; None where the file is no program. ``deadline`` as time.monotonic().

    Raises:
        InventoryError: it failed, took or printed too much, or printed no UTF-8.
    """
    told = f"{argv[0]} {argv[1]}"
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **(env or {})},
                start_new_session=True,  # so that what it started goes with it
            )
        except OSError as error:
            if error.errno in (errno.ENOEXEC, errno.EACCES):
                return None
            raise InventoryError(f"{told}: cannot be started: {error.strerror}") from None
        try:
            while process.poll() is None:
                if time.monotonic() > deadline:
                    raise InventoryError(f"{told}: is not done after {PATIENCE} s")
                if max(os.fstat(file.fileno()).st_size for file in (out, err)) > LARGEST:
                    break
                try:
                    process.wait(0.2)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        out.seek(0)
        err.seek(0)
        printed = out.read(LARGEST + 1)
        if len(printed) > LARGEST:
            raise InventoryError(f"{told}: printed more than {LARGEST} bytes")
        if process.returncode:
            *_, last = err.read(2000).decode(errors="replace").strip().splitlines() or ["nothing"]
            raise InventoryError(
                f"{told}: ended with {process.returncode} and said: {ascii(last)[1:-1]}"
            )
    try:
        return printed.decode()
    except UnicodeDecodeError as error:
        raise InventoryError(f"{told}: printed what is not UTF-8: {error}") from None
