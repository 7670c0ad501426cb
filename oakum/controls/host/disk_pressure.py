"""There is room left where images and containers lie."""

from collections.abc import Iterator

from oakum.controls.base import Control, Observed, require_engine
from oakum.facts import HostFacts, Reading
from oakum.model import Area, Json, Severity
from oakum.parts import Inodes, Space
from oakum.policy import Policy


def room_left(facts: HostFacts, policy: Policy) -> int:
    """Percent of ``oakum_disk_free``, wherever there is an engine."""
    require_engine(facts)
    return policy.disk_free


def full(facts: HostFacts, desired: Json) -> Iterator[str]:
    """Directories of Docker's with less room than wanted. Raises CannotTell."""
    yield from _full(facts.data_root.value, facts.space, facts.inodes, desired)
    # A stopped engine does not say which store it uses; its data root is always there.
    store = facts.containerd_root.value if facts.dockerd.value else None
    if store is not None:
        yield from _full(store, facts.containerd_space, facts.containerd_inodes, desired)


def _full(path: str, space: Reading[Space], inodes: Reading[Inodes], least: int) -> Iterator[str]:
    room, nodes = space.value, inodes.value
    if 100 * room.available < least * room.total:
        left = f"{100 * room.available // room.total} % free, {room.available / 2**20:.1f} GiB"
        yield f"{path}: {left}"
    if 100 * nodes.free < least * nodes.total:
        yield f"{path}: {100 * nodes.free // nodes.total} % of the inodes free"


CONTROL = Control(
    area=Area.HOST,
    id="disk-pressure",
    title="There is room where images and containers lie",
    why="On a full disk containers fail to write, pulls stop half way, dockerd cannot save its "
    "state, and where the root file system is the same one nobody can log in.",
    cost="docker system prune deletes what no container uses; what was only stopped for a while "
    "may be among it. oakum deletes nothing.",
    undo="Pull or build again what was deleted.",
    severity=Severity.MEDIUM,
    refs={"seed": "bloated-images"},
    sources=(
        "coreutils stat(1): blocks and inodes to be had, per file system",
        "moby docs, docker system df and docker system prune",
    ),
    setting=Observed(
        label="free space of the data root",
        faults=full,
        advice="see docker system df, and delete what is not used or make the file system larger",
    ),
    desired=room_left,
    parameter="disk_free",
)
