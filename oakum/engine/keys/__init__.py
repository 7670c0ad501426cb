"""The keys that Docker signs its repositories with, by whose fingerprints it names them."""

from importlib.resources import files
from typing import Final

DEB: Final = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
"""docs.docker.com/engine/install/debian (of former years, which showed how to check it)."""

RPM: Final = "060A61C51B558A7F742B77AAC52FEB6B621E9F35"
"""docs.docker.com/engine/install/centos: what dnf asks to accept."""


def key(fingerprint: str) -> str:
    """The armored key with one of these fingerprints."""
    name = {DEB: "docker-deb.asc", RPM: "docker-rpm.asc"}[fingerprint]
    return files(__name__).joinpath(name).read_text("ascii")
