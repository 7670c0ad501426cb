"""A container writes to its volumes and nowhere else."""

from oakum.controls.base import Control
from oakum.controls.running import none_of_them, of_containers, require_check, require_told
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.parts import Container
from oakum.policy import ContainerCheck, Policy


def where_asked_for(facts: HostFacts, policy: Policy) -> str:
    require_check(ContainerCheck.ROOT_FILESYSTEMS, policy)
    return none_of_them(facts, policy)


def writable(container: Container, facts: HostFacts, desired: Json) -> str | None:
    require_told(container, "readonly")
    return None if container.read_only else ""


CONTROL = Control(
    area=Area.CONTAINERS,
    id="writable-root-filesystems",
    title="The root file system of every container is read-only",
    why="Who breaks in cannot leave programs behind, nothing is lost that was written to the wrong "
    "place, and no log fills the host's disk unseen.",
    cost="Nothing here changes; the container has to be created anew, with a tmpfs or a volume "
    "for each place where its program writes.",
    undo="Nothing was changed.",
    severity=Severity.LOW,
    refs={
        "cis-1.6": "5.13",
        "cis-1.7": "5.13",
        "cis-1.8": "5.13",
        "seed": "containers-and-machines",
    },
    sources=("moby api/types/container/hostconfig.go: ReadonlyRootfs",),
    setting=of_containers(
        "HostConfig.ReadonlyRootfs of containers",
        writable,
        "create them with --read-only, and --tmpfs for where they write",
    ),
    desired=where_asked_for,
    parameter="container_checks",
)
