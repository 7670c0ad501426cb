"""An operator at a terminal: runs the real command line against hosts of the lab."""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .hosts import LabHost

if TYPE_CHECKING:
    from .warm import Warm

ROOT = Path(__file__).parents[2]

GRANTABLE = {"nofile": {"soft": 16384, "hard": 16384}, "core": {"soft": 0, "hard": 0}}
"""Limits that a host of the lab can grant: its hard limit on files is 20000."""


@dataclass(frozen=True)
class Ran:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> Any:
        """The JSON report on stdout."""
        return json.loads(self.out)

    def host(self, name: str | None = None) -> Any:
        """The row of one host, or of the only one."""
        rows = self.report["hosts"]
        return next(row for row in rows if name in (None, row["name"]))

    def finding(self, control: str, name: str | None = None) -> Any:
        row = self.host(name)
        found = [finding for finding in row["findings"] if finding["control"] == control]
        assert found, f"nothing on {control}: {row['error']}"
        return found[0]


NEVER_MET = ["containers", "images", "kernel-options", "mandatory-access-control"]
"""Controls that hosts of the lab are held for, whatever oakum does: they have this machine's
kernel, no AppArmor, and containers as tests need them. Other tests look at these."""

HASTE = {"answer": 30, "watch": 1}
"""Seconds; a lab host is quick, and late deaths have tests of their own."""


class Operator:
    """Runs oakum and pyinfra on an inventory of lab hosts, with data for all of them."""

    def __init__(self, folder: Path, hosts: Sequence[LabHost], **data: Any) -> None:
        self.folder = folder
        known_hosts = folder / "known_hosts"
        known_hosts.write_text("".join(f"{host.known_hosts}\n" for host in hosts))
        shared = {
            "oakum_default_ulimits": GRANTABLE,
            "oakum_time_limits": HASTE,
            "oakum_skip": NEVER_MET,
            **data,
        }
        self.entries = [
            (host.name, {**inventory_data(host, known_hosts), **shared}) for host in hosts
        ]
        self.inventory = folder / "fleet.py"
        self.write()

    def set(self, **data: Any) -> None:
        """Give the hosts this data for what follows, beside what they have."""
        self.entries = [(name, {**known, **data}) for name, known in self.entries]
        self.write()

    def crash(self, at: str | None) -> None:
        """Let the next transactions stop at ``POINT:ACTION``; None lets them run."""
        self.set(_env={"OAKUM_CRASH": at} if at else {})

    def write(self) -> None:
        """Write the inventory as ``entries`` has it now."""
        rows = "".join(f"    {entry!r},\n" for entry in self.entries)
        self.inventory.write_text(f"hosts = [\n{rows}]\n")

    def oakum(self, command: str, *args: str, env: Mapping[str, str] | None = None) -> Ran:
        """``oakum COMMAND INVENTORY ARGS``; plan and audit give JSON unless told otherwise."""
        form = () if "--format" in args else ("--format", "json")
        words = (command, str(self.inventory), *form, *args)
        return run([sys.executable, "-m", "oakum", *words], env=env) if env else warm().run(*words)

    def plan(self, *args: str) -> Ran:
        return self.oakum("plan", *args)

    def apply(self, *args: str) -> Ran:
        return self.oakum("apply", "--yes", *args)

    def pyinfra(self, *args: str) -> Ran:
        """``pyinfra INVENTORY ARGS`` from the root of the checkout."""
        pyinfra = str(Path(sys.executable).parent / "pyinfra")
        return run([pyinfra, str(self.inventory), *args])


@functools.cache
def warm() -> Warm:
    """The interpreter that all operators of this process share."""
    from .warm import Warm  # which needs what stands here

    interpreter = Warm()
    atexit.register(interpreter.close)
    return interpreter


def run(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Ran:
    """Run a command as a script would: no terminal, no standard input."""
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def inventory_data(host: LabHost, known_hosts: Path) -> dict[str, str | int]:
    """How pyinfra reaches a host."""
    return {
        "ssh_hostname": "127.0.0.1",
        "ssh_port": host.port,
        "ssh_user": "root",
        "ssh_key": str(host.key),
        "ssh_known_hosts_file": str(known_hosts),
        "ssh_strict_host_key_checking": "yes",
    }
