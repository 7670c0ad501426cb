"""Default limits: the policy's over the operator's, and never above what the host can grant."""

import pytest

from oakum.controls.daemon.default_ulimits import CONTROL, canonical, grantable
from oakum.facts import Unread
from oakum.model import Impact, Status
from oakum.parts import Container, FileState, Process

NOFILE = {"Name": "nofile", "Hard": 65536, "Soft": 65536}
CORE = {"Name": "core", "Hard": 0, "Soft": 0}
WANTED = {"nofile": NOFILE, "core": CORE}
SET = {"default-ulimits": WANTED}
MEMLOCK = {"Name": "memlock", "Hard": -1, "Soft": -1}
LATER = FileState("/etc/docker/daemon.json", "/etc/docker/daemon.json", b"{}", changed=2000)
FLAGS = {"default-ulimit": ("nofile=65536:65536", "core=0")}
EVERY_POWER = 0x1FFFFFFFFFF
NO_POWER = EVERY_POWER & ~(1 << 24)


def daemon(nofile: int | None, capabilities: int = NO_POWER, **more: int | None) -> Process:
    return Process(812, 1000, {"nofile": nofile, **more}, capabilities)


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        pytest.param({}, Status.DRIFT, None, id="engine-default"),
        pytest.param({"config": SET}, Status.OK, None, id="set"),
        pytest.param({"config": SET, "engine": "29.7.2"}, Status.OK, None, id="set-on-29"),
        pytest.param(
            {
                "config": {
                    "default-ulimits": {
                        "core": {"name": "core"},
                        "nofile": {"name": "nofile", "hard": 65536, "SOFT": 65536},
                    }
                }
            },
            Status.OK,
            None,
            id="names-in-another-case",
        ),
        pytest.param(
            {"config": {"default-ulimits": {**WANTED, "nofile": {"Hard": 65536, "Soft": 65536}}}},
            Status.DRIFT,
            None,
            id="a-name-is-missing",
        ),
        pytest.param(
            {"config": {"default-ulimits": {"memlock": {"Hard": 1, "Soft": 1}}}},
            Status.HELD,
            "default-ulimits.memlock lacks Name: memlock",
            id="an-operators-own-name-is-missing",
        ),
        pytest.param(
            {"config": {"default-ulimits": {"nofile": NOFILE, "core": {"Name": "core"}}}},
            Status.OK,
            None,
            id="what-is-left-out-is-nought",
        ),
        pytest.param(
            {"config": {"default-ulimits": {"nofile": NOFILE}}}, Status.DRIFT, None, id="one-of-two"
        ),
        pytest.param(
            {"config": {"default-ulimits": {**WANTED, "memlock": MEMLOCK}}},
            Status.OK,
            None,
            id="the-operators-own-beside",
        ),
        pytest.param(
            {"config": {"default-ulimits": {"nofile": {**NOFILE, "Soft": 1024}, "core": CORE}}},
            Status.DRIFT,
            None,
            id="another-soft-limit",
        ),
        pytest.param(
            {"config": {"default-ulimits": {"nofile": "1024:2048"}}},
            Status.HELD,
            "default-ulimits.nofile must be an object",
            id="limit-as-a-word",
        ),
        pytest.param(
            {"config": {"default-ulimits": ["nofile=1024:2048"]}},
            Status.HELD,
            "default-ulimits must be an object",
            id="list-as-of-the-flag",
        ),
        pytest.param({"flags": FLAGS, "unit_flags": FLAGS}, Status.OK, None, id="set-by-flag"),
        pytest.param(
            {"flags": {"default-ulimit": ("nofile=1024",)}, "unit_flags": FLAGS},
            Status.HELD,
            "--default-ulimit is a flag",
            id="other-limits-by-flag",
        ),
        pytest.param(
            {"unit_flags": {"default-ulimit": ("nofile=${MAX}",)}},
            Status.UNKNOWN,
            "--default-ulimit nofile=${MAX} is no limit that dockerd takes",
            id="odd-flag",
        ),
        pytest.param(
            {"config": SET, "daemon_file": LATER},
            Status.DRIFT,
            "written, not active: daemon.json changed after dockerd started",
            id="written-not-active",
        ),
        pytest.param(
            {"config": SET, "daemon_file": LATER, "reloaded": {"default-ulimits": WANTED}},
            Status.OK,
            None,
            id="active-by-the-engines-log",
        ),
        pytest.param(
            {"config": SET, "reloaded": {}},
            Status.DRIFT,
            "written, not active",
            id="not-in-its-log",
        ),
        pytest.param(
            {"reloaded": {"default-ulimits": WANTED}},
            Status.DRIFT,
            "active, not written",
            id="live-but-not-written",
        ),
        pytest.param(
            {"sysctl": {"fs.nr_open": "20000"}},
            Status.HELD,
            "nofile 65536 is above the 20000 that this host can grant (fs.nr_open)",
            id="above-nr-open",
        ),
        pytest.param({"sysctl": {"fs.nr_open": "65536"}}, Status.DRIFT, None, id="just-nr-open"),
        pytest.param({"sysctl": {}}, Status.DRIFT, None, id="nr-open-is-not-told"),
        pytest.param(
            {"dockerd": daemon(20000)},
            Status.HELD,
            "above the 20000 that this host can grant (dockerd's own limit)",
            id="above-dockerds-own",
        ),
        pytest.param(
            {"dockerd": daemon(20000, EVERY_POWER)}, Status.DRIFT, None, id="dockerd-lifts-limits"
        ),
        pytest.param({"dockerd": daemon(None)}, Status.DRIFT, None, id="dockerd-is-unlimited"),
        pytest.param(
            {"containerd": daemon(1024)},
            Status.HELD,
            "above the 1024 that this host can grant (containerd's own limit)",
            id="above-containerds-own",
        ),
        pytest.param(
            {"dockerd": daemon(2048), "containerd": daemon(1024)},
            Status.HELD,
            "above the 1024",
            id="the-lowest-counts",
        ),
        pytest.param(
            {"containerd": daemon(None, core=0)}, Status.DRIFT, None, id="core-nought-of-nought"
        ),
        pytest.param(
            {"engine": "17.06.2"}, Status.NOT_APPLICABLE, "needs Docker 17.07", id="old-engine"
        ),
        pytest.param({"engine": None}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"),
        pytest.param({"running": False}, Status.DRIFT, None, id="stopped"),
        pytest.param({"running": False, "config": SET}, Status.OK, None, id="stopped-and-set"),
        pytest.param(
            {"running": False, "first": daemon(20000), "unit_limits": {"nofile": 1048576}},
            Status.HELD,
            "above the 20000 that this host can grant (the limit of process 1)",
            id="stopped-and-process-1-is-bound",
        ),
        pytest.param(
            {"running": False, "first": daemon(1048576), "unit_limits": {"nofile": 4096}},
            Status.HELD,
            "above the 4096 that this host can grant (LimitNOFILE of docker.service)",
            id="stopped-and-its-unit-is-bound",
        ),
        pytest.param(
            {"running": False, "first": daemon(None), "unit_limits": {"nofile": None, "core": 0}},
            Status.DRIFT,
            None,
            id="stopped-and-nothing-is-bound",
        ),
        pytest.param(
            {
                "running": False,
                "first": daemon(1024, EVERY_POWER),
                "unit_limits": Unread("no systemd on this host"),
            },
            Status.DRIFT,
            None,
            id="stopped-and-will-lift-limits",
        ),
        pytest.param(
            {
                "running": False,
                "first": daemon(None),
                "unit_limits": Unread("no systemd on this host"),
            },
            Status.UNKNOWN,
            "no systemd on this host",
            id="stopped-and-nobody-tells",
        ),
        pytest.param(
            {"running": False, "first": Unread("hidden")}, Status.UNKNOWN, "hidden", id="hidden"
        ),
        pytest.param(
            {"first": daemon(1024), "unit_limits": {"nofile": 1024}},
            Status.DRIFT,
            None,
            id="a-running-one-has-its-own",
        ),
        pytest.param({"config": Unread("EACCES")}, Status.UNKNOWN, "EACCES", id="unreadable"),
        pytest.param(
            {"sysctl": Unread("no /proc")}, Status.UNKNOWN, "no /proc", id="nr-open-unread"
        ),
        pytest.param(
            {"containerd": Unread("hidden")}, Status.UNKNOWN, "hidden", id="containerd-unread"
        ),
    ],
)
def test_verdict(host, policy, finding, known, status, reason):
    found = finding(CONTROL, host(**known), policy())
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        pytest.param({"soft": 1024, "hard": 524288}, Status.DRIFT, id="within"),
        pytest.param({"soft": 1024, "hard": 1048577}, Status.HELD, id="one-more"),
        pytest.param({"soft": 1024, "hard": -1}, Status.HELD, id="unlimited"),
    ],
)
def test_the_policys_own_limit(host, policy, finding, limit, status):
    wanted = policy(default_ulimits={"nofile": limit})
    assert finding(CONTROL, host(), wanted).status is status


