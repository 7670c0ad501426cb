"""Processes of containers really cannot gain privileges, where that is wanted."""

from oakum.controls.base import Control, NotApplicable
from oakum.controls.daemon_key import in_force
from oakum.controls.running import (
    confinement,
    none_of_them,
    of_containers,
    require_check,
    running,
)
from oakum.facts import CannotTell, HostFacts
from oakum.model import Area, Json, Severity
from oakum.parts import Container
from oakum.policy import ContainerCheck, Policy


def where_it_is_wanted(facts: HostFacts, policy: Policy) -> str:
    """By the policy, or by the default of the daemon, which reaches new containers only."""
    running(facts)
    if not in_force(facts, "no-new-privileges"):
        try:
            require_check(ContainerCheck.NO_NEW_PRIVILEGES, policy)
        except NotApplicable as why:
            raise NotApplicable(f"{why}, and the daemon does not ask for it") from None
    return none_of_them(facts, policy)


def may_gain(container: Container, facts: HostFacts, desired: Json) -> str | None:
    process = confinement(container, facts)
    if process is None:
        return None
    if process.no_new_privileges is None:
        raise CannotTell("this kernel does not tell NoNewPrivs of a process (4.10 does)")
    return None if process.no_new_privileges else ""


CONTROL = Control(
    area=Area.CONTAINERS,
    id="no-new-privileges-in-force",
    title="No container can gain privileges where that is forbidden",
    why="The daemon's default reaches new containers only: those of before keep their setuid "
    "programs as a way to root, also after a restart of the container.",
    cost="Nothing here changes; the container has to be created anew. Its sudo, ping or mail "
    "program may no longer work.",
    undo="Nothing was changed.",
    severity=Severity.LOW,
    refs={"cis-1.6": "5.26", "cis-1.7": "5.26", "cis-1.8": "5.26", "seed": "security-additions"},
    sources=(
        "proc(5): NoNewPrivs in /proc/PID/status (4.10)",
        "moby daemon/daemon_unix.go: the default is stored when a container is created",
    ),
    setting=of_containers(
        "NoNewPrivs in /proc/PID/status of containers",
        may_gain,
        "create them anew, with --security-opt no-new-privileges where the daemon does not say so",
    ),
    desired=where_it_is_wanted,
    parameter="container_checks",
)
