"""What is done to a host, what it costs, whom it hits; and that doing it leaves nothing to do."""

import datetime
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from oakum.controls import controls
from oakum.controls.base import Observed
from oakum.controls.daemon_key import DaemonKey
from oakum.engine.catalogue import NEWEST, refusal
from oakum.engine.document import loads
from oakum.facts import HostFacts, Read, Unread
from oakum.model import Disruption, Finding, Impact, Kind, Plan, Severity, Status
from oakum.parts import Audit, Container, Engine, FileState, Process, Transaction
from oakum.planner import build
from oakum.policy import Policy

TODAY = datetime.date(2026, 1, 31)
QUICK = settings(max_examples=60, deadline=None, derandomize=True)
ONE = {"containers": (Container("web"),)}
BY_DEFAULT = ("experimental", "iptables", "log-level", "shutdown-timeout")
"""Controls that are right where nothing is configured."""
DRIFTING = ("default-ulimits", "live-restore", "log-rotation", "userland-proxy")
"""Controls that are not."""
DAEMON_KEYS = (*BY_DEFAULT, *DRIFTING, "seccomp")
HARDENED = {
    "default-ulimits": {
        "core": {"Name": "core", "Hard": 0, "Soft": 0},
        "nofile": {"Name": "nofile", "Hard": 65536, "Soft": 65536},
    },
    "live-restore": True,
    "log-opts": {"max-size": "10m", "max-file": "3"},
    "userland-proxy": False,
}


def plan(facts: HostFacts, policy: Policy) -> Plan:
    return build(facts, policy, controls(), TODAY)


def statuses(found: Plan) -> dict[str, Status]:
    return {finding.control: finding.status for finding in found.findings}


def reasons(found: Plan) -> dict[str, str | None]:
    return {finding.control: finding.reason for finding in found.findings}


CHANGING = {found.id for found in controls() if not isinstance(found.setting, Observed)}
"""The controls that change something; the others tell what has tests of its own."""


def with_status(found: Plan, status: Status) -> list[str]:
    return [
        finding.control
        for finding in found.findings
        if finding.status is status and finding.control in CHANGING
    ]


# One change --------------------------------------------------------------------------------------


def test_a_fresh_host(host, policy, golden):
    """Every control has its finding, and all their keys make one change."""
    found = plan(host(), policy())

    assert {name: status for name, status in statuses(found).items() if name in CHANGING} == {
        "audit-rules": Status.NOT_APPLICABLE,
        "cgroup-namespaces": Status.NOT_APPLICABLE,
        "default-address-pools": Status.NOT_APPLICABLE,
        "default-ulimits": Status.DRIFT,
        "entropy": Status.NOT_APPLICABLE,
        "experimental": Status.OK,
        "icc": Status.NOT_APPLICABLE,
        "init-process": Status.NOT_APPLICABLE,
        "iptables": Status.OK,
        "kernel-panic": Status.NOT_APPLICABLE,
        "live-restore": Status.DRIFT,
        "log-level": Status.OK,
        "log-rotation": Status.DRIFT,
        "no-new-privileges": Status.NOT_APPLICABLE,
        "resource-isolation": Status.NOT_APPLICABLE,
        "seccomp": Status.OK,
        "selinux-enabled": Status.NOT_APPLICABLE,
        "shutdown-timeout": Status.OK,
        "storage-driver": Status.OK,
        "userland-proxy": Status.DRIFT,
        "userns-remap": Status.NOT_APPLICABLE,
    }
    (change,) = found.changes
    assert (change.path, change.kind, change.before) == ("/etc/docker/daemon.json", Kind.FILE, None)
    assert (change.mode, change.owner, change.group) == ("644", 0, 0)
    assert change.controls == DRIFTING
    assert json.loads(change.after) == HARDENED
    golden("fresh-host.diff", change.diff)


def test_an_operators_file_keeps_what_is_not_ours(host, policy, golden):
    content = (
        b'{\n\t"dns": ["10.0.0.1",  "10.0.0.2"],\n\t"userland-proxy":true,\n\t"labels": []\n}\n'
    )
    (change,) = plan(host(config=content), policy()).changes

    assert list(json.loads(change.after)) == [
        "dns",
        "userland-proxy",
        "labels",
        "default-ulimits",
        "live-restore",
        "log-opts",
    ]
    golden("operators-file.diff", change.diff)


def test_mode_and_owner_stay(host, policy):
    file = FileState("/etc/docker/daemon.json", "/etc/docker/daemon.json", b"{}", mode="600",
                     owner=3, group=4)  # fmt: skip
    (change,) = plan(host(daemon_file=file), policy()).changes
    assert (change.mode, change.owner, change.group, change.before) == ("600", 3, 4, b"{}")


def test_only_and_skip(host, policy):
    assert [f.control for f in plan(host(), policy(only=["seccomp"])).findings] == ["seccomp"]
    assert "seccomp" not in statuses(plan(host(), policy(skip=["seccomp"])))
    (change,) = plan(
        host(), policy(skip=["live-restore", "log-rotation", "userland-proxy"])
    ).changes
    assert change.controls == ("default-ulimits",)


def test_a_hardened_host_needs_nothing(host, policy):
    found = plan(host(config=HARDENED, info={"LiveRestoreEnabled": True}), policy())
    assert (found.changes, found.disruption, found.impact) == ((), Disruption.NONE, ())
    assert with_status(found, Status.DRIFT) == []


def test_a_finding_holds_what_its_control_says(host, policy):
    found = plan(host(), policy(only=["live-restore"]))
    (control,) = (control for control in controls() if control.id == "live-restore")
    assert found.findings == (
        Finding("live-restore", Status.DRIFT, Severity.MEDIUM, False, True, None, control.refs),
    )


