"""No container is started again and again."""

from datetime import timedelta
from typing import Final

from oakum.controls.base import Control
from oakum.controls.running import none_of_them, of_containers, require_told
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.parts import Container

MANY: Final = 5
"""Restarts after which it is no accident."""

YOUNG: Final = timedelta(minutes=10)
"""One that has run for longer has got over it."""


def loops(container: Container, facts: HostFacts, desired: Json) -> str | None:
    require_told(container, "restarting", "restarts", "started")
    if container.restarting:
        return f"restarting, {container.restarts} so far"
    if container.restarts < MANY or container.started is None:
        return None
    age = facts.clock.value - container.started
    return f"{container.restarts} restarts" if age < YOUNG else None


CONTROL = Control(
    area=Area.CONTAINERS,
    id="restart-loops",
    title="No container is started again and again",
    why="A container that ends right after each start costs the host a start every minute, fills "
    "its log and is down, while docker ps says that it is up.",
    cost="Nothing here changes; the cause is in the container's log.",
    undo="Nothing was changed.",
    severity=Severity.LOW,
    refs={"seed": "monitoring"},
    sources=(
        "moby daemon/container/state.go SetRestarting: it counts as running meanwhile",
        "moby daemon/internal/restartmanager/restartmanager.go: it waits for a minute at most",
        "moby daemon/container/container.go ResetRestartManager: a start by hand counts anew",
    ),
    setting=of_containers(
        "RestartCount of containers", loops, "docker logs tells why; stop them until it is mended"
    ),
    desired=none_of_them,
)
