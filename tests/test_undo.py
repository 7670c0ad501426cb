"""The way back: former bytes, foreign edits that stay, conflicts, and what it costs."""

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from conftest import TODAY, plain_host, policy_of
from hypothesis import given, settings
from hypothesis import strategies as st
from pasts import DAEMON_JSON, Past, file, identity

from oakum.controls import controls
from oakum.engine.document import loads, merge
from oakum.facts import HostFacts, Read, Unread
from oakum.ledger import History
from oakum.model import Change, Disruption, Impact, Kind, Plan, Status
from oakum.parts import Container
from oakum.planner import build as forward
from oakum.undo import NotInForce, Selection, build, chosen, left

LAST, EVERYTHING = Selection(), Selection(everything=True)
QUICK = settings(max_examples=80, deadline=None, derandomize=True)
PROFILE = "/etc/docker/oakum-seccomp.json"
PROXY = {"userland-proxy": False}
WEB = {"containers": (Container("web", restart="always"), Container("job"))}
LIVE = {"info": {"LiveRestoreEnabled": True}}


def text(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=4).encode() + b"\n"


def write(path: str, before: bytes | None, after: bytes | None, **known: Any) -> Change:
    named = {"path": path, "kind": Kind.FILE, "controls": ("live-restore",)}
    return Change(**named, before=before, after=after, **known)


def past(*steps: bytes | None, controls: str = "live-restore,userland-proxy") -> Past:
    """A daemon.json that was the first of ``steps``, and which oakum made the next ones of."""
    made = Past({DAEMON_JSON: file(steps[0])})
    for before, after in pairwise(steps):
        made.carry_out(Plan((), (write(DAEMON_JSON, before, after),)), controls=controls)
    return made


def facts(made: Past, **known: Any) -> HostFacts:
    return plain_host(**{"config": made.at(DAEMON_JSON).content, **known})


def back(made: Past, selection: Selection = LAST, *, policy: Any = None, **known: Any) -> Plan:
    chosen_policy = policy or policy_of(max_disruption="outage")
    return build(facts(made, **known), made.history(), chosen_policy, selection)


def after(plan: Plan) -> bytes | None:
    """daemon.json as the plan leaves it."""
    (change,) = (change for change in plan.changes if change.path == DAEMON_JSON)
    return change.after


def held(plan: Plan) -> list[str]:
    assert plan.idle
    return [found.reason or "" for found in plan.findings if found.status is Status.HELD]


# Which transactions ------------------------------------------------------------------------------

A, B, C, D = (text({"log-level": level}) for level in ("debug", "info", "warn", "error"))
ONE, TWO, THREE = map(identity, (1, 2, 3))


@pytest.mark.parametrize(
    ("selection", "undoes", "content"),
    [
        pytest.param(LAST, [THREE], C, id="last"),
        pytest.param(Selection(to=TWO), [THREE], C, id="to-the-one-before"),
        pytest.param(Selection(to=ONE), [THREE, TWO], B, id="to-the-first"),
        pytest.param(EVERYTHING, [THREE, TWO, ONE], A, id="all"),
    ],
)
def test_selections_go_newest_first(selection, undoes, content):
    made = past(A, B, C, D)
    plan = back(made, selection)
    assert (list(plan.undoes), after(plan)) == (undoes, content)
    assert plan.leave is selection.everything
    (change,) = plan.changes
    assert (change.path, change.before) == (DAEMON_JSON, D)


def test_rollbacks_follow_each_other():
    made = past(A, B, C)
    assert made.carry_out(back(made)) == THREE
    assert made.at(DAEMON_JSON).content == B
    assert [entry.id for entry in chosen(made.history(), LAST)] == [ONE]
    made.carry_out(back(made))
    assert (made.at(DAEMON_JSON).content, back(made)) == (A, Plan(()))


def test_to_the_newest_leaves_all_as_it_is():
    assert back(past(A, B), Selection(to=ONE)).idle


@pytest.mark.parametrize("name", [THREE, TWO])
def test_what_is_not_in_force_is_nowhere_to_go_back_to(name):
    made = past(A, B, C)
    made.carry_out(back(made))
    with pytest.raises(NotInForce, match=f"{name} is not in force .*; in force: {ONE}"):
        chosen(made.history(), Selection(to=name))