def test_packages_and_other_files_are_changes_of_their_own(host, policy):
    starved = host(
        kernel=Version("4.19"), virt="kvm", rdrand=False, seccomp_file=nothing("oakum-seccomp.json")
    )
    found = plan(starved, policy("strict", userns_remap="off"))
    assert [(change.kind, change.path, change.disruption) for change in found.changes] == [
        (Kind.PACKAGE, "haveged", Disruption.NONE),
        (Kind.FILE, "/etc/docker/oakum-seccomp.json", Disruption.NONE),
        (Kind.FILE, "/etc/docker/daemon.json", Disruption.RESTART),
    ]


def nothing(name: str) -> FileState:
    return FileState(f"/etc/docker/{name}", f"/etc/docker/{name}")


# daemon.json as a resource -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        pytest.param(
            {"config": {"graph": "/d"}, "engine": "26.1.5"},
            "dockerd would not start again with /etc/docker/daemon.json as it is: "
            "Docker 23.0.0 and later refuse graph",
            id="key-that-the-engine-refuses",
        ),
        pytest.param({"config": {"typo": 1}}, "does not know typo", id="unknown-key"),
        pytest.param({"config": {"icc": "no"}}, "icc must be true or false", id="wrong-type"),
        pytest.param(
            {"config": {"icc": True}, "unit_flags": {"icc": ("true",)}},
            "dockerd would not start again: icc is also its flag --icc",
            id="flag-beside-another-key",
        ),
        pytest.param(
            {"config": {"hosts": ["unix:///x"]}}, "hosts is also its flag --host", id="flag-alias"
        ),
        pytest.param(
            {"config": b'{"icc": true, "icc": false}'}, "has icc twice", id="duplicate-key"
        ),
        pytest.param(
            {"config": b'{"features": {"a": true, "a": false}}'},
            "has a twice",
            id="duplicate-inside",
        ),
        pytest.param(
            {"config": b"{} // our settings"}, "text after its closing brace", id="trailing-text"
        ),
        pytest.param(
            {
                "daemon_file": replace(
                    nothing("daemon.json"), locked="read-only file system at /etc"
                )
            },
            "/etc/docker/daemon.json cannot be replaced: read-only file system at /etc",
            id="locked",
        ),
        pytest.param(
            {"flags": {"host": ("unix:///srv/docker.sock", "tcp://127.0.0.1:2375")}},
            "dockerd listens on unix:///srv/docker.sock, tcp://127.0.0.1:2375; oakum needs",
            id="other-socket",
        ),
        pytest.param(
            {"flags": {}, "unit_flags": {}, "config": {"hosts": ["tcp://127.0.0.1:2375"]}},
            "dockerd listens on tcp://127.0.0.1:2375",
            id="other-socket-in-the-file",
        ),
        *(
            pytest.param(
                {"origin": origin},
                f"this engine comes from {origin}, whose configuration oakum only audits",
                id=origin,
            )
            for origin in ("snap", "rootless", "desktop")
        ),
    ],
)
def test_holds_every_key_of_daemon_json(host, policy, known, reason):
    """What is wrong with the file or its service is so for every control that lives in it."""
    known = dict(known)
    if origin := known.pop("origin", None):
        known["engine"] = "20.10.24"
    facts = host(**known)
    if origin:
        facts = replace(facts, engine=Read(replace(facts.engine.value, origin=origin)))
    found = plan(facts, policy())

    assert {*DRIFTING} <= {*with_status(found, Status.HELD)}
    for finding in found.findings:
        if finding.control in DRIFTING:
            assert finding.reason
            assert reason in finding.reason
    assert found.changes == ()
    assert [note for note in found.notes if reason in note]


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize(
    ("control", "config"),
    [
        pytest.param("userland-proxy", {"userland-proxy": 0}, id="nought-is-not-false"),
        pytest.param("live-restore", {"live-restore": 1}, id="one-is-not-true"),
    ],
)
def test_a_number_is_no_switch(host, policy, running, control, config):
    """Python takes 0 for false; dockerd does not start with it."""
    known = {"info": {"LiveRestoreEnabled": True}} if running else {}
    found = plan(host(config=config, running=running, **known), policy())
    assert statuses(found)[control] is Status.HELD
    assert f"{control} must be true or false" in str(reasons(found)[control])


def test_runtimes_may_be_flag_and_key(host, policy):
    """The one key that dockerd merges with its flag."""
    facts = host(config={"runtimes": {"x": {"path": "/x"}}}, unit_flags={"add-runtime": ("y=/y",)})
    assert plan(facts, policy()).changes


@pytest.mark.parametrize(
    "known",
    [
        pytest.param({"unit_flags": {"userland-proxy": ("true",)}}, id="flag-of-the-next-start"),
        pytest.param({"flags": {"userland-proxy": ("true",)}}, id="flag-of-the-running-one"),
    ],
)
def test_holds_the_key_beside_its_own_flag(host, policy, known):
    found = plan(host(**known), policy())
    assert with_status(found, Status.HELD) == ["userland-proxy"]
    said = reasons(found)["userland-proxy"]
    assert said
    assert "--userland-proxy is a flag of dockerd's service" in said
    (change,) = found.changes
    assert "userland-proxy" not in json.loads(change.after)


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(Unread("permission denied: /etc/docker/daemon.json"), id="unreadable"),
        pytest.param(Unread("/etc/docker/daemon.json: line 1 column 2: expected"), id="malformed"),
    ],
)
def test_a_file_that_cannot_be_read_leaves_everything_unknown(host, policy, config):
    found = plan(host(config=config), policy())
    unknown = [*DAEMON_KEYS, "storage-driver"]
    assert with_status(found, Status.UNKNOWN) == sorted(unknown)
    assert {reasons(found)[control] for control in unknown} == {config.reason}
    assert found.changes == ()


