"""Images and containers have a file system of their own, which they alone can fill."""

from collections.abc import Iterator

from oakum.controls.base import Control, NotApplicable, Observed, require_engine
from oakum.facts import CannotTell, HostFacts
from oakum.model import Area, Json, Severity
from oakum.parts import Guarded
from oakum.policy import Policy


def of_its_own(facts: HostFacts, policy: Policy) -> str:
    """A file system of its own, for a data root that exists."""
    require_engine(facts)
    root = facts.data_base
    if root not in _seen(facts):
        raise NotApplicable(f"{root} does not exist yet")
    return "a file system of its own"


def _seen(facts: HostFacts) -> dict[str, Guarded]:
    return {seen.path: seen for seen in facts.guarded.value}


def shared(facts: HostFacts, desired: Json) -> Iterator[str]:
    """Directories of Docker's on the file system of the directory above. Raises CannotTell.

    dockerd mounts its data root on itself, so a mount point proves nothing; a device number does,
    but for btrfs, whose subvolumes each have one.
    """
    seen = _seen(facts)
    store = facts.containerd_root.value if facts.dockerd.value else None
    for path in filter(None, (facts.data_base, store)):
        own, above = seen.get(path), seen.get(f"{path}/..")
        if own is None or above is None:
            raise CannotTell(f"the file system of {path} could not be told from the one above")
        if own.device == above.device:
            yield f"{path} shares the file system of the directory above"
        elif facts.filesystem.value == "btrfs":
            raise CannotTell("btrfs: a subvolume looks like a file system, and shares its room")


CONTROL = Control(
    area=Area.HOST,
    id="data-root-filesystem",
    title="Images and containers have a file system of their own",
    why="Images, logs and what containers write grow without a bound. On the file system of the "
    "host they take the room of its logs, its package manager and its logins.",
    cost="Moving the data root stops every container while the data is copied.",
    undo="Mount nothing there and copy the data back.",
    severity=Severity.LOW,
    refs={"cis-1.6": "1.1.1", "cis-1.7": "1.1.1", "cis-1.8": "1.1.1", "seed": "copy-on-write"},
    sources=(
        "moby daemon/daemon_linux.go, setupDaemonRoot: the data root is bind-mounted on itself",
        "stat(2): st_dev; btrfs documentation, subvolumes: device numbers of their own",
        "containerd docs/ops.md: root, where snapshots lie",
    ),
    setting=Observed(
        label="the file system of the data root",
        faults=shared,
        advice="stop docker, copy the data to a volume of its own and mount it there",
    ),
    desired=of_its_own,
)
