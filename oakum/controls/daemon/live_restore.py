"""Containers keep running while dockerd restarts."""

from oakum.controls.base import Control, NotApplicable, require_engine
from oakum.controls.daemon_key import DaemonKey, at_next_start
from oakum.facts import HostFacts, Read
from oakum.model import Area, Severity
from oakum.policy import Policy


def swarm_state(facts: HostFacts) -> str:
    """The node's state in a swarm, ``inactive`` outside of one."""
    if not isinstance(facts.info, Read):
        return "inactive"
    return str((facts.info.value.get("Swarm") or {}).get("LocalNodeState") or "inactive")


def on_outside_a_swarm(facts: HostFacts, policy: Policy) -> bool:
    """A swarm node's dockerd does not start with live-restore (moby ``daemon/cluster``), so there
    it must not be set."""
    require_engine(facts)
    if swarm_state(facts) == "inactive":
        return True
    if at_next_start(facts, "live-restore"):
        return False
    raise NotApplicable(f"swarm node ({swarm_state(facts)}): dockerd refuses live-restore")


def would_not_start(facts: HostFacts, policy: Policy) -> str | None:
    """A swarm node has live-restore set, with which its dockerd does not start again."""
    if swarm_state(facts) == "inactive":
        return None
    return (
        f"swarm node ({swarm_state(facts)}): dockerd would not start again with live-restore; "
        "take it out of daemon.json, or off its flags"
    )


CONTROL = Control(
    area=Area.DAEMON,
    id="live-restore",
    title="Containers keep running while dockerd restarts",
    why="Without live-restore every restart of dockerd, each upgrade and each hardening of its "
    "configuration stops all containers of the host.",
    cost="A reload; nothing stops. Docker's own log driver buffers fill while dockerd is away, and "
    "changes of the default bridge wait for a start without running containers.",
    undo='Set "live-restore": false in daemon.json and reload dockerd.',
    severity=Severity.MEDIUM,
    refs={"cis-1.6": "2.15", "cis-1.7": "2.15", "cis-1.8": "2.16", "seed": "reliability"},
    sources=(
        "moby daemon/reload.go: live-restore is applied by SIGHUP since 1.12",
        "moby daemon/cluster/cluster.go: refused in swarm mode",
    ),
    setting=DaemonKey(key="live-restore", live=lambda info: bool(info.get("LiveRestoreEnabled"))),
    desired=on_outside_a_swarm,
    guards=(would_not_start,),
)