def test_running_containers_that_cannot_be_listed_leave_drift_unknown(host, policy):
    """Whom a restart would hit must be known before it."""
    found = plan(host(containers=Unread("timed out")), policy(only=["daemon"]))
    assert with_status(found, Status.UNKNOWN) == [*DRIFTING]
    assert found.changes == ()


def test_a_byte_order_mark_goes_and_is_told(host, policy):
    (change,) = plan(host(config=b"\xef\xbb\xbf{}\n"), policy()).changes
    assert change.before == b"\xef\xbb\xbf{}\n"
    assert change.after.startswith(b"{\n")
    assert change.note == "the byte order mark goes, which engines up to 20.10 refuse"


def test_a_symbolic_link_stays_and_its_target_changes(host, policy):
    file = FileState("/etc/docker/daemon.json", "/srv/docker.json", b"{}")
    (change,) = plan(host(daemon_file=file), policy()).changes
    assert change.path == "/srv/docker.json"
    assert change.note == "/etc/docker/daemon.json stays a link to it"


TXN = "20260131T120000Z-1a2b3c4d"


@pytest.mark.parametrize(
    ("last", "note"),
    [
        pytest.param(None, None, id="none"),
        pytest.param(Transaction(TXN, "confirmed"), None, id="confirmed"),
        pytest.param(Transaction(TXN, "refused", "stale"), None, id="refused"),
        pytest.param(Unread("permission denied: /var/lib/oakum"), None, id="closed"),
        pytest.param(
            Transaction(TXN, "running", "restart docker"),
            f"the last transaction, {TXN}, is running (last step: restart docker)",
            id="running",
        ),
        pytest.param(
            Transaction(TXN, "unfinished"),
            f"the last transaction, {TXN}, was cut off, and the next one takes it back first",
            id="unfinished",
        ),
        pytest.param(
            Transaction(TXN, "rolled-back", "dockerd did not answer"),
            f"the last transaction, {TXN}, was rolled back: dockerd did not answer",
            id="rolled-back",
        ),
        pytest.param(
            Transaction(TXN, "broken", "no dockerd"),
            f"the last transaction, {TXN}, failed, and so did the way back: no dockerd",
            id="broken",
        ),
    ],
)
@pytest.mark.parametrize("engine", ["20.10.24", None])
def test_what_the_last_transaction_left(host, policy, last, note, engine):
    """Said of any host, and nothing else of the plan depends on it."""
    found = plan(host(transaction=last, engine=engine), policy())
    assert [one for one in found.notes if "transaction" in one] == ([note] if note else [])
    without = plan(host(engine=engine), policy())
    assert replace(found, notes=()) == replace(without, notes=())


def test_a_dockerd_that_cannot_be_told_from_another_is_left_alone(host, policy):
    doubt = Unread("2 dockerds run outside of containers")
    facts = host(dockerd=doubt, flags=doubt, reloaded=doubt, config={"userland-proxy": True})
    found = plan(facts, policy())
    assert not found.changes
    unknown = [one for one in found.findings if one.reason == doubt.reason]
    assert {one.status for one in unknown} == {Status.UNKNOWN}
    assert {"userland-proxy", "live-restore", "default-ulimits"} <= {one.control for one in unknown}


def test_an_empty_file_becomes_an_object(host, policy):
    (change,) = plan(host(config=b""), policy()).changes
    assert change.before == b""
    assert json.loads(change.after) == HARDENED


def test_what_is_written_and_not_active_needs_the_service_alone(host, policy):
    facts = host(config=HARDENED, dockerd=Process(812, 1000))
    facts = replace(facts, daemon_file=Read(replace(facts.daemon_file.value, changed=2000)))
    (change,) = plan(facts, policy()).changes
    assert (change.kind, change.path, change.disruption) == (
        Kind.SERVICE,
        "docker",
        Disruption.RESTART,
    )
    assert change.controls == DRIFTING
    assert change.diff == ("service docker: restart it, so that what is written becomes active\n")


def test_live_restore_that_is_not_active_needs_a_reload_alone(host, policy):
    (change,) = plan(host(config=HARDENED), policy()).changes
    assert (change.kind, change.disruption) == (Kind.SERVICE, Disruption.RELOAD)
    assert change.controls == ("live-restore",)
    assert change.note == "reload it, so that what is written becomes active"


# Cost --------------------------------------------------------------------------------------------

ONLY_LIVE_RESTORE = {"only": ["live-restore"]}
WITHOUT_LIVE_RESTORE = {"skip": ["live-restore"], "max_disruption": "outage"}
ANY = {"max_disruption": "outage"}
DRAIN = {"swarm": "drain"}
TASKS = (Container("web.1.x", restart="no", task=True),)
ONE_TASK = {"containers": TASKS, "info": {"Swarm": {"LocalNodeState": "active"}}}
AT_START = ("default-ulimits", "log-rotation", "userland-proxy")
"""What only a restart of dockerd applies."""
AUTHZ_FLAG = {"flags": {"authorization-plugin": ("x",)}, "unit_flags": {}}


