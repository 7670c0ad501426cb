"""A plan as the calls that the host's script carries out, and what daemon.json is on the way."""

import datetime
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from conftest import plain_host, policy_of

from oakum.controls import controls
from oakum.facts import HostFacts
from oakum.manifest import About, Call, calls, digest, names, service_action
from oakum.model import Change, Disruption, Kind, Plan
from oakum.parts import Container
from oakum.planner import build

ID = "20260131T120000Z-1a2b3c4d"
PATH = "/etc/docker/daemon.json"
RUNNING = plain_host(containers=(Container("web"),))
ABOUT = About(ID, "ann@desk")

PACKAGE = Change(path="haveged", kind=Kind.PACKAGE, controls=("entropy",))
SERVICE = Change(
    path="docker", kind=Kind.SERVICE, controls=("live-restore",), disruption=Disruption.RELOAD
)


def change(after: bytes | None = b"{}\n", **known: Any) -> Change:
    return Change(
        path=PATH, kind=Kind.FILE, after=after, **{"controls": ("userland-proxy",), **known}
    )


def plan(*changes: Change, disruption: Disruption = Disruption.NONE, **known: Any) -> Plan:
    return Plan((), tuple(changes), disruption=disruption, **known)


def told(found: Plan, facts: HostFacts | None = None, **settings: Any) -> list[Call]:
    return calls(found, facts or plain_host(), policy_of(**settings), ABOUT)


def named(found: list[Call], name: str) -> list[Call]:
    return [call[1:] for call in found if call[0] == name]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# What there is to do -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "idle",
    [
        pytest.param(plan(), id="nothing"),
        pytest.param(plan(PACKAGE), id="a-package-alone"),
        pytest.param(plan(disruption=Disruption.RESTART), id="no-changes"),
    ],
)
def test_no_calls_where_nothing_is_to_do(idle):
    assert told(idle) == []


def test_a_file_and_a_restart():
    """Every call, in the order in which the script needs them."""
    subuid = replace(change(b"x"), path="/etc/subuid")
    found = plan(subuid, change(disruption=Disruption.RESTART), disruption=Disruption.RESTART)
    assert told(found) == [
        ("about", "apply", "ann@desk", digest(found), "userland-proxy"),
        ("limits", "60", "25", "20"),
        ("preflight", "available"),
        ("file", "/etc/subuid", "644", "0", "0", "absent", "x"),
        ("file", PATH, "644", "0", "0", "absent", "{}\n"),
        ("shadow_files", "{}\n", "{}\n", "{}\n"),
        ("service", "restart", "no", "stay"),
    ]


def test_mode_owner_and_the_former_bytes():
    found = told(plan(change(before=b"", mode="600", owner=3, group=4)))
    assert named(found, "file") == [(PATH, "600", "3", "4", sha256(b""), "{}\n")]


def test_a_removal():
    found = told(plan(change(None, before=b"{}")))
    assert named(found, "remove") == [(PATH, sha256(b"{}"))]
    assert named(found, "file") == []


def test_files_in_the_order_of_the_plan():
    subuid = replace(change(b"x"), path="/etc/subuid")
    found = told(plan(PACKAGE, subuid, change()))
    assert [path for path, *_ in named(found, "file")] == ["/etc/subuid", PATH]


def test_the_service_alone():
    found = told(plan(SERVICE, disruption=Disruption.RELOAD))
    assert found[-1] == ("service", "reload", "no", "stay")
    assert [call[0] for call in found] == ["about", "limits", "preflight", "service"]


def test_limits_and_preflight_are_the_policy_s():
    limits = {"answer": 7, "shadow": 8, "watch": 9}
    found = told(plan(change()), time_limits=limits, preflight="required")
    assert found[1:3] == [("limits", "7", "9", "8"), ("preflight", "required")]