def test_all_of_nothing_still_takes_our_folder_away():
    assert back(Past(), EVERYTHING) == Plan(())
    plan = back(Past(), EVERYTHING, oakum_state=("txn",))
    assert (plan.leave, plan.changes, plan.undoes) == (True, (), ())
    assert plan.notes == ("nothing of oakum stays below /var/lib/oakum",)


@pytest.mark.parametrize("selection", [LAST, EVERYTHING])
def test_a_host_that_reconciles_itself_says_that_it_will_again(selection):
    told = [
        [note for note in back(made, selection, oakum_state=state).notes if "reconcile" in note]
        for made in (past(A, B), Past())
        for state in (("txn",), ("txn", "reconciles"))
    ]
    said = [
        "this host reconciles itself: its next run applies the policy again, unless "
        "oakum reconcile remove is run there first"
    ]
    assert told == [[], said, [], said if selection.everything else []]


# Files -------------------------------------------------------------------------------------------


def test_bytes_mode_and_owner_come_back_exactly():
    made = Past({DAEMON_JSON: file(b"{ }", mode="600", owner=7, group=8)})
    made.carry_out(Plan((), (write(DAEMON_JSON, b"{ }", B, mode="644"),)))
    (change,) = back(made).changes
    assert (change.after, change.mode, change.owner, change.group) == (b"{ }", "600", 7, 8)
    assert change.note == "mode and owner 644 0:0 → 600 7:8"


def test_a_mode_that_somebody_gave_it_stays():
    made = past(A, B)
    made.edit(B, mode="600", group=9)
    (change,) = back(made).changes
    assert (change.after, change.mode, change.group) == (A, "600", 9)


def test_what_was_not_there_is_removed():
    plan = back(past(None, B))
    assert after(plan) is None
    assert "+++ /dev/null" in plan.changes[0].diff


def test_what_oakum_removed_comes_back():
    made = past(A, None)
    assert after(back(made)) == A
    made.edit(B)
    assert "is a file of" in held(back(made))[0]


def test_daemon_json_comes_last_and_pays():
    made = Past({DAEMON_JSON: file(A)})
    key = text({"log-level": "debug", "seccomp-profile": PROFILE})
    made.carry_out(Plan((), (write(DAEMON_JSON, A, key), write(PROFILE, None, b"{}"))))
    plan = back(made)
    assert [change.path for change in plan.changes] == [PROFILE, DAEMON_JSON]
    costs = [change.disruption for change in plan.changes]
    assert costs == [Disruption.NONE, Disruption.RESTART]


@pytest.mark.parametrize("mine", [b"mine", None])
def test_another_file_that_somebody_edited_is_a_conflict(mine):
    made = Past({PROFILE: file(b"old", PROFILE)})
    made.carry_out(Plan((), (write(PROFILE, b"old", b"new"),)), controls="seccomp")
    made.edit(mine, PROFILE)
    plan = back(made)
    (reason,) = held(plan)
    now = "no file" if mine is None else "a file of 4 bytes"
    assert reason.startswith(f"conflict: {PROFILE} is {now} now; {ONE} had left a file of 3 bytes")
    assert plan.findings[0].control == "seccomp"


def test_what_is_no_file_any_more_is_a_conflict():
    made = past(A, B)
    made.files[DAEMON_JSON] = file(b"", kind="link")
    assert "is a link now" in held(back(made, config=A))[0]


def test_what_is_former_already_needs_no_change():
    made = past(A, B)
    made.edit(A)
    plan = back(made)
    assert (plan.changes, plan.undoes, plan.idle) == ((), (ONE,), False)
    assert "nothing of it stands on the host any more; only the ledger will say so" in plan.notes


# Keys --------------------------------------------------------------------------------------------

WAS = {"log-level": "warn", "userland-proxy": True}
NEW = {"log-level": "warn", "userland-proxy": False, "live-restore": True}


@pytest.mark.parametrize(
    ("now", "then"),
    [
        pytest.param({**NEW, "mtu": 1400}, {**WAS, "mtu": 1400}, id="another-key-stays"),
        pytest.param({**NEW, "log-level": "info"}, {**WAS, "log-level": "info"}, id="edited-stays"),
        pytest.param(
            {"userland-proxy": False, "live-restore": True}, {"userland-proxy": True}, id="dropped"
        ),
        pytest.param({**NEW, "userland-proxy": True}, WAS, id="one-is-former-already"),
        pytest.param({**WAS, "mtu": 1}, None, id="all-are-former-already"),
    ],
)
def test_each_key_by_itself(now, then):
    made = past(text(WAS), text(NEW))
    made.edit(text(now))
    plan = back(made)
    if then is None:
        assert plan.changes == ()
    else:
        assert loads(after(plan)).settings == then


