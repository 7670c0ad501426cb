"""Only the ports that should be are open to everybody, or below 1024."""

from typing import Final

from oakum.controls.base import Control, NotApplicable
from oakum.controls.running import of_containers, require_told, running
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.parts import Container
from oakum.policy import Policy

EVERY_ADDRESS: Final = ("0.0.0.0", "[::]")

SHOWN: Final = 4
"""Ports of a container that are named before the rest is counted."""


def allowed(facts: HostFacts, policy: Policy) -> list[int]:
    """The ports that may be open to everybody."""
    if policy.published_ports is None:
        raise NotApplicable(f"oakum_published_ports is not set (profile {policy.profile})")
    running(facts)
    return list(policy.published_ports)


def others(container: Container, facts: HostFacts, desired: Json) -> str | None:
    """Those on every address, and those below 1024 wherever they are."""
    require_told(container, "ports")
    found: set[tuple[int, str]] = set()
    for published in container.ports:
        address, _, digits = published.rpartition(":")
        if not digits.isdecimal() or (port := int(digits)) in desired:
            continue
        if address in EVERY_ADDRESS:
            found.add((port, str(port)))
        elif port < 1024:
            found.add((port, published))
    names = [name for _, name in sorted(found)]
    left = [f"{len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return ", ".join([*names[:SHOWN], *left]) or None


CONTROL = Control(
    area=Area.CONTAINERS,
    id="published-ports",
    title="Only known ports are published below 1024 or on every address",
    why="A port that is published without an address is open to everybody who reaches the host: "
    "docker's own rules come before those of ufw or firewalld, which do not stop it.",
    cost="Nothing here changes; the container has to be created anew with an address.",
    undo="Nothing was changed.",
    severity=Severity.LOW,
    refs={
        "cis-1.6": "5.8, 5.9, 5.14",
        "cis-1.7": "5.8, 5.9, 5.14",
        "cis-1.8": "5.8, 5.9, 5.14",
        "seed": "docker-defaults",
    },
    sources=(
        "docs.docker.com/engine/network/packet-filtering-firewalls: docker and ufw",
        "moby daemon/libnetwork/portmapper: no address is every address",
    ),
    setting=of_containers(
        "NetworkSettings.Ports of containers",
        others,
        "publish them as 127.0.0.1:PORT:PORT or on an inner address, or name the port in "
        "oakum_published_ports",
    ),
    desired=allowed,
    parameter="published_ports",
)
