"""A container comes back after its host was rebooted."""

from oakum.controls.base import Control
from oakum.controls.running import none_of_them, of_containers, require_told
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.parts import Container


def stays_away(container: Container, facts: HostFacts, desired: Json) -> str | None:
    """Not one that is removed when it ends: that is a job, or a unit of the host starts it. A swarm
    or a kubelet starts another one in its place."""
    if container.restart != "no" or container.one_off or container.task or container.by_kubelet:
        return None
    require_told(container, "restart", "autoremove", "task")
    return ""


CONTROL = Control(
    area=Area.CONTAINERS,
    id="restart-policies",
    title="Every container comes back after a reboot",
    why="A container without a restart policy stays away after a reboot, a kernel panic, or a "
    "restart of dockerd without live-restore, until somebody notices.",
    cost="Nothing here changes; docker update sets the policy of a running container.",
    undo="Nothing was changed.",
    severity=Severity.LOW,
    refs={"seed": "redundancy"},
    sources=(
        "moby daemon/internal/restartmanager/restartmanager.go ShouldRestart",
        "moby daemon/daemon.go restore: what is started again",
    ),
    setting=of_containers(
        "HostConfig.RestartPolicy of containers",
        stays_away,
        "docker update --restart unless-stopped, or run jobs with --rm",
    ),
    desired=none_of_them,
)
