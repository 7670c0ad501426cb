"""The main job on real hosts: probe, plan, apply, verify through the real command line."""

from __future__ import annotations

import json
import os
import pty
import select
import sys
import time
from collections.abc import Callable

import jsonschema
import pytest

from oakum.report.schema import report_schema

from .conftest import Team
from .desk import ROOT, Operator
from .guest import BUSY_DAEMON_JSON, DAEMON_JSON
from .hosts import Lab, LabHost


def statuses(row: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {finding["control"]: finding["status"] for finding in row["findings"]}


def docker_proxies(host: LabHost) -> str:
    return host.run("pgrep -a docker-proxy", check=False).stdout


# The two hosts that matter most -------------------------------------------------------------------


def test_fresh_engine_is_hardened_and_stays_so(docker_host: LabHost, operator: Team) -> None:
    me = operator(docker_host)
    seen = me.plan()
    assert seen.code == 1
    jsonschema.validate(seen.report, report_schema())
    found = statuses(seen.host())
    assert {name for name, status in found.items() if status == "drift"} == {
        "default-ulimits",
        "live-restore",
        "log-rotation",
        "userland-proxy",
    }
    assert not {"held", "unknown", "waived"}.intersection(found.values())
    assert docker_host.run(f"test -e {DAEMON_JSON}", check=False).returncode == 1

    done = me.apply()
    assert (done.code, done.host()["outcome"]) == (0, "applied"), done.err
    jsonschema.validate(done.report, report_schema())
    written = json.loads(docker_host.read(DAEMON_JSON))
    assert written["userland-proxy"] is False
    assert docker_host.docker("info", "--format={{.LiveRestoreEnabled}}") == "true"

    docker_host.import_image()
    docker_host.run_container("after", "--publish=8081:80", cmd=("httpd", "-f", "-h", "/www"))
    assert docker_host.container_limits("after")["Max open files"] == ("16384", "16384")
    assert docker_host.container_limits("after")["Max core file size"] == ("0", "0")
    assert docker_host.container_status("after")["Seccomp"] == "2"
    assert docker_proxies(docker_host) == ""
    fetched = docker_host.run("busybox wget -qO- http://127.0.0.1:8081/index.html").stdout
    assert fetched.strip() == "ahoy"

    before = docker_host.ssh_execs(), docker_host.ssh_connections(), docker_host.sftp_sessions()
    again = me.plan("--format", "text")
    assert again.code == 0, again.out
    after = docker_host.ssh_execs(), docker_host.ssh_connections(), docker_host.sftp_sessions()
    assert (after[0] - before[0], after[1] - before[1], after[2]) == (1, 1, 0)
    clean = me.apply()
    assert (clean.code, clean.host()["outcome"]) == (0, "unchanged")
    assert docker_host.ssh_execs() - after[0] == 1


def test_busy_host_keeps_its_containers_and_its_file(busy_host: LabHost, operator: Team) -> None:
    me = operator(busy_host)
    pids = busy_host.running()
    seen = me.plan().host()
    assert {row["container"] for row in seen["impact"]} == {"web", "db", "cron"}
    assert {"container": "web", "effect": "stays", "reason": "live-restore"} in seen["impact"]
    assert seen["disruption"] == "restart"

    before = busy_host.ssh_execs()
    done = me.apply()
    assert done.code == 0, done.out + done.err
    assert busy_host.ssh_execs() - before == 3, "probe, transaction, verifying probe"
    assert busy_host.running() == pids
    restarts = busy_host.docker("inspect", "--format={{.RestartCount}}", *pids)
    assert restarts.split() == ["0", "0", "0"]
    text = busy_host.read(DAEMON_JSON).decode()
    untouched, _, ours = text.partition('"labels": ["rack=12", "owner=harbour"]')
    assert untouched + '"labels": ["rack=12", "owner=harbour"]\n}\n' == BUSY_DAEMON_JSON
    assert '\n\t"userland-proxy": false' in ours
    assert "\n\t\t\t" in ours, "nested values use the file's tabs"
    assert docker_proxies(busy_host) == ""
    assert (
        busy_host.run("busybox wget -qO- http://127.0.0.1:8080/index.html").stdout.strip() == "ahoy"
    )
    assert me.plan().code == 0


def test_two_plans_are_identical_but_for_the_times(lab: Lab, operator: Team) -> None:
    hosts = [lab.host(), lab.host(flavour="bare")]
    try:
        me = operator(*hosts)
        first, second = me.plan().report, me.plan().report
        for report in (first, second):
            assert report.pop("started")
            assert report.pop("finished")
        assert json.dumps(first) == json.dumps(second)
        assert [row["name"] for row in first["hosts"]] == [host.name for host in hosts]
    finally:
        for host in hosts:
            host.remove()


# Guards -------------------------------------------------------------------------------------------


def test_flag_of_the_unit_is_held(docker_host: LabHost, operator: Team) -> None:
    docker_host.unit_flags("--userland-proxy=true --log-level=debug")
    me = operator(docker_host)
    held = me.plan().finding("userland-proxy")
    assert (held["status"], held["actual"]) == ("held", True)
    assert "--userland-proxy is a flag" in held["reason"]
    assert me.apply().code == 0
    assert "userland-proxy" not in json.loads(docker_host.read(DAEMON_JSON))
    assert docker_host.docker("info", "--format={{.LiveRestoreEnabled}}") == "true"
    assert me.plan().code == 1, "held still counts"
    assert me.plan("--fail-on", "high").code == 0


def test_userns_is_held_where_images_would_vanish(busy_host: LabHost, operator: Team) -> None:
    me = operator(busy_host, oakum_userns_remap="enforce")
    held = me.plan().finding("userns-remap")
    assert held["status"] == "held"
    assert "would hide 1 images (0.0 GB), 3 containers and 1 volumes" in held["reason"]
    assert me.apply("--only", "userns-remap").code == 0
    assert sorted(busy_host.running()) == ["cron", "db", "web"]
    assert b"dockremap" not in busy_host.read("/etc/subuid")


def test_strict_on_a_fresh_host_remaps_root(docker_host: LabHost, operator: Team) -> None:
    for table in ("/etc/subuid", "/etc/subgid"):
        docker_host.write(table, "someone:100000:65536\n")
    me = operator(docker_host, oakum_profile="strict")
    done = me.apply()
    assert done.code == 0, done.out + done.err
    assert docker_host.read("/etc/subuid") == b"someone:100000:65536\ndockremap:165536:65536\n"
    docker_host.import_image()
    docker_host.run_container("inside")
    pid = docker_host.container_pid("inside")
    assert docker_host.run(f"cat /proc/{pid}/uid_map").stdout.split() == ["0", "165536", "65536"]
    assert docker_host.container_status("inside")["Seccomp"] == "2"
    profile = docker_host.docker("info", "--format={{json .SecurityOptions}}")
    assert "oakum-seccomp.json" in profile
    assert me.plan().code == 0


def test_limits_above_what_the_host_grants_are_held(docker_host: LabHost, operator: Team) -> None:
    me = operator(docker_host, oakum_default_ulimits={"nofile": {"soft": 1024, "hard": 65536}})
    held = me.plan().finding("default-ulimits")
    assert held["status"] == "held"
    assert "65536 is above the 20000" in held["reason"]


def test_written_but_not_active_is_made_active(docker_host: LabHost, operator: Team) -> None:
    time.sleep(3.1)  # a file counts as later than dockerd's start from two seconds on
    docker_host.write(DAEMON_JSON, '{"userland-proxy": false, "live-restore": true}')
    me = operator(docker_host, oakum_only=["userland-proxy", "live-restore"])
    plan = me.plan()
    assert plan.finding("userland-proxy")["reason"].startswith("written, not active")
    assert plan.finding("live-restore")["reason"] == "written, not active"
    assert [row["kind"] for row in plan.host()["changes"]] == ["service"]
    assert me.apply().code == 0
    assert docker_host.read(DAEMON_JSON) == b'{"userland-proxy": false, "live-restore": true}'
    assert docker_host.docker("info", "--format={{.LiveRestoreEnabled}}") == "true"


def test_reload_alone_where_that_is_enough(docker_host: LabHost, operator: Team) -> None:
    """And the settings that a reload does not touch are still known to be active afterwards."""
    me = operator(docker_host)
    assert me.apply("--only", "userland-proxy").host()["outcome"] == "applied"
    started = docker_host.run("systemctl show -p MainPID docker").stdout
    time.sleep(3.1)
    done = me.apply("--only", "live-restore")
    assert done.host()["disruption"] == "reload"
    assert docker_host.run("systemctl show -p MainPID docker").stdout == started
    assert me.plan("--only", "live-restore,userland-proxy").code == 0


# Hosts of other kinds ----------------------------------------------------------------------------


def test_host_without_docker(bare_host: LabHost, operator: Team) -> None:
    me = operator(bare_host)
    seen = me.plan()
    assert seen.code == 1
    assert set(statuses(seen.host()).values()) == {"not-applicable"}
    assert [row["path"] for row in seen.host()["deferred"]] == [DAEMON_JSON]
    assert "userland-proxy" in seen.host()["deferred"][0]["diff"]
    assert seen.host()["changes"] == []
    assert me.apply().code == 1
    assert bare_host.run("test -e /etc/docker", check=False).returncode == 1


@pytest.mark.parametrize(
    ("user", "sudo"),
    [
        pytest.param("op", {"_sudo": True, "_sudo_password": "tar&hemp 1"}, id="with-password"),
        pytest.param("nopass", {"_sudo": True}, id="without-password"),
    ],
)
def test_sudo(docker_host: LabHost, operator: Team, user: str, sudo: dict[str, object]) -> None:
    me = operator(docker_host, ssh_user=user, **sudo)
    done = me.apply()
    assert done.code == 0, done.out + done.err
    assert me.plan().code == 0
    assert docker_host.run("ls /tmp").stdout == "", "no password script is left behind"


def test_sudo_password_missing_is_said_not_asked(docker_host: LabHost, operator: Team) -> None:
    seen = operator(docker_host, ssh_user="op", _sudo=True).plan()
    assert seen.code == 3
    assert "sudo wants a password" in seen.host()["error"]


def test_plain_user_learns_what_it_may_not_read(docker_host: LabHost, operator: Team) -> None:
    seen = operator(docker_host, ssh_user="plain").plan()
    assert seen.code == 3
    finding = seen.finding("live-restore")
    assert finding["status"] == "unknown"
    assert "permission denied" in finding["reason"].lower()


def test_haveged_where_the_pool_can_starve(bare_host: LabHost, operator: Team) -> None:
    """Kernel, hypervisor, processor and generator are pretended; apt and haveged are real."""
    bare_host.run("mv /usr/bin/uname /usr/bin/uname.real")
    old = 'uname.real "$@" | sed "s/$(uname.real -r)/4.19.0-27-amd64/"'
    bare_host.write("/usr/bin/uname", f"#!/bin/sh\n{old}\n", 0o755)
    bare_host.write("/usr/bin/systemd-detect-virt", "#!/bin/sh\necho kvm\n", 0o755)
    bare_host.run("sed s/rdrand//g /proc/cpuinfo >/run/cpuinfo; echo none >/run/rng_current")
    bare_host.run("mount --bind /run/cpuinfo /proc/cpuinfo")
    generator = "/sys/class/misc/hw_random/rng_current"
    bare_host.run(f"test ! -e {generator} || mount --bind /run/rng_current {generator}")
    me = operator(bare_host)
    assert me.plan("--only", "entropy").finding("entropy")["status"] == "drift"
    done = me.apply("--only", "entropy")
    assert done.code == 0, done.out + done.err
    assert bare_host.run("systemctl is-active haveged").stdout.strip() == "active"
    assert me.plan("--only", "entropy").code == 0


# daemon.json as it is found -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "after"),
    [
        pytest.param(b"", None, id="empty"),
        pytest.param(b"\n \n", None, id="blank"),
        pytest.param(b'\xef\xbb\xbf{"labels": ["a=b"]}', ["a=b"], id="byte-order-mark"),
        pytest.param(b'{"labels": ["a=b"]}', ["a=b"], id="no-final-newline"),
    ],
)
def test_odd_files_are_completed(
    docker_host: LabHost, operator: Team, content: bytes, after: list[str] | None
) -> None:
    docker_host.write(DAEMON_JSON, content)
    done = operator(docker_host).apply()
    assert done.code == 0, done.out + done.err
    written = json.loads(docker_host.read(DAEMON_JSON))
    assert written.get("labels") == after
    assert written["live-restore"] is True


