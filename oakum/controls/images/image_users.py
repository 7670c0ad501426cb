"""Images that run have a user of their own."""

from collections.abc import Iterator
from typing import Final

from oakum.controls.base import Control, Observed
from oakum.controls.daemon.userns_remap import remapped
from oakum.controls.image_names import images_in_use, require_containers
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy

ROOT: Final = ("", "root", "0")


def a_user(facts: HostFacts, policy: Policy) -> str:
    """Anybody but root."""
    require_containers(facts)
    return "not root"


def as_root(facts: HostFacts, desired: Json) -> Iterator[str]:
    mapped = " (mapped)" if remapped(facts.info.value) else ""
    for used, image in images_in_use(facts):
        user = image.user.partition(":")[0]
        if user in ROOT and not image.platform.startswith("windows/"):
            yield f"{used.shown}: {'root' if user else 'no user'}{mapped}"


CONTROL = Control(
    area=Area.IMAGES,
    id="image-users",
    title="Images that run have a user of their own",
    why="Without a USER the processes of an image are root, and a flaw in the kernel, the runtime "
    "or a mount makes them root of the host. User namespaces map that root to nobody on the host: "
    "it is told as mapped then, and is the milder fault.",
    cost="Nothing changes; it is told. Containers that are run with a user of their own are told "
    "too, since the next one may be run without.",
    undo="Nothing was changed.",
    severity=Severity.MEDIUM,
    refs={"cis-1.6": "4.1", "cis-1.7": "4.1", "cis-1.8": "4.1", "seed": "root-in-images"},
    sources=(
        "moby api/types/image, Config.User: what USER of the Dockerfile said",
        "docker-bench-security 1.6.0, 4.1",
    ),
    setting=Observed(
        label="users of images that run",
        faults=as_root,
        advice="say USER in their Dockerfile, or run them with --user",
    ),
    desired=a_user,
)
