"""Images that run were built not too long ago."""

from collections.abc import Iterator

from oakum.controls.base import Control, Observed
from oakum.controls.image_names import images_in_use, require_containers
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy


def at_most(facts: HostFacts, policy: Policy) -> int:
    """Days."""
    require_containers(facts)
    return policy.image_age


def older(facts: HostFacts, desired: Json) -> Iterator[str]:
    for used, image in images_in_use(facts):
        if image.created:
            days = (facts.clock.value - image.created).days
            if days > desired:
                yield f"{used.shown}: {days} days"


CONTROL = Control(
    area=Area.IMAGES,
    id="image-age",
    title="Images that run were rebuilt lately",
    why="An image gets the security updates of its base only when it is built again; one that is "
    "older than a few releases has known flaws, whatever is in it. Images without a real date, as "
    "reproducible builds make them, are not judged.",
    cost="Nothing changes; it is told.",
    undo="Raise oakum_image_age.",
    severity=Severity.LOW,
    refs={"seed": "image-age"},
    sources=("moby api/types/image, Created: from the image, and missing where it has none",),
    setting=Observed(
        label="age of images that run",
        faults=older,
        advice="build or pull them anew, and deploy",
    ),
    desired=at_most,
    parameter="image_age",
)
