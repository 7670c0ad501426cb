"""Layers live on a copy-on-write file system that the kernel and the engine still support."""

from collections.abc import Mapping
from typing import Any, Final

from packaging.version import Version

from oakum.controls.base import Control, NotApplicable, require_engine
from oakum.controls.daemon_key import DaemonKey
from oakum.facts import HostFacts, Unread
from oakum.model import Area, Json, Severity
from oakum.policy import Policy, StorageDriver

SOUND: Final = frozenset({"overlay2", "btrfs", "zfs", "windowsfilter"})
"""Graph drivers that no supported engine has deprecated."""

UNFIT_BELOW_OVERLAY: Final = frozenset({"overlay", "overlayfs", "nfs", "ecryptfs", "aufs"})
"""File systems on which overlay2 cannot stand (moby daemon/graphdriver/overlay2)."""

OVERLAY2_SINCE: Final = Version("4.0")
"""The kernel from which overlay2 works without a distribution's back-port."""


def containerd_store(info: Mapping[str, Any]) -> bool:
    """Whether images lie in the containerd image store (docker-facts c11)."""
    rows = info.get("DriverStatus") or []
    return ["driver-type", "io.containerd.snapshotter.v1"] in rows


def in_effect(info: Mapping[str, Any]) -> str:
    """The driver in effect; says so where overlay2 stands on a file system without d_type."""
    driver = str(info.get("Driver") or "")
    if ["Supports d_type", "false"] in (info.get("DriverStatus") or []):
        return f"{driver} without d_type"
    return driver


def fitting(facts: HostFacts, policy: Policy) -> Json:
    """The driver that the policy names, or the one in effect where that is sound."""
    require_engine(facts)
    if facts.dockerd.value is None:
        if policy.storage_driver is not StorageDriver.AUTO:
            return policy.storage_driver.value
        raise NotApplicable("dockerd does not run; it picks a driver when it first starts")
    info = facts.info.value
    driver = in_effect(info)
    if policy.storage_driver is not StorageDriver.AUTO:
        return policy.storage_driver.value
    if driver in SOUND or containerd_store(info):
        return driver
    return "overlay2"


def would_hide_data(facts: HostFacts, policy: Policy) -> str | None:
    """A changed driver converts nothing: what the old one holds becomes invisible."""
    if facts.dockerd.value is None:
        found = [name for name in facts.drivers_on_disk.value if name != "vfs"]
        return f"{facts.data_root.value} holds data of {', '.join(found)}" if found else None
    if containerd_store(facts.info.value):
        return "the host uses the containerd image store; the key would hide every image"
    if in_effect(facts.info.value) == fitting(facts, policy):
        return None  # it is the next start that would change it, and hide everything
    images, containers = facts.images.value, facts.container_count.value
    if not images and not containers:
        return None
    gigabytes = facts.image_bytes.value / 1e9
    return (
        f"would hide {images} images ({gigabytes:.1f} GB) and {containers} containers; "
        "oakum migrate storage-driver carries the images over"
    )


def cannot_stand(facts: HostFacts, policy: Policy) -> str | None:
    """overlay2 needs a kernel, a file system below it, and d_type there."""
    if policy.storage_driver not in (StorageDriver.AUTO, StorageDriver.OVERLAY2):
        return None
    if facts.kernel.value < OVERLAY2_SINCE:
        return f"kernel {facts.kernel.value} is too old for overlay2"
    if facts.filesystem.value in UNFIT_BELOW_OVERLAY:
        return f"{facts.data_root.value} lies on {facts.filesystem.value}, which cannot carry it"
    if not isinstance(facts.d_type, Unread) and not facts.d_type.value:
        remedy = "it needs a new file system (mkfs.xfs -n ftype=1)"
        return f"{facts.data_root.value} lacks d_type; {remedy}"
    return None


CONTROL = Control(
    area=Area.DAEMON,
    id="storage-driver",
    title="The storage driver fits kernel, file system and engine",
    why="aufs, overlay and devicemapper are gone from current engines, vfs copies every layer, and "
    "overlay2 without d_type corrupts images. The wrong driver shows up when it is too late.",
    cost="A restart of dockerd on a host without images. On any other host a migration: the data "
    "of the old driver is not converted, it becomes invisible.",
    undo="Set the key back to its former value and restart: the old driver's data is still there.",
    severity=Severity.HIGH,
    refs={"cis-1.6": "2.6", "cis-1.7": "2.6", "cis-1.8": "2.6, 2.7", "seed": "copy-on-write"},
    sources=(
        "moby daemon/graphdriver/driver_linux.go: the order of automatic choice",
        "moby daemon/graphdriver/overlay2/overlay.go: d_type, kernel",
        "moby daemon/image_store_choice.go: a named graph driver switches the image store in 29",
    ),
    setting=DaemonKey(key="storage-driver", live=in_effect, absent_keeps=True),
    desired=fitting,
    parameter="storage_driver",
    guards=(would_hide_data, cannot_stand),
)
