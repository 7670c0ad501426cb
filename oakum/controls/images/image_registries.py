"""Containers run images only from where the policy allows."""

from collections.abc import Iterator

from oakum.controls.base import Control, NotApplicable, Observed
from oakum.controls.image_names import Name, names_in_use, require_containers
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy


def allowed(name: Name, places: Json) -> bool:
    """Whether a name is one of the places that are allowed, or lies below one."""
    return any(
        name.repository == place or name.repository.startswith(f"{place}/") for place in places
    )


def where_the_policy_says(facts: HostFacts, policy: Policy) -> list[str]:
    """The registries and repositories of the policy; without any, everything is allowed."""
    if not policy.registries:
        raise NotApplicable("oakum_registries names none, so that every registry is allowed")
    require_containers(facts)
    return sorted(policy.registries)


def strangers(facts: HostFacts, desired: Json) -> Iterator[str]:
    for used in names_in_use(facts):
        if used.by_id:
            facts.image_list.value  # noqa: B018 - its names are there
        if not used.names:
            yield f"{used.shown} has no name"
        elif not any(allowed(name, desired) for name in used.names):
            yield f"{used.shown} is {used.names[0].repository}"


CONTROL = Control(
    area=Area.IMAGES,
    id="image-registries",
    title="Containers run images from allowed registries only",
    why="Whoever can push to a registry that a host pulls from runs code on it; an allow-list says "
    "whom the operator meant to trust. A name without a registry is Docker Hub's, so an image that "
    "was built here under such a name counts as the Hub's: Docker would look for it there.",
    cost="Nothing changes; it is told.",
    undo="Leave oakum_registries empty.",
    severity=Severity.MEDIUM,
    refs={"cis-1.6": "4.2", "cis-1.7": "4.2", "cis-1.8": "4.2", "seed": "untrusted-images"},
    sources=(
        "distribution/reference normalize.go: splitDockerDomain, docker.io and library",
        "docker-bench-security 1.6.0, 4.2: left to the reader",
    ),
    setting=Observed(
        label="registries of images that run",
        faults=strangers,
        advice="take them from a registry of oakum_registries, or add theirs to it",
    ),
    desired=where_the_policy_says,
    parameter="registries",
)
