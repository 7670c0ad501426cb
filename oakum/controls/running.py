"""Faults of the containers that run: what the controls of the area containers are made of."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from functools import partial

from oakum.controls.base import NotApplicable, Observed, require_engine
from oakum.facts import CannotTell, HostFacts, Read, Unread, attempt
from oakum.model import Json
from oakum.parts import Confinement, Container
from oakum.policy import ContainerCheck, Policy

Fault = Callable[[Container, HostFacts, Json], str | None]
"""What is wrong with a container, given what is desired; empty when its name says it all, None when
nothing is. May raise CannotTell."""


def running(facts: HostFacts) -> tuple[Container, ...]:
    """The containers that run. Raises NotApplicable where there are none, CannotTell."""
    require_engine(facts)
    containers = facts.containers.value
    if not containers:
        raise NotApplicable("no container runs")
    return containers


def none_of_them(facts: HostFacts, policy: Policy) -> str:
    """No container that runs should have the fault."""
    running(facts)
    return "none"


def none_but_trusted(facts: HostFacts, policy: Policy) -> list[str]:
    """The names of containers that may, as shell patterns."""
    running(facts)
    return list(policy.trusted_containers)


def require_check(check: ContainerCheck, policy: Policy) -> None:
    """Raises NotApplicable where the policy does not ask for ``check``."""
    if check not in policy.container_checks:
        raise NotApplicable(f"oakum_container_checks leaves it out (profile {policy.profile})")


def require_told(container: Container, *names: str) -> None:
    """Raises CannotTell where the probe left out one of ``names`` of a container."""
    if untold := [name for name in names if name in container.unread]:
        raise CannotTell(f"the probe did not tell {', '.join(untold)} of {container.name}")


def confinement(container: Container, facts: HostFacts) -> Confinement | None:
    """What the kernel says of its first process; None when it has ended. Raises CannotTell."""
    return facts.confinements.value.get(container.pid)


def of_containers(label: str, fault: Fault, advice: str) -> Observed:
    """A setting whose faults are those of single containers, by name.

    One that cannot be told does not hide another's fault; without any fault it is the answer.
    """

    def faults(facts: HostFacts, desired: Json) -> Iterable[str]:
        told = [
            (container.name, attempt(partial(fault, container, facts, desired)))
            for container in facts.containers.value
        ]
        found = sorted(
            f"{name} ({what.value})" if what.value else name
            for name, what in told
            if isinstance(what, Read) and what.value is not None
        )
        untold = next((what for _, what in told if isinstance(what, Unread)), None)
        if untold and not found:
            raise CannotTell(untold.reason)
        return found

    return Observed(label=label, faults=faults, advice=advice)


def of_untrusted(
    label: str, fault: Callable[[Container, HostFacts], str | None], advice: str
) -> Observed:
    """The same, of those whose names are not among the patterns that are desired."""

    def unless_trusted(container: Container, facts: HostFacts, trusted: Json) -> str | None:
        if any(fnmatchcase(container.name, pattern) for pattern in trusted):
            return None
        return fault(container, facts)

    return of_containers(label, unless_trusted, advice)
