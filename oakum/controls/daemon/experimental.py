"""Features that are not finished are not for production."""

from typing import Final

from packaging.version import Version

from oakum.controls.base import ABSENT, Control, require_engine
from oakum.controls.daemon_guards import only_audited, unless_off
from oakum.controls.daemon_key import DaemonKey, at_next_start
from oakum.facts import HostFacts
from oakum.model import Area, Severity
from oakum.policy import Policy

METRICS_WITHOUT: Final = Version("20.10")
"""From here on metrics-addr needs no experimental dockerd."""

IP6TABLES_WITHOUT: Final = Version("27.0")
"""From here on ip6tables needs no experimental dockerd."""


def off(facts: HostFacts, policy: Policy) -> bool:
    """Off, unless the policy leaves the control alone."""
    unless_off(policy, "experimental")
    require_engine(facts)
    return False


def needed(facts: HostFacts, policy: Policy) -> str | None:
    """What only an experimental dockerd of that release starts with."""
    version = facts.version
    uses = {
        "metrics-addr": version < METRICS_WITHOUT,
        "ip6tables": METRICS_WITHOUT <= version < IP6TABLES_WITHOUT,
    }
    used = [key for key, gated in uses.items() if gated and at_next_start(facts, key)]
    return f"{used[0]} is set, which this dockerd takes only with it" if used else None


CONTROL = Control(
    area=Area.DAEMON,
    id="experimental",
    title="Experimental features are off",
    why="They may change or go with any release, and open calls of the API that are otherwise "
    "closed. From 20.10 on little is left of them: checkpoints and squashed builds.",
    cost="A restart of dockerd. docker checkpoint and docker build --squash stop working.",
    undo='Set "experimental": true in daemon.json and restart dockerd.',
    severity=Severity.LOW,
    refs={"cis-1.6": "2.18", "cis-1.7": "2.18", "cis-1.8": "2.19", "seed": "docker-defaults"},
    sources=(
        "moby daemon/server/router/checkpoint/checkpoint.go, build_routes.go: what it opens in 29",
        "moby libnetwork at v20.10 to v26.1: ip6tables needs it",
    ),
    setting=DaemonKey(
        key="experimental",
        live=lambda info: bool(info.get("ExperimentalBuild")),
        written=lambda desired: ABSENT,
    ),
    desired=off,
    parameter="experimental",
    guards=(only_audited("experimental"), needed),
)
