"""Images from Docker Hub are its official ones, or those of somebody whom the policy names."""

from collections.abc import Iterator

from oakum.controls.base import Control, NotApplicable, Observed
from oakum.controls.image_names import HUB, names_in_use, require_containers
from oakum.controls.images.image_registries import allowed
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy

OFFICIAL = f"{HUB}/library"
"""Where Docker Hub keeps the images that Docker reviews."""


def official_or_allowed(facts: HostFacts, policy: Policy) -> list[str]:
    """Docker Hub's library and what the policy allows beside it, where the policy asks."""
    if not policy.unofficial_images:
        raise NotApplicable(f"oakum_unofficial_images is false (profile {policy.profile})")
    require_containers(facts)
    return sorted({OFFICIAL, *policy.registries})


def unofficial(facts: HostFacts, desired: Json) -> Iterator[str]:
    for used in names_in_use(facts):
        if used.by_id:
            facts.image_list.value  # noqa: B018 - its names are there
        on_hub = [name for name in used.names if name.repository.startswith(f"{HUB}/")]
        if on_hub and not any(allowed(name, desired) for name in used.names):
            yield f"{used.shown} is {on_hub[0].repository}"


CONTROL = Control(
    area=Area.IMAGES,
    id="unofficial-images",
    title="Images from Docker Hub are official ones",
    why="Anybody can publish on Docker Hub, and malware has been published there under names that "
    "look right; what lies in its library is reviewed, and rebuilt when its base is.",
    cost="Nothing changes; it is told.",
    undo="Set oakum_unofficial_images to false, or name the publisher in oakum_registries.",
    severity=Severity.LOW,
    refs={"seed": "official-images"},
    sources=(
        "distribution/reference normalize.go: a name of one word is docker.io/library's",
        "docs.docker.com, Docker Official Images: reviewed, documented, rebuilt",
    ),
    setting=Observed(
        label="publishers of images from Docker Hub",
        faults=unofficial,
        advice="use an official image, or name the publisher in oakum_registries",
    ),
    desired=official_or_allowed,
    parameter="unofficial_images",
)