def test_foreign_edits_keep_their_bytes():
    made = past(b'{"a-odd" : [1,2]}\n', b'{"a-odd" : [1,2],\n  "live-restore": true\n}\n')
    made.edit(b'{"a-odd" : [1,2],\n  "live-restore": true,\n\t"mtu":   1400}\n')
    assert after(back(made, policy=policy_of(), engine=None)) == (
        b'{"a-odd" : [1,2],\n  "mtu":   1400}\n'
    )


def test_a_file_of_ours_with_a_foreign_key_stays():
    made = past(None, text({"live-restore": True}))
    made.edit(text({"live-restore": True, "mtu": 1400}), mode="600")
    (change,) = back(made).changes
    assert (loads(change.after).settings, change.mode) == ({"mtu": 1400}, "600")


def test_a_file_of_ours_that_was_only_formatted_is_removed():
    made = past(None, text({"live-restore": True}))
    made.edit(b'{"live-restore":true}')
    assert after(back(made)) is None


@pytest.mark.parametrize(
    ("now", "shown"),
    [
        pytest.param({**NEW, "userland-proxy": None}, "null", id="another-value"),
        pytest.param({"live-restore": True}, "absent", id="gone"),
    ],
)
def test_a_key_that_somebody_changed_is_a_conflict(now, shown):
    made = past(text(WAS), text(NEW))
    made.edit(text(now))
    plan = back(made)
    (found,) = plan.findings
    assert (found.control, found.status, found.desired) == ("userland-proxy", Status.HELD, True)
    assert f"{ONE} set userland-proxy to false, it was true before, and now it is {shown}" in (
        found.reason or ""
    )
    assert plan.idle


def test_true_is_not_1():
    made = past(text({}), text({"live-restore": True}))
    made.edit(text({"live-restore": 1, "mtu": 1400}))
    assert "now it is 1" in held(back(made))[0]


def test_a_daemon_json_that_nobody_can_read_is_a_conflict():
    made = past(A, B)
    made.edit(b'{"log-level": ')
    assert "is a file of 14 bytes now" in held(back(made, config=A))[0]


def test_edits_between_two_transactions_stay():
    made = past(text({}), text({"live-restore": True}))
    made.edit(text({"live-restore": True, "mtu": 1400}))
    between = made.at(DAEMON_JSON).content
    final = text({"live-restore": True, "mtu": 1400, **PROXY})
    made.carry_out(Plan((), (write(DAEMON_JSON, between, final),)))
    assert after(back(made)) == between
    assert loads(after(back(made, EVERYTHING))).settings == {"mtu": 1400}


# What could not be read --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "known", "reason"),
    [
        pytest.param({"kept": {}}, {}, "does not have /etc/docker/daemon.json", id="folder"),
        pytest.param({"now": {}}, {}, "did not say what", id="file"),
        pytest.param({"now": {DAEMON_JSON: Unread("too much")}}, {}, "too much", id="bytes"),
        pytest.param({}, {"containers": Unread("docker ps hangs")}, "ps hangs", id="containers"),
        pytest.param({}, {"info": Unread("docker info hangs")}, "info hangs", id="info"),
        pytest.param({}, {"daemon_file": Unread("EACCES")}, "EACCES", id="config"),
    ],
)
def test_what_cannot_be_told_is_unknown(history, known, reason):
    made = past(text({}), text(PROXY))
    plan = build(
        replace(facts(made), **known), replace(made.history(), **history), policy_of(), LAST
    )
    assert plan.idle
    assert {found.status for found in plan.findings} == {Status.UNKNOWN}
    assert {found.control for found in plan.findings} == {"live-restore", "userland-proxy"}
    assert reason in (plan.findings[0].reason or "")


def test_a_transaction_without_controls_hides_nothing():
    made = past(A, B, controls="-")
    plan = build(facts(made), replace(made.history(), now={}), policy_of(), LAST)
    assert [found.status for found in plan.findings] == [Status.UNKNOWN]


# What it costs -----------------------------------------------------------------------------------

ON = {"live-restore": True}
STAY = [Impact("web", "stays", "live-restore"), Impact("job", "stays", "live-restore")]
STOP = [
    Impact("web", "restarts", "restart policy always"),
    Impact("job", "stops", "restart policy no"),
]


