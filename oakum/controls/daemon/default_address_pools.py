"""New networks get addresses from where the network's owner said."""

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from packaging.version import Version

from oakum.controls.base import Control, NotApplicable, require_engine
from oakum.controls.daemon_key import DaemonKey
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy

TOLD_SINCE: Final = Version("20.10")
"""From here on ``docker info`` names the configured pools."""


def the_policys(facts: HostFacts, policy: Policy) -> Json:
    """The pools that the policy names, none of ours."""
    if not policy.address_pools:
        raise NotApplicable("oakum_address_pools names none")
    require_engine(facts)
    return [{"base": pool.base, "size": pool.size} for pool in policy.address_pools]


def canonical(value: Json) -> Json:
    """Pools as objects of base and size, from daemon.json (Go takes the names in any case), from
    dockerd's log (below Values), from ``docker info``, or from the words of a flag."""
    if isinstance(value, Mapping):
        value = value.get("Values")
    return [_pool(pool) for pool in value] if isinstance(value, list) else []


def _pool(pool: Any) -> Json:
    if isinstance(pool, str):
        parts = (part.partition("=") for part in pool.lower().split(","))
        pool = {name: int(text) if text.isdigit() else text for name, _, text in parts}
    if not isinstance(pool, Mapping):
        return pool
    fields = {str(name).lower(): found for name, found in pool.items()}
    return {"base": _network(fields.get("base")), "size": fields.get("size", 0)}


def _network(text: Json) -> Json:
    try:
        return str(ipaddress.ip_network(str(text), strict=False))
    except ValueError:
        return text


def told(facts: HostFacts) -> Json:
    """What ``docker info`` says, from 20.10 on."""
    if facts.version < TOLD_SINCE:
        return None
    return canonical(facts.info.value.get("DefaultAddressPools") or [])


CONTROL = Control(
    area=Area.DAEMON,
    id="default-address-pools",
    title="New networks get addresses from the pools of the policy",
    why="dockerd's own pools, 172.17 to 172.31 and 192.168, are those that companies use: a new "
    "network of Docker can hide a part of theirs from the host. They also run out after 31.",
    cost="A restart of dockerd. Existing networks keep their addresses; without live-restore the "
    "default bridge is made anew and its containers get others.",
    undo="Take default-address-pools out of daemon.json and restart dockerd.",
    severity=Severity.LOW,
    refs={"seed": "docker-defaults"},
    sources=(
        "moby daemon/libnetwork/ipamutils/utils.go: the built-in pools",
        "moby daemon/daemon_unix.go, configureNetworking: when docker0 is made anew",
        "moby daemon/info.go: DefaultAddressPools",
    ),
    setting=DaemonKey(key="default-address-pools", seen=told, normal=canonical),
    desired=the_policys,
    parameter="address_pools",
)
