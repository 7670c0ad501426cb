"""Every container says whether it is well."""

from oakum.controls.base import Control
from oakum.controls.running import (
    none_of_them,
    of_containers,
    require_check,
    require_told,
)
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.parts import Container
from oakum.policy import ContainerCheck, Policy


def where_asked_for(facts: HostFacts, policy: Policy) -> str:
    require_check(ContainerCheck.HEALTHCHECKS, policy)
    return none_of_them(facts, policy)


def unchecked(container: Container, facts: HostFacts, desired: Json) -> str | None:
    """A kubelet has probes of its own."""
    require_told(container, "health")
    checked = container.health not in ("", "none")
    return None if checked or container.by_kubelet else ""


CONTROL = Control(
    area=Area.CONTAINERS,
    id="healthchecks",
    title="Every container has a health check",
    why="Without one docker knows only that a process is there: a service that hangs stays up, "
    "a swarm does not replace it, and no change can be verified by it.",
    cost="Nothing here changes; the image or the container has to be made anew with a check.",
    undo="Nothing was changed.",
    severity=Severity.LOW,
    refs={"cis-1.6": "5.27", "cis-1.7": "5.27", "cis-1.8": "5.27", "seed": "monitoring"},
    sources=(
        "moby daemon/health.go: State.Health is there where a check is",
        "moby api/types/container/health.go: none is no check",
    ),
    setting=of_containers(
        "State.Health of containers",
        unchecked,
        "put a HEALTHCHECK into their images, or --health-cmd into their commands",
    ),
    desired=where_asked_for,
    parameter="container_checks",
)