@pytest.mark.parametrize("undoes", [(), ("A",)], ids=["apply", "rollback"])
@pytest.mark.parametrize(
    ("paths", "words"),
    [
        pytest.param(["/etc/systemd/system/oakum.slice"], ["systemd"], id="a-unit"),
        pytest.param(["/etc/audit/rules.d/x.rules"], ["audit"], id="rules"),
        pytest.param(
            [
                "/etc/systemd/system/oakum.slice",
                "/etc/systemd/system/docker.service.d/oakum.conf",
                "/etc/audit/rules.d/x.rules",
            ],
            ["systemd", "audit"],
            id="each-once",
        ),
        pytest.param(["/proc/sys/kernel/panic", "/etc/sysctl.d/x", "/etc/subuid"], [], id="nobody"),
    ],
)
def test_who_has_to_be_told(paths, words, undoes):
    """Also of files that go."""
    content = None if undoes else b"x"
    files = [replace(change(content, before=b"y"), path=path) for path in paths]
    found = told(plan(*files, undoes=undoes))
    assert named(found, "load") == [(word,) for word in words]


def test_a_rollback():
    found = plan(change(before=b"{}"), undoes=("B", "A"), leave=True)
    made = told(found)
    assert made[0][1] == "rollback"
    assert named(made, "undoes") == [("B",), ("A",)]
    assert made[-1] == ("leave",)


@pytest.mark.parametrize(
    "alone",
    [
        pytest.param(plan(undoes=("A",)), id="undoes"),
        pytest.param(plan(leave=True), id="leave"),
    ],
)
def test_a_rollback_is_told_though_no_file_changes(alone):
    """It is written down: what it takes back is in force no more."""
    made = told(alone)
    assert made[0][:2] == ("about", "rollback")
    assert [call for call in made if call[0] == "service"] == [("service", "none", "no", "stay")]


# Names -------------------------------------------------------------------------------------------


def test_controls_are_named_once_in_the_order_of_the_plan():
    found = plan(change(controls=("b", "a")), replace(SERVICE, controls=("a", "c")))
    assert names(found) == "b,a,c"
    assert names(plan(change(controls=()))) == "-"


def test_the_digest_tells_plans_apart():
    same = plan(change(b"{}")), plan(change(b"{}", controls=("icc",)))
    other = [
        plan(change(b"{ }")),
        plan(replace(change(b"{}"), path="/etc/x")),
        plan(change(b"{}", before=b"x")),
        plan(),
    ]
    assert len({digest(found) for found in same}) == 1
    assert len({digest(found) for found in [*same, *other]}) == 5
    assert all(len(digest(found)) == 16 for found in other)


# The service -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("disruption", "controls", "running", "action"),
    [
        pytest.param(Disruption.NONE, ("live-restore",), True, "none no stay", id="none"),
        pytest.param(Disruption.RELOAD, ("live-restore",), True, "reload no stay", id="reload"),
        pytest.param(Disruption.RESTART, ("live-restore",), True, "restart yes stay", id="restart"),
        pytest.param(
            Disruption.RESTART, ("live-restore",), False, "restart no stay", id="nobody-runs"
        ),
        pytest.param(Disruption.RESTART, ("seccomp",), True, "restart no stay", id="already-on"),
        pytest.param(
            Disruption.OUTAGE, ("live-restore",), True, "restart no may-stop", id="outage"
        ),
        pytest.param(
            Disruption.MIGRATION, ("seccomp",), True, "restart no may-stop", id="migration"
        ),
    ],
)
def test_what_the_service_is_told(disruption, controls, running, action):
    wanted = plan(change(controls=controls), disruption=disruption)
    facts = RUNNING if running else plain_host()
    assert service_action(wanted, facts) == ("service", *action.split())


def test_a_rollback_never_turns_live_restore_on_first():
    wanted = plan(change(controls=("live-restore",)), disruption=Disruption.RESTART, undoes=("A",))
    assert service_action(wanted, RUNNING) == ("service", "restart", "no", "stay")


