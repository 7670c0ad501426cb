"""Images come over TLS, from registries that prove who they are."""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from oakum.controls.base import Control, Observed, require_engine
from oakum.controls.daemon_key import at_next_start
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy


def those_allowed(facts: HostFacts, policy: Policy) -> list[str]:
    """What the policy names."""
    require_engine(facts)
    return sorted(map(registry, policy.insecure_registries))


def insecure(facts: HostFacts, allowed: Json) -> Iterator[str]:
    """The registries that are, or will be, asked without TLS and are not allowed."""
    listed: Any = at_next_start(facts, "insecure-registries")
    written = {registry(str(name)) for name in listed} if isinstance(listed, list) else set()
    running = facts.dockerd.value is not None
    active = in_effect(facts.info.value) if running else written
    for name in sorted(written | active):
        if name in allowed or _loopback(name):
            continue
        if name not in active:
            yield f"{name} (from the next start on)"
        elif name not in written:
            yield f"{name} (until the next start)"
        else:
            yield name


def in_effect(info: Mapping[str, Any]) -> set[str]:
    """The registries that the running engine asks without TLS: names and networks."""
    config = info.get("RegistryConfig") or {}
    indexes = config.get("IndexConfigs") or {}
    names = {str(name) for name, row in indexes.items() if row.get("Secure") is False}
    return {*map(registry, names), *map(registry, config.get("InsecureRegistryCIDRs") or ())}


def registry(name: str) -> str:
    """A registry as dockerd keeps it: without a scheme, a network without bits of a host."""
    bare = re.sub(r"^https?://", "", name).rstrip("/").lower() if "://" in name else name.lower()
    try:
        return str(ip_network(bare, strict=False)) if "/" in bare else bare
    except ValueError:
        return bare


def _loopback(name: str) -> bool:
    """What dockerd trusts by itself: 127.0.0.0/8, ::1/128, and names of them."""
    try:
        if "/" in name:
            return ip_network(name).is_loopback
        host = re.sub(r":\d+$", "", name)
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


CONTROL = Control(
    area=Area.DAEMON,
    id="insecure-registries",
    title="No registry is asked without TLS unless it is allowed",
    why="A registry without TLS, or with a certificate that nobody checks, lets everyone on the "
    "way put another image in place of the one that was asked for, and read the password.",
    cost="Nothing changes.",
    undo="Nothing to undo.",
    severity=Severity.MEDIUM,
    refs={"cis-1.6": "2.5", "cis-1.7": "2.5", "cis-1.8": "2.5", "seed": "untrusted-images"},
    sources=(
        "moby daemon/pkg/registry/config.go: loopback is insecure by itself, names are normalised",
        "docker info RegistryConfig: what the running engine has",
    ),
    setting=Observed(
        label="insecure-registries of dockerd",
        faults=insecure,
        advice="give the registry a certificate and its CA to /etc/docker/certs.d, take it out of "
        "insecure-registries and reload dockerd, or allow it in oakum_insecure_registries",
    ),
    desired=those_allowed,
    parameter="insecure_registries",
)
