"""What a migration counts, when it is held, what it says, and how it is taken up again."""

from dataclasses import replace
from typing import Any

import pytest
from conftest import TODAY, plain_host, policy_of
from pasts import DAEMON_JSON, Past, file, identity

from oakum.facts import CannotTell, HostFacts
from oakum.migration import Request, build, build_back, gigabytes, rooms, switch
from oakum.model import Change, Disruption, Kind, Migration, Plan, Status
from oakum.parts import FileState
from oakum.survey import Former, Held, Survey, Volume, size, survey
from oakum.wire import BadProbe

ID, OLD = identity(9), identity(1)
GB = 10**9
BUSY: dict[str, Any] = {"images": 7, "image_bytes": 3 * GB, "container_count": 2, "volumes": 3}
VFS: dict[str, Any] = {
    "info": {"Driver": "vfs", "DriverStatus": []},
    "images": 3,
    "image_bytes": GB,
}

TOLD = """\
oakum-probe 1 begin
=root /var/lib/docker
=layers 2.5GB
<images
|2\t1
|0\t1
>images
<volumes
|db\tlocal\t1000\t-
|share\tlocal\t-\t"type"="nfs",
|cloud\tvendor/thing\t-\t-
>volumes
<containers
|web\trunning\tfalse\t-\tmy net\t-\tfalse\t-
|agent\trunning\ttrue\t-\thost\thost\tfalse\t-
|tool\texited\ttrue\thost\tdefault\t-\ttrue\t-
>containers
<networks
|app\tbridge\tlocal
|mesh\toverlay\tswarm
>networks
<space
|/var/lib/docker\t1\t50000000
|/var/lib/oakum/migrations\t1\t50000000
>space
=aside 2000
<tools
>tools
<migrations
>migrations
oakum-probe 1 end
"""


def told(*former: Former, **changed: str) -> Survey:
    text = TOLD
    for before, after in changed.items():
        text = text.replace(f"={before} ", f"={after} ")
    found = survey(text.splitlines())
    return Survey(
        **{name: getattr(found, name) for name in found.__slots__} | {"migrations": former}
    )


def plan_of(
    *former: Former,
    kind: str = "userns-remap",
    found: Survey | None = None,
    scratch: str | None = None,
    settings: dict[str, Any] | None = None,
    **known: Any,
) -> Plan:
    policy = policy_of(userns_remap="enforce", max_disruption="migration", **settings or {})
    facts: HostFacts = plain_host(**{**BUSY, **known})
    request = Request(kind, scratch=scratch)
    switched = switch(facts, policy, kind, TODAY)
    return build(request, facts, policy, found or told(*former), switched, ID)


def moved(plan: Plan) -> Migration:
    assert plan.migration
    return plan.migration


def former(state: str, change: str | None = None, kind: str = "userns-remap") -> Former:
    return Former(OLD, kind, state, change, "/mnt/big/oakum-x")


# Reading -----------------------------------------------------------------------------------------


def test_a_survey_is_read() -> None:
    found = told()
    assert (found.root, found.layers, found.aside) == ("/var/lib/docker", 25 * 10**8, 2048000)
    assert found.images == ((2, 1), (0, 1))
    assert found.volumes[0] == Volume("db", "local", 1000, "")
    assert found.containers == (
        Held("web", "running", False),
        Held("agent", "running", True),
        Held("tool", "exited", False, one_off=True),
    )
    assert found.space["/var/lib/docker"] == ("1", 51_200_000_000)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0B", 0), ("1.2kB", 1200), ("3.217GB", 3_217_000_000), ("12MB", 12_000_000)],
)
def test_sizes_as_docker_writes_them(text: str, number: int) -> None:
    assert size(text) == number


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("=layers 2.5GB", "=layers lots"),
        ("=root /var/lib/docker", "=root var"),
        ("=root /var/lib/docker", "!root the host did not say"),
        ("|2\t1\n", "|2\n"),
        ("|db\tlocal\t1000\t-", "|db\tlocal\tx\t-"),
        ("<migrations\n", "<migrations\n|../x\tuserns-remap\tdone\t-\t/x\n"),
        ("<migrations\n", f"<migrations\n|{OLD}\tuserns-remap\tmad\t-\t/x\n"),
        ("|db\tlocal\t1000\t-", "|db\t\t-\t-"),
        ("<images\n", "<images\n" + 5000 * "|1\t1\n"),
        ("<networks\n|app\tbridge\tlocal\n|mesh\toverlay\tswarm\n>networks\n", ""),
    ],
)
def test_what_no_survey_prints_is_refused(before: str, after: str) -> None:
    assert before in TOLD
    with pytest.raises(BadProbe):
        survey(TOLD.replace(before, after).splitlines())


# Forward -----------------------------------------------------------------------------------------


