"""The disk is not full of images that nobody runs."""

from collections.abc import Iterator, Sequence

from oakum.controls.base import Control, Observed
from oakum.controls.image_names import images_on, runners
from oakum.facts import CannotTell, HostFacts
from oakum.model import Area, Json, Severity
from oakum.parts import Image
from oakum.policy import Policy


def at_most(facts: HostFacts, policy: Policy) -> int:
    """Gigabytes."""
    images_on(facts)
    return policy.unused_images


def unused(facts: HostFacts, desired: Json) -> Iterator[str]:
    used_by = runners(facts)
    if "" in used_by:
        raise CannotTell("which images the containers run was not recorded")
    idle = [image for image in facts.image_list.value if image.id not in used_by]
    if sum(image.size for image in idle) <= desired * 1_000_000_000:
        return
    nameless = [image for image in idle if not image.tags]
    named = [image for image in idle if image.tags]
    if nameless:
        yield f"{len(nameless)} dangling {_gigabytes(nameless)}"
    if named:
        yield f"{len(named)} that no running container uses {_gigabytes(named)}"


def _gigabytes(images: Sequence[Image]) -> str:
    return f"({sum(image.size for image in images) / 1e9:.1f} GB, shared layers counted each time)"


CONTROL = Control(
    area=Area.IMAGES,
    id="dangling-images",
    title="Few images lie on the host unused",
    why="Every deployment leaves its former image behind, until the disk is full and containers "
    "and dockerd fail together; and what lies there can be started by mistake.",
    cost="Nothing changes; it is told. A few former images are the way back after a bad release.",
    undo="Raise oakum_unused_images.",
    severity=Severity.LOW,
    refs={"cis-1.6": "6.1", "seed": "image-sprawl"},
    sources=(
        "docker-bench-security 1.6.0, 6.1",
        "docker/cli e9a941001c: from 29.0 docker images hides dangling ones",
        "moby daemon/images/image_prune.go: dangling is what has no tag",
    ),
    setting=Observed(
        label="images that nobody runs",
        faults=unused,
        advice="docker image prune takes the dangling ones; with --all --filter until=240h also "
        "every older one that no container has, be it a stopped one",
    ),
    desired=at_most,
    parameter="unused_images",
)
