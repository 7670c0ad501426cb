"""Images as containers name them, brought into the form that Docker itself compares."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from oakum.controls.base import NotApplicable, require_engine
from oakum.facts import CannotTell, HostFacts, Unread
from oakum.parts import Container, Image

HUB: Final = "docker.io"

SHOWN: Final = 3
"""Containers that are named behind an image before the rest is counted."""


@dataclass(frozen=True, slots=True)
class Name:
    """A reference to an image: ``repository`` is whole, such as ``docker.io/library/nginx``."""

    repository: str
    tag: str | None = None
    digest: str | None = None


def parse_name(text: str) -> Name:
    """The name that Docker makes of ``text``, by distribution/reference's rules."""
    rest, _, digest = text.partition("@")
    head, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        head, tag = rest, ""
    domain, slash, path = head.partition("/")
    if not slash or not (
        re.search("[.:]", domain) or domain == "localhost" or domain.lower() != domain
    ):
        domain, path = HUB, head
    if domain == "index.docker.io":
        domain = HUB
    if domain == HUB and "/" not in path:
        path = f"library/{path}"
    return Name(f"{domain}/{path}", tag or None, digest or None)


@dataclass(frozen=True, slots=True)
class Used:
    """An image that containers run: as they name it, as it was read, and which they are."""

    text: str
    image_id: str
    image: Image | None
    containers: tuple[str, ...]

    @property
    def by_id(self) -> bool:
        """Whether it is named by its id, which can mean no other image, or not at all."""
        if not self.text:
            return True
        digits = self.text.removeprefix("sha256:")
        whole = re.fullmatch("[0-9a-f]{64}", digits) is not None
        known = self.image_id.removeprefix("sha256:")
        return whole or (
            re.fullmatch("[0-9a-f]{4,}", digits) is not None and known.startswith(digits)
        )

    @property
    def names(self) -> tuple[Name, ...]:
        """Its name; where it is named by its id, all names that it has."""
        if not self.by_id:
            return (parse_name(self.text),)
        image = self.image
        return tuple(map(parse_name, (*image.tags, *image.digests))) if image else ()

    @property
    def shown(self) -> str:
        """The name and the containers, in few words."""
        return f"{short(self.text or self.image_id)} ({enumerated(self.containers)})"


def short(text: str) -> str:
    """A name whose digest is cut to 12 digits, which suffice to find it."""
    return re.sub("((?:sha256:)?[0-9a-f]{12})[0-9a-f]{52}", r"\1", text)[:200]


def enumerated(names: tuple[str, ...]) -> str:
    """The first few names, and how many are left."""
    left = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{left}"


def require_running(facts: HostFacts) -> None:
    """Raises NotApplicable without an engine or where dockerd does not run."""
    require_engine(facts)
    if facts.dockerd.value is None:
        raise NotApplicable("dockerd does not run, so there is nobody to ask about images")


def images_on(facts: HostFacts) -> tuple[Image, ...]:
    """The images that lie on the host. Raises NotApplicable where there are none."""
    require_running(facts)
    if not facts.image_list.value:
        raise NotApplicable("no image on this host")
    return facts.image_list.value


def require_containers(facts: HostFacts) -> None:
    """Raises NotApplicable where no container runs."""
    require_running(facts)
    if not facts.containers.value:
        raise NotApplicable("no container runs")


def names_in_use(facts: HostFacts) -> tuple[Used, ...]:
    """The images that containers run, by name, with what was read of them if anything was."""
    found: dict[tuple[str, str], list[str]] = {}
    for container in facts.containers.value:
        if container.image or container.image_id:
            found.setdefault((container.image, container.image_id), []).append(container.name)
    read = facts.image_list
    images = read.value if not isinstance(read, Unread) else ()
    by_id = {image.id: image for image in images}
    return tuple(
        Used(text, image_id, by_id.get(image_id), tuple(sorted(names)))
        for (text, image_id), names in sorted(found.items())
    )


def images_in_use(facts: HostFacts) -> Iterator[tuple[Used, Image]]:
    """The images that containers run, as they were read.

    Raises:
        CannotTell: when all others are done, where one was not among those that were read.
    """
    facts.image_list.value  # noqa: B018 - raises CannotTell with the reason
    missing = []
    for used in names_in_use(facts):
        if used.image is None:
            missing.append(used.shown)
        else:
            yield used, used.image
    if missing:
        raise CannotTell(f"not among the images that were read: {', '.join(missing[:SHOWN])}")


def runners(facts: HostFacts) -> dict[str, list[Container]]:
    """The running containers by the id of their image."""
    found: dict[str, list[Container]] = {}
    for container in facts.containers.value:
        found.setdefault(container.image_id, []).append(container)
    return found


def called(image: Image, used_by: dict[str, list[Container]]) -> str:
    """An image by its first name, with the containers that run it."""
    name = next(iter((*image.tags, *image.digests)), image.id)
    names = tuple(sorted(container.name for container in used_by.get(image.id, ())))
    return f"{short(name)} ({enumerated(names)})" if names else short(name)