@pytest.mark.parametrize(
    ("known", "wanted", "disruption"),
    [
        pytest.param({}, ONLY_LIVE_RESTORE, Disruption.RELOAD, id="reloadable"),
        pytest.param(ONE, ONLY_LIVE_RESTORE, Disruption.RELOAD, id="reloadable-with-containers"),
        pytest.param({}, ANY, Disruption.RESTART, id="no-containers"),
        pytest.param(ONE, ANY, Disruption.RESTART, id="live-restore-comes-first"),
        pytest.param(ONE, WITHOUT_LIVE_RESTORE, Disruption.OUTAGE, id="no-live-restore"),
        pytest.param(
            {**ONE, "info": {"LiveRestoreEnabled": True}},
            WITHOUT_LIVE_RESTORE,
            Disruption.RESTART,
            id="live-restore-is-on",
        ),
        pytest.param(
            {**ONE, "info": {"Swarm": {"LocalNodeState": "active"}}},
            ANY,
            Disruption.OUTAGE,
            id="swarm-has-no-live-restore",
        ),
        pytest.param(ONE_TASK, ANY, Disruption.OUTAGE, id="swarm-task"),
        pytest.param(ONE_TASK, DRAIN, Disruption.RESTART, id="swarm-task-that-leaves"),
        pytest.param(
            {**ONE_TASK, "containers": (*TASKS, Container("db"))},
            {**DRAIN, **ANY},
            Disruption.OUTAGE,
            id="beside-the-task-a-container-that-stays",
        ),
        pytest.param({"running": False}, ANY, Disruption.NONE, id="dockerd-does-not-run"),
        pytest.param(
            AUTHZ_FLAG,
            ONLY_LIVE_RESTORE,
            Disruption.RESTART,
            id="a-reload-would-drop-authorization",
        ),
        pytest.param(
            {**AUTHZ_FLAG, **ONE}, ANY, Disruption.OUTAGE, id="nor-can-live-restore-come-first"
        ),
        pytest.param(
            {**AUTHZ_FLAG, "config": {"authorization-plugins": ["x"]}},
            ONLY_LIVE_RESTORE,
            Disruption.RELOAD,
            id="authorization-in-the-file-stays",
        ),
        pytest.param(
            {"config": {"userland-proxy": True}, "engine": "26.1.5"},
            ONLY_LIVE_RESTORE,
            Disruption.RESTART,
            id="every-reload-fails",
        ),
        pytest.param(
            {
                "config": {"userland-proxy": True, "userland-proxy-path": "/p"},
                "engine": "26.1.5",
            },
            ONLY_LIVE_RESTORE,
            Disruption.RELOAD,
            id="reload-with-the-path-works",
        ),
        pytest.param(
            {"config": {"userland-proxy": True}},
            ONLY_LIVE_RESTORE,
            Disruption.RELOAD,
            id="reload-before-25-works",
        ),
        pytest.param(
            {"init": "openrc"}, ONLY_LIVE_RESTORE, Disruption.RESTART, id="no-journal-to-verify-by"
        ),
        pytest.param(
            {"init": Unread("?")}, ONLY_LIVE_RESTORE, Disruption.RESTART, id="init-unknown"
        ),
        pytest.param(
            {"config": {"log-level": "warn"}},
            ONLY_LIVE_RESTORE,
            Disruption.RESTART,
            id="reloads-are-not-logged",
        ),
        pytest.param(
            {"config": {"log-level": "debug"}},
            ONLY_LIVE_RESTORE,
            Disruption.RELOAD,
            id="reloads-are-logged",
        ),
    ],
)
def test_disruption(host, policy, known, wanted, disruption):
    found = plan(host(**known), policy(**wanted))
    assert found.disruption is disruption
    assert [change.disruption for change in found.changes] == [disruption]


@pytest.mark.parametrize(
    ("known", "wanted", "held", "changed"),
    [
        pytest.param(
            ONE, {"max_disruption": "restart"}, {}, [*DRIFTING], id="enough",
        ),
        pytest.param(
            ONE,
            {"max_disruption": "reload"},
            dict.fromkeys(AT_START, "restart"),
            ["live-restore"],
            id="reload-alone",
        ),
        pytest.param(
            {},
            {"max_disruption": "none"},
            {**dict.fromkeys(AT_START, "restart"), "live-restore": "reload"},
            [],
            id="nothing-may-be-touched",
        ),
        pytest.param(
            ONE,
            {"max_disruption": "none"},
            {**dict.fromkeys(AT_START, "outage"), "live-restore": "reload"},
            [],
            id="holding-live-restore-makes-the-others-dearer",
        ),
        pytest.param(
            ONE,
            {"max_disruption": "restart", "skip": ["live-restore"]},
            dict.fromkeys(AT_START, "outage"),
            [],
            id="live-restore-left-out",
        ),
        pytest.param(
            {**ONE, "unit_flags": {"live-restore": ("false",)}},
            {"max_disruption": "restart"},
            dict.fromkeys(AT_START, "outage"),
            [],
            id="live-restore-held-by-its-flag",
        ),
        pytest.param(
            {**ONE, **AUTHZ_FLAG},
            {"max_disruption": "restart"},
            dict.fromkeys(DRIFTING, "outage"),
            [],
            id="live-restore-cannot-come-first",
        ),
        pytest.param(
            {"running": False},
            {"max_disruption": "none"},
            {},
            [*DRIFTING],
            id="a-stopped-dockerd-costs-nothing",
        ),
    ],
)  # fmt: skip
def test_max_disruption(host, policy, known, wanted, held, changed):
    found = plan(host(**known), policy(**wanted))
    most = wanted["max_disruption"]
    for control, cost in held.items():
        assert reasons(found)[control] == f"would cost: {cost}; oakum_max_disruption is {most}"
        assert statuses(found)[control] is Status.HELD
    assert [name for change in found.changes for name in change.controls] == changed
    assert found.disruption <= Disruption(most)