@pytest.mark.parametrize(
    ("content", "status", "reason", "code"),
    [
        pytest.param(b'{"labels": [}', "unknown", "line 1 column 13", 3, id="broken"),
        pytest.param(b"\xff\xfe{", "unknown", "not UTF-8", 3, id="utf-16"),
        pytest.param(b'{"debug": true, "debug": false}', "held", "debug twice", 1, id="duplicate"),
        pytest.param(b'{"no-such-key": 1}', "held", "would not start again", 1, id="refused-key"),
    ],
)
def test_files_that_are_not_ours_to_mend(
    docker_host: LabHost, operator: Team, content: bytes, status: str, reason: str, code: int
) -> None:
    docker_host.write(DAEMON_JSON, content)
    me = operator(docker_host)
    finding = me.plan().finding("userland-proxy")
    assert finding["status"] == status
    assert reason in finding["reason"]
    assert me.plan().code == code
    me.apply()
    assert docker_host.read(DAEMON_JSON) == content
    docker_host.wait_docker()


def test_symlink_stays_a_link(docker_host: LabHost, operator: Team) -> None:
    docker_host.write("/srv/dotfiles/daemon.json", '{"labels": ["a=b"]}\n')
    docker_host.run(f"mkdir -p /etc/docker && ln -s /srv/dotfiles/daemon.json {DAEMON_JSON}")
    done = operator(docker_host).apply()
    assert done.code == 0, done.out + done.err
    assert docker_host.run(f"readlink {DAEMON_JSON}").stdout.strip() == "/srv/dotfiles/daemon.json"
    assert json.loads(docker_host.read("/srv/dotfiles/daemon.json"))["live-restore"] is True


