"""Which option which engine accepts, applies on reload, or refuses: ``options.yml`` and its lookup.

A wrong key stops dockerd at its next start, so nothing is written that this catalogue refuses.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from packaging.version import Version

from oakum.engine.tables import table

NEWEST: Final = Version("29.7.2")
"""The newest release that the catalogue knows."""

OLDEST_PLANNED: Final = Version("20.10.24")
"""The oldest release that a host without an engine could still be given by a distribution that gets
security updates: Debian 12's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A value that some releases refuse: from ``since`` (inclusive) up to ``until`` (exclusive).

    With ``starts`` they start with it all the same, and only refuse to reload.
    """

    value: Any
    why: str
    since: Version
    until: Version | None = None
    starts: bool = False

    def covers(self, value: Any, version: Version) -> bool:
        early = self.until is not None and version >= self.until
        return (
            type(value) is type(self.value)
            and value == self.value
            and not early
            and (version >= self.since)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One top-level key of daemon.json; versions are releases of the engine, None is never."""

    key: str
    type: str
    default: Any
    defaults: tuple[tuple[Version, Any], ...] = ()
    flags: tuple[str, ...] = ()
    since: Version | None = None
    effective_since: Version | None = None
    ignored_since: Version | None = None
    removed: Version | None = None
    unknown_since: Version | None = None
    flag_removed: Version | None = None
    reload_since: Version | None = None
    effective: bool = True
    values: tuple[Refusal, ...] = ()

    @property
    def gone(self) -> Version | None:
        """The first release that does not start with the key set."""
        ends = [end for end in (self.removed, self.unknown_since) if end is not None]
        return min(ends, default=None)

    @property
    def zero(self) -> Any:
        """What a configuration dumped by the engine means where it leaves the key out."""
        empty = {"bool": False, "string": "", "int": 0, "list": [], "map": {}}
        return empty.get(self.type)

    def default_in(self, version: Version) -> Any:
        """The value that ``version`` uses where the key is not set."""
        earlier = [value for since, value in self.defaults if since <= version]
        return earlier[-1] if earlier else self.default


@functools.cache
def options() -> Mapping[str, Option]:
    """The catalogue's top-level options by key."""
    return {key: _option(key, row) for key, row in rows().items() if not set(".[") & set(key)}


@functools.cache
def rows() -> Mapping[str, Mapping[str, Any]]:
    """The catalogue as it is written, with the keys inside of others too."""
    found: dict[str, dict[str, Any]] = table("options.yml")
    return found


def _option(key: str, row: Mapping[str, Any]) -> Option:
    def version(field: str) -> Version | None:
        return Version(row[field]) if row.get(field) else None

    since = version("since")
    return Option(
        key=key,
        type=row["type"],
        default=row.get("default"),
        defaults=tuple((Version(v), d) for v, d in (row.get("default_changes") or {}).items()),
        flags=tuple(flag.lstrip("-") for flag in row["flag"]),
        since=since,
        effective_since=version("effective_since") or since,
        ignored_since=version("ignored_since"),
        removed=version("removed"),
        unknown_since=version("unknown_since"),
        flag_removed=version("flag_removed"),
        reload_since=(version("reload_since") or since) if row["reload"] else None,
        effective=row.get("effective", True),
        values=tuple(_refusal(value) for value in row.get("values", ())),
    )


def _refusal(row: Mapping[str, Any]) -> Refusal:
    return Refusal(
        value=row["value"],
        why=row["why"],
        since=Version(row.get("since", "0")),
        until=Version(row["until"]) if "until" in row else None,
        starts=row.get("starts", False),
    )


def release(version: Version) -> str:
    """A version as Docker wrote it in the years of 17.03 to 20.10: 19.03.5, not 19.3.5."""
    if 17 <= version.major <= 20:
        return f"{version.major}.{version.minor:02}.{version.micro}"
    return str(version)