# Whom it hits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("restart", "live_restore", "impact"),
    [
        pytest.param("no", True, Impact("db", "stays", "live-restore"), id="live-restore"),
        pytest.param(
            "always", False, Impact("db", "restarts", "restart policy always"), id="always"
        ),
        pytest.param(
            "unless-stopped",
            False,
            Impact("db", "restarts", "restart policy unless-stopped"),
            id="unless-stopped",
        ),
        pytest.param("no", False, Impact("db", "stops", "restart policy no"), id="no"),
        pytest.param(
            "on-failure", False, Impact("db", "stops", "restart policy on-failure"), id="on-failure"
        ),
    ],
)
def test_impact(host, policy, restart, live_restore, impact):
    facts = host(
        containers=(Container("db", restart=restart),), info={"LiveRestoreEnabled": live_restore}
    )
    found = plan(facts, policy(max_disruption="outage", only=["userland-proxy"]))
    assert found.impact == (impact,)


def test_a_task_leaves_before_anything_hits_it(host, policy):
    tasks = (Container("web.1.x", ports=("[::]:80",), task=True),)
    facts = host(containers=tasks, info={"Swarm": {"LocalNodeState": "active"}})
    leaves = Impact("web.1.x", "leaves", "its swarm's node is drained first")
    assert plan(facts, policy(**DRAIN, only=["userland-proxy"])).impact == (leaves,)
    stays = plan(facts, policy(**ANY, only=["userland-proxy"])).impact
    assert [hit.effect for hit in stays] == ["stops", "its port on [::1]:80 goes silent"]


@pytest.mark.parametrize(
    ("state", "wanted", "away"),
    [
        pytest.param(("ledger", "away"), DRAIN, True, id="left-away"),
        pytest.param(("ledger", "away"), {}, False, id="nobody-to-tell"),
        pytest.param(("ledger",), DRAIN, False, id="not-away"),
        pytest.param(Unread("permission denied"), DRAIN, False, id="unread"),
    ],
)
def test_a_host_that_a_run_left_away_is_not_idle(host, policy, state, wanted, away):
    found = plan(
        host(config=HARDENED, info={"LiveRestoreEnabled": True}, oakum_state=state),
        policy(**wanted),
    )
    assert (found.changes, found.away, found.idle) == ((), away, not away)
    said = "a former run took this host from its neighbours and did not put it back"
    assert (said in found.notes) == (state == ("ledger", "away"))


def test_a_reload_hits_nobody(host, policy):
    assert plan(host(**ONE), policy(**ONLY_LIVE_RESTORE)).impact == ()


@pytest.mark.parametrize(
    ("live_restore", "effects"),
    [
        pytest.param(True, ["stays", "keeps its former limits until it is restarted"], id="stays"),
        pytest.param(False, ["restarts"], id="it-is-restarted-and-has-them"),
    ],
)
def test_what_comes_at_the_next_start_of_a_container(host, policy, live_restore, effects):
    """Where the change stops the containers, they have it when they start again."""
    facts = host(
        containers=(Container("db", restart="always"),), info={"LiveRestoreEnabled": live_restore}
    )
    found = plan(facts, policy(only=["default-ulimits"], **ANY))
    assert [hit.effect for hit in found.impact] == effects


@pytest.mark.parametrize("live_restore", [True, False])
def test_what_is_fixed_at_creation_outlives_a_restart(host, policy, live_restore):
    facts = host(
        containers=(Container("db", restart="always", log="json-file"),),
        info={"LiveRestoreEnabled": live_restore},
    )
    found = plan(facts, policy(only=["log-rotation"], **ANY))
    assert [hit.effect for hit in found.impact][1:] == [
        "keeps its log without a limit until it is recreated"
    ]


def test_what_is_fixed_at_creation_outlives_a_reload_too(host, policy):
    found = plan(host(**ONE), policy(only=["cgroup-namespaces"], cgroup_namespaces="enforce"))
    assert found.disruption is Disruption.RELOAD
    assert [hit.effect for hit in found.impact] == [
        "keeps its cgroup namespace until it is recreated"
    ]


def test_controls_tell_their_own_impact(host, policy):
    found = plan(host(ports=["[::]:80"]), policy(only=["userland-proxy", "live-restore"]))
    assert found.impact == (
        Impact("web", "stays", "live-restore"),
        Impact(
            "web", "its port on [::1]:80 goes silent", "on IPv6 loopback only the proxy answers"
        ),
    )


@pytest.mark.parametrize(
    ("known", "note"),
    [
        pytest.param(
            ONE,
            "live-restore is switched on by reload first, so the restart stops nothing",
            id="live-restore-first",
        ),
        pytest.param(
            {"running": False},
            "dockerd does not run: the files take effect when it is started",
            id="not-running",
        ),
    ],
)
def test_note(host, policy, known, note):
    assert plan(host(**known), policy()).notes == (note,)


def test_nothing_to_note(host, policy):
    assert plan(host(), policy()).notes == ()
    assert plan(host(running=False, config=HARDENED), policy()).notes == ()


# Waivers -----------------------------------------------------------------------------------------


def waiver(until: datetime.date, control: str = "userland-proxy", **known: Any) -> dict[str, Any]:
    return {"control": control, "reason": "legacy", "owner": "ops", "until": until, **known}


@pytest.mark.parametrize(
    ("waivers", "status", "reason"),
    [
        pytest.param(
            [waiver(TODAY)],
            Status.WAIVED,
            "legacy (ops, until 2026-01-31)",
            id="its-last-day",
        ),
        pytest.param(
            [waiver(datetime.date(2026, 1, 30))],
            Status.DRIFT,
            "the waiver of ops ended on 2026-01-30",
            id="ended-yesterday",
        ),
        pytest.param(
            [waiver(datetime.date(2026, 1, 30)), waiver(datetime.date(2027, 1, 1), owner="me")],
            Status.WAIVED,
            "legacy (me, until 2027-01-01)",
            id="the-one-that-lasts-longest",
        ),
        pytest.param([waiver(TODAY, "live-restore")], Status.DRIFT, None, id="of-another-control"),
    ],
)
def test_waiver(host, policy, waivers, status, reason):
    found = plan(host(), policy(waivers=waivers))
    assert statuses(found)["userland-proxy"] is status
    assert reasons(found)["userland-proxy"] == reason
    (change,) = found.changes
    assert ("userland-proxy" in change.controls) is (status is Status.DRIFT)


