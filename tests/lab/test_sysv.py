"""A host without systemd: the same road with its own service command, and a dead man's switch that
is a process. What only systemd has, a hook before dockerd's start, is said to be missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from .desk import Operator
from .guest import BUSY_DAEMON_JSON, DAEMON_JSON
from .hosts import LabHost

LEFT_BEHIND = """
find / /run /tmp -xdev -path /var/lib/oakum -prune -o -name '*oakum*' ! -name oakum-lab-host -print
# The watcher of a transaction looks once a second whether that has ended.
for _ in 1 2 3 4 5; do pgrep -f '[/]var/lib/oakum' >/dev/null || break; sleep 1; done
ps -eo args | grep '[/]var/lib/oakum'
docker images --quiet oakum-probe
exit 0
"""
LIMITS = {"answer": 20, "watch": 1, "shadow": 10}


@pytest.fixture
def me(sysv_host: LabHost, tmp_path: Path) -> Operator:
    return Operator(tmp_path, [sysv_host], oakum_time_limits=LIMITS)


def left_behind(host: LabHost) -> str:
    """What is ours outside of /var/lib/oakum: files and processes."""
    # On standard input: in a command line it would find itself.
    return host.run("sh -s", stdin=LEFT_BEHIND).stdout


def test_there_is_no_systemd(sysv_host: LabHost, me: Operator) -> None:
    assert sysv_host.run("cat /proc/1/comm").stdout.strip() == "init"
    assert sysv_host.run("test -e /run/systemd/system", check=False).returncode == 1
    assert me.plan().host()["facts"]["init"] == "sysvinit"


@pytest.mark.parametrize(
    "point", ["recorded", "staged", "armed-boot", "swapped", "restart", "restarted", "confirm"]
)
def test_script_killed_on_the_way(sysv_host: LabHost, me: Operator, point: str) -> None:
    pids = sysv_host.running()
    me.crash(f"{point}:kill")
    done = me.apply()
    me.crash(None)
    assert done.code == 4, done.out + done.err
    settled = (
        "for _ in $(seq 600); do ls /var/lib/oakum/txn/*/transaction.sh || exit 0; sleep 0.1; done"
    )
    sysv_host.run(f"{{ {settled}; exit 1; }} >/dev/null 2>&1", timeout=90)
    assert sysv_host.read(DAEMON_JSON).decode() == BUSY_DAEMON_JSON
    assert sysv_host.docker("info", "--format={{.LiveRestoreEnabled}}") == "false"
    assert sysv_host.running() == pids
    assert left_behind(sysv_host) == ""
    verdict = sysv_host.run("tail -n 1 /var/lib/oakum/ledger").stdout.split(" ")[2]
    assert verdict in ("refused", "rolled-back")


def test_apply_then_rollback(sysv_host: LabHost, me: Operator) -> None:
    pids = sysv_host.running()
    before = sysv_host.run(f"stat -c '%a %u %g' {DAEMON_JSON}").stdout
    done = me.apply()
    assert (done.code, done.host()["outcome"]) == (0, "applied"), done.out + done.err
    steps = " ".join(step["name"] + " " + step["detail"] for step in done.host()["steps"])
    assert "no boot hook" in steps, "what this init cannot do is said"
    assert sysv_host.docker("info", "--format={{.LiveRestoreEnabled}}") == "true"
    assert sysv_host.running() == pids
    assert me.plan().code == 0
    assert left_behind(sysv_host) == ""

    back = me.oakum("rollback", "--all", "--yes")
    assert back.code == 0, back.out + back.err
    assert sysv_host.read(DAEMON_JSON).decode() == BUSY_DAEMON_JSON
    assert sysv_host.run(f"stat -c '%a %u %g' {DAEMON_JSON}").stdout == before
    assert sysv_host.docker("info", "--format={{.LiveRestoreEnabled}}") == "false"
    assert sysv_host.running() == pids
    assert left_behind(sysv_host) == ""
    assert sysv_host.run("test -e /var/lib/oakum", check=False).returncode == 1