@pytest.mark.parametrize(
    ("lock", "unlock"),
    [
        pytest.param(
            "mount --bind /etc/docker /etc/docker && mount -o remount,bind,ro /etc/docker",
            "umount /etc/docker",
            id="read-only-file-system",
        ),
        pytest.param(f"chattr +i {DAEMON_JSON}", f"chattr -i {DAEMON_JSON}", id="immutable"),
    ],
)
def test_file_that_cannot_be_replaced(
    docker_host: LabHost, operator: Team, lock: str, unlock: str
) -> None:
    docker_host.write(DAEMON_JSON, "{}\n")
    docker_host.run(lock)
    try:
        held = operator(docker_host).plan().finding("live-restore")
        assert held["status"] == "held"
        assert "cannot be replaced" in held["reason"]
    finally:
        docker_host.run(unlock)


def test_read_only_mode_is_kept(docker_host: LabHost, operator: Team) -> None:
    docker_host.write(DAEMON_JSON, "{}\n", 0o400)
    docker_host.run(f"chgrp adm {DAEMON_JSON}")
    assert operator(docker_host).apply().code == 0
    assert docker_host.run(f"stat -c '%a %U %G' {DAEMON_JSON}").stdout.split() == [
        "400",
        "root",
        "adm",
    ]


# Hosts that misbehave -----------------------------------------------------------------------------


