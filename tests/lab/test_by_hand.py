"""What docs/safety.md tells a person to type on a host's console does what it says."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

from .desk import ROOT, Operator
from .guest import BUSY_DAEMON_JSON, DAEMON_JSON
from .handmade import command_for
from .hosts import LabHost

LOOK, RECOVER, PUT_BACK = re.findall(
    r"^```sh\n(.*?)^```$", (ROOT / "docs/safety.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
)[:3]


def test_a_transaction_that_nobody_ends_is_ended(sysv_host: LabHost) -> None:
    """Everybody who would undo it is killed: the script, its watch, the session that follows it."""
    pids = sysv_host.running()
    settings = {"live-restore": True, "userland-proxy": False}
    text = f"export OAKUM_CRASH=restarted:pause\n{command_for(sysv_host, settings)}"
    with subprocess.Popen([*sysv_host.ssh_argv(), "--", text], stdout=subprocess.DEVNULL):
        sysv_host.run("timeout 50 sh -c 'until [ -e /run/oakum-point ]; do sleep 0.1; done'")
        sysv_host.run("pkill -KILL -f '[t]ransaction.sh|[s]shd: root'")
        sysv_host.run("pkill -KILL -f '[f]ollow '", check=False)
    sysv_host.run("rm /run/oakum-point")
    time.sleep(1)
    assert json.loads(sysv_host.read(DAEMON_JSON))["userland-proxy"] is False
    sysv_host.run("sh -s", stdin=RECOVER)
    assert sysv_host.read(DAEMON_JSON).decode() == BUSY_DAEMON_JSON
    assert sysv_host.docker("info", "--format={{.LiveRestoreEnabled}}") == "false"
    assert sysv_host.running() == pids
    assert " rolled-back " in sysv_host.run("tail -n 1 /var/lib/oakum/ledger").stdout


def test_copies_are_put_back_without_oakum(busy_host: LabHost, tmp_path: Path) -> None:
    limits = {"answer": 20, "watch": 1, "shadow": 10}
    assert Operator(tmp_path, [busy_host], oakum_time_limits=limits).apply().code == 0
    looked = busy_host.run("sh -s", stdin=LOOK).stdout
    assert " confirmed" in looked
    assert "verdict confirmed" in looked
    busy_host.run("sh -s", stdin=PUT_BACK)
    busy_host.wait_docker()
    assert busy_host.read(DAEMON_JSON).decode() == BUSY_DAEMON_JSON
    assert busy_host.docker("info", "--format={{.LiveRestoreEnabled}}") == "false"
    busy_host.run("timeout 20 sh -c 'until docker ps | grep -q web; do sleep 0.2; done'")
