"""Until when a distribution gets security updates: ``distributions.yml`` and its lookup."""

import datetime
import functools
from collections.abc import Mapping
from typing import Final

from oakum.engine.tables import table

_TABLE: Final = "distributions.yml"


@functools.cache
def _ends() -> Mapping[str, Mapping[str, datetime.date]]:
    ends: dict[str, dict[str, datetime.date]] = table(_TABLE)
    return ends


@functools.cache
def last_day(release: str) -> datetime.date | None:
    """The last day of a release such as ``alpine 3.18.4``; None where the table does not have it.

    What the table does not have as such is looked for without its last parts, but never where it
    has others with such parts: an unknown ``sles 15.9`` is not ``sles 15``.
    """
    name, _, version = release.partition(" ")
    known = _ends().get(name, {})
    while version:
        if version in known:
            return known[version]
        version = version.rpartition(".")[0]
        if any(other.startswith(f"{version}.") for other in known):
            return None
    return None
