"""A Dask cluster on this machine: a scheduler and two workers, each a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass
class Cluster:
    """What ``--executor`` takes, and the processes of the workers."""

    executor: str
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Started, on loopback; ended at the end. ``folder`` gets the logs."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    processes: list[subprocess.Popen[bytes]] = []

    def run(kind: str, *words: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *words, "--no-dashboard"]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (folder / f"{kind}-{len(processes)}.log").open("wb") as log:
            process = subprocess.Popen(argv, cwd=folder, env=env, stdout=log, stderr=log)
        processes.append(process)
        return process

    try:
        run("scheduler", "--host", "127.0.0.1", "--port", address.partition(":")[2])
        options = ("--nthreads", "4", "--no-nanny", "--host", "127.0.0.1")
        workers = [run("worker", f"tcp://{address}", *options) for _ in range(2)]
        yield Cluster(f"dask://{address}", workers)
    finally:
        for process in processes:
            process.terminate()
            process.wait()
