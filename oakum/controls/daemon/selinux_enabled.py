"""Where SELinux is enforced, it confines containers too."""

from collections.abc import Iterable

from oakum.controls.base import Control, NotApplicable, require_engine
from oakum.controls.daemon_guards import only_audited, unless_off, until_recreated
from oakum.controls.daemon_key import DaemonKey
from oakum.facts import HostFacts
from oakum.model import Area, Impact, Severity
from oakum.policy import Policy


def where_enforced(facts: HostFacts, policy: Policy) -> bool:
    """On where SELinux is enforced, unless the policy leaves the control alone."""
    unless_off(policy, "selinux")
    require_engine(facts)
    mode = facts.selinux.value
    if mode != "enforcing":
        raise NotApplicable(f"SELinux is {'not there' if mode == 'none' else mode}")
    return True


def unlabelled(facts: HostFacts) -> Iterable[Impact]:
    """Labels are given when a container is created."""
    return until_recreated(facts.containers.value, "stays without a label of SELinux")


CONTROL = Control(
    area=Area.DAEMON,
    id="selinux-enabled",
    title="Containers are labelled where SELinux is enforced",
    why="Without it dockerd starts containers unconfined, and what SELinux would keep from them "
    "it does not.",
    cost="A restart of dockerd. In containers created from then on every directory of the host "
    "that is mounted without :z or :Z is denied. Needs the package container-selinux.",
    undo="Take selinux-enabled out of daemon.json, restart dockerd and recreate the containers.",
    severity=Severity.MEDIUM,
    refs={"seed": "apparmor-and-selinux"},
    sources=(
        "moby daemon/create.go, setSecurityOptions: labels are given at creation",
        "moby daemon/info.go: in SecurityOptions",
        "docker run(1), volume labels: z and Z",
    ),
    setting=DaemonKey(
        key="selinux-enabled",
        live=lambda info: "name=selinux" in (info.get("SecurityOptions") or ()),
    ),
    desired=where_enforced,
    parameter="selinux",
    guards=(only_audited("selinux"),),
    impact=unlabelled,
)
