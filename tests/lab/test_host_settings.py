"""Settings outside of daemon.json on real hosts: a slice with its limits, values of the kernel."""

from __future__ import annotations

import json
import secrets
import threading
import time

import pytest

from oakum.layers import Layer, resolve
from oakum.manifest import About
from oakum.model import Change, Kind, Plan
from oakum.operations import transaction_command

from .conftest import Team
from .guest import DAEMON_JSON
from .handmade import facts_of
from .hosts import LabHost
from .test_rollback import etc, rollback

# A guest of KVM whose kernel is its own: the lab's hosts share theirs with this machine, so its
# values are pretended. Nor may a container ask the kernel for its audit.
PRETEND = """
set -e
printf '#!/bin/sh\\necho kvm\\n' >/usr/bin/systemd-detect-virt
mkdir /run/pretended
for name in panic panic_on_oops; do
    echo 0 >/run/pretended/$name
    mount --bind /run/pretended/$name /proc/sys/kernel/$name
done
mkdir -p /etc/audit/rules.d
echo '-w /etc/passwd -p wa -k identity' >/etc/audit/rules.d/10-own.rules
cat >/usr/sbin/auditctl <<'X'
#!/bin/sh
touch /run/pretended/rules
case $1 in
    -s) echo 'enabled 1' ;;
    -l) cat /run/pretended/rules ;;
    -D) sed -i "/-k $3\\$/d" /run/pretended/rules ;;
esac
X
cat >/usr/sbin/augenrules <<'X'
#!/bin/sh
grep -hv '^#' /etc/audit/rules.d/*.rules >/run/pretended/rules
X
chmod 755 /usr/sbin/auditctl /usr/sbin/augenrules
augenrules --load
"""
STATE = """
cat /proc/sys/kernel/panic /proc/sys/kernel/panic_on_oops /run/pretended/rules
systemctl show docker.service oakum.slice -p TasksMax -p MemoryMax -p MemoryLimit -p FragmentPath \
    -p DropInPaths -p NeedDaemonReload
"""
OURS = ("audit-rules", "kernel-panic", "resource-isolation")


@pytest.mark.parametrize("driver", ["cgroupfs", "systemd"])
def test_strict_sets_them_and_a_rollback_leaves_nothing(
    docker_host: LabHost, operator: Team, driver: str
) -> None:
    docker_host.run(PRETEND)
    docker_host.write(DAEMON_JSON, json.dumps({"exec-opts": [f"native.cgroupdriver={driver}"]}))
    docker_host.docker_restart()
    assert docker_host.docker("info", "--format={{.CgroupDriver}}") == driver
    before = etc(docker_host), docker_host.run(STATE).stdout
    wanted = {"oakum_resource_isolation": "enforce", "oakum_only": [*OURS, "live-restore"]}
    me = operator(docker_host, oakum_profile="strict", **wanted)
    done = me.apply()
    assert (done.code, done.host()["outcome"]) == (0, "applied"), done.out + done.err
    assert [me.plan().finding(name)["status"] for name in OURS] == ["ok"] * 3

    values = docker_host.run("cat /proc/sys/kernel/panic /proc/sys/kernel/panic_on_oops").stdout
    assert values == "10\n1\n"
    rules = docker_host.run("auditctl -l").stdout
    assert "-w /etc/passwd -p wa -k identity\n" in rules
    assert "-w /etc/docker/daemon.json -p wa -k oakum-docker\n" in rules

    docker_host.import_image()
    pid = docker_host.run_container("inside")
    (own,) = docker_host.run(f"grep :pids: /proc/{pid}/cgroup").stdout.splitlines()
    assert own.split(":")[2].startswith("/oakum.slice/")
    limits = "/sys/fs/cgroup/pids/oakum.slice/pids.max /sys/fs/cgroup/memory/oakum.slice/memory"
    tasks, memory = docker_host.run(f"cat {limits}.limit_in_bytes").stdout.split()
    total = int(docker_host.run("grep -o '[0-9]*' /proc/meminfo | head -n 1").stdout) * 1024
    assert tasks.isdigit()
    assert int(tasks) > 100
    assert int(memory) == pytest.approx(total * 0.9, rel=0.05)

    docker_host.docker("rm", "--force", "inside")
    back = rollback(me, "--all")
    assert (back.code, back.host()["outcome"]) == (0, "applied"), back.out
    assert (etc(docker_host), docker_host.run(STATE).stdout) == before