@pytest.mark.parametrize(
    ("known", "action"),
    [
        pytest.param({}, "restart no stay", id="fresh"),
        pytest.param(
            {"containers": (Container("web"),)}, "restart yes stay", id="live-restore-first"
        ),
        pytest.param({"running": False}, "none no stay", id="not-running"),
        pytest.param(
            {"containers": (Container("web"),), "info": {"Swarm": {"LocalNodeState": "active"}}},
            "restart no may-stop",
            id="outage",
        ),
    ],
)
def test_from_a_host_to_its_calls(known, action):
    """The planner's own plans, not only hand-made ones."""
    before = b'{\n\t"icc": true\n}\n'
    facts = plain_host(config=before, **known)
    day = datetime.date(2026, 1, 31)
    wanted = policy_of(max_disruption="outage")
    found = build(facts, wanted, controls(), day)
    made = calls(found, facts, wanted, ABOUT)
    assert made[-1] == ("service", *action.split())
    (file,) = named(made, "file")
    assert file[4] == sha256(before)
    assert file[5].encode() == found.changes[0].after


# daemon.json on the way --------------------------------------------------------------------------


def test_another_file_needs_no_trial():
    subuid = replace(change(b"x"), path="/etc/subuid")
    found = told(plan(subuid, disruption=Disruption.RESTART), RUNNING)
    assert [call[0] for call in found] == ["about", "limits", "preflight", "file", "service"]


def test_the_shadow_boot_s_own_keys_are_not_in_its_files():
    """Nor those that change the host when they are validated in what is validated."""
    before = b'{"data-root": "/a", "icc": true}'
    after = b'{"hosts": ["fd://"], "pidfile": "/x", "userns-remap": "default", "tls": true}'
    ((candidate, former, validated),) = named(
        told(plan(change(after, before=before))), "shadow_files"
    )
    assert (candidate, former) == ('{"userns-remap": "default", "tls": true}', '{"icc": true}')
    assert validated == '{"hosts": ["fd://"], "pidfile": "/x"}'


def test_live_restore_first_has_a_way_back():
    """The bridge is the former file with live-restore on; the reset says aloud that it is off."""
    daemon = change(
        b'{"icc": false, "live-restore": true}',
        before=b'{"icc": false}',
        controls=("live-restore",),
    )
    found = told(plan(daemon, disruption=Disruption.RESTART), RUNNING)
    assert named(found, "bridge") == [(PATH, '{"icc": false,\n  "live-restore": true\n}\n')]
    assert named(found, "reset") == [('{"icc": false,\n  "live-restore": false\n}\n',)]
    assert named(found, "expect") == [("{{.LiveRestoreEnabled}}", "true")]


def test_a_first_start_has_nothing_to_carry_over():
    daemon = change(b'{"live-restore": true}', controls=("live-restore",))
    found = told(replace(plan(daemon), start=True))
    assert named(found, "bridge") == named(found, "reset") == []
    assert named(found, "expect") == [("{{.LiveRestoreEnabled}}", "true")]


def test_a_bridge_where_there_was_no_file():
    daemon = change(b'{"live-restore": true}', controls=("live-restore",))
    found = told(plan(daemon, disruption=Disruption.RESTART), RUNNING)
    assert named(found, "bridge") == [(PATH, '{\n  "live-restore": true\n}\n')]


def test_no_reset_where_the_former_file_says_so_itself():
    before = b'{"live-restore": false}'
    daemon = change(b'{"live-restore": true}', before=before, controls=("live-restore",))
    assert named(told(plan(daemon, disruption=Disruption.RESTART), RUNNING), "reset") == []


@pytest.mark.parametrize(
    ("after", "last"),
    [
        pytest.param(b'{"icc": true}', ("file", '{"icc": true}'), id="file"),
        pytest.param(None, ("gone", ""), id="gone"),
    ],
)
def test_live_restore_goes_off_last(after, last):
    """Until then the file that is put there keeps it on; it is never removed before."""
    before = b'{"icc": false, "live-restore": true}'
    found = told(
        plan(
            change(after, before=before),
            disruption=Disruption.RESTART,
            undoes=("A",),
            live_restore_last=True,
        ),
        RUNNING,
    )
    assert named(found, "remove") == []
    ((path, *_, content),) = named(found, "file")
    assert path == PATH
    assert '"live-restore": true' in content
    ((path, reset, *ends),) = named(found, "finally")
    assert path == PATH
    assert '"live-restore": false' in reset
    assert ("icc" in reset) == (after is not None)
    assert tuple(ends) == last
    ((path, bridge),) = named(found, "bridge")
    assert '"live-restore": true' in bridge
    assert ("{{.LiveRestoreEnabled}}", "false") in named(found, "expect")


