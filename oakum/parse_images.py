"""From what a probe printed to the images that lie on a host, and what lies in them."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from oakum.facts import Read, Reading
from oakum.parts import Image, SetuidFiles
from oakum.reading import Source, json_object

FIRST_YEAR: Final = 2013
"""Docker's first; what reproducible builds write for a date is earlier."""

_ID: Final = "sha256:[0-9a-f]{64}"


def images(source: Source) -> Reading[tuple[Image, ...]]:
    return source.lines("images.list", lambda rows: tuple(map(_image, rows)))


def _image(row: str) -> Image:
    known = json_object([row])
    if not re.fullmatch(_ID, str(known["id"])):
        raise ValueError(f"{str(known['id'])[:40]!r} is no image")
    return Image(
        id=known["id"],
        tags=_texts(known.get("tags")),
        digests=_texts(known.get("digests")),
        created=_date(known.get("created")),
        size=int(known["size"]),
        layers=int(known.get("layers") or 0),
        user=str(known.get("user") or ""),
        health=bool(known.get("health")),
        platform=str(known.get("platform") or ""),
        driver=str(known.get("driver") or ""),
    )


def _texts(found: Any) -> tuple[str, ...]:
    texts = tuple(map(str, found or ()))
    return tuple(text for text in texts if "<none>" not in text)


def _date(text: Any) -> datetime | None:
    """To the second; None where there is no date, or one that only fills its place."""
    if not text:
        return None
    found = datetime.fromisoformat(f"{str(text)[:19]}+00:00")
    return found if found.year >= FIRST_YEAR else None


def releases(source: Source) -> Reading[Mapping[str, str]]:
    return source.lines("images.releases", _releases)


def _releases(rows: Sequence[str]) -> dict[str, str]:
    pairs = (row.partition(" ") for row in rows)
    return {id: release.strip() for id, _, release in pairs}


def setuid_files(source: Source) -> Reading[Mapping[str, SetuidFiles]]:
    return source.lines("images.setuid", _setuid_files)


def _setuid_files(rows: Sequence[str]) -> dict[str, SetuidFiles]:
    found = {}
    for row in rows:
        id, count, *names = row.split()
        found[id] = SetuidFiles(int(count), tuple(names))
    return found


def content_trust(source: Source) -> Reading[tuple[tuple[str, str], ...]]:
    if source.text("engine.cli") == Read("absent"):
        return Read(())  # nobody reads it there
    return source.lines("client.trust", lambda rows: tuple(map(_trust, rows)))


def _trust(row: str) -> tuple[str, str]:
    file, _, value = row.rpartition(" ")
    return file, value.strip("\"'")
