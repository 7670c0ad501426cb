"""The distribution inside of an image still gets security updates."""

from collections.abc import Iterator

from oakum.controls.base import Control, NotApplicable, Observed
from oakum.controls.image_names import called, images_on, runners
from oakum.engine.distributions import last_day
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy


def one_with_updates(facts: HostFacts, policy: Policy) -> str:
    """A release that has not ended, where the layers can be read."""
    drivers = {image.driver for image in images_on(facts)}
    if "overlay2" not in drivers:
        other = ", ".join(sorted(filter(None, drivers))) or "the containerd image store"
        raise NotApplicable(f"only layers of overlay2 are read, and these are of {other}")
    return "not ended"


def ended(facts: HostFacts, desired: Json) -> Iterator[str]:
    releases = facts.image_releases.value
    used_by = runners(facts)
    images = sorted(facts.image_list.value, key=lambda image: image.id not in used_by)
    for image in images:
        release = releases.get(image.id, "")
        day = last_day(release)
        if day and day < facts.clock.value.date():
            yield f"{called(image, used_by)}: {release} ended on {day}"


CONTROL = Control(
    area=Area.IMAGES,
    id="base-distribution",
    title="The distribution inside of images still gets updates",
    why="After its end a distribution gets no security updates, so that rebuilding the image "
    "changes nothing and its flaws stay, however new its tag is. The day is that of updates for "
    "everybody: what is sold beyond it does not reach into an image.",
    cost="Nothing changes; it is told.",
    undo="Nothing was changed.",
    severity=Severity.MEDIUM,
    refs={"cis-1.6": "4.4", "cis-1.7": "4.4", "cis-1.8": "4.4", "seed": "image-patches"},
    sources=(
        "endoflife.date, commit a70eca33 of 2026-08-22: the days in oakum/engine/distributions.yml",
        "os-release(5): ID and VERSION_ID",
    ),
    setting=Observed(
        label="distributions inside of images",
        faults=ended,
        advice="build them anew on a release that is supported",
    ),
    desired=one_with_updates,
)
