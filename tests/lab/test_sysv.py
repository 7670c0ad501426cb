"""A host without systemd: the same road with its own service command, and a dead man's switch that
is a process. What only systemd has, a hook before dockerd's start, is said to be missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .desk import Operator
from .guest import BUSY_DAEMON_JSON, DAEMON_JSON
from .hosts import Lab, LabHost

LEFT_BEHIND = """
find / /run /tmp -xdev -path /var/lib/oakum -prune -o -name '*oakum*' ! -name oakum-lab-host -print
ps -eo args | grep '[/]var/lib/oakum'
docker images --quiet oakum-probe
exit 0
"""
LIMITS = {"answer": 20, "watch": 1, "shadow": 10}


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[LabHost]:
    host = lab.host(flavour="sysv")
    host.busy()
    host.write("/etc/oakum-lab-host", "")
    yield host
    host.remove()


@pytest.fixture
def me(host: LabHost, tmp_path: Path) -> Operator:
    return Operator(tmp_path, [host], oakum_time_limits=LIMITS)


def crash(me: Operator, at: str | None) -> None:
    ((name, data),) = me.entries
    me.entries = [(name, {**data, "_env": {"OAKUM_CRASH": at} if at else {}})]
    me.write()


def left_behind(host: LabHost) -> str:
    """What is ours outside of /var/lib/oakum: files and processes."""
    # On standard input: in a command line it would find itself.
    return host.run("sh -s", stdin=LEFT_BEHIND).stdout


def test_there_is_no_systemd(host: LabHost, me: Operator) -> None:
    assert host.run("cat /proc/1/comm").stdout.strip() == "init"
    assert host.run("test -e /run/systemd/system", check=False).returncode == 1
    assert me.plan().host()["facts"]["init"] == "sysvinit"


@pytest.mark.parametrize(
    "point", ["recorded", "staged", "armed-boot", "swapped", "restart", "restarted", "confirm"]
)
def test_script_killed_on_the_way(host: LabHost, me: Operator, point: str) -> None:
    pids = host.running()
    crash(me, f"{point}:kill")
    done = me.apply()
    crash(me, None)
    assert done.code == 4, done.out + done.err
    settled = (
        "for _ in $(seq 600); do ls /var/lib/oakum/txn/*/transaction.sh || exit 0; sleep 0.1; done"
    )
    host.run(f"{{ {settled}; exit 1; }} >/dev/null 2>&1", timeout=90)
    assert host.read(DAEMON_JSON).decode() == BUSY_DAEMON_JSON
    assert host.docker("info", "--format={{.LiveRestoreEnabled}}") == "false"
    assert host.running() == pids
    assert left_behind(host) == ""
    verdict = host.run("tail -n 1 /var/lib/oakum/ledger").stdout.split(" ")[2]
    assert verdict in ("refused", "rolled-back")


def test_apply_then_rollback(host: LabHost, me: Operator) -> None:
    pids = host.running()
    before = host.run(f"stat -c '%a %u %g' {DAEMON_JSON}").stdout
    done = me.apply()
    assert (done.code, done.host()["outcome"]) == (0, "applied"), done.out + done.err
    steps = " ".join(step["name"] + " " + step["detail"] for step in done.host()["steps"])
    assert "no boot hook" in steps, "what this init cannot do is said"
    assert host.docker("info", "--format={{.LiveRestoreEnabled}}") == "true"
    assert host.running() == pids
    assert me.plan().code == 0
    assert left_behind(host) == ""

    back = me.oakum("rollback", "--all", "--yes")
    assert back.code == 0, back.out + back.err
    assert host.read(DAEMON_JSON).decode() == BUSY_DAEMON_JSON
    assert host.run(f"stat -c '%a %u %g' {DAEMON_JSON}").stdout == before
    assert host.docker("info", "--format={{.LiveRestoreEnabled}}") == "false"
    assert host.running() == pids
    assert left_behind(host) == ""
    assert host.run("test -e /var/lib/oakum", check=False).returncode == 1