def test_dockerd_that_does_not_start_gets_its_file_back(busy_host: LabHost, operator: Team) -> None:
    busy_host.write(
        "/etc/systemd/system/docker.service.d/refuse.conf",
        f"[Service]\nExecStartPre=/bin/sh -c '! grep -q userland-proxy {DAEMON_JSON}'\n",
    )
    busy_host.run("systemctl daemon-reload")
    pids = busy_host.running()
    me = operator(busy_host)
    done = me.apply()
    assert done.code == 4, done.out + done.err
    assert done.host()["outcome"] == "rolled-back"
    assert "dockerd did not restart" in done.host()["error"]
    assert busy_host.read(DAEMON_JSON).decode() == BUSY_DAEMON_JSON
    busy_host.wait_docker()
    assert busy_host.running() == pids
    leftovers = busy_host.run("ls -A /etc/docker; ls /var/lib/oakum").stdout.split()
    assert leftovers == ["daemon.json", "key.json", "ledger", "lock", "txn"]


def test_one_bad_host_does_not_touch_another(lab: Lab, operator: Team) -> None:
    good, noisy, cut, gone = (lab.host() for _ in range(4))
    try:
        noisy.write("/root/.bashrc", "head -c 50000000 /dev/zero | tr '\\0' a\n")
        cut.write("/root/.bashrc", "exec > >(head -c 2000)\n")
        me = operator(good, noisy, cut, gone)
        gone.stop()
        done = me.apply()
        assert done.code == 3
        assert done.host(good.name)["outcome"] == "applied"
        assert "more than 8000000 bytes" in done.host(noisy.name)["error"]
        assert "cut off" in done.host(cut.name)["error"]
        assert done.host(gone.name)["reached"] is False
        assert done.report["summary"]["unreached"] >= 1
        for host in (noisy, cut):
            assert host.run(f"test -e {DAEMON_JSON}", check=False).returncode == 1
    finally:
        for host in (good, noisy, cut, gone):
            host.remove()


