"""Containers name their images by digest, which can mean only one."""

from collections.abc import Iterator

from oakum.controls.base import Control, NotApplicable, Observed
from oakum.controls.image_names import names_in_use, require_containers
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy


def by_digest(facts: HostFacts, policy: Policy) -> str:
    """A digest, where the policy asks for it."""
    if not policy.unpinned_images:
        raise NotApplicable(f"oakum_unpinned_images is false (profile {policy.profile})")
    require_containers(facts)
    return "by digest"


def by_tag(facts: HostFacts, desired: Json) -> Iterator[str]:
    for used in names_in_use(facts):
        if not used.by_id and not any(name.digest for name in used.names):
            yield used.shown


CONTROL = Control(
    area=Area.IMAGES,
    id="unpinned-images",
    title="Containers name their images by digest",
    why="A tag is a label that its publisher moves: the same compose file gives another image on "
    "another day or host, and whoever takes over the repository takes over the next deployment.",
    cost="Nothing changes; it is told. Pinned images get updates only when the digest is changed, "
    "which a bot can do.",
    undo="Set oakum_unpinned_images to false.",
    severity=Severity.LOW,
    refs={"seed": "image-digests"},
    sources=(
        "moby daemon/create.go: Config.Image is what the caller wrote, tag or digest",
        "docs.docker.com, docker image pull: pull an image by digest",
    ),
    setting=Observed(
        label="digests of images that run",
        faults=by_tag,
        advice="name them as name:tag@sha256:..., with the digest that docker image inspect shows "
        "under RepoDigests",
    ),
    desired=by_digest,
    parameter="unpinned_images",
)