POOLS = "{{range .DefaultAddressPools}}{{.Base}} {{.Size}};{{end}}"


def option(word: str) -> str:
    """The template that says on where a security option is there."""
    return '{{range .SecurityOptions}}{{if eq . "name=' + word + '"}}on{{end}}{{end}}'


@pytest.mark.parametrize(
    ("before", "after", "flags", "expected"),
    [
        pytest.param(
            {}, '{"log-driver": "local"}', {}, [("{{.LoggingDriver}}", "local")], id="log-driver"
        ),
        pytest.param(
            {}, '{"storage-driver": "btrfs"}', {}, [("{{.Driver}}", "btrfs")], id="storage-driver"
        ),
        pytest.param({}, '{"userns-remap": "default"}', {}, ["on"], id="userns-on"),
        pytest.param({"userns-remap": "x"}, "{}", {}, [""], id="userns-off"),
        pytest.param({"log-driver": "local"}, '{"log-driver": "local"}', {}, [], id="same"),
        pytest.param({"log-driver": "local"}, "{}", {}, [], id="back-to-the-engine-s-own"),
        pytest.param(
            {}, '{"log-driver": "local"}', {"log-driver": ("x",)}, [], id="a-flag-has-its-say"
        ),
        pytest.param({}, '{"icc": false}', {}, [], id="nothing-is-told-of-it"),
        pytest.param(
            {"experimental": True}, "{}", {}, [("{{.ExperimentalBuild}}", "false")], id="off"
        ),
        pytest.param(
            {},
            '{"default-address-pools": [{"base": "10.1.0.0/16", "size": 24}]}',
            {},
            [(POOLS, "10.1.0.0/16 24;")],
            id="pools",
        ),
        pytest.param(
            {"default-address-pools": [{"base": "10.1.0.0/16", "size": 24}]},
            "{}",
            {},
            [(POOLS, "")],
            id="no-pools",
        ),
        pytest.param(
            {}, '{"default-address-pools": [{"Base": "10.1.0.0/16"}]}', {}, [], id="spelt-otherwise"
        ),
        pytest.param(
            {}, '{"no-new-privileges": true}', {}, [], id="20.10-tells-nothing-of-privileges"
        ),
        pytest.param(
            {},
            '{"default-cgroupns-mode": "private"}',
            {},
            [(option("cgroupns"), "on")],
            id="private",
        ),
        pytest.param(
            {"default-cgroupns-mode": "private"},
            '{"default-cgroupns-mode": "host"}',
            {},
            [(option("cgroupns"), "")],
            id="host",
        ),
        pytest.param(
            {"default-cgroupns-mode": "host"}, "{}", {}, [], id="the-engine-s-own-namespaces"
        ),
        pytest.param(
            {}, '{"selinux-enabled": true}', {}, [(option("selinux"), "on")], id="selinux"
        ),
    ],
)
def test_what_dockerd_has_to_say_afterwards(before, after, flags, expected):
    daemon = change(after.encode(), before=json.dumps(before).encode())
    found = told(plan(daemon, disruption=Disruption.RESTART), plain_host(flags=flags))
    said = named(found, "expect")
    if expected and isinstance(expected[0], str):
        said = [value for template, value in said if "name=userns" in template]
    assert said == expected


@pytest.mark.parametrize(("before", "after", "word"), [(False, True, "on"), (True, False, "")])
def test_privileges_are_told_from_24_on(before, after, word):
    daemon = change(
        json.dumps({"no-new-privileges": after}).encode(),
        before=json.dumps({"no-new-privileges": before}).encode(),
    )
    found = told(plan(daemon, disruption=Disruption.RESTART), plain_host(engine="24.0.9"))
    assert named(found, "expect") == [(option("no-new-privileges"), word)]


def test_nothing_is_asked_of_a_dockerd_that_is_told_nothing():
    assert named(told(plan(change(b'{"log-driver": "local"}'))), "expect") == []