def test_dockerd_that_hangs_is_said_and_left_alone(busy_host: LabHost, operator: Team) -> None:
    pids = busy_host.running()
    dockerd = busy_host.run("pidof -s dockerd").stdout.strip()
    busy_host.run(f"kill -STOP {dockerd}")
    try:
        done = operator(busy_host).apply()
    finally:
        busy_host.run(f"kill -CONT {dockerd}")
    assert done.code == 3, done.out + done.err
    assert done.finding("live-restore")["status"] == "unknown"
    assert "did not answer within" in done.finding("live-restore")["reason"]
    assert done.host()["outcome"] == "unchanged"
    assert busy_host.running() == pids


def test_noise_of_a_shell_profile_is_ignored(docker_host: LabHost, operator: Team) -> None:
    docker_host.write("/root/.bashrc", "printf '\\033]0;owned\\007\\033[2J\\377\\376 welcome\\n'\n")
    me = operator(docker_host)
    seen = me.plan()
    assert seen.code == 1, seen.err
    text = me.oakum("plan", "--format", "text")
    assert "\033" not in text.out + text.err


def test_shell_that_only_talks(docker_host: LabHost, operator: Team) -> None:
    docker_host.write("/root/.bashrc", "printf '\\033[31mno service today\\033[0m\\n'; exit 1\n")
    me = operator(docker_host)
    seen = me.oakum("plan", "--format", "text")
    assert seen.code == 3
    assert "no service today" in " ".join(seen.out.split()), "wherever the line was broken"
    assert "\033" not in seen.out + seen.err