def test_a_waiver_hides_no_ok(host, policy):
    facts = host(config={"userland-proxy": False})
    found = plan(facts, policy(waivers=[waiver(datetime.date(2027, 1, 1))]))
    assert statuses(found)["userland-proxy"] is Status.OK


def test_an_ended_waiver_of_what_is_held(host, policy):
    found = plan(host(ports=["[::1]:80"]), policy(waivers=[waiver(datetime.date(2026, 1, 1))]))
    assert statuses(found)["userland-proxy"] is Status.HELD
    (held,) = (one for one in found.findings if one.control == "userland-proxy")
    assert str(held.reason).endswith("; the waiver of ops ended on 2026-01-01")


def test_waiving_live_restore_makes_the_others_dearer(host, policy):
    found = plan(host(**ONE), policy(waivers=[waiver(TODAY, "live-restore")]))
    assert statuses(found)["userland-proxy"] is Status.HELD
    assert found.changes == ()


# Before the first start --------------------------------------------------------------------------


def test_a_host_without_an_engine_changes_nothing_now(host, policy):
    found = plan(host(engine=None), policy())
    assert found.changes == ()
    assert {*statuses(found).values()} == {Status.NOT_APPLICABLE}
    (file,) = found.deferred
    assert file.path == "/etc/docker/daemon.json"
    assert json.loads(file.after) == HARDENED
    assert file.disruption is Disruption.NONE


@pytest.mark.parametrize("profile", ["baseline", "strict"])
@pytest.mark.parametrize("config", [None, b"", {"icc": False}, {"userland-proxy": True}])
def test_deferred_keys_suit_every_engine_that_may_come(host, policy, profile, config):
    found = plan(host(engine=None, config=config), policy(profile))
    (file,) = (change for change in found.deferred if change.path.endswith("daemon.json"))
    ours = dict(loads(file.after).settings)
    assert ours.keys() >= HARDENED.keys() - {"log-opts"}
    assert {"log-opts", "log-driver"} & ours.keys()
    for key, value in ours.items():
        assert refusal(key, value, NEWEST) is None
        assert refusal(key, value, Version("20.10")) is None


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"seccomp-profile": "unconfined"}, id="refused-by-20.10"),
        pytest.param({"min-api-version": "1.44"}, id="known-from-29"),
        pytest.param(b'{"icc": true, "icc": true}', id="duplicate"),
    ],
)
def test_a_file_that_an_engine_may_refuse_is_not_added_to(host, policy, config):
    assert plan(host(engine=None, config=config), policy()).deferred == ()


def test_a_package_is_wanted_with_or_without_an_engine(host, policy):
    starved = host(engine=None, kernel=Version("4.19"), virt="kvm", rdrand=False)
    found = plan(starved, policy())
    assert [(change.kind, change.path) for change in found.changes] == [(Kind.PACKAGE, "haveged")]
    assert [change.kind for change in found.deferred] == [Kind.FILE]


def test_a_key_that_newer_engines_refuse_is_not_deferred(host, policy):
    """No control of ours wants such a key; this one does, beside one that may be written."""
    (fine,) = (control for control in controls() if control.id == "live-restore")
    doomed = replace(
        fine,
        id="doomed",
        setting=DaemonKey(key="oom-score-adjust"),
        desired=lambda facts, policy: -500,
    )
    found = build(host(engine=None), policy(), [doomed, fine], TODAY)
    (file,) = found.deferred
    assert json.loads(file.after) == {"live-restore": True}
    assert build(host(engine="20.10.24"), policy(), [doomed], TODAY).changes


def test_deferred_user_namespaces_bring_their_ranges(host, policy):
    found = plan(host(engine=None), policy("strict"))
    assert {change.path for change in found.deferred} == {
        "/etc/subuid",
        "/etc/subgid",
        "/etc/systemd/system/oakum.slice",
        "/etc/docker/oakum-seccomp.json",
        "/etc/docker/daemon.json",
    }


def test_waivers_hold_for_the_first_start_too(host, policy):
    found = plan(host(engine=None), policy(waivers=[waiver(TODAY)]))
    (file,) = found.deferred
    assert "userland-proxy" not in json.loads(file.after)


# Files that dockerd does not read ---------------------------------------------------------------


def in_slice(**known: Any) -> dict[str, Any]:
    """A host whose dockerd puts containers in our slice, with whatever limits."""
    unit = "/etc/systemd/system/oakum.slice"
    return {
        "config": {"cgroup-parent": "oakum.slice"},
        "info": {"CgroupDriver": "systemd", "LiveRestoreEnabled": True},
        "slice_file": FileState(unit, unit, b"[Slice]\n"),
        "slice_unit": {"TasksMax": "10", "MemoryMax": "20"},
        **known,
    }


def test_what_only_systemd_reads_costs_nothing(host, policy):
    found = plan(host(**in_slice()), policy("strict", only=["resource-isolation"]))
    (change,) = found.changes
    assert (change.path, change.disruption) == ("/etc/systemd/system/oakum.slice", Disruption.NONE)
    assert found.disruption is Disruption.NONE


def test_with_a_key_that_changes_dockerd_is_restarted(host, policy):
    found = plan(host(**in_slice(config={})), policy("strict", only=["resource-isolation"]))
    assert [change.path for change in found.changes] == [
        "/etc/systemd/system/oakum.slice",
        "/etc/docker/daemon.json",
    ]
    assert found.disruption is Disruption.RESTART