def test_a_container_that_stays_keeps_its_cgroup(busy_host: LabHost, operator: Team) -> None:
    """Until it is restarted; and the rollback while containers run in the slice stops none."""
    me = operator(busy_host, oakum_resource_isolation="enforce",
                  oakum_only=["resource-isolation", "live-restore"])  # fmt: skip
    pids = busy_host.running()
    seen = me.plan().host()
    effects = {row["effect"] for row in seen["impact"]}
    assert effects == {"stays", "stays outside of the slice until it is restarted"}
    assert me.apply().code == 0
    assert busy_host.running() == pids
    assert "/oakum.slice/" not in busy_host.run(f"cat /proc/{pids['web']}/cgroup").stdout
    busy_host.docker("restart", "--time=1", "cron")
    pids = busy_host.running()
    assert "/oakum.slice/" in busy_host.run(f"cat /proc/{pids['cron']}/cgroup").stdout
    assert rollback(me, "--all").code == 0
    assert busy_host.running() == pids


def test_a_slice_of_another_size_restarts_nothing(docker_host: LabHost, operator: Team) -> None:
    only = {"oakum_only": ["resource-isolation"], "oakum_resource_isolation": "enforce"}
    assert operator(docker_host, **only).apply().code == 0
    main = docker_host.run("systemctl show -p MainPID docker").stdout
    limit = "cat /sys/fs/cgroup/pids/oakum.slice/pids.max"
    done = operator(docker_host, **only, oakum_slice={"tasks_max": "4321"}).apply()
    assert (done.code, done.host()["disruption"]) == (0, "none"), done.out
    assert docker_host.run(limit).stdout == "4321\n"
    assert docker_host.run("systemctl show -p MainPID docker").stdout == main


@pytest.mark.parametrize("point", ["swap-1", "swapped", "restart", "answered", "restored"])
def test_a_script_that_is_killed_leaves_nothing(
    docker_host: LabHost, operator: Team, point: str
) -> None:
    docker_host.run(PRETEND)
    docker_host.write("/etc/oakum-lab-host", "")
    if point == "restored":
        refuse = f"ExecStartPre=/bin/sh -c '! grep -q oakum.slice {DAEMON_JSON}'"
        docker_host.write(
            "/etc/systemd/system/docker.service.d/refuse.conf", f"[Service]\n{refuse}\n"
        )
        docker_host.run("systemctl daemon-reload")
    before = etc(docker_host), docker_host.run(STATE).stdout
    wanted = {"oakum_resource_isolation": "enforce", "oakum_only": [*OURS, "live-restore"]}
    me = operator(docker_host, oakum_profile="strict", **wanted)
    me.crash(f"{point}:kill")
    done = me.apply()
    assert (done.code, done.host()["outcome"]) == (4, "rolled-back"), done.out + done.err
    docker_host.wait_docker()
    assert (etc(docker_host), docker_host.run(STATE).stdout) == before


def test_a_power_cut_leaves_nothing(docker_host: LabHost, operator: Team) -> None:
    docker_host.write("/etc/oakum-lab-host", "")
    shown = "systemctl show docker.service oakum.slice -p TasksMax -p FragmentPath -p DropInPaths"
    before = etc(docker_host), docker_host.run(shown).stdout
    me = operator(
        docker_host, oakum_resource_isolation="enforce", oakum_only=["resource-isolation"]
    )
    me.crash("restarted:pause")
    run = threading.Thread(target=me.apply)
    run.start()
    point, end = docker_host.from_outside("/run/oakum-point"), time.monotonic() + 90
    while not point.exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert docker_host.run("systemctl is-active oakum.slice", check=False).stdout == "active\n"
    docker_host.stop()
    docker_host.start()
    run.join()
    assert (
        "rolled-back the host was started again"
        in docker_host.run("cat /var/lib/oakum/ledger").stdout
    )
    assert (etc(docker_host), docker_host.run(shown).stdout) == before
    docker_host.wait_docker()


@pytest.mark.parametrize("crash", [None, "swapped:kill"])
def test_a_true_value_of_the_kernel(
    docker_host: LabHost, operator: Team, crash: str | None
) -> None:
    """The domain's name is each host's own, so that nothing of this machine changes."""
    path = "/proc/sys/kernel/domainname"
    docker_host.write("/etc/oakum-lab-host", "")
    before = docker_host.read(path)
    change = Change(path=path, kind=Kind.FILE, controls=("kernel-panic",), before=before,
                    after=b"harbour.test\n")  # fmt: skip
    wanted = resolve([Layer("test", {})], [])
    ident = f"20260131T120000Z-{secrets.token_hex(4)}"
    about = About(ident, "somebody@test")
    text = transaction_command(Plan((), (change,)), facts_of(docker_host), wanted, about)
    text = f"export OAKUM_CRASH={crash}\n{text}" if crash else text
    done = docker_host.ssh(text or "", check=False, timeout=60)
    if crash:
        assert f"verdict rolled-back {ident}" in done.stdout, done.stdout + done.stderr
    else:
        assert done.returncode == 0, done.stdout + done.stderr
        assert docker_host.read(path) == b"harbour.test\n"
        back = rollback(operator(docker_host))
        assert (back.code, back.host()["outcome"]) == (0, "applied"), back.out
    assert docker_host.read(path) == before
