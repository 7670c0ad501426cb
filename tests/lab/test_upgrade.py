"""Real engines in each other's place: Docker 20.10 and 26.1, as Debian packages them.

One host, on which upgrades fail in every way before one succeeds. What is played says so in its
name; see newer.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from oakum.report.schema import history_schema, report_schema

from .desk import HASTE, Operator, Ran, warm
from .guest import DAEMON_JSON
from .hosts import Lab, LabHost
from .newer import install_mirror, serve
from .subject import POINT

OLD = "20.10.24+dfsg1"
DATA = "cat /var/lib/docker/volumes/db-data/_data/started"
OUTAGE = ("--max-disruption", "outage")


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[LabHost]:
    host = lab.host()
    host.busy()
    host.write("/etc/oakum-lab-host", "")
    install_mirror(lab, host)
    yield host
    host.remove()


@pytest.fixture
def me(host: LabHost, tmp_path: Path) -> Operator:
    return Operator(tmp_path, [host], oakum_time_limits={**HASTE, "shadow": 40, "answer": 60})


def upgrade(me: Operator, to: str, *args: str) -> Ran:
    done = me.oakum("upgrade", "--yes", "--to", to, *OUTAGE, *args)
    jsonschema.validate(done.report, report_schema())
    return done


def version(host: LabHost) -> str:
    return host.docker("version", "--format={{.Server.Version}}").strip()


def installed(host: LabHost) -> str:
    """Every package of the engine, with its state; and who holds it."""
    query = "dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\\n'"
    return host.run(f"{query} 'docker*' containerd runc | grep -v ^un; apt-mark showhold").stdout


def strays(host: LabHost) -> str:
    ours = "-name '*oakum*' ! -name oakum-lab-host ! -path '/var/lib/oakum*'"
    return host.run(
        f"find / -xdev {ours}; find /run/systemd {ours}; ls -d /var/lib/oakum/txn/*/kept; "
        "ls /usr/sbin/policy-rc.d; true"
    ).stdout


def settings(host: LabHost, **changed: object) -> None:
    known = json.loads(host.read(DAEMON_JSON))
    known = {key: one for key, one in {**known, **changed}.items() if one is not None}
    host.write(DAEMON_JSON, json.dumps(known, indent=4))
    host.docker_restart()
    host.docker("start", "web", "db", "cron")


def test_a_release_that_nobody_has_changes_nothing(host: LabHost, me: Operator) -> None:
    before, running = installed(host), host.running()
    done = upgrade(me, "28.5.1")
    assert (done.code, done.host()["outcome"]) == (4, "failed"), done.out
    assert "apt has no docker.io of release 28.5.1 here" in done.host()["error"]
    assert (installed(host), host.running(), strays(host)) == (before, running, "")


def test_an_outage_is_held_unless_it_may_be(host: LabHost, me: Operator) -> None:
    host.run("apt-get -q update")
    done = me.oakum("upgrade", "--yes", "--to", "26.1.5")
    assert (done.code, done.host()["outcome"]) == (1, "unchanged"), done.out
    (found,) = done.host()["findings"]
    assert found["status"] == "held"
    assert "would cost: outage (live-restore is for patch releases alone)" in found["reason"]
    before, running = installed(host), host.running()
    shown = me.oakum("upgrade", "--dry-run", "--to", "26.1.5", *OUTAGE)
    assert (shown.code, shown.host()["outcome"]) == (1, None), shown.out
    assert (shown.host()["disruption"], bool(shown.host()["impact"])) == ("outage", True)
    assert (installed(host), host.running()) == (before, running)


def test_what_the_new_engine_dies_of_is_met_beside_the_old_one(host: LabHost, me: Operator) -> None:
    """A runtime that is none: 20.10 starts with it, and so says the validation of 26.1."""
    known = json.loads(host.read(DAEMON_JSON))["runtimes"]
    settings(host, runtimes={**known, "odd": {}})
    before, running, file = installed(host), host.running(), host.read(DAEMON_JSON)
    done = upgrade(me, "26.1.5")
    now = (installed(host), host.running(), host.read(DAEMON_JSON), strays(host))
    settings(host, runtimes=known)
    assert (done.code, done.host()["outcome"]) == (4, "failed"), done.out
    assert "preflight: " in done.host()["error"]
    assert "odd" in done.host()["error"]
    assert now == (before, running, file, "")


def test_a_package_that_fails_goes_back_and_dockerd_never_ended(
    host: LabHost, me: Operator
) -> None:
    host.run("apt-mark hold docker.io")
    before, running = installed(host), host.running()
    pid = host.run("cat /run/docker.pid").stdout
    done = upgrade(me, "26.1.8")
    assert (done.code, done.host()["outcome"]) == (4, "rolled-back"), done.out
    assert (installed(host), host.running()) == (before, running)
    assert host.run("cat /run/docker.pid").stdout == pid
    assert (version(host), strays(host)) == (OLD, "")


def test_an_engine_that_does_not_start_goes_back(host: LabHost, me: Operator) -> None:
    before, running, data = installed(host), host.running(), host.run(DATA).stdout
    done = upgrade(me, "26.1.9")
    assert (done.code, done.host()["outcome"]) == (4, "rolled-back"), done.out
    assert installed(host) == before
    assert host.running().keys() == running.keys()
    assert host.run(DATA).stdout.startswith(data)
    assert (version(host), strays(host)) == (OLD, "")


def test_an_engine_that_sees_nothing_of_what_there_was_goes_back(
    host: LabHost, me: Operator
) -> None:
    before, running, data = installed(host), host.running(), host.run(DATA).stdout
    done = upgrade(me, "26.1.7")
    assert (done.code, done.host()["outcome"]) == (4, "rolled-back"), done.out
    assert "does not see the containers and images of before" in done.host()["error"]
    assert installed(host) == before
    assert host.running().keys() == running.keys()
    assert host.run(DATA).stdout.startswith(data)
    assert (version(host), strays(host)) == (OLD, "")


@pytest.mark.parametrize(
    ("point", "graph"),
    [("upgrading", "/var/lib/docker"), ("calmed", None), ("restarted", "/var/lib/docker")],
)
def test_killed_on_the_way_it_is_undone(
    host: LabHost, me: Operator, point: str, graph: str | None
) -> None:
    """Also where live-restore is on, which was switched off for the last of them; and where no key
    has to move."""
    settings(host, **{"graph": graph, "live-restore": True})
    before, running, file = installed(host), host.running(), host.read(DAEMON_JSON)
    me.crash(f"{point}:kill")
    done = upgrade(me, "26.1.5")
    assert (done.code, done.host()["outcome"]) == (4, "rolled-back"), done.out
    assert (installed(host), host.read(DAEMON_JSON)) == (before, file)
    assert host.running().keys() == running.keys()
    assert (version(host), strays(host)) == (OLD, "")
    assert host.docker("info", "--format={{.LiveRestoreEnabled}}").strip() == "true"


def test_after_a_power_cut_the_boot_puts_packages_back(host: LabHost, me: Operator) -> None:
    settings(host, graph="/var/lib/docker")
    before, file, data = installed(host), host.read(DAEMON_JSON), host.run(DATA).stdout
    me.crash("upgraded:pause")
    running = warm().start("upgrade", str(me.inventory), "--yes", "--to", "26.1.5", *OUTAGE)
    point, end = host.from_outside(POINT), time.monotonic() + 120
    while not point.exists():
        assert not running.ended(0.1), "it never came to this point"
        assert time.monotonic() < end
    assert installed(host) != before
    host.stop()
    host.start()
    running.wait()
    serve(host)
    assert (installed(host), host.read(DAEMON_JSON)) == (before, file)
    assert (version(host), strays(host)) == (OLD, "")
    assert {"web", "cron"} <= host.running().keys()
    assert host.run(DATA).stdout == data
    me.crash(None)
    assert me.oakum("history").host()["transactions"][0]["outcome"] == "rolled-back"


def test_the_second_run_upgrades_and_a_refused_key_moves(host: LabHost, me: Operator) -> None:
    known = {"graph": "/var/lib/docker", "oom-score-adjust": -100, "live-restore": True}
    settings(host, **known)
    # It cannot be started before the one whose network it is in.
    host.run_container("pod")
    host.run_container("sidecar", "--network=container:pod")
    running, data = host.running(), host.run(DATA).stdout
    done = upgrade(me, "26.1.5")
    row = done.host()
    assert (done.code, row["outcome"]) == (0, "applied"), done.out
    assert version(host) == "26.1.5+dfsg1"
    assert host.running().keys() == running.keys()
    assert host.run(DATA).stdout.startswith(data)
    now = json.loads(host.read(DAEMON_JSON))
    assert (now["data-root"], "graph" in now, "oom-score-adjust" in now) == (
        "/var/lib/docker",
        False,
        False,
    )
    assert host.run("apt-mark showhold").stdout == "docker.io\n"
    assert strays(host) == ""
    assert {hit["container"]: hit["effect"] for hit in row["impact"]} == dict.fromkeys(
        running, "restarts"
    )
    past = me.oakum("history")
    jsonschema.validate(past.report, history_schema())
    newest = past.host()["transactions"][0]
    assert (newest["command"], newest["outcome"], newest["in_force"]) == (
        "upgrade",
        "confirmed",
        False,
    )
    again = upgrade(me, "26.1.5")
    assert again.host()["outcome"] == "unchanged"


def test_live_restore_carries_containers_over_a_patch_release(host: LabHost, me: Operator) -> None:
    """@played: the same engine, which says that it is 26.1.6. Its package restarts what it can, and
    dockerd once more with containerd, as units of docker-ce up to 20.10 do it; and is not let."""
    host.write(
        "/etc/systemd/system/docker.service.d/requires.conf",
        "[Unit]\nRequires=containerd.service\n",
    )
    host.run("systemctl daemon-reload; journalctl --rotate; journalctl --vacuum-time=1s")
    running = host.running()
    done = me.oakum("upgrade", "--yes", "--to", "26.1.6")
    assert (done.code, done.host()["outcome"]) == (0, "applied"), done.out
    assert version(host) == "26.1.6+dfsg1"
    assert host.running() == running
    assert strays(host) == ""
    starts = host.run("journalctl -q -o cat -u docker.service -u containerd.service").stdout
    assert [starts.count(f"Started {name}.service") for name in ("docker", "containerd")] == [1, 1]
    idle = me.oakum("upgrade", "--yes", "--to", "26.1.5")
    assert (idle.code, idle.host()["outcome"]) == (0, "unchanged"), idle.out
