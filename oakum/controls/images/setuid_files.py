"""Images that run have no file that makes its caller somebody else."""

from collections.abc import Iterator

from oakum.controls.base import Control, NotApplicable, Observed
from oakum.controls.image_names import images_in_use, require_containers
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy


def none_where_asked(facts: HostFacts, policy: Policy) -> int:
    """None, where the policy has them looked for."""
    if not policy.image_setuid:
        raise NotApplicable("oakum_image_setuid is false: looking for them is slow")
    require_containers(facts)
    return 0


def with_setuid(facts: HostFacts, desired: Json) -> Iterator[str]:
    found = facts.setuid_files.value
    for used, image in images_in_use(facts):
        files = found.get(image.id)
        if files and files.count:
            such = f" such as {files.names[0]}" if files.names else ""
            yield f"{used.shown}: {files.count}{such}"


CONTROL = Control(
    area=Area.IMAGES,
    id="setuid-files",
    title="Images that run have no setuid or setgid files",
    why="A setuid file gives an ordinary user of a container the rights of root in it, and images "
    "of distributions bring a dozen that no service needs.",
    cost="Nothing changes; it is told. One find over the layers of the images that run: seconds, "
    "and reads of the disk, on each host and in each run.",
    undo="Set oakum_image_setuid to false.",
    severity=Severity.LOW,
    refs={"cis-1.6": "4.8", "cis-1.7": "4.8", "cis-1.8": "4.8", "seed": "setuid-in-images"},
    sources=(
        "docker-bench-security 1.6.0, 4.8: left to the reader",
        "linux Documentation/filesystems/overlayfs.rst: upper layers cover, whiteouts take away",
    ),
    setting=Observed(
        label="setuid files in images that run",
        faults=with_setuid,
        advice="take the bits away in the Dockerfile (chmod a-s), or run with no-new-privileges, "
        "under which they mean nothing",
    ),
    desired=none_where_asked,
    parameter="image_setuid",
)