# Nothing raises ----------------------------------------------------------------------------------

FIELDS = [field.name for field in fields(HostFacts)]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("profile", ["baseline", "strict"])
@pytest.mark.parametrize("engine", ["29.7.2", None])
def test_any_reading_may_be_missing(host, policy, name, profile, engine):
    """One missing reading gives findings with its reason, or none that needed it; never a guess
    that changes the host differently from what would be done with the reading."""
    facts = host(engine=engine, **(ONE if engine else {}))
    found = plan(replace(facts, **{name: Unread("not seen")}), policy(profile, **ANY))
    whole = plan(facts, policy(profile, **ANY))
    for finding in found.findings:
        if finding.status is Status.UNKNOWN:
            assert finding.reason == "not seen"
        elif name != "init":  # what cannot be verified by a reload is restarted
            assert finding in whole.findings
    for change in found.changes:
        assert {*change.controls} <= {c for known in whole.changes for c in known.controls}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 70000) | st.text(max_size=4)
    | st.sampled_from(["default", "builtin", "unconfined", "/p.json", "overlay2", "warn", "root"]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(["nofile", "core", "Name", "Hard", "Soft", "name"]), inner, max_size=3
    ),
    max_leaves=4,
)  # fmt: skip
OUR_KEYS = sorted(key for control in controls() for key in control.setting.keys)
KEYS = st.sampled_from([*OUR_KEYS, "iptables", "hosts", "log-level", "userland-proxy-path", "typo"])
CONFIGS = st.dictionaries(KEYS, VALUES, max_size=4)
FLAGS = st.dictionaries(
    st.sampled_from(["default-ulimit", "userland-proxy", "iptables", "log-level", "userns-remap"]),
    st.tuples(st.sampled_from(["true", "nofile=1:2", "nofile=x", "nofile", "", "=", "${OPTS}"])),
    max_size=2,
)


@QUICK
@given(
    config=CONFIGS,
    reloaded=st.none() | CONFIGS,
    flags=FLAGS,
    unit_flags=FLAGS,
    running=st.booleans(),
    unread=st.lists(st.sampled_from(FIELDS), max_size=2),
    profile=st.sampled_from(["baseline", "strict"]),
)
def test_no_host_breaks_the_plan(config, reloaded, flags, unit_flags, running, unread, profile):
    """A host may hold any settings, run with any flags and hide anything; a plan comes out, and
    daemon.json in it is JSON."""
    from conftest import plain_host, policy_of

    facts = plain_host(
        config=config, reloaded=reloaded, flags=flags, unit_flags=unit_flags, running=running
    )
    facts = replace(facts, **{name: Unread("not seen") for name in unread})
    found = plan(facts, policy_of(profile, max_disruption="outage"))
    json.dumps([[f.actual, f.desired] for f in found.findings], allow_nan=False)
    for change in found.changes:
        if change.path.endswith(".json"):
            loads(change.after)


# Doing it leaves nothing to do -------------------------------------------------------------------


