"""Images are no bigger than they have to be."""

from collections.abc import Iterator

from oakum.controls.base import Control, Observed
from oakum.controls.image_names import called, images_on, runners
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy


def at_most(facts: HostFacts, policy: Policy) -> int:
    """Megabytes."""
    images_on(facts)
    return policy.image_size


def bigger(facts: HostFacts, desired: Json) -> Iterator[str]:
    used_by = runners(facts)
    big = [image for image in facts.image_list.value if image.size > desired * 1_000_000]
    for image in sorted(big, key=lambda image: (-image.size, image.id)):
        yield f"{called(image, used_by)}: {image.size / 1e6:.0f} MB"


CONTROL = Control(
    area=Area.IMAGES,
    id="image-size",
    title="Images are no bigger than they have to be",
    why="What an image has too much it has to be pulled with on every host and at every start "
    "elsewhere, and each package in it is one more that has flaws.",
    cost="Nothing changes; it is told.",
    undo="Raise oakum_image_size.",
    severity=Severity.LOW,
    refs={"cis-1.6": "4.3", "cis-1.7": "4.3", "cis-1.8": "4.3", "seed": "bloated-images"},
    sources=(
        "moby api/types/image, Size: all layers together, shared ones included",
        "docker-bench-security 1.6.0, 4.3: unnecessary packages, left to the reader",
    ),
    setting=Observed(
        label="size of images",
        faults=bigger,
        advice="build in stages and copy only what runs, onto a slim base",
    ),
    desired=at_most,
    parameter="image_size",
)
