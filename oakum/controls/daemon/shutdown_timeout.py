"""Containers get time to end before they are killed."""

from typing import Final

from oakum.controls.base import Control, require_engine
from oakum.controls.daemon_key import DaemonKey, at_next_start
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy

DEFAULT: Final = 15
"""Seconds that dockerd waits where nothing is said, in every release."""


def seconds(value: Json) -> Json:
    """The number as dockerd takes it: nought is none, and a negative one waits for ever."""
    return value if value != 0 or isinstance(value, bool) else DEFAULT


def long_enough(facts: HostFacts, policy: Policy) -> Json:
    """What the policy names; without it what is configured, and never less than the default."""
    require_engine(facts)
    if policy.shutdown_timeout is not None:
        return policy.shutdown_timeout
    configured = seconds(at_next_start(facts, "shutdown-timeout"))
    if not isinstance(configured, int) or isinstance(configured, bool):
        return DEFAULT
    return configured if configured < 0 or configured >= DEFAULT else DEFAULT


CONTROL = Control(
    area=Area.DAEMON,
    id="shutdown-timeout",
    title="Containers get time to stop when dockerd stops",
    why="What has not ended when the time is over is killed: a database then recovers at its next "
    "start, if it can.",
    cost="A reload; nothing stops. A stop of dockerd, and with it of the host, may take that long; "
    "systemd's TimeoutStopSec has to be longer.",
    undo="Set shutdown-timeout in daemon.json to its former number and reload dockerd.",
    severity=Severity.LOW,
    refs={"seed": "reliability"},
    sources=(
        "moby daemon/daemon.go, ShutdownTimeout: the default, and what a negative number means",
        "moby daemon/reload.go: applied by SIGHUP since 1.13",
    ),
    setting=DaemonKey(key="shutdown-timeout", normal=seconds),
    desired=long_enough,
    parameter="shutdown_timeout",
)
