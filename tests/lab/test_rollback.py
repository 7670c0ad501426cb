"""The way back on real hosts: every byte of /etc, the same containers, and what others edited."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from oakum.report.schema import history_schema, report_schema

from .conftest import Team
from .desk import Operator, Ran
from .guest import DAEMON_JSON
from .hosts import LabHost

USERADD_KEEPS = ("passwd-", "group-", "shadow-", "gshadow-", "subuid-", "subgid-")


def etc(host: LabHost) -> str:
    """Every path below /etc with its type, mode, owner, group, and the digest of its bytes; but for
    the copies that useradd keeps of its tables (docs/safety.md)."""
    kept = " ".join(f"! -name {name}" for name in ("resolv.conf", "mtab", *USERADD_KEEPS))
    return host.run(
        f"cd /etc && find . {kept} -printf '%p %y %m %U %G\\n' | sort;"
        f" find . -type f {kept} -exec sha256sum {{}} + | sort -k 2"
    ).stdout


def rollback(me: Operator, *args: str) -> Ran:
    done = me.oakum("rollback", "--yes", *args)
    jsonschema.validate(done.report, report_schema())
    return done


def past(me: Operator) -> list[dict[str, Any]]:
    done = me.oakum("history")
    assert done.code == 0, done.err
    jsonschema.validate(done.report, history_schema())
    transactions: list[dict[str, Any]] = done.host()["transactions"]
    return transactions


def live_restore(host: LabHost) -> str:
    return host.docker("info", "--format={{.LiveRestoreEnabled}}").strip()


def test_busy_host_is_as_it_was_and_no_container_notices(
    busy_host: LabHost, operator: Team
) -> None:
    desk = operator(busy_host)
    before, running = etc(busy_host), busy_host.running()
    done = desk.apply()
    assert done.code == 0, done.out
    assert live_restore(busy_host) == "true"
    (entry,) = past(desk)
    assert (entry["outcome"], entry["in_force"], entry["command"]) == ("confirmed", True, "apply")
    ours = ["default-ulimits", "live-restore", "log-rotation", "userland-proxy"]
    assert sorted(entry["controls"]) == ours
    assert entry["id"] == done.host()["transaction"]

    back = rollback(desk)
    assert (back.code, back.host()["outcome"]) == (0, "applied"), back.out
    assert back.host()["undoes"] == [entry["id"]]
    assert (etc(busy_host), busy_host.running()) == (before, running)
    assert live_restore(busy_host) == "false"
    newest, oldest = past(desk)
    assert (newest["command"], newest["undoes"]) == ("rollback", [entry["id"]])
    assert not oldest["in_force"]

    again = rollback(desk)
    assert (again.code, again.host()["outcome"]) == (0, "unchanged")


def test_all_of_ours_goes_and_leaves_nothing(docker_host: LabHost, operator: Team) -> None:
    before = etc(docker_host)
    first = operator(docker_host, oakum_only=["live-restore"])
    assert first.apply().code == 0
    assert operator(docker_host).apply().code == 0
    assert len(past(first)) == 2
    back = rollback(first, "--all")
    assert (back.code, back.host()["outcome"]) == (0, "applied"), back.out
    assert etc(docker_host) == before
    assert docker_host.run("ls -A /var/lib/oakum", check=False).returncode != 0
    assert docker_host.run("ls /etc/systemd/system /run | grep -c oakum", check=False).stdout == (
        "0\n"
    )
    assert live_restore(docker_host) == "false"
    assert past(first) == []


OURS = '{"labels": ["a=b"]}'
ELSEWHERE = "/srv/daemon.json"


@pytest.mark.parametrize(
    ("setup", "profile"),
    [
        pytest.param(f"rm -f {DAEMON_JSON}", "baseline", id="no-file"),
        pytest.param(f"rm -f {DAEMON_JSON}", "strict", id="no-file-strict"),
        pytest.param(f"printf '{OURS}' >{DAEMON_JSON}", "baseline", id="no-final-newline"),
        pytest.param(f"printf '{OURS}\\r\\n' >{DAEMON_JSON}", "baseline", id="carriage-return"),
        pytest.param(
            f'printf \'{{\\n\\n\\t"labels" : [\\n"a=b" ] ,\\t"debug":false}}\\n\\n\''
            f" >{DAEMON_JSON}",
            "strict",
            id="ragged",
        ),
        pytest.param(
            f"echo '{OURS}' >{DAEMON_JSON}; chmod 400 {DAEMON_JSON}; chgrp adm {DAEMON_JSON}",
            "baseline",
            id="mode-and-group",
        ),
        pytest.param(
            f"echo '{OURS}' >{ELSEWHERE}; ln -sf {ELSEWHERE} {DAEMON_JSON}", "baseline", id="link"
        ),
        pytest.param(
            f'echo \'{{"live-restore": true, "userland-proxy": true}}\' >{DAEMON_JSON}',
            "baseline",
            id="keys-of-ours",
        ),
    ],
)
def test_every_shape_comes_back(
    shared_host: LabHost, operator: Team, setup: str, profile: str
) -> None:
    """Whatever lay there: apply, then all of it back, and /etc is as it was to the byte."""
    shared_host.run(f"rm -f {DAEMON_JSON}; {setup}")
    shared_host.docker_restart()
    desk = operator(shared_host, oakum_profile=profile)
    before, elsewhere = etc(shared_host), shared_host.run(f"cat {ELSEWHERE}", check=False).stdout
    done = desk.apply()
    assert (done.code, done.host()["outcome"]) == (0, "applied"), done.out
    assert etc(shared_host) != before or ELSEWHERE in setup
    back = rollback(desk, "--all")
    assert (back.code, back.host()["outcome"]) == (0, "applied"), back.out
    assert etc(shared_host) == before
    assert shared_host.run(f"cat {ELSEWHERE}", check=False).stdout == elsewhere
    assert shared_host.run("ls -d /var/lib/oakum", check=False).returncode != 0
    assert desk.plan().code == 1, "drift again, as before"


def test_live_restore_alone_goes_by_a_reload(busy_host: LabHost, operator: Team) -> None:
    desk = operator(busy_host, oakum_only=["live-restore"])
    before, running = etc(busy_host), busy_host.running()
    started = busy_host.run("cat /var/run/docker.pid").stdout
    assert desk.apply().code == 0
    back = rollback(desk)
    assert (back.code, back.host()["disruption"]) == (0, "reload"), back.out
    assert (etc(busy_host), busy_host.running()) == (before, running)
    assert live_restore(busy_host) == "false"
    assert busy_host.run("cat /var/run/docker.pid").stdout == started


def test_what_somebody_else_edited_stays(busy_host: LabHost, operator: Team) -> None:
    desk = operator(busy_host)
    former = json.loads(busy_host.read(DAEMON_JSON))
    assert desk.apply().code == 0
    edited = busy_host.read(DAEMON_JSON).decode().replace("{", '{\n  "mtu":   1400,', 1)
    busy_host.write(DAEMON_JSON, edited)
    back = rollback(desk)
    assert back.code == 0, back.out
    now = busy_host.read(DAEMON_JSON)
    assert json.loads(now) == {**former, "mtu": 1400}
    assert b'{\n  "mtu":   1400,' in now


def test_a_conflict_leaves_the_host_alone(busy_host: LabHost, operator: Team) -> None:
    desk = operator(busy_host)
    assert desk.apply().code == 0
    edited = busy_host.read(DAEMON_JSON).replace(
        b'"userland-proxy": false', b'"userland-proxy": true'
    )
    busy_host.write(DAEMON_JSON, edited)
    back = rollback(desk)
    assert (back.code, back.host()["outcome"]) == (1, "unchanged")
    (found,) = back.host()["findings"]
    assert (found["control"], found["status"]) == ("userland-proxy", "held")
    assert "now it is true" in found["reason"]
    assert busy_host.read(DAEMON_JSON) == edited


def test_back_to_a_transaction(docker_host: LabHost, operator: Team) -> None:
    desk = operator(docker_host, oakum_only=["live-restore"])
    first = desk.apply().host()["transaction"]
    left = etc(docker_host)
    assert operator(docker_host, oakum_only=["userland-proxy"]).apply().code == 0
    assert operator(docker_host).apply().code == 0
    back = rollback(desk, "--to", first)
    assert (back.code, len(back.host()["undoes"])) == (0, 2), back.out
    assert etc(docker_host) == left
    assert [entry["id"] for entry in past(desk) if entry["in_force"]] == [first]


def test_the_other_door(docker_host: LabHost, operator: Team) -> None:
    desk = operator(docker_host)
    before = etc(docker_host)
    assert desk.apply().code == 0
    done = desk.pyinfra("oakum.deploy.rollback", "all=true", "-y")
    assert done.code == 0, done.err
    assert etc(docker_host) == before
