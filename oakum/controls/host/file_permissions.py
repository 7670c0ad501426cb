"""Files that decide what dockerd does, or who may ask it, are root's alone to write."""

import shlex
import stat
from collections.abc import Iterator
from typing import Final

from oakum.controls.base import Control, Observed, require_engine
from oakum.controls.daemon_key import flag_or_file
from oakum.facts import CannotTell, HostFacts
from oakum.model import Area, Json, Severity
from oakum.parts import Guarded
from oakum.policy import Policy

CONTAINERD: Final = "/run/containerd/containerd.sock"

LIMITS: Final = {"tlscacert": 0o444, "tlscert": 0o444, "tlskey": 0o400}
"""The most that the files may allow that a key of daemon.json, or its flag, names."""


def at_most_these(facts: HostFacts, policy: Policy) -> str:
    """The benchmark's bounds, wherever there is an engine."""
    require_engine(facts)
    return "CIS section 3"


def too_open(facts: HostFacts, desired: Json) -> Iterator[str]:
    """Files with another owner or more rights than wanted, with what sets them right."""
    stores: set[str | None] = {facts.data_base}
    if facts.dockerd.value:
        stores.add(facts.containerd_root.value)
    for seen in sorted(facts.guarded.value, key=lambda seen: seen.path):
        if seen.path not in stores and not seen.path.endswith("/.."):
            yield from _faults(facts, seen)


def _faults(facts: HostFacts, seen: Guarded) -> Iterator[str]:
    name, mode = shlex.quote(seen.path), stat.S_IMODE(seen.mode)
    limit = _limit(facts, seen)
    if mode & ~limit:
        yield f"{seen.path} is {mode:o} (chmod {mode & limit:o} {name})"
    owners = _owners(facts)
    groups, group = _groups(facts, seen)
    if seen.owner not in owners or seen.group not in groups:
        owner = owners[-1] or "root"
        shown = f"{seen.path} belongs to {seen.owner}:{seen.group}"
        yield f"{shown} (chown {owner}:{group} {name})"


def _limit(facts: HostFacts, seen: Guarded) -> int:
    named = (key for key in LIMITS if flag_or_file(facts, key) == seen.path)
    if key := next(named, None):
        return LIMITS[key]
    if stat.S_ISSOCK(seen.mode):
        return 0o660
    if stat.S_ISDIR(seen.mode):
        return 0o755
    return 0o444 if "/certs.d/" in seen.path else 0o644


def _owners(facts: HostFacts) -> tuple[int, ...]:
    """Root, and the user of a rootless engine."""
    if facts.dockerd.value is None:
        return (0,)
    return tuple(dict.fromkeys((0, facts.dockerd_uid.value)))


def _groups(facts: HostFacts, seen: Guarded) -> tuple[set[int] | range, str]:
    """The groups that a file may have, and the one that it should."""
    rootless = len(_owners(facts)) > 1
    if rootless:  # its files are the user's, whatever the first group of that user
        return range(2**32), str(seen.group)
    if not stat.S_ISSOCK(seen.mode) or seen.path == CONTAINERD:
        return {0}, "root"
    group = facts.docker_group.value
    chosen = flag_or_file(facts, "group") or "docker"
    if group is not None and group.name != chosen:
        raise CannotTell(f"the group {chosen}, which daemon.json gives the socket, was not read")
    return ({0}, "root") if group is None else ({0, group.gid}, group.name)


CONTROL = Control(
    area=Area.HOST,
    id="file-permissions",
    title="Docker's files and sockets are root's alone to write",
    why="Whoever can write daemon.json, a unit, a certificate or the socket decides what runs as "
    "root on this host; whoever reads the TLS key can pose as its daemon.",
    cost="None for dockerd, which is root. A user who wrote these files by hand no longer can.",
    undo="Set owner and mode back with chown and chmod.",
    severity=Severity.MEDIUM,
    refs={
        **dict.fromkeys(
            ("cis-1.6", "cis-1.7", "cis-1.8"), ", ".join(f"3.{number}" for number in range(1, 25))
        ),
        "seed": "security",
    },
    sources=(
        "CIS Docker Benchmark section 3: owners and modes",
        "systemd.unit(5): FragmentPath and DropInPaths, where the units really lie",
        "moby daemon/listeners: the socket is root's and the group's, mode 660",
    ),
    setting=Observed(
        label="owners and modes of Docker's files",
        faults=too_open,
        advice="set them with the commands in brackets",
    ),
    desired=at_most_these,
)