def test_a_fresh_migration() -> None:
    plan = plan_of()
    found = moved(plan)
    assert plan.disruption is Disruption.MIGRATION
    assert [change.path for change in plan.changes] == ["/etc/subuid", "/etc/subgid", DAEMON_JSON]
    assert found.root == "/var/lib/docker/100000.100000"
    assert (found.users, found.groups) == ("100000:65536", "100000:65536")
    assert (found.id, found.scratch) == (ID, f"/var/lib/oakum/migrations/{ID}/oakum-{ID}")
    assert (found.images, found.volumes, found.elsewhere) == (2, 1, ("share",))
    assert (found.foreign, found.need_host) == (("cloud",), ("agent",))
    assert (found.networks, found.lost_networks) == (("app",), ("mesh",))
    notes = "\n".join(plan.notes)
    assert "carries 2 images (2.5 GB) and 1 volumes (1.0 MB) over to" in notes
    assert "not carried over: 3 containers" in notes
    assert "stops 2 containers: web, agent" in notes
    assert "need --userns=host when they are made again: agent" in notes
    assert "gone for good when they stop, also for an undo (--rm): tool" in notes
    assert "1 images are known by digest alone" in notes


def test_a_volume_without_options_of_another_driver_is_not_carried() -> None:
    assert moved(plan_of()).foreign == ("cloud",)


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        pytest.param({"kernel_config": {"USER_NS": False}}, "USER_NS", id="kernel"),
        pytest.param({"info": {"Swarm": {"LocalNodeState": "active"}}}, "swarm node", id="swarm"),
        pytest.param(
            {"info": {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}},
            "containerd image store",
            id="containerd-store",
        ),
    ],
)
def test_other_guards_hold_all_the_same(known: dict[str, Any], reason: str) -> None:
    plan = plan_of(**known)
    assert plan.idle
    assert plan.findings[0].status is Status.HELD
    assert reason in str(plan.findings[0].reason)


def test_nothing_is_begun_without_room_or_tools() -> None:
    text = TOLD.replace("|/var/lib/docker\t1\t50000000", "|/var/lib/docker\t1\t5000000")
    plan = plan_of(found=survey(text.splitlines()))
    assert plan.idle
    assert "/var/lib/docker needs 8.4 GB for this and has 5.1 GB free" in str(
        plan.findings[0].reason
    )
    plan = plan_of(found=survey(TOLD.replace(">tools", "|flock\n>tools").splitlines()))
    assert (plan.idle, plan.findings[0].reason) == (True, "the host lacks flock")


def test_an_archive_elsewhere_has_a_room_of_its_own() -> None:
    text = TOLD.replace("|/var/lib/oakum/migrations\t1", "|/mnt/big\t2")
    found = moved(plan_of(found=survey(text.splitlines()), scratch="/mnt/big"))
    assert [room.folder for room in found.rooms] == ["/var/lib/docker", f"/mnt/big/oakum-{ID}"]
    assert found.rooms[0].needed > found.rooms[1].needed > 25 * 10**8


ON: dict[str, Any] = {
    "info": {"SecurityOptions": ["name=userns"]},
    "config": {"userns-remap": "default"},
    "subuid": FileState("/etc/subuid", "/etc/subuid", b"dockremap:100000:65536\n"),
    "subgid": FileState("/etc/subgid", "/etc/subgid", b"dockremap:100000:65536\n"),
    "data_root": "/var/lib/docker/100000.100000",
}


@pytest.mark.parametrize("state", ["begun", "saved"])
def test_one_that_was_cut_off_before_the_change_goes_on_under_its_id(state: str) -> None:
    plan = plan_of(former(state))
    assert (moved(plan).id, moved(plan).state) == (OLD, state)
    assert plan.changes
    assert f"goes on with {OLD}" in plan.notes[0]
    assert (moved(plan).scratch == "/mnt/big/oakum-x") is (state == "saved")


@pytest.mark.parametrize("state", ["switched", "loaded", "copied"])
def test_one_that_was_cut_off_after_the_change_goes_on(state: str) -> None:
    plan = plan_of(former(state, OLD), **ON)
    assert (plan.changes, moved(plan).id, moved(plan).rooms) == ((), OLD, ())
    assert moved(plan).root == "/var/lib/docker/100000.100000"
    assert not plan.idle


def test_one_that_is_done_or_was_undone() -> None:
    assert plan_of(former("done", OLD), **ON).idle
    assert plan_of(**ON).findings[0].status is Status.OK
    assert moved(plan_of(former("undone", OLD))).id == ID
    held = plan_of(former("undoing", OLD))
    assert (held.idle, "--undo finishes it" in str(held.findings[0].reason)) == (True, True)


def test_an_operators_own_user_needs_ranges() -> None:
    with pytest.raises(CannotTell, match="alice has no range"):
        plan_of(config={"userns-remap": "alice"})