def as_run(facts: HostFacts, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What ``docker info`` says of a dockerd that has just started with ``settings``."""
    version: Version = facts.version
    word = "default" if version < Version("23.0") else "builtin"
    profile = settings.get("seccomp-profile") or word
    options = [f"name=seccomp,profile={word if profile in ('builtin', 'default') else profile}"]
    if settings.get("userns-remap") not in (None, "", "root", "host"):
        options.append("name=userns")
    if settings.get("default-cgroupns-mode") == "private":
        options.append("name=cgroupns")
    if settings.get("no-new-privileges") and version >= Version("24.0"):
        options.append("name=no-new-privileges")
    return {
        **facts.info.value,
        "LoggingDriver": settings.get("log-driver") or "json-file",
        "ExperimentalBuild": bool(settings.get("experimental")),
        "DefaultAddressPools": [
            {"Base": pool["base"], "Size": pool["size"]}
            for pool in settings.get("default-address-pools", ())
        ],
        "Driver": settings.get("storage-driver") or facts.info.value["Driver"],
        "LiveRestoreEnabled": bool(settings.get("live-restore")),
        "SecurityOptions": options,
    }


def carried_out(facts: HostFacts, done: Plan) -> HostFacts:
    """The host after the plan: its files written, dockerd reloaded or restarted a moment later."""
    now: dict[str, Any] = {}
    for change in done.changes:
        if change.kind is Kind.PACKAGE:
            now["entropy_daemons"] = Read((change.path,))
        elif change.kind is Kind.FILE:
            if change.path.startswith("/proc/sys/"):
                known = now.get("sysctl", facts.sysctl).value
                value = change.path.removeprefix("/proc/sys/").replace("/", ".")
                now["sysctl"] = Read({**known, value: change.after.decode().strip()})
                continue
            name = {
                "/etc/docker/daemon.json": "daemon_file",
                "/etc/docker/oakum-seccomp.json": "seccomp_file",
                "/etc/subuid": "subuid",
                "/etc/subgid": "subgid",
                "/etc/sysctl.d/60-oakum.conf": "sysctl_file",
                "/etc/systemd/system/oakum.slice": "slice_file",
                "/etc/systemd/system/docker.service.d/oakum.conf": "dropin_file",
                "/etc/audit/rules.d/oakum-docker.rules": "audit_file",
            }[change.path]
            if name == "slice_file":
                limits = {"TasksMax": "9000", "MemoryMax": "900", "ActiveState": "active"}
                now["slice_unit"] = Read(limits)
            if name == "audit_file":
                watched = dict(re.findall(r"-w (\S+) -p (\S+)", change.after.decode()))
                now["audit"] = Read(replace(facts.audit.value, watched=watched))
            file = getattr(facts, name).value
            now[name] = Read(replace(file, content=change.after, changed=5000))
            if name == "daemon_file":
                now["document"] = Read(loads(change.after))
    after = replace(facts, **now)
    settings = dict(after.document.value.settings)
    if done.disruption is Disruption.RELOAD:
        live = {**facts.info.value, "LiveRestoreEnabled": bool(settings.get("live-restore"))}
        if settings.get("default-cgroupns-mode") == "private":
            live["SecurityOptions"] = [*live["SecurityOptions"], "name=cgroupns"]
        dumped = {key: value for key, value in settings.items() if value not in (False, "", {}, [])}
        return replace(after, info=Read(live), reloaded=Read(dumped))
    if done.disruption >= Disruption.RESTART:
        anew = done.disruption is Disruption.OUTAGE or not facts.containers.value
        return replace(
            after,
            bridge_icc=Read(settings.get("icc", True)) if anew else facts.bridge_icc,
            info=Read(as_run(after, settings)),
            dockerd=Read(replace(facts.dockerd.value, started=5001)),
            reloaded=Read(None),
        )
    return after


LOWER = {"nofile": {"name": "nofile", "hard": 65536, "soft": 65536}, "memlock": {"Name": "memlock"}}
CONFIGURED: Mapping[str, Any] = {
    "no-file": None,
    "empty": b"",
    "empty-object": {},
    "foreign": b'{\r\n\t"icc":false,  "labels": ["a=b"]\r\n}',
    "hardened": HARDENED,
    "live-restore": {"live-restore": True},
    "proxy-on": {"userland-proxy": True},
    "unconfined": {"seccomp-profile": "unconfined"},
    "own-profile": {"seccomp-profile": "/own.json"},
    "remap-root": {"userns-remap": "root"},
    "limits": {"default-ulimits": LOWER},
    "driver": {"storage-driver": "overlay2"},
    "journald": {"log-driver": "journald", "log-opts": {"tag": "x"}},
    "local-options": {"log-opts": {"max-size": "1m", "compress": "true"}},
    "talkative": {"log-level": "debug", "experimental": True, "shutdown-timeout": 3},
    "no-iptables": {"iptables": False},
    "cgroups-of-the-host": {"default-cgroupns-mode": "host"},
    "pools": {"default-address-pools": [{"base": "10.9.0.0/16", "size": 24}]},
}
ENGINES = ("19.03.15", "20.10.24", "23.0.6", "26.1.5", "29.7.2")
POLICIES: Mapping[str, Mapping[str, Any]] = {
    "baseline": {},
    "strict": {"profile": "strict", **ANY},
    "overlay2": {"storage_driver": "overlay2"},
    "own": {
        **ANY,
        "log_rotation": {"driver": "json-file"},
        "init": "on",
        "shutdown_timeout": 60,
        "address_pools": [{"base": "10.200.0.0/16", "size": 24}],
        "icc": "enforce",
        "iptables": "enforce",
        "skip": ["live-restore"],
    },
}


def hosts(engine: str, configured: str) -> Iterable[HostFacts]:
    """Hosts with that engine and file: stopped; running with it; running since before it."""
    from conftest import plain_host

    drivers = (("overlay2", "systemd"), ("vfs", "cgroupfs"))
    for running, stale, containers, (driver, cgroups) in itertools.product(
        (True, False), (False, True), ((), ONE["containers"]), drivers
    ):
        known = {"engine": engine, "config": CONFIGURED[configured], "running": running}
        if not running and (stale or containers or driver == "vfs"):
            continue
        facts = plain_host(**known, containers=containers, kernel=Version("5.4"), virt="kvm",
                           rdrand=False, hwrng="none", cgroup="hybrid",
                           sysctl={"fs.nr_open": "1048576", "kernel.panic": "0",
                                   "kernel.panic_on_oops": "0"},
                           audit=Audit(1, "augenrules", {}),
                           audit_paths=(("folder", "/etc/docker"),))  # fmt: skip
        if running:
            settings = {} if stale else dict(facts.document.value.settings)
            info = as_run(facts, settings) | {"Driver": driver, "CgroupDriver": cgroups}
            facts = replace(facts, bridge_icc=Read(settings.get("icc", True)))
            started = 100 if stale else 1000
            facts = replace(
                facts, info=Read(info), dockerd=Read(replace(facts.dockerd.value, started=started))
            )
        yield facts


@pytest.mark.parametrize("configured", CONFIGURED)
@pytest.mark.parametrize("engine", ENGINES)
def test_carrying_out_a_plan_leaves_an_empty_one(policy, engine, configured):
    """And what it was to set right is right; nothing else has changed its verdict for the worse."""
    planned = 0
    for facts in hosts(engine, configured):
        for wanted in POLICIES.values():
            first = plan(facts, policy(**wanted))
            assert first == plan(facts, policy(**wanted)), "the same host gives the same plan"
            again = plan(carried_out(facts, first), policy(**wanted))
            assert again.changes == ()
            assert again.disruption is Disruption.NONE
            assert with_status(again, Status.DRIFT) == []
            fixed = with_status(first, Status.DRIFT)
            assert {statuses(again)[control] for control in fixed} <= {Status.OK}
            worse = {*with_status(again, Status.HELD)} - {*with_status(first, Status.HELD)}
            # Without the proxy loopback is open; no dockerd loads br_netfilter for this host.
            assert worse <= {"loopback-exposure"}
            planned += bool(first.changes)
    assert planned >= 3, "a table of hosts that need nothing would prove nothing"


def test_engine_words_are_not_forgotten():
    """The tables above name releases that the catalogue knows."""
    assert all(Version(engine) <= NEWEST for engine in ENGINES)
    assert Engine(Version("1"), "1").running
