"""What is published on loopback is not reached from outside."""

from collections.abc import Iterator
from typing import Final

from packaging.version import Version

from oakum.controls.base import Control, NotApplicable, Observed, require_engine
from oakum.controls.daemon_key import in_force
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy

FILTERED_SINCE: Final = Version("28.0")
"""From here on dockerd drops what comes to a port on loopback by another interface (raw table)."""

UNFILTERED: Final = "DOCKER_INSECURE_NO_IPTABLES_RAW"
"""The variable that leaves these rules out; docker info warns of it."""

ROUTE: Final = "route_localnet"


def closed(facts: HostFacts, policy: Policy) -> str:
    """No way in, where a dockerd makes rules for ports."""
    require_engine(facts)
    if facts.dockerd.value is None:
        raise NotApplicable("dockerd does not run: it forwards nothing")
    return "closed"


def ways_in(facts: HostFacts, desired: Json) -> Iterator[str]:
    """What neighbours on the link, or on a bridge, can reach though it is meant for this host.

    A bridge with route_localnet is none by itself: hairpin NAT needs it, and what it opens are the
    ports on loopback.
    """
    sysctl = facts.sysctl.value
    if sysctl.get(f"net.ipv4.conf.all.{ROUTE}") == "1":
        yield f"net.ipv4.conf.all.{ROUTE} is 1, on every interface"
    if in_force(facts, "iptables"):
        yield from _open_ports(facts)
    if in_force(facts, "icc") is False and sysctl.get("net.bridge.bridge-nf-call-iptables") != "1":
        yield "icc is off, but frames on a bridge pass by iptables (bridge-nf-call-iptables)"


def _open_ports(facts: HostFacts) -> Iterator[str]:
    warnings = facts.info.value.get("Warnings") or ()
    bare = any(UNFILTERED in str(warning) for warning in warnings)
    if facts.version >= FILTERED_SINCE and not bare:
        return
    names = (name.split(".") for name, value in facts.sysctl.value.items() if value == "1")
    bridges = [name[3] for name in names if name[-1] == ROUTE and name[3] != "all"]
    routed = f" ({ROUTE} on {', '.join(sorted(bridges)[:4])})" if bridges else ""
    for container in facts.containers.value:
        for port in container.ports:
            if port.startswith("127."):
                yield f"{container.name} {port}{routed}"


CONTROL = Control(
    area=Area.HOST,
    id="loopback-exposure",
    title="What is published on loopback is not reached from outside",
    why="A port on 127.0.0.1 is meant for this host alone. Before Docker 28 a neighbour on the "
    "same link can send to it all the same: the packet is rewritten before its address is judged. "
    "route_localnet, which dockerd sets on its bridges when the userland proxy is off, lets "
    "containers with NET_RAW try the host's own services on loopback too, in every release; only "
    "a rule of your own stops that.",
    cost="An upgrade, or a rule in the raw table; nothing that answers on lo is touched.",
    undo="Delete the rule.",
    severity=Severity.MEDIUM,
    refs={"seed": "hairpin-nat"},
    sources=(
        "moby filterPortMappedOnLoopback: dropped in the raw table from 28.0, proxy on or off",
        "moby setupLoopbackAddressesRouting: route_localnet where the proxy is off",
        "kubernetes CVE-2020-8558: services on loopback reached by route_localnet",
        "linux Documentation/networking/ip-sysctl: route_localnet, bridge-nf-call-iptables",
    ),
    setting=Observed(
        label="what reaches loopback",
        faults=ways_in,
        advice="upgrade to Docker 28 or later, or drop it: iptables -t raw -I PREROUTING "
        "! -i lo -d 127.0.0.0/8 -j DROP; set the sysctl back",
    ),
    desired=closed,
)
