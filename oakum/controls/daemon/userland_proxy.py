"""Published ports are forwarded by the kernel, not by one proxy process per port."""

from collections.abc import Iterable

from packaging.version import Version

from oakum.controls.base import Control, NotApplicable, require_engine
from oakum.controls.daemon_guards import lacks_bridge_netfilter, no_firewall
from oakum.controls.daemon_key import DaemonKey
from oakum.facts import HostFacts
from oakum.model import Area, Impact, Severity
from oakum.policy import Policy

HAIRPIN_SINCE = Version("3.10")
"""The oldest kernel on which Docker's hairpin NAT is known to work."""

NEEDS_BR_NETFILTER = Version("27.4")
"""From here on dockerd without the proxy wants br_netfilter (libnetwork bridge_linux.go)."""


def off_where_hairpin_works(facts: HostFacts, policy: Policy) -> bool:
    """Off on any kernel that can send a packet back to where it came from."""
    require_engine(facts)
    if facts.kernel.value < HAIRPIN_SINCE:
        raise NotApplicable(f"kernel {facts.kernel.value} is too old for hairpin NAT")
    return False


def ipv6_loopback(facts: HostFacts, policy: Policy) -> str | None:
    """Only the proxy answers on [::1]: there is no route_localnet for IPv6."""
    used = [
        f"{container.name} {port}"
        for container in facts.containers.value
        for port in container.ports
        if port.startswith("[::1]:")
    ]
    if not used:
        return None
    return f"published on IPv6 loopback, where only the proxy answers: {', '.join(used)}"


def no_nat(facts: HostFacts, policy: Policy) -> str | None:
    """Without the proxy, iptables forwards; where dockerd may not use it, nothing would."""
    return "iptables is off: nothing would forward ports" if no_firewall(facts, policy) else None


def no_bridge_netfilter(facts: HostFacts, policy: Policy) -> str | None:
    """A newer dockerd without the proxy does not start where br_netfilter cannot be loaded."""
    if facts.version >= NEEDS_BR_NETFILTER and lacks_bridge_netfilter(facts):
        return "this kernel has no br_netfilter, without which dockerd would not start"
    return None


def silent_ports(facts: HostFacts) -> Iterable[Impact]:
    """Ports on all addresses lose their IPv6 loopback."""
    if facts.sysctl.value.get("net.ipv6.conf.all.disable_ipv6") == "1":
        return
    for container in facts.containers.value:
        for port in container.ports:
            if port.startswith("[::]:"):
                shown = f"[::1]:{port.rpartition(':')[2]}"
                yield Impact(
                    container.name,
                    f"its port on {shown} goes silent",
                    "on IPv6 loopback only the proxy answers",
                )


CONTROL = Control(
    area=Area.DAEMON,
    id="userland-proxy",
    title="The userland proxy is off",
    why="Each published port costs a root process that hides the client's address and that the "
    "kernel's hairpin NAT makes needless.",
    cost="A restart of dockerd. Published ports are refused for about a second, and no longer "
    "answer on [::1]. dockerd sets route_localnet on its bridges.",
    undo="Take userland-proxy out of daemon.json and restart dockerd; do not write true, which "
    "breaks every reload from Docker 25 on.",
    severity=Severity.LOW,
    refs={"cis-1.6": "2.16", "cis-1.7": "2.16", "cis-1.8": "2.17", "seed": "hairpin-nat"},
    sources=(
        "moby daemon/config/config_linux.go: default true in every release",
        "moby libnetwork/drivers/bridge/bridge_linux.go: hairpin mode, br_netfilter from 27.4",
        "moby#14856: why it is still on by default",
    ),
    setting=DaemonKey(key="userland-proxy"),
    desired=off_where_hairpin_works,
    guards=(ipv6_loopback, no_nat, no_bridge_netfilter),
    impact=silent_ports,
)
