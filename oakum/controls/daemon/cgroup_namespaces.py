"""Containers see their own control group as the root of all."""

from collections.abc import Iterable
from typing import Final

from packaging.version import Version

from oakum.controls.base import Control, NotApplicable, require_engine
from oakum.controls.daemon_guards import (
    kubernetes_node,
    only_audited,
    unless_off,
    until_recreated,
)
from oakum.controls.daemon_key import DaemonKey
from oakum.facts import HostFacts
from oakum.model import Area, Impact, Severity
from oakum.policy import Policy

SINCE: Final = Version("4.6")
"""The kernel from which there are control group namespaces."""


def private(facts: HostFacts, policy: Policy) -> str:
    """Private, unless the policy leaves the control alone or the kernel has no such namespaces."""
    unless_off(policy, "cgroup_namespaces")
    require_engine(facts)
    if facts.kernel.value < SINCE:
        raise NotApplicable(f"kernel {facts.kernel.value} has no control group namespaces")
    return "private"


def seen(facts: HostFacts) -> str:
    """What ``docker info`` says from the release that has the key."""
    options = facts.info.value.get("SecurityOptions") or ()
    return "private" if "name=cgroupns" in options else "host"


def old_containers(facts: HostFacts) -> Iterable[Impact]:
    """The mode is stored when a container is created."""
    return until_recreated(facts.containers.value, "keeps its cgroup namespace")


CONTROL = Control(
    area=Area.DAEMON,
    id="cgroup-namespaces",
    title="Containers get cgroup namespaces of their own",
    why="On hosts with control groups version 1 containers share the host's namespace: they read "
    "the names and the paths of all others, and which of them they are in.",
    cost="A reload; nothing stops. Programs in new containers that read /proc/self/cgroup for the "
    "id of their container find a slash instead.",
    undo='Set "default-cgroupns-mode": "host" in daemon.json and reload dockerd.',
    severity=Severity.LOW,
    refs={"seed": "cgroups"},
    sources=(
        "moby daemon/daemon_unix.go, adaptContainerSettings: taken when a container is created",
        "moby daemon/reload_unix.go: applied by SIGHUP since 20.10",
        "cgroup_namespaces(7): from Linux 4.6",
    ),
    setting=DaemonKey(key="default-cgroupns-mode", seen=seen, absent_keeps=True),
    desired=private,
    parameter="cgroup_namespaces",
    guards=(only_audited("cgroup_namespaces"), kubernetes_node),
    impact=old_containers,
)
