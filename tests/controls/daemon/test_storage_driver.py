"""The storage driver: changed only where nothing would vanish, written only where it must be."""

from dataclasses import replace

import pytest
from packaging.version import Version

from oakum.controls.daemon.storage_driver import CONTROL, containerd_store, in_effect
from oakum.facts import Read, Unread
from oakum.model import Status

STORE = {
    "Driver": "overlayfs",
    "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
}
FULL = {"images": 3, "image_bytes": 1_250_000_000, "container_count": 2}
OVERLAY2 = {"storage_driver": "overlay2"}


def runs(driver: str, **known: object) -> dict[str, object]:
    return {"info": {"Driver": driver, "DriverStatus": []}, **known}


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param({}, {}, Status.OK, None, id="overlay2"),
        pytest.param({**FULL}, {}, Status.OK, None, id="overlay2-in-use"),
        pytest.param(runs("btrfs"), {}, Status.OK, None, id="btrfs"),
        pytest.param(runs("zfs"), {}, Status.OK, None, id="zfs"),
        pytest.param({"info": STORE, "engine": "29.7.2", **FULL}, {}, Status.OK, None,
                     id="containerd-store"),
        pytest.param(
            {"config": {"storage-driver": "overlay2"}}, {}, Status.OK, None, id="overlay2-written"
        ),
        pytest.param(runs("vfs"), {}, Status.DRIFT, None, id="vfs-empty"),
        pytest.param(runs("aufs"), {}, Status.DRIFT, None, id="aufs-empty"),
        pytest.param(runs("devicemapper"), {}, Status.DRIFT, None, id="devicemapper-empty"),
        pytest.param(
            runs("vfs", **FULL),
            {},
            Status.HELD,
            "would hide 3 images (1.2 GB) and 2 containers; oakum migrate storage-driver",
            id="vfs-with-images",
        ),
        pytest.param(
            runs("aufs", container_count=1),
            {},
            Status.HELD,
            "would hide 0 images (0.0 GB) and 1 containers",
            id="aufs-with-a-container",
        ),
        pytest.param(
            runs("devicemapper", config={"storage-driver": "devicemapper"}),
            {},
            Status.DRIFT,
            None,
            id="deprecated-and-written",
        ),
        pytest.param(
            runs("overlay2", engine="26.1.5", config={"storage-driver": "aufs"}),
            {},
            Status.HELD,
            "Docker 26.1.5 refuses storage-driver = aufs: the driver is gone",
            id="a-driver-that-is-gone-is-written",
        ),
        pytest.param(
            {"config": {"storage-driver": "vfs"}, **FULL},
            {},
            Status.DRIFT,
            "active, not written: the next start of Docker 20.10.24 ends it",
            id="the-next-start-would-hide-everything",
        ),
        pytest.param(
            {"info": {"DriverStatus": [["Supports d_type", "false"]]}, "d_type": False},
            {},
            Status.HELD,
            "/var/lib/docker lacks d_type; it needs a new file system (mkfs.xfs -n ftype=1)",
            id="no-d-type",
        ),
        pytest.param(
            {
                "info": {"DriverStatus": [["Supports d_type", "false"]]},
                "d_type": False,
                **FULL,
            },
            {},
            Status.HELD,
            "would hide 3 images",
            id="no-d-type-with-images",
        ),
        pytest.param(
            runs("vfs", d_type=Unread("unknown")), {}, Status.DRIFT, None, id="d-type-not-told"
        ),
        pytest.param(
            runs("vfs", kernel=Version("3.10")),
            {},
            Status.HELD,
            "kernel 3.10 is too old for overlay2",
            id="old-kernel",
        ),
        *(
            pytest.param(
                runs("vfs", filesystem=filesystem),
                {},
                Status.HELD,
                f"/var/lib/docker lies on {filesystem}, which cannot carry it",
                id=filesystem,
            )
            for filesystem in ("overlay", "overlayfs", "nfs", "ecryptfs", "aufs")
        ),
        pytest.param({"info": STORE, "engine": "29.7.2"}, OVERLAY2, Status.HELD,
                     "containerd image store; the key would hide every image",
                     id="the-policys-word-against-the-store"),
        pytest.param({}, OVERLAY2, Status.OK, None, id="the-policys-word-in-effect"),
        pytest.param(
            runs("vfs"), {"storage_driver": "btrfs"}, Status.DRIFT, None, id="another-word"
        ),
        pytest.param(
            runs("overlay2", **FULL),
            {"storage_driver": "zfs"},
            Status.HELD,
            "would hide 3 images",
            id="another-word-with-images",
        ),
        pytest.param(
            runs("zfs", kernel=Version("3.10")),
            {"storage_driver": "vfs"},
            Status.DRIFT,
            None,
            id="what-overlay2-needs-is-no-matter",
        ),
        pytest.param(
            {"running": False}, {}, Status.NOT_APPLICABLE, "picks a driver when it first starts",
            id="stopped",
        ),
        pytest.param({"running": False}, OVERLAY2, Status.DRIFT, None, id="stopped-with-a-word"),
        pytest.param(
            {"running": False, "drivers_on_disk": ("aufs", "vfs")},
            OVERLAY2,
            Status.HELD,
            "/var/lib/docker holds data of aufs",
            id="stopped-with-data",
        ),
        pytest.param(
            {"running": False, "drivers_on_disk": ("vfs",)},
            OVERLAY2,
            Status.DRIFT,
            None,
            id="vfs-data-does-not-count",
        ),
        pytest.param(
            runs("vfs", unit_flags={"storage-driver": ("vfs",)}),
            {},
            Status.HELD,
            "--storage-driver is a flag",
            id="by-flag",
        ),
        pytest.param({"engine": None}, {}, Status.NOT_APPLICABLE, "no Docker", id="no-engine"),
        pytest.param(
            runs("vfs", images=Unread("timed out")), {}, Status.UNKNOWN, "timed out",
            id="images-unread",
        ),
        pytest.param(
            runs("vfs", filesystem=Unread("no mounts")), {}, Status.UNKNOWN, "no mounts",
            id="file-system-unread",
        ),
        pytest.param({"config": Unread("EACCES")}, {}, Status.UNKNOWN, "EACCES", id="unreadable"),
    ],
)  # fmt: skip
def test_verdict(host, policy, finding, known, wanted, status, reason):
    found = finding(CONTROL, host(**known), policy(**wanted))
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


