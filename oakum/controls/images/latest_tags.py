"""No container runs whatever its publisher pushed last."""

from collections.abc import Iterator

from oakum.controls.base import Control, Observed
from oakum.controls.image_names import names_in_use, require_containers
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy


def a_version(facts: HostFacts, policy: Policy) -> str:
    """A tag that says which version it is, or a digest."""
    require_containers(facts)
    return "a version"


def latest(facts: HostFacts, desired: Json) -> Iterator[str]:
    for used in names_in_use(facts):
        if used.by_id:
            continue
        if any(name.digest is None and name.tag in (None, "latest") for name in used.names):
            yield used.shown


CONTROL = Control(
    area=Area.IMAGES,
    id="latest-tags",
    title="No container runs from the tag latest",
    why="Nobody can say which version runs, two hosts of one service run different ones, and the "
    "way back has no name. An image without a tag is latest too.",
    cost="Nothing changes; it is told.",
    undo="Nothing was changed.",
    severity=Severity.MEDIUM,
    refs={"seed": "latest-tag"},
    sources=(
        "distribution/reference: TagNameOnly adds latest where there is neither tag nor digest",
        "dockle DKL-DI-0006: avoid latest tag",
    ),
    setting=Observed(
        label="tags of images that run",
        faults=latest,
        advice="name a version, better still with its digest",
    ),
    desired=a_version,
)
