"""Containers on the default bridge do not reach each other."""

from collections.abc import Iterable
from typing import Final

from packaging.version import Version

from oakum.controls.base import Control, NotApplicable, require_engine
from oakum.controls.daemon.live_restore import swarm_state
from oakum.controls.daemon_guards import (
    kubernetes_node,
    lacks_bridge_netfilter,
    no_firewall,
    only_audited,
    unless_off,
)
from oakum.controls.daemon_key import DaemonKey, at_next_start
from oakum.facts import HostFacts
from oakum.model import Area, Impact, Severity
from oakum.policy import Policy

DEFAULT_BRIDGE: Final = frozenset({"default", "bridge"})
"""The network modes of a container that is attached to the default bridge."""

NEEDS_IP6TABLES: Final = Version("27.0")
"""From here on dockerd refuses icc off where the bridge has IPv6 and ip6tables is off."""


def off_on_the_bridge(facts: HostFacts, policy: Policy) -> bool:
    """Off, unless the policy leaves it alone or there is no default bridge."""
    unless_off(policy, "icc")
    require_engine(facts)
    if facts.dockerd.value is not None and facts.bridge_icc.value is None:
        raise NotApplicable("this host has no default bridge")
    return False


def seen(facts: HostFacts) -> bool | None:
    """What the network itself says: dockerd leaves it as it is while containers run, whatever
    daemon.json says (docker-facts g3)."""
    return facts.bridge_icc.value


def peers(facts: HostFacts) -> list[str]:
    """The running containers on the default bridge."""
    return [one.name for one in facts.containers.value if one.network in DEFAULT_BRIDGE]


def containers_run(facts: HostFacts, policy: Policy) -> str | None:
    """dockerd sets the bridge up anew only at a start without running containers."""
    if facts.dockerd.value is None or not facts.containers.value:
        return None
    info = facts.info.value
    coming = policy.wants("live-restore", Area.DAEMON) and swarm_state(facts) == "inactive"
    if not (info.get("LiveRestoreEnabled") or coming):
        return None
    shared = peers(facts)
    met = f"; {', '.join(shared)} share it" if len(shared) > 1 else ""
    return f"dockerd leaves the default bridge as it is while containers run{met}; stop them first"


def firewall_is_off(facts: HostFacts, policy: Policy) -> str | None:
    """dockerd does not start with icc off where it may not write the firewall's rules."""
    if no_firewall(facts, policy):
        return "iptables is off, and dockerd does not start with both"
    if facts.version < NEEDS_IP6TABLES or not at_next_start(facts, "ipv6"):
        return None
    off = not at_next_start(facts, "ip6tables")
    return "ip6tables is off, and dockerd does not start with both" if off else None


def no_bridge_netfilter(facts: HostFacts, policy: Policy) -> str | None:
    """Without br_netfilter the firewall does not see what crosses the bridge."""
    if lacks_bridge_netfilter(facts):
        return "this kernel has no br_netfilter, without which dockerd would not start"
    return None


def cut_off(facts: HostFacts) -> Iterable[Impact]:
    """Containers on the default bridge that may talk to each other today."""
    names = peers(facts)
    for name in names if len(names) > 1 else ():
        others = ", ".join(other for other in names if other != name)
        yield Impact(
            name,
            f"does not reach {others} on the default bridge any more",
            "icc is off; links, published ports and networks of their own still work",
        )


CONTROL = Control(
    area=Area.DAEMON,
    id="icc",
    title="Containers on the default bridge do not reach each other",
    why="On the default bridge every container reaches every port of every other, whether anybody "
    "meant that or not: who takes one has the next before him.",
    cost="A restart of dockerd without running containers. Containers that talk over the default "
    "bridge lose each other, unless they are linked or get a network of their own. br_netfilter "
    "is loaded. Networks of your own are not touched.",
    undo="Take icc out of daemon.json, stop the containers and restart dockerd.",
    severity=Severity.MEDIUM,
    refs={"cis-1.6": "2.2", "cis-1.7": "2.2", "cis-1.8": "2.2", "seed": "security-additions"},
    sources=(
        "moby daemon/daemon_unix.go, initNetworkController: the network waits for a start without "
        "running containers",
        "moby daemon/config/config_linux.go: refused with iptables off",
        "docker-bench-security#388: what it is worth, and what it breaks",
    ),
    setting=DaemonKey(key="icc", seen=seen),
    desired=off_on_the_bridge,
    parameter="icc",
    guards=(
        only_audited("icc"),
        kubernetes_node,
        firewall_is_off,
        no_bridge_netfilter,
        containers_run,
    ),
    impact=cut_off,
)
