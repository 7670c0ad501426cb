"""userns-remap: only where nothing would vanish, with ranges that are nobody else's."""

import pytest

from oakum.controls.daemon.userns_remap import CONTROL, remapped, subordinate_ranges
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import FileState

ENFORCE = {"userns_remap": "enforce"}
AUDIT = {"userns_remap": "audit"}
ON = {"info": {"SecurityOptions": ["name=seccomp,profile=builtin", "name=userns"]}}
RANGE = b"dockremap:100000:65536\n"
STORE = {
    "Driver": "overlayfs",
    "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
}


def ranges(subuid: bytes | None = RANGE, subgid: bytes | None = RANGE) -> dict[str, FileState]:
    return {
        "subuid": FileState("/etc/subuid", "/etc/subuid", subuid),
        "subgid": FileState("/etc/subgid", "/etc/subgid", subgid),
    }


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param({}, {}, Status.NOT_APPLICABLE, "oakum_userns_remap is off (profile baseline)",
                     id="off"),
        pytest.param({"info": Unread("permission denied: /var/run/docker.sock")}, {},
                     Status.NOT_APPLICABLE, "oakum_userns_remap is off", id="off-without-root"),
        pytest.param({"info": Unread("permission denied: /var/run/docker.sock")}, ENFORCE,
                     Status.UNKNOWN, "permission denied", id="on-without-root"),
        pytest.param({}, ENFORCE, Status.DRIFT, None, id="engine-default"),
        pytest.param({}, {"profile": "strict"}, Status.DRIFT, None, id="strict"),
        pytest.param({}, AUDIT, Status.HELD, "oakum_userns_remap is audit", id="audit"),
        pytest.param(
            {**ON, **ranges(), "config": {"userns-remap": "default"}},
            ENFORCE,
            Status.OK,
            None,
            id="set",
        ),
        pytest.param(
            {**ON, **ranges(), "config": {"userns-remap": "default"}, "engine": "29.7.2",
             "images": 3},
            AUDIT,
            Status.OK,
            None,
            id="set-and-in-use-on-29",
        ),
        pytest.param(
            {**ON, **ranges(b"alice:1:65536\n", b"alice:1:65536\n"),
             "config": {"userns-remap": "alice"}, "images": 3},
            ENFORCE,
            Status.OK,
            None,
            id="set-to-an-operators-own-user",
        ),
        pytest.param(
            {
                **ON,
                "flags": {"userns-remap": ("alice",)},
                "unit_flags": {"userns-remap": ("alice",)},
            },
            ENFORCE,
            Status.OK,
            None,
            id="set-by-flag",
        ),
        pytest.param(
            {"unit_flags": {"userns-remap": ("root",)}, **ranges()},
            ENFORCE,
            Status.HELD,
            "--userns-remap is a flag",
            id="off-by-flag",
        ),
        pytest.param(
            {"config": {"userns-remap": "default"}, **ranges()},
            ENFORCE,
            Status.DRIFT,
            "written, not active",
            id="written-not-active",
        ),
        pytest.param(
            {**ON, **ranges()}, ENFORCE, Status.DRIFT, "active, not written",
            id="live-but-not-written",
        ),
        pytest.param(
            {"config": {"userns-remap": "root"}}, ENFORCE, Status.DRIFT, None, id="root-means-off"
        ),
        pytest.param(
            {"images": 3, "image_bytes": 2_000_000_000, "container_count": 2, "volumes": 1},
            ENFORCE,
            Status.HELD,
            "would hide 3 images (2.0 GB), 2 containers and 1 volumes",
            id="images",
        ),
        pytest.param({"volumes": 1}, ENFORCE, Status.HELD, "and 1 volumes", id="a-volume-alone"),
        pytest.param(
            {"container_count": 1}, ENFORCE, Status.HELD, "1 containers", id="a-container-alone"
        ),
        pytest.param(
            {"running": False, "drivers_on_disk": ("overlay2",)},
            ENFORCE,
            Status.HELD,
            "/var/lib/docker holds data of overlay2",
            id="stopped-with-data",
        ),
        pytest.param({"running": False}, ENFORCE, Status.DRIFT, None, id="stopped-and-empty"),
        pytest.param(
            {"sysctl": {"user.max_user_namespaces": "0"}},
            ENFORCE,
            Status.HELD,
            "user.max_user_namespaces is 0",
            id="namespaces-switched-off",
        ),
        pytest.param(
            {"sysctl": {"user.max_user_namespaces": "96364"}}, ENFORCE, Status.DRIFT, None,
            id="namespaces-are-on",
        ),
        pytest.param(
            {"kernel_config": {"USER_NS": False}}, ENFORCE, Status.HELD,
            "this kernel has no USER_NS", id="compiled-out",
        ),
        pytest.param(
            {"kernel_config": Unread("no config")}, ENFORCE, Status.DRIFT, None,
            id="kernel-configuration-unknown",
        ),
        pytest.param(
            {"info": {"Swarm": {"LocalNodeState": "active"}}}, ENFORCE, Status.HELD,
            "swarm node (active)", id="swarm",
        ),
        pytest.param(
            {"info": STORE, "engine": "29.7.2"}, ENFORCE, Status.HELD,
            "the host uses the containerd image store, which cannot remap", id="containerd-store",
        ),
        pytest.param({"engine": "29.7.2"}, ENFORCE, Status.DRIFT, None, id="graph-driver-on-29"),
        pytest.param(
            {"engine": "1.9.1"}, ENFORCE, Status.NOT_APPLICABLE, "needs Docker 1.10",
            id="old-engine",
        ),
        pytest.param({"engine": None}, ENFORCE, Status.NOT_APPLICABLE, "no Docker", id="no-engine"),
        pytest.param({"config": Unread("EACCES")}, ENFORCE, Status.UNKNOWN, "EACCES",
                     id="unreadable"),
        pytest.param({"volumes": Unread("timed out")}, ENFORCE, Status.UNKNOWN, "timed out",
                     id="volumes-unread"),
        pytest.param({"subuid": Unread("EACCES")}, ENFORCE, Status.UNKNOWN, "EACCES",
                     id="ranges-unread"),
    ],
)  # fmt: skip
def test_verdict(host, policy, finding, known, wanted, status, reason):
    found = finding(CONTROL, host(**known), policy(**wanted))
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


