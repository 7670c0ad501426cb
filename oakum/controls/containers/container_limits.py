"""No container can take all of its host's memory, processes or time."""

from typing import Final

from oakum.controls.base import Control, NotApplicable
from oakum.controls.running import of_containers, require_told, running
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.parts import Container
from oakum.policy import Policy

NAMES: Final = {"memory": ("memory",), "pids": ("pids",), "cpu": ("cpus", "quota", "cpuset")}
"""What the probe calls that of which a limit is made."""


def of_the_policy(facts: HostFacts, policy: Policy) -> list[str]:
    if not policy.container_limits:
        raise NotApplicable("oakum_container_limits is empty")
    running(facts)
    return [str(limit) for limit in policy.container_limits]


def unlimited(container: Container, facts: HostFacts, desired: Json) -> str | None:
    """Which ones; what was not told matters only where no other is missing."""
    missing = [name for name in desired if name not in container.limits]
    told = [name for name in missing if not set(NAMES[name]) & set(container.unread)]
    if missing and not told:
        require_told(container, *NAMES[missing[0]])
    return f"no limit of {', '.join(told)}" if told else None


CONTROL = Control(
    area=Area.CONTAINERS,
    id="container-limits",
    title="Every container has limits of memory and processes",
    why="One container without a limit of memory brings the kernel's killer down on others, and "
    "one without a limit of processes can fork until nobody on the host can log in. The daemon "
    "has no default for either.",
    cost="Nothing here changes; docker update sets limits of a running container, and a limit that "
    "is too low kills it.",
    undo="Nothing was changed.",
    severity=Severity.MEDIUM,
    refs={
        "cis-1.6": "5.11, 5.12, 5.29",
        "cis-1.7": "5.11, 5.12, 5.29",
        "cis-1.8": "5.11, 5.12, 5.29",
        "seed": "resource-isolation",
    },
    sources=(
        "moby#18697: the pids cgroup, Docker 1.11",
        "moby#25412, api/types/container/hostconfig.go: 0, -1 and null are no limit",
        "moby#12695, moby#42069: a nproc ulimit is no substitute",
    ),
    setting=of_containers(
        "HostConfig.Memory, PidsLimit and NanoCpus of containers",
        unlimited,
        "measure what they need, then docker update --memory, --pids-limit or --cpus",
    ),
    desired=of_the_policy,
    parameter="container_limits",
)
