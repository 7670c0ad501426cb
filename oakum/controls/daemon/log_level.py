"""dockerd logs what it does, and not more."""

from oakum.controls.base import ABSENT, Control, require_engine
from oakum.controls.daemon_key import DaemonKey
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy


def info(facts: HostFacts, policy: Policy) -> str:
    """The default of every release."""
    require_engine(facts)
    return "info"


def level(value: Json) -> Json:
    """The word as dockerd takes it, in any case; an empty one is the default."""
    return value.lower() or "info" if isinstance(value, str) else value


CONTROL = Control(
    area=Area.DAEMON,
    id="log-level",
    title="The daemon logs at level info",
    why="Above info dockerd keeps silent about what it did, even whether a reload of its "
    "configuration worked; at debug it writes every request into the log.",
    cost="A restart of dockerd, and more or fewer lines in its log.",
    undo="Set log-level in daemon.json to its former word and restart dockerd.",
    severity=Severity.LOW,
    refs={"cis-1.6": "2.3", "cis-1.7": "2.3", "cis-1.8": "2.3", "seed": "docker-defaults"},
    sources=(
        "moby cmd/dockerd/config.go: default info; SIGHUP does not apply it",
        "moby cmd/dockerd/daemon.go: the reloaded configuration is logged at level info",
    ),
    setting=DaemonKey(key="log-level", normal=level, written=lambda desired: ABSENT),
    desired=info,
)