@pytest.mark.parametrize(
    ("was", "new", "known", "disruption", "last", "impact"),
    [
        pytest.param({}, PROXY, {}, "restart", False, [], id="nothing-runs"),
        pytest.param({}, PROXY, WEB, "outage", False, STOP, id="containers-stop"),
        pytest.param(ON, {**ON, **PROXY}, {**WEB, **LIVE}, "restart", False, STAY, id="live"),
        pytest.param({}, ON, {**WEB, **LIVE}, "reload", True, [], id="live-restore-alone"),
        pytest.param({}, {**ON, **PROXY}, {**WEB, **LIVE}, "restart", True, STAY, id="off-last"),
        pytest.param({}, {**ON, **PROXY}, LIVE, "restart", False, [], id="off-and-nothing-runs"),
        pytest.param(
            {},
            {**ON, **PROXY},
            {**WEB, **LIVE, "unit_flags": {"live-restore": ("true",)}},
            "restart",
            False,
            STAY,
            id="a-flag-keeps-it-on",
        ),
        pytest.param(
            {"userland-proxy": True},
            {**ON, **PROXY},
            {**WEB, **LIVE, "engine": "27.3.1"},
            "outage",
            False,
            STOP,
            id="a-reload-would-hurt",
        ),
        pytest.param({"debug": True}, {"debug": False}, WEB, "reload", False, [], id="debug"),
        pytest.param({}, {"debug": True}, WEB, "outage", False, STOP, id="a-reload-keeps-it"),
        pytest.param(
            {"debug": True},
            {"debug": False},
            {**WEB, "init": "openrc"},
            "outage",
            False,
            STOP,
            id="a-reload-nobody-logs",
        ),
        pytest.param({}, PROXY, {"running": False}, "none", False, [], id="not-running"),
        pytest.param({}, PROXY, {"engine": None}, "none", False, [], id="no-engine"),
    ],
)
def test_the_cost_is_the_planners(was, new, known, disruption, last, impact):
    plan = back(past(text(was), text(new)), **known)
    assert (plan.disruption, plan.live_restore_last) == (disruption, last)
    assert list(plan.impact) == impact
    assert [change.disruption for change in plan.changes] == [disruption]
    assert after(plan) == text(was)


def test_a_swarms_tasks_leave_before_the_way_back():
    node = {
        "containers": (Container("web.1.x", task=True),),
        "info": {"Swarm": {"LocalNodeState": "active"}},
    }
    made = past(text({}), text(PROXY))
    assert back(made, **node).disruption == "outage"
    plan = back(made, policy=policy_of(swarm="drain"), **node)
    assert plan.disruption == "restart"
    assert [hit.effect for hit in plan.impact] == ["leaves"]


@pytest.mark.parametrize("selection", [LAST, EVERYTHING])
def test_a_host_that_a_run_left_away_is_put_back_first(selection):
    """Also where there is nothing to take back; with all of ours its mark would go, too."""
    drains = policy_of(swarm="drain")
    plan = back(Past(), selection, policy=drains, oakum_state=("away",))
    assert (plan.changes, plan.away, plan.idle) == ((), True, False)
    assert not back(Past(), selection, policy=drains).away


def test_a_profile_that_daemon_json_names_is_read_by_a_restart():
    config = text({"seccomp-profile": PROFILE})
    made = Past({DAEMON_JSON: file(config), PROFILE: file(b"{}", PROFILE)})
    made.carry_out(Plan((), (write(PROFILE, b"{}", b'{"new": 1}'),)), controls="seccomp")
    profile, service = back(made).changes
    assert (profile.path, profile.disruption) == (PROFILE, Disruption.NONE)
    assert (service.kind, service.path, service.disruption) == (
        *(Kind.SERVICE, "docker"),
        Disruption.RESTART,
    )


