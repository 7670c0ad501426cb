"""Images have no more layers than a driver takes well."""

from collections.abc import Iterator

from oakum.controls.base import Control, Observed
from oakum.controls.image_names import called, images_on, runners
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy


def at_most(facts: HostFacts, policy: Policy) -> int:
    """Layers."""
    images_on(facts)
    return policy.image_layers


def deeper(facts: HostFacts, desired: Json) -> Iterator[str]:
    used_by = runners(facts)
    deep = [image for image in facts.image_list.value if image.layers > desired]
    for image in sorted(deep, key=lambda image: (-image.layers, image.id)):
        yield f"{called(image, used_by)}: {image.layers} layers"


CONTROL = Control(
    area=Area.IMAGES,
    id="image-layers",
    title="Images have few layers",
    why="Each layer is looked through at the first access to a file and mounted at each start, "
    "what a later one deletes stays in the earlier, and overlay2 ends at 128.",
    cost="Nothing changes; it is told.",
    undo="Raise oakum_image_layers.",
    severity=Severity.LOW,
    refs={"seed": "image-layers"},
    sources=("moby daemon/graphdriver/overlay2/overlay.go: maxDepth is 128",),
    setting=Observed(
        label="layers of images",
        faults=deeper,
        advice="join the commands that belong together, and build in stages",
    ),
    desired=at_most,
    parameter="image_layers",
)