def test_the_key_is_not_written_where_the_driver_is_in_effect(host, policy, alone):
    """On 29 a named graph driver would switch the image store."""
    facts = host(engine="29.7.2", info=STORE, **FULL)
    assert alone(CONTROL, facts, policy()).changes == ()
    assert alone(CONTROL, host(), policy(**OVERLAY2)).changes == ()


def test_it_is_written_where_another_is_wanted(host, policy, written):
    assert written(CONTROL, host(**runs("vfs")), policy()) == {"storage-driver": "overlay2"}


def test_a_key_that_would_hide_everything_is_set_right(host, policy, written):
    facts = host(config={"storage-driver": "vfs", "icc": False}, **FULL)
    assert written(CONTROL, facts, policy()) == {"storage-driver": "overlay2", "icc": False}


def test_actual_tells_the_missing_d_type():
    status = [["Backing Filesystem", "xfs"], ["Supports d_type", "false"]]
    assert in_effect({"Driver": "overlay2", "DriverStatus": status}) == "overlay2 without d_type"
    assert in_effect({"Driver": "overlay2", "DriverStatus": None}) == "overlay2"


@pytest.mark.parametrize(
    ("info", "store"),
    [
        pytest.param(STORE, True, id="containerd"),
        pytest.param({"Driver": "overlay2", "DriverStatus": []}, False, id="graph-driver"),
        pytest.param({"Driver": "overlayfs", "DriverStatus": None}, False, id="no-status"),
    ],
)
def test_which_store(info, store):
    assert containerd_store(info) is store


def test_a_stopped_host_is_not_asked_for_images(host, policy, finding):
    facts = replace(host(running=False), images=Unread("dockerd does not run"))
    assert finding(CONTROL, facts, policy(**OVERLAY2)).status is Status.DRIFT
    assert facts.drivers_on_disk == Read(())
