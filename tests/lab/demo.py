"""`make demo`: one disposable host, audited, planned, hardened, planned again, and taken away."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from .desk import GRANTABLE, inventory_data
from .hosts import Lab, can_run


def main() -> int:
    """Show the whole road on a host that nobody needs; 1 when a step does not end as it should."""
    if reason := can_run():
        print(f"no demo: {reason}", file=sys.stderr)
        return 1
    print("Starting a host (the first time its image is built, about a minute) …", flush=True)
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        host = lab.host(name="demo-1")
        host.busy()
        known_hosts = Path(folder, "known_hosts")
        known_hosts.write_text(f"{host.known_hosts}\n")
        data = {**inventory_data(host, known_hosts), "oakum_default_ulimits": GRANTABLE}
        inventory = Path(folder, "demo.py")
        inventory.write_text(f"hosts = [({host.name!r}, {data!r})]\n")
        for words, expected in (
            ("audit", 1),
            ("plan", 1),
            ("apply --yes", 0),
            ("plan", 0),
        ):
            print(f"\n$ oakum {words} demo.py", flush=True)
            command = [sys.executable, "-m", "oakum", *shlex.split(words), str(inventory)]
            code = subprocess.run(command, check=False).returncode
            if code != expected:
                print(f"ended with {code}, expected {expected}", file=sys.stderr)
                return 1
    print("\nThe host is gone.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