def refusal(key: str, value: Any, version: Version, *, to_start: bool = False) -> str | None:
    """Why Docker ``version`` does not start, or does not reload, with ``key: value`` in its file.

    None when it accepts it. A key that the catalogue does not know is refused too: dockerd stops at
    a key that it does not know. With ``to_start`` only what stops a start counts.
    """
    option = options().get(key)
    if option is None:
        # Objects are flattened: only their inner names are looked up (docker-facts a2).
        if isinstance(value, dict) and not any(_unfit(name, version) for name in value):
            return None
        return f"Docker {release(version)} does not know {key}"
    if why := _unfit(key, version):
        return why
    for refused in option.values:
        if refused.covers(value, version) and not (to_start and refused.starts):
            return f"Docker {release(version)} refuses {key} = {value}: {refused.why}"
    if not _fits(option, value) and not ignored(key, version):
        seen = repr(value)[:40]
        return f"{key} must be {_KINDS[option.type][1]}; Docker does not start with {seen}"
    if key == "default-ulimits":
        return _ulimit_refusal(value, to_start=to_start)
    return None


def _unfit(key: str, version: Version) -> str | None:
    """Why ``version`` stops at ``key``, whatever its value."""
    option = options().get(key)
    if option is None:
        return f"Docker {release(version)} does not know {key}"
    if option.since is None:
        return f"no Docker release accepts {key} in daemon.json"
    if version < option.since:
        return f"{key} needs Docker {release(option.since)} or later"
    if option.gone and version >= option.gone:
        return f"Docker {release(option.gone)} and later refuse {key}"
    return None


_KINDS: Final[Mapping[str, tuple[type, str]]] = {
    "bool": (bool, "true or false"),
    "string": (str, "a text"),
    "int": (int, "a whole number"),
    "list": (list, "a list"),
    "map": (dict, "an object"),
    "alias": (object, "anything"),
}


def _fits(option: Option, value: Any) -> bool:
    """Whether Go's decoder takes ``value`` for the option; null leaves it as it was."""
    kind, _ = _KINDS[option.type]
    if kind is int and isinstance(value, bool):
        return False
    return value is None or isinstance(value, kind)


def _ulimit_refusal(value: Any, *, to_start: bool) -> str | None:
    """Go matches the names of fields without regard to case (docker-facts a1); a limit without its
    Name lets dockerd start, and no container (f2)."""
    for name, limit in value.items() if isinstance(value, dict) else ():
        if not isinstance(limit, dict):
            return f"default-ulimits.{name} must be an object; Docker does not start with it"
        given = {str(field).lower(): found for field, found in limit.items()}
        if given.get("name") != name and not to_start:
            return f"default-ulimits.{name} lacks Name: {name}, so no container would start"
    return None


def ignored(key: str, version: Version) -> str | None:
    """Why ``version`` accepts ``key`` without any effect, or None."""
    option = options().get(key)
    if option is None:
        return None
    if not option.effective:
        return f"{key} in daemon.json has no effect in any release"
    if option.effective_since and version < option.effective_since:
        return f"{key} has an effect only from Docker {release(option.effective_since)}"
    if option.ignored_since and version >= option.ignored_since:
        return f"{key} has no effect from Docker {release(option.ignored_since)}"
    return None


def soon_refused(
    settings: Mapping[str, Any], version: Version, coming: Version = NEWEST
) -> Iterator[str]:
    """The keys that ``version`` takes and ``coming`` refuses, each as a sentence."""
    for key, value in settings.items():
        if refusal(key, value, version):
            continue
        option = options().get(key)
        if option and option.gone and version < option.gone <= coming:
            yield f"{key} stops Docker {release(option.gone)} and later from starting"
        elif why := refusal(key, value, coming):
            yield why


def reloadable(key: str, version: Version) -> bool:
    """Whether a SIGHUP applies ``key`` in Docker ``version``."""
    option = options().get(key)
    return bool(option and option.reload_since and version >= option.reload_since)


def flag_for(key: str, flags: Mapping[str, Any]) -> str | None:
    """The flag among ``flags`` (names without dashes) that sets the same as ``key``, or None."""
    option = options().get(key)
    names = option.flags if option else ()
    return next((name for name in names if name in flags), None)
