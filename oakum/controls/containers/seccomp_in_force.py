"""The kernel filters the system calls of every container that did not ask for something else."""

from oakum.controls.base import Control, NotApplicable, compiled_out
from oakum.controls.running import confinement, none_of_them, of_containers, require_told
from oakum.facts import CannotTell, HostFacts
from oakum.model import Area, Json, Severity
from oakum.parts import Container
from oakum.policy import Policy


def where_the_kernel_can(facts: HostFacts, policy: Policy) -> str:
    if compiled_out(facts, "SECCOMP"):
        raise NotApplicable("this kernel has no SECCOMP")
    return none_of_them(facts, policy)


def unfiltered(container: Container, facts: HostFacts, desired: Json) -> str | None:
    """Privileged and unconfined containers are told elsewhere."""
    if container.privileged or any(
        option.startswith("seccomp") and option.endswith("unconfined")
        for option in container.security
    ):
        return None
    require_told(container, "privileged", "securityopt")
    process = confinement(container, facts)
    if process is None:
        return None
    if process.filtered is None:
        raise CannotTell("this kernel does not tell whether seccomp filters a process")
    return None if process.filtered else ""


CONTROL = Control(
    area=Area.CONTAINERS,
    id="seccomp-in-force",
    title="The kernel filters the system calls of every container",
    why="A profile that says nothing, a daemon that was unconfined when the container was created, "
    "or a kernel without seccomp leave a container unfiltered while docker inspect looks as usual.",
    cost="Nothing here changes; the container has to be created anew, with a profile.",
    undo="Nothing was changed.",
    severity=Severity.MEDIUM,
    refs={"seed": "seccomp"},
    sources=(
        "proc(5): Seccomp in /proc/PID/status, 2 is a filter",
        "moby daemon/seccomp_linux.go: an unconfined daemon is stored with the container",
        "moby profiles/seccomp: a profile without defaultAction and syscalls is none",
    ),
    setting=of_containers(
        "Seccomp in /proc/PID/status of containers",
        unfiltered,
        "create them anew, and look at seccomp-profile of the daemon first",
    ),
    desired=where_the_kernel_can,
)