def test_host_that_dies_between_probe_and_apply(lab: Lab, operator: Team) -> None:
    alive, dies = lab.host(), lab.host()
    try:
        me = operator(alive, dies)
        code, shown = answered(me, before_yes=dies.stop)
        assert code == 3, shown
        assert json.loads(alive.read(DAEMON_JSON))["live-restore"] is True
        dies.start()
        assert dies.run(f"test -e {DAEMON_JSON}", check=False).returncode == 1
    finally:
        alive.remove()
        dies.remove()


def test_host_that_changes_between_probe_and_apply(docker_host: LabHost, operator: Team) -> None:
    edit = '{"labels": ["someone=else"]}\n'
    me = operator(docker_host)
    code, shown = answered(me, before_yes=lambda: docker_host.write(DAEMON_JSON, edit))
    assert code == 4
    assert "stale" in shown
    assert docker_host.read(DAEMON_JSON).decode() == edit


def test_no_at_the_prompt_changes_nothing(docker_host: LabHost, operator: Team) -> None:
    code, _ = answered(operator(docker_host), answer="n")
    assert code == 130
    assert docker_host.run(f"test -e {DAEMON_JSON}", check=False).returncode == 1


def answered(
    me: Operator, *, before_yes: Callable[[], object] = lambda: None, answer: str = "y"
) -> tuple[int, str]:
    """``oakum apply`` on a terminal: wait for the question, do something, answer it."""
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - the child becomes oakum
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "oakum", "apply", str(me.inventory)])
    shown = ""
    asked = False
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            try:
                shown += os.read(terminal, 65536).decode("utf-8", "replace")
            except OSError:  # the other end of a terminal is closed like this
                break
        if not asked and "Apply this?" in shown:
            asked = True
            before_yes()
            os.write(terminal, f"{answer}\n".encode())
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), shown


# The other door -----------------------------------------------------------------------------------


def test_pyinfra_prints_the_same_diff_and_does_the_same(busy_host: LabHost, operator: Team) -> None:
    me = operator(busy_host)
    pids = busy_host.running()
    diff = me.plan().host()["changes"][0]["diff"]
    dry = me.pyinfra("deploys/harden.py", "--dry", "--diff")
    assert dry.code == 0, dry.err
    assert diff in dry.out + dry.err
    assert busy_host.read(DAEMON_JSON).decode() == BUSY_DAEMON_JSON
    audit = me.pyinfra("deploys/audit.py", "--dry")
    assert "drift userland-proxy" in audit.out + audit.err

    real = me.pyinfra("oakum.deploy.harden", "-y")
    assert real.code == 0, real.out + real.err
    assert busy_host.running() == pids
    assert me.plan().code == 0


# What is told and never changed ------------------------------------------------------------------


def test_who_answers_on_tcp_is_told_by_asking(docker_host: LabHost, operator: Team) -> None:
    """A flag of the unit, no word in daemon.json: the socket itself says it."""
    me = operator(docker_host, oakum_only=["exposure"])
    assert me.plan().finding("exposure")["status"] == "ok"
    docker_host.unit_flags("-H tcp://127.0.0.1:2375")
    found = me.plan().finding("exposure")
    assert found["status"] == "held"
    assert "tcp://127.0.0.1:2375" in found["reason"]


def test_limits_in_force_are_not_those_that_inspect_shows(
    docker_host: LabHost, operator: Team
) -> None:
    docker_host.import_image()
    docker_host.run_container("before")
    wanted = ["default-ulimits", "live-restore", "ulimits-in-force"]
    me = operator(docker_host, oakum_only=wanted, oakum_skip=[])
    done = me.apply()
    assert done.code == 0, done.out
    assert docker_host.container_limits("before")["Max open files"] != ("16384", "16384")
    found = me.plan().finding("ulimits-in-force")
    assert (found["status"], found["reason"][:6]) == ("held", "before")
    docker_host.docker("restart", "before")
    assert me.plan().finding("ulimits-in-force")["status"] == "ok"
