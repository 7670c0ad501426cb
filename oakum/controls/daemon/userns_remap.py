"""Root in a container is nobody on the host."""

import re
from collections.abc import Mapping
from typing import Any, Final

from packaging.version import Version

from oakum.controls.base import Control, FileEdit, compiled_out, require_engine
from oakum.controls.daemon.live_restore import swarm_state
from oakum.controls.daemon.storage_driver import containerd_store
from oakum.controls.daemon_guards import only_audited, unless_off
from oakum.controls.daemon_key import DaemonKey, at_next_start
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.parts import FileState
from oakum.policy import Policy

USER: Final = "dockremap"
"""The user that dockerd takes for ``default``."""

IDS: Final = 65536
"""How many subordinate ids a range holds."""

FIRST_ID: Final = 100000
"""Where useradd begins to hand out subordinate ids (SUB_UID_MIN of login.defs)."""

STORE_REFUSES: Final = Version("29.0")
"""From here on the containerd image store and userns-remap do not go together."""


def remapped(info: Mapping[str, Any]) -> bool:
    """Whether dockerd runs with user namespaces."""
    return any(
        option in ("userns", "name=userns") or option.startswith("name=userns,")
        for option in info.get("SecurityOptions") or ()
    )


def is_remap(value: Json) -> bool:
    """``root`` and ``host`` are accepted by dockerd and mean off."""
    return bool(value) and value not in ("root", "host")


def wanted_by_policy(facts: HostFacts, policy: Policy) -> bool:
    """On, unless the policy leaves the control alone: then no reading of the host matters."""
    unless_off(policy, "userns_remap")
    require_engine(facts)
    return True


def would_hide_data(facts: HostFacts, policy: Policy) -> str | None:
    """The data root moves to a subdirectory: what is there becomes invisible."""
    if facts.dockerd.value is None:
        found = facts.drivers_on_disk.value
        return f"{facts.data_root.value} holds data of {', '.join(found)}" if found else None
    found = hidden(facts)
    return found and f"{found}; oakum migrate userns-remap carries images and volumes over"


def hidden(facts: HostFacts) -> str | None:
    """What a running dockerd would not see any more in another data root; None is nothing."""
    images, containers, volumes = (
        facts.images.value,
        facts.container_count.value,
        facts.volumes.value,
    )
    if not images and not containers and not volumes:
        return None
    gigabytes = facts.image_bytes.value / 1e9
    return (
        f"would hide {images} images ({gigabytes:.1f} GB), {containers} containers and "
        f"{volumes} volumes"
    )


def kernel_cannot(facts: HostFacts, policy: Policy) -> str | None:
    """User namespaces may be compiled out or switched off."""
    if facts.sysctl.value.get("user.max_user_namespaces") == "0":
        return "user.max_user_namespaces is 0"
    return "this kernel has no USER_NS" if compiled_out(facts, "USER_NS") else None


def swarm(facts: HostFacts, policy: Policy) -> str | None:
    """Services with host networking fail under userns-remap, and the raft data would be hidden."""
    state = swarm_state(facts)
    return None if state == "inactive" else f"swarm node ({state})"


def store_refuses(facts: HostFacts, policy: Policy) -> str | None:
    """The containerd image store cannot remap (docker-facts d8)."""
    if facts.dockerd.value is not None and containerd_store(facts.info.value):
        return "the host uses the containerd image store, which cannot remap"
    return None


def subordinate_ranges(facts: HostFacts, policy: Policy) -> tuple[FileEdit, ...]:
    """Ranges for the user, made before dockerd would.

    From 28.0 dockerd looks for a free range among root's own entries only, and so takes one that
    another user owns (docker-facts d3).
    """
    if at_next_start(facts, "userns-remap") not in (None, "", "root", "host", "default", USER):
        return ()  # an operator's own user, whose ranges dockerd has found
    files = (facts.subuid.value, facts.subgid.value)
    if all(_entries(file).get(USER) for file in files):
        return ()
    taken = [end for file in files for spans in _entries(file).values() for end in spans]
    start = max([FIRST_ID, *taken])
    start += -(start - FIRST_ID) % IDS
    return tuple(_with_range(file, start) for file in files if not _entries(file).get(USER))


def _entries(file: FileState) -> dict[str, list[int]]:
    """The first id after each range, by user."""
    ends: dict[str, list[int]] = {}
    for line in (file.content or b"").decode("utf-8", "replace").splitlines():
        if found := re.fullmatch(r"([^:#]+):(\d+):(\d+)\s*", line):
            ends.setdefault(found[1], []).append(int(found[2]) + int(found[3]))
    return ends


def _with_range(file: FileState, start: int) -> FileEdit:
    content = file.content or b""
    glue = b"" if not content or content.endswith(b"\n") else b"\n"
    after = content + glue + f"{USER}:{start}:{IDS}\n".encode()
    return FileEdit(file.target, file.content, after, file.mode, file.owner, file.group)


CONTROL = Control(
    area=Area.DAEMON,
    id="userns-remap",
    title="Root in a container is nobody on the host",
    why="Without user namespaces root in a container is root on the host: one kernel or runtime "
    "bug, or one careless mount, and the host is lost.",
    cost="A restart with an empty data root: images, containers and volumes of before become "
    "invisible. Containers with the host's network or pid namespace, and privileged ones, need "
    "--userns=host.",
    undo="Take userns-remap out of daemon.json and restart dockerd: the former data root is back.",
    severity=Severity.MEDIUM,
    refs={"cis-1.6": "2.9", "cis-1.7": "2.9", "cis-1.8": "2.10", "seed": "user-namespaces"},
    sources=(
        "moby daemon/daemon_unix.go: user, group and ranges are looked up at start",
        "moby#21050, moby#23337: everything seems gone",
        "moby pkg/idtools/usergroupadd_linux.go: the free range from 28.0",
    ),
    setting=DaemonKey(
        key="userns-remap", live=remapped, normal=is_remap, written=lambda desired: "default"
    ),
    desired=wanted_by_policy,
    parameter="userns_remap",
    guards=(only_audited("userns_remap"), would_hide_data, kernel_cannot, swarm, store_refuses),
    files=subordinate_ranges,
)
