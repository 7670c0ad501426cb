"""Containers together may not take all that the host has."""

from collections.abc import Iterable
from typing import Final

from packaging.version import Version

from oakum.controls.base import Control, FileEdit, NotApplicable, State, require_engine
from oakum.controls.daemon_guards import only_audited, unless_off
from oakum.controls.daemon_key import DaemonKey, at_next_start
from oakum.controls.host_file import locked, whole_file
from oakum.facts import HostFacts
from oakum.model import Area, Impact, Json, Severity
from oakum.policy import Policy
from oakum.render import render

SLICE: Final = "oakum.slice"
"""Without a dash, which would nest it."""

KEY: Final = "cgroup-parent"
PARENTS: Final = {"systemd": SLICE, "cgroupfs": f"/{SLICE}"}
NO_LIMIT: Final = (None, "", "infinity", str(2**64 - 1))


def own_slice(facts: HostFacts, policy: Policy) -> str:
    """Our slice, in the way of the cgroup driver; the operator's own where it has a unit."""
    unless_off(policy, "resource_isolation")
    require_engine(facts)
    if facts.init.value != "systemd":
        raise NotApplicable("no systemd on this host, whose slices have the limits")
    ours = PARENTS[driver(facts)]
    chosen = chosen_by_operator(facts)
    if chosen and chosen.rpartition("/")[2] in facts.slices.value:
        return chosen
    return ours


def chosen_by_operator(facts: HostFacts) -> str:
    """A parent that is not ours, or nothing."""
    chosen = named(at_next_start(facts, KEY))
    return "" if chosen in PARENTS.values() else chosen


def named(value: Json) -> str:
    """Nothing and the empty text are the same."""
    return str(value or "")


def driver(facts: HostFacts) -> str:
    """Who makes cgroups for this dockerd: it says so, or what it will choose when it starts."""
    if facts.dockerd.value is not None:
        found = facts.info.value.get("CgroupDriver")
        if found not in PARENTS:
            raise NotApplicable(f"cgroup driver {found or 'none'}: it puts containers in no slice")
        return str(found)
    options = facts.document.value.settings.get("exec-opts") or ()
    for name in PARENTS:
        if f"native.cgroupdriver={name}" in options:
            return name
    unified = facts.cgroup.value == "v2" and facts.version >= Version("20.10")
    return "systemd" if unified else "cgroupfs"


class SliceKey(DaemonKey):
    """cgroup-parent, and that what it names has its limits."""

    def state(self, facts: HostFacts, desired: Json) -> State:
        state = super().state(facts, desired)
        if state.fault is None and desired in PARENTS.values():
            return State(state.actual, not_loaded(facts) or not_there(facts))
        return state


def not_loaded(facts: HostFacts) -> str | None:
    """Why our unit, where it is written, limits nothing; None otherwise."""
    unit = facts.slice_unit.value
    if facts.slice_file.value.content is None:
        return None
    if unit.get("NeedDaemonReload") == "yes":
        return f"systemd has not read {SLICE} since it changed; run systemctl daemon-reload"
    for name in ("TasksMax", "MemoryMax"):
        if unit.get(name) in NO_LIMIT:
            return f"systemd gives {SLICE} no {name}; it knows parts of the host from 231 on"
    return None


def not_there(facts: HostFacts) -> str | None:
    """With cgroupfs nobody but its unit makes the slice, and that at dockerd's start."""
    if facts.dockerd.value is None or driver(facts) == "systemd":
        return None
    active = facts.slice_unit.value.get("ActiveState") == "active"
    return None if active else f"{SLICE} is not active; a start of dockerd makes it so"


def kubernetes_node(facts: HostFacts, policy: Policy) -> str | None:
    """On a node of Kubernetes the kubelet puts containers where it wants them."""
    return "the kubelet of this node chooses the cgroups" if facts.kubelet.value else None


def operators_own(facts: HostFacts, policy: Policy) -> str | None:
    """Someone chose another parent, and it has no unit that could limit anything."""
    if chosen := chosen_by_operator(facts):
        return f"cgroup-parent {chosen[:100]} was chosen by an operator and has no unit file"
    return None


def two_masters(facts: HostFacts, policy: Policy) -> str | None:
    """On cgroup v2 systemd takes from below a slice of its own the controllers that a dockerd with
    cgroupfs put there, and containers would lose their own limits."""
    if facts.cgroup.value == "v2" and driver(facts) == "cgroupfs":
        return "cgroup v2 with the cgroupfs driver; set native.cgroupdriver=systemd in exec-opts"
    return None


def unit_cannot_be_written(facts: HostFacts, policy: Policy) -> str | None:
    """A unit file is on a read-only file system, immutable, or no regular file."""
    return locked([facts.slice_file.value, facts.dropin_file.value])


def limits_do_not_hold(facts: HostFacts, policy: Policy) -> str | None:
    """The unit is as it should be, and systemd does not do what it says."""
    return None if unit_files(facts, policy) else not_loaded(facts)


def unit_files(facts: HostFacts, policy: Policy) -> tuple[FileEdit, ...]:
    """Our slice, and with cgroupfs what starts it before dockerd."""
    if own_slice(facts, policy) not in PARENTS.values():
        return ()
    wanted = policy.slice
    memory = f"{100 - int(wanted.memory_reserve.rstrip('%'))}%"
    text = render("oakum.slice.j2", tasks_max=wanted.tasks_max, memory_max=memory)
    files = whole_file(facts.slice_file.value, text.encode())
    if driver(facts) == "cgroupfs":
        files += whole_file(facts.dropin_file.value, render("docker.service.conf.j2").encode())
    return files


def started_before(facts: HostFacts) -> Iterable[Impact]:
    """A container is put in its cgroup when it starts."""
    for container in facts.containers.value:
        yield Impact(
            container.name,
            "stays outside of the slice until it is restarted",
            "the cgroup is chosen when a container starts",
        )


CONTROL = Control(
    area=Area.HOST,
    id="resource-isolation",
    title="Containers share a slice that leaves something to the host",
    why="A container without limits may take every process and all memory of the host: sshd and "
    "dockerd starve with it. dockerd has no default for a pids limit; a slice around all "
    "containers has one (oakum_slice says how much).",
    cost="A restart of dockerd. When all containers together come to the limit, they get no more "
    "processes, or one of them is killed for want of memory.",
    undo="Take cgroup-parent out of daemon.json, remove oakum.slice from /etc/systemd/system and "
    "restart dockerd, then the containers.",
    severity=Severity.MEDIUM,
    refs={"cis-1.6": "2.10", "cis-1.7": "2.10", "cis-1.8": "2.11", "seed": "resource-isolation"},
    sources=(
        "moby daemon/oci_linux.go: the parent is taken when a container starts",
        "moby daemon/daemon_unix.go: with the systemd driver it has to be a slice",
        "systemd.resource-control(5): TasksMax and MemoryMax, in parts from 231 on",
        "systemd docs/CGROUP_DELEGATION.md: one writer for each part of the tree",
    ),
    setting=SliceKey(key=KEY, normal=named),
    desired=own_slice,
    parameter="resource_isolation",
    guards=(
        only_audited("resource_isolation"),
        kubernetes_node,
        operators_own,
        two_masters,
        unit_cannot_be_written,
        limits_do_not_hold,
    ),
    files=unit_files,
    impact=started_before,
)
