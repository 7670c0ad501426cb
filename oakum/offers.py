"""The packages that an engine is made of on a host, and what its package manager has in their
place: the lines that ``host/upgrade.sh`` prints for a plan, typed. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from packaging.version import Version

from oakum.wire import BadProbe

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "docker-ce": (
        "docker-ce=",
        "docker-ce-cli=",
        "docker-ce-rootless-extras=@",
        "containerd.io",
    ),
    # From Debian 13 on the client is a package of its own.
    "docker.io": ("docker.io=", "docker-cli=?"),
    "moby-engine": ("moby-engine=", "docker-cli=?", "moby-cli@"),
    "docker": ("docker=",),
    "docker-engine": ("docker-engine=", "docker-cli=@", "docker=@"),
}
"""What goes together, by the package that has dockerd. ``=`` is of the release that is wanted,
``?`` is taken where there is one, ``@`` where it is installed already."""

_LINE: Final = re.compile(
    r"package ([A-Za-z0-9][A-Za-z0-9.+_-]{0,99}) (\S{1,100}) (\S{1,100}) (\S{1,200}) (yes|no)",
    re.ASCII,
)
_UPSTREAM: Final = re.compile(r"(?:\d+:)?(\d{1,2}(?:\.\d{1,3}){1,2})(?!\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the engine: the version that is ``installed``, the newest one of the wanted
    release as far as the host knows, and where from; None where there is none. ``held`` says that
    upgrades of the whole host leave it alone."""

    name: str
    installed: str | None
    candidate: str | None
    source: str | None = None
    held: bool = False


def offers(lines: Sequence[str]) -> tuple[Package, ...]:
    """Understand what the host printed.

    Raises:
        BadProbe: it is not that.
    """
    if not lines or lines[-1] != "end" or len(lines) > 20:
        raise BadProbe("the host did not say which packages its Docker is made of")
    return tuple(_package(line) for line in lines[:-1])


def _package(line: str) -> Package:
    found = _LINE.fullmatch(line)
    if not found:
        raise BadProbe(f"odd words on a package: {ascii(line)[:120]}")
    name, *rest, held = found.groups()
    installed, candidate, source = (None if word == "-" else word for word in rest)
    return Package(name, installed, candidate, source, held == "yes")


def upstream(version: str) -> Version | None:
    """The release of Docker in a package's version, such as 26.1.5 of ``5:26.1.5+dfsg1-9``."""
    found = _UPSTREAM.match(version)
    return Version(found[1]) if found else None
