"""Why a setting of the daemon is left alone, where more than one control has the reason."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from oakum.controls.base import Guard, NotApplicable, compiled_out
from oakum.controls.daemon_key import at_next_start, in_force
from oakum.engine.catalogue import flag_for
from oakum.facts import HostFacts
from oakum.model import Area, Impact
from oakum.parts import Container
from oakum.policy import Mode, Policy

BRIDGE_NETFILTER: Final = "net.bridge.bridge-nf-call-iptables"
"""The sysctl that is there where br_netfilter is loaded."""

AT_CREATION: Final = "it is fixed when a container is created"
"""Why a container keeps what it has: docker-facts g7."""


def unless_off(policy: Policy, parameter: str) -> None:
    """Raises NotApplicable where the policy leaves the control of ``parameter`` alone: then no
    reading of the host matters."""
    if getattr(policy, parameter) is Mode.OFF:
        raise NotApplicable(f"oakum_{parameter} is off (profile {policy.profile})")


def only_audited(parameter: str) -> Guard:
    """The guard of a control whose Mode is the policy's field ``parameter``."""

    def audited(facts: HostFacts, policy: Policy) -> str | None:
        """The policy wants to know, not to change."""
        return f"oakum_{parameter} is audit" if getattr(policy, parameter) is Mode.AUDIT else None

    return audited


def kubernetes_node(facts: HostFacts, policy: Policy) -> str | None:
    """On a node of Kubernetes the kubelet and its network plugin say how containers run."""
    return "a kubelet runs here, and says so for its pods" if facts.kubelet.value else None


def no_firewall(facts: HostFacts, policy: Policy) -> bool:
    """Whether dockerd may not write the firewall's rules, and will not after this change either.

    The control iptables switches them on, unless one of its own reasons keeps it from that.
    """
    allowed = at_next_start(facts, "iptables")
    if facts.dockerd.value is not None:
        allowed = allowed and in_force(facts, "iptables")
    if allowed:
        return False
    kept = (
        policy.iptables is not Mode.ENFORCE
        or not policy.wants("iptables", Area.DAEMON)
        or policy.waiver("iptables")
        or flag_for("iptables", {**facts.unit_flags.value, **_flags(facts)})
        or facts.kubelet.value
    )
    return bool(kept)


def _flags(facts: HostFacts) -> Mapping[str, tuple[str, ...]]:
    running: Mapping[str, tuple[str, ...]] = facts.flags.value if facts.dockerd.value else {}
    return running


def lacks_bridge_netfilter(facts: HostFacts) -> bool:
    """Whether br_netfilter is not loaded and cannot be. Raises CannotTell."""
    return BRIDGE_NETFILTER not in facts.sysctl.value and compiled_out(facts, "BRIDGE_NETFILTER")


def until_recreated(containers: Iterable[Container], effect: str) -> Iterator[Impact]:
    """For each container that it ``effect`` until it is recreated."""
    for container in containers:
        yield Impact(container.name, f"{effect} until it is recreated", AT_CREATION)