# Held --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("was", "new", "known", "reason"),
    [
        pytest.param(
            {}, PROXY, WEB, "would cost: outage; oakum_max_disruption is restart", id="dear"
        ),
        pytest.param(
            {"userland-proxy": True},
            PROXY,
            {"unit_flags": {"userland-proxy": ("true",)}},
            "userland-proxy is also its flag",
            id="flag",
        ),
        pytest.param({"nosuch": 1}, PROXY, {}, "does not know nosuch", id="refused-now"),
        pytest.param(
            {},
            {"userns-remap": "default"},
            {"images": 3, "image_bytes": 10**9},
            "would hide 3 images",
            id="data-would-be-hidden",
        ),
    ],
)
def test_why_a_host_is_left_alone(was, new, known, reason):
    plan = back(past(text(was), text(new)), policy=policy_of(), **known)
    assert {reason in said for said in held(plan)} == {True}
    assert {found.control for found in plan.findings} == {"live-restore", "userland-proxy"}


def test_the_driver_in_effect_may_go_from_the_file():
    made = past(text({}), text({"storage-driver": "overlay2"}))
    assert after(back(made, images=3, image_bytes=10**9)) == text({})
    made = past(text({"storage-driver": "vfs"}), text({"storage-driver": "overlay2"}))
    assert "would hide" in held(back(made, images=3, image_bytes=10**9))[0]


def test_a_file_that_daemon_json_still_names_is_not_removed():
    config = text({"seccomp-profile": PROFILE})
    made = Past({DAEMON_JSON: file(config)})
    made.carry_out(Plan((), (write(PROFILE, None, b"{}"),)), controls="seccomp")
    assert held(back(made)) == [f"dockerd would not start: {DAEMON_JSON} still names {PROFILE}"]


# What is said ------------------------------------------------------------------------------------


def test_packages_are_said_to_stay():
    plan = back(past(A, B, controls="entropy,live-restore"))
    assert "package haveged, which entropy wants, is not removed" in plan.notes
    assert not any("package" in note for note in back(past(A, B)).notes)


def test_every_transaction_is_named():
    first, second, *_ = back(past(A, B, C), EVERYTHING).notes
    assert first == (
        f"takes back {TWO} of 2026-01-31T12:00:00Z by ops@desk: live-restore, userland-proxy"
    )
    assert ONE in second


# Verified ----------------------------------------------------------------------------------------


def done() -> tuple[Past, Plan]:
    made = past(text({}), text({**ON, **PROXY}))
    plan = back(made, **WEB, **LIVE)
    made.carry_out(plan)
    return made, plan


def test_nothing_is_left_when_all_is_former():
    made, plan = done()
    assert left(plan, facts(made), made.history()) is None


def test_what_is_left_is_said():
    made, plan = done()
    still = left(plan, facts(made, **LIVE), made.history())
    assert still == "live-restore is still on after the rollback"
    made.edit(A)
    assert left(plan, facts(made), made.history()) == (
        f"not as it was before, after the rollback: {DAEMON_JSON}"
    )
    made.edit(text({}), mode="600")
    assert "not as it was" in (left(plan, facts(made), made.history()) or "")
    before = replace(past(text({}), text(PROXY)).history(), now=made.history().now)
    assert left(plan, facts(made), before) == f"still in force after the rollback: {ONE}"
    assert "not verified: the host did not" in (left(plan, facts(made), History()) or "")


def test_after_all_nothing_of_ours_is_there():
    made = past(A, B)
    plan = back(made, EVERYTHING)
    made.edit(A)
    gone = History(now={DAEMON_JSON: Read(made.at(DAEMON_JSON))})
    assert left(plan, facts(made), gone) is None
    still = left(plan, facts(made, oakum_state=("txn",)), gone)
    assert still == "still there after the rollback: /var/lib/oakum"


# Files and values beside daemon.json -------------------------------------------------------------

UNIT, PANIC = "/etc/systemd/system/oakum.slice", "/proc/sys/kernel/panic"
IN_SLICE = {"cgroup-parent": "oakum.slice"}


def beside() -> Past:
    """A host that got a unit, a value of the kernel and a key of daemon.json."""
    made = Past({DAEMON_JSON: file(None), PANIC: file(b"0\n", PANIC)})
    steps = (
        write(UNIT, None, b"[Slice]\n"),
        write(PANIC, b"0\n", b"10\n"),
        write(DAEMON_JSON, None, text(IN_SLICE)),
    )
    made.carry_out(Plan((), steps), controls="kernel-panic,resource-isolation")
    return made


def test_what_is_beside_daemon_json_goes_back_too():
    found = back(beside(), config=IN_SLICE)
    assert [(change.path, change.before, change.after) for change in found.changes] == [
        (UNIT, b"[Slice]\n", None),
        (PANIC, b"10\n", b"0\n"),
        (DAEMON_JSON, text(IN_SLICE), None),
    ]
    assert found.disruption is Disruption.RESTART
    assert [change.disruption for change in found.changes[:2]] == [Disruption.NONE] * 2