@pytest.mark.parametrize("lines", ["300000:65536 100000:65536", "100000:5 200000:5 150000:5"])
def test_ranges_out_of_order_are_understood_by_engines_in_two_ways(lines: str) -> None:
    text = "".join(f"dockremap:{one}\n" for one in lines.split()).encode()
    odd = FileState("/etc/subuid", "/etc/subuid", text)
    with pytest.raises(CannotTell, match="ranges of dockremap are not in order"):
        plan_of(subuid=odd, subgid=replace(odd, path="/etc/subgid", target="/etc/subgid"))


@pytest.mark.parametrize(
    ("state", "waits"), [("saved", True), ("loaded", True), ("undoing", True), ("done", False)]
)
def test_half_of_a_migration_of_the_other_kind_comes_first(state: str, waits: bool) -> None:
    plan = plan_of(former(state, OLD, "storage-driver"))
    assert plan.idle is waits
    if waits:
        assert f"{OLD} of storage-driver came as far as {state}" in str(plan.findings[0].reason)


TASKS: dict[str, Any] = {"containers": (Held("web.1.x", "running", False, task=True),)}


def test_tasks_of_a_swarm_would_start_again() -> None:
    found = replace(told(), **TASKS)
    held = plan_of(kind="storage-driver", found=found, **VFS)
    assert (held.idle, "(web.1.x)" in str(held.findings[0].reason)) == (True, True)
    assert not plan_of(kind="storage-driver", found=found, settings={"swarm": "drain"}, **VFS).idle
    gone = replace(told(), containers=(Held("web.1.x", "exited", False, task=True),))
    assert not plan_of(kind="storage-driver", found=gone, **VFS).idle
    after = replace(found, migrations=(former("switched", OLD, "storage-driver"),))
    assert not plan_of(kind="storage-driver", found=after).idle, "they run there already"

    policy, request = policy_of(max_disruption="migration"), Request("storage-driver", back=True)
    done = replace(found, migrations=(former("done", OLD, "storage-driver"),))
    back = build_back(request, plain_host(**BUSY), policy, done, Past({}).history())
    assert (back.idle, "a swarm has tasks here" in str(back.findings[0].reason)) == (True, True)


def test_a_storage_driver_moves_images_alone() -> None:
    plan = plan_of(kind="storage-driver", **VFS)
    found = moved(plan)
    assert (found.driver, found.users, found.root) == ("overlay2", "", "/var/lib/docker")
    assert (found.elsewhere, found.networks) == (("share",), ())
    assert "volumes and networks stay where they are" in plan.notes[0]
    assert found.rooms[0].needed == rooms(found, told())[0].needed
    held = plan_of(
        kind="storage-driver", settings={"storage_driver": "vfs"}, info={"Driver": "overlay2"}
    )
    assert "copies every layer" in str(held.findings[0].reason)


def test_gigabytes() -> None:
    assert [gigabytes(one) for one in (0, 12_300_000, 3_217_000_000)] == [
        "0.0 MB",
        "12.3 MB",
        "3.2 GB",
    ]


# Back --------------------------------------------------------------------------------------------


def switched_past() -> Past:
    past = Past({DAEMON_JSON: file(None)})
    change = Change(
        path=DAEMON_JSON,
        kind=Kind.FILE,
        controls=("userns-remap",),
        before=None,
        after=b'{"userns-remap": "default"}\n',
    )
    past.carry_out(Plan((), (change,)), controls="userns-remap")
    return past


def undo_of(past: Past, *formers: Former) -> Plan:
    policy = policy_of(max_disruption="migration")
    known = {**BUSY, **ON, "config": past.at(DAEMON_JSON).content}
    request = Request("userns-remap", back=True)
    return build_back(request, plain_host(**known), policy, told(*formers), past.history())


def test_the_undo_takes_the_transaction_of_the_migration_back() -> None:
    past = switched_past()
    (made,) = past.history().in_force
    plan = undo_of(past, former("done", made.id))
    assert plan.undoes == (made.id,)
    assert (moved(plan).back, moved(plan).change) == (True, made.id)
    assert plan.disruption is Disruption.MIGRATION
    assert plan.changes[0].after is None


def test_the_undo_waits_for_what_was_changed_since() -> None:
    past = switched_past()
    (made,) = past.history().in_force
    now = past.at(DAEMON_JSON).content
    later = Change(
        path=DAEMON_JSON,
        kind=Kind.FILE,
        controls=("userland-proxy",),
        before=now,
        after=b'{"userns-remap": "default", "userland-proxy": false}\n',
    )
    past.carry_out(Plan((), (later,)), controls="userland-proxy")
    plan = undo_of(past, former("done", made.id))
    assert plan.idle
    assert f"oakum rollback --to {made.id}" in str(plan.findings[0].reason)


def test_the_undo_of_a_change_that_was_never_made_or_is_back_already() -> None:
    past = Past({DAEMON_JSON: file(None)})
    plan = undo_of(past, former("saved", OLD))
    assert (plan.undoes, plan.changes, moved(plan).change) == ((), (), None)
    assert not plan.idle
    nothing = undo_of(past, former("undone", OLD))
    assert (nothing.idle, nothing.notes) == (True, ("no migration of userns-remap to undo",))
