"""The limits that docker tells of a container are those that its processes have."""

from oakum.controls.base import Control, NotApplicable
from oakum.controls.running import confinement, of_containers, require_told, running
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.parts import Container
from oakum.policy import Policy


def where_there_are_any(facts: HostFacts, policy: Policy) -> str:
    if not any(one.ulimits or "ulimits" in one.unread for one in running(facts)):
        raise NotApplicable("no container has a limit, its own or the daemon's")
    return "as docker tells"


def others_than_told(container: Container, facts: HostFacts, desired: Json) -> str | None:
    """Hard limits alone: a program may raise its soft ones, and many do."""
    require_told(container, "ulimits")
    process = confinement(container, facts) if container.ulimits else None
    if process is None:
        return None
    differing = [
        f"{name} {_shown(process.hard[name])} instead of {_shown(told)}"
        for name, told in sorted(container.ulimits.items())
        if name in process.hard and process.hard[name] != told
    ]
    return "; ".join(differing) or None


def _shown(limit: int | None) -> str:
    return "unlimited" if limit is None else str(limit)


CONTROL = Control(
    area=Area.CONTAINERS,
    id="ulimits-in-force",
    title="Containers really have the limits that docker tells",
    why="Limits are set when a container starts, but docker inspect shows the daemon's present "
    "default: a container of before runs with infinity, or with too few descriptors, and looks "
    "right.",
    cost="Nothing here changes; the container has to be restarted.",
    undo="Nothing was changed.",
    severity=Severity.LOW,
    refs={"cis-1.6": "5.19", "cis-1.7": "5.19", "cis-1.8": "5.19", "seed": "default-ulimits"},
    sources=(
        "moby daemon/inspect.go: mergeUlimits with the daemon's present default",
        "moby daemon/oci_linux.go WithRlimits: set when a container starts",
        "tried on Docker 20.10.24: inspect shows the new ones, /proc/PID/limits the old",
    ),
    setting=of_containers(
        "/proc/PID/limits of containers",
        others_than_told,
        "restart them, so that they get their limits",
    ),
    desired=where_there_are_any,
)