def test_without_daemon_json_nothing_restarts():
    made = beside()
    made.edit(None)
    found = back(made)
    assert [change.path for change in found.changes] == [UNIT, PANIC]
    assert found.disruption is Disruption.NONE


def test_a_value_that_somebody_set_since_is_a_conflict():
    made = beside()
    made.edit(b"30\n", PANIC)
    (reason,) = held(back(made, config=IN_SLICE))
    assert f"conflict: {PANIC} is 30 now; {identity(1)} had left 10, and before there was 0" in (
        reason
    )


def test_a_value_that_is_back_already_is_left():
    made = beside()
    made.edit(b"0\n", PANIC)
    found = back(made, config=IN_SLICE)
    assert [change.path for change in found.changes] == [UNIT, DAEMON_JSON]


# Over all files and policies ---------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "userland-proxy": st.booleans(),
        "live-restore": st.booleans(),
        "log-level": st.sampled_from(["info", "debug"]),
        "labels": st.lists(st.text(max_size=5), max_size=2),
        "default-ulimits": st.just({"nofile": {"Name": "nofile", "Hard": 9, "Soft": 9}}),
        "mtu": st.integers(1000, 1500),
    },
)
BYTES = st.none() | st.builds(
    lambda config, indent, end: json.dumps(config, indent=indent).encode() + end,
    CONFIGS,
    st.sampled_from([None, 2, 4, "\t"]),
    st.sampled_from([b"", b"\n", b"\r\n"]),
)
POLICIES = st.builds(
    policy_of,
    st.sampled_from(["baseline", "strict"]),
    max_disruption=st.just("outage"),
    skip=st.lists(st.sampled_from(["userland-proxy", "live-restore", "seccomp"]), max_size=2),
)
FOREIGN = st.dictionaries(
    st.sampled_from(["mtu", "bip", "dns", "x-ours"]), VALUES, min_size=1, max_size=3
)


def hardened(config: bytes | None, policy: Any) -> tuple[Past, Plan]:
    ranges = {path: file(b"", path) for path in ("/etc/subuid", "/etc/subgid")}
    made = Past({DAEMON_JSON: file(config), **ranges})
    plan = forward(facts(made, images=0), policy, controls(), TODAY)
    if plan.changes:
        made.carry_out(plan)
    return made, plan


@QUICK
@given(config=BYTES, policy=POLICIES)
def test_apply_then_rollback_gives_the_former_bytes(config, policy):
    made, plan = hardened(config, policy)
    before = {change.path: change.before for change in plan.changes if change.kind is Kind.FILE}
    way = back(made, EVERYTHING)
    assert {change.path: change.after for change in way.changes} == before
    if before:
        made.carry_out(way)
        assert left(replace(way, leave=False), facts(made), made.history()) is None


@QUICK
@given(config=BYTES, policy=POLICIES, foreign=FOREIGN)
def test_foreign_keys_outlive_a_rollback(config, policy, foreign):
    made, _ = hardened(config, policy)
    edited = merge(loads(made.at(DAEMON_JSON).content or b"", empty_ok=True), foreign)
    made.edit(edited)
    way = back(made, EVERYTHING, engine=None)
    wanted = {**loads(config or b"", empty_ok=True).settings, **foreign}
    assert not way.findings
    final = [change.after for change in way.changes if change.path == DAEMON_JSON] or [edited]
    assert loads(final[0] or b"", empty_ok=True).settings == wanted


@QUICK
@given(config=BYTES, policy=POLICIES, data=st.data())
def test_a_key_of_ours_that_is_neither_is_always_a_conflict(config, policy, data):
    made, plan = hardened(config, policy)
    now = loads(made.at(DAEMON_JSON).content or b"", empty_ok=True)
    former = loads(config or b"", empty_ok=True).settings
    ours = sorted(key for key in now.settings if now.settings[key] != former.get(key))
    if not ours:
        assert not [change for change in plan.changes if change.path == DAEMON_JSON]
        return
    key = data.draw(st.sampled_from(ours))
    made.edit(merge(now, {key: "somebody's"}))
    (reason,) = held(back(made, EVERYTHING, engine=None))
    assert f"set {key} to" in reason
    assert 'now it is "somebody' in reason