@pytest.mark.parametrize(
    ("options", "on"),
    [
        pytest.param(["name=userns"], True, id="named"),
        pytest.param(["userns"], True, id="bare"),
        pytest.param(["name=userns,x=y"], True, id="with-more"),
        pytest.param(["name=rootless", "name=cgroupns"], False, id="others"),
        pytest.param(None, False, id="null"),
    ],
)
def test_what_info_says(options, on):
    assert remapped({"SecurityOptions": options}) is on


def test_it_is_written_as_default(host, policy, written):
    facts = host(config={"userns-remap": "root"})
    assert written(CONTROL, facts, policy(**ENFORCE)) == {"userns-remap": "default"}


@pytest.mark.parametrize(
    ("subuid", "subgid", "edits"),
    [
        pytest.param(b"", b"", {"/etc/subuid": RANGE, "/etc/subgid": RANGE}, id="empty-files"),
        pytest.param(None, None, {"/etc/subuid": RANGE, "/etc/subgid": RANGE}, id="no-files"),
        pytest.param(RANGE, RANGE, {}, id="they-are-there"),
        pytest.param(
            b"alice:100000:65536\n",
            b"",
            {
                "/etc/subuid": b"alice:100000:65536\ndockremap:165536:65536\n",
                "/etc/subgid": b"dockremap:165536:65536\n",
            },
            id="after-those-of-others-in-either-file",
        ),
        pytest.param(
            b"alice:100000:65536\nbob:300000:10\n",
            b"",
            {
                "/etc/subuid": b"alice:100000:65536\nbob:300000:10\ndockremap:362144:65536\n",
                "/etc/subgid": b"dockremap:362144:65536\n",
            },
            id="after-the-last-and-aligned",
        ),
        pytest.param(
            b"low:1000:10\n", b"",
            {"/etc/subuid": b"low:1000:10\n" + RANGE, "/etc/subgid": RANGE},
            id="never-below-the-first",
        ),
        pytest.param(
            RANGE,
            b"",
            {"/etc/subgid": b"dockremap:165536:65536\n"},
            id="only-the-file-that-lacks-it",
        ),
        pytest.param(
            b"# mine\nalice:100000:65536",
            RANGE,
            {"/etc/subuid": b"# mine\nalice:100000:65536\ndockremap:165536:65536\n"},
            id="no-final-newline",
        ),
        pytest.param(
            b"m\xfcller:100000:65536\n",
            RANGE,
            {"/etc/subuid": b"m\xfcller:100000:65536\ndockremap:165536:65536\n"},
            id="latin-1",
        ),
        pytest.param(
            b"nonsense\n:1:2\na:b:c\n", RANGE,
            {"/etc/subuid": b"nonsense\n:1:2\na:b:c\ndockremap:165536:65536\n"},
            id="lines-that-say-nothing",
        ),
    ],
)  # fmt: skip
def test_ranges(host, policy, subuid, subgid, edits):
    """Made before dockerd would: from 28.0 it takes a range that another user owns (d3)."""
    facts = host(**ranges(subuid, subgid))
    found = subordinate_ranges(facts, policy(**ENFORCE))
    assert {edit.path: edit.after for edit in found} == edits
    assert {edit.path: edit.before for edit in found} == {
        path: {"/etc/subuid": subuid, "/etc/subgid": subgid}[path] for path in edits
    }


@pytest.mark.parametrize("name", ["alice", "1000:1000"])
def test_no_ranges_where_another_user_is_in_use(host, policy, name):
    facts = host(config={"userns-remap": name}, **ranges(b"", b""))
    assert subordinate_ranges(facts, policy(**ENFORCE)) == ()


def test_ranges_come_before_the_key(host, policy, alone):
    found = alone(CONTROL, host(**ranges(b"", None)), policy(**ENFORCE, max_disruption="outage"))
    assert [change.path for change in found.changes] == [
        "/etc/subuid",
        "/etc/subgid",
        "/etc/docker/daemon.json",
    ]
