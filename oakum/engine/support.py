"""Until when an engine gets security fixes: ``support.yml`` and its lookup.

The table knows what was announced on the day it was written; what it does not know is said so.
"""

import datetime
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from oakum.engine import tables

TRUSTED_FOR: Final = datetime.timedelta(days=400)
"""How long after the day of the table an end that was not announced still counts as to come."""

UPSTREAM: Final = "Docker"
"""The name that stands for the engine's own releases, beside the distributions' ids."""


@dataclass(frozen=True, slots=True)
class Support:
    """Who mends an engine and until which day (inclusive); None is a day not yet announced."""

    by: str
    until: datetime.date | None


@functools.cache
def table() -> Mapping[str, Any]:
    """``support.yml`` as it stands."""
    rows: dict[str, Any] = tables.table("support.yml")
    return rows


def written() -> datetime.date:
    """The day of the table: no host lives before it, whatever its clock says."""
    day: datetime.date = table()["written"]
    return day


def of_branch(version: str) -> Support | None:
    """How long Docker's own release ``version`` is supported; None where the table has no line."""
    branches = table()["engine"]["branches"]
    branch = _longest(branches, version)
    return Support(f"{UPSTREAM} {branch}", branches[branch]) if branch else None


def of_distribution(release: Mapping[str, str]) -> Support | None:
    """How long the packages of the distribution in os-release are supported; None where the table
    has no line."""
    name, version = release.get("ID", "linux"), release.get("VERSION_ID", "")
    if name in table()["rolling"] or (name == "debian" and not version):
        return Support(f"{name}, a rolling release", None)
    releases = (table()["distributions"].get(name) or {}).get("releases", {})
    known = _longest(releases, version)
    return Support(f"{name} {known}", releases[known]) if known else None


def _longest(known: Mapping[str, Any], version: str) -> str | None:
    """The longest of the dotted numbers in ``known`` that ``version`` starts with."""
    parts = version.split(".")
    starts = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((start for start in starts if start in known), None)