def test_no_limits_wanted_is_nothing_to_do(host, policy, finding):
    assert finding(CONTROL, host(), policy(default_ulimits={})).status is Status.OK


def test_the_operators_other_limits_stay(host, policy, written):
    facts = host(config={"default-ulimits": {"memlock": MEMLOCK, "nofile": {**NOFILE, "Soft": 1}}})
    assert written(CONTROL, facts, policy()) == {
        "default-ulimits": {"memlock": MEMLOCK, "nofile": NOFILE, "core": CORE}
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, {}, id="null"),
        pytest.param([], {}, id="list"),
        pytest.param({"a": {"NAME": "a", "hard": 2, "Soft": 1}}, {"a": ("a", 2, 1)}, id="case"),
        pytest.param({"a": {}}, {"a": ("", 0, 0)}, id="empty"),
    ],
)
def test_canonical(value, expected):
    shaped = {
        name: {"Name": inner, "Hard": hard, "Soft": soft}
        for name, (inner, hard, soft) in expected.items()
    }
    assert canonical(value) == shaped


def test_what_bounds_another_limit_than_nofile(host):
    facts = host(dockerd=daemon(1, core=5, memlock=7))
    assert grantable(facts, "core") == (5, "dockerd's own limit")
    assert grantable(facts, "stack") == (None, "")


def test_containers_keep_their_limits_for_a_while(host):
    facts = host(containers=(Container("web"), Container("db")))
    assert list(CONTROL.until_restarted(facts)) == [
        Impact(
            name,
            "keeps its former limits until it is restarted",
            "limits are set when a container starts",
        )
        for name in ("web", "db")
    ]
