"""What a newer engine makes of what stands on a host: refused, ignored, or a default that moves."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any, Final

from packaging.version import Version

from oakum.engine.catalogue import (
    NEWEST,
    Option,
    ignored,
    options,
    refusal,
    release,
    rows,
    soon_refused,
)

Flags = Mapping[str, tuple[str, ...]]
"""dockerd's flags by name without dashes, as ``engine.flags`` reads them."""

MEANS_THE_SAME: Final = frozenset(
    {"disable-legacy-registry", "seccomp-profile", "userland-proxy-path"}
)
"""Keys whose default is written otherwise by newer engines, and does what it did."""

GRAPHDRIVERS: Final = frozenset({"overlay2", "btrfs", "zfs", "vfs", "fuse-overlayfs"})
"""What ``storage-driver`` may name to keep the classic image store (docker-facts c9)."""

CONTAINERD_STORE: Final = Version("29.0.0")
"""From here on a fresh data root gets the containerd image store."""


def target(text: str) -> Version:
    """The release that ``text`` means: of a series such as ``29``, the last one that is known.

    Raises:
        ValueError: it is newer than every release that the catalogue knows.
    """
    wanted = Version(text)
    length = text.count(".") + 1
    known = [version for version in _releases() if version.release[:length] == wanted.release]
    found = max(known, default=wanted)
    if found > NEWEST:
        raise ValueError(f"oakum knows Docker up to {release(NEWEST)}, and nothing of {text}")
    return found


@functools.cache
def _releases() -> tuple[Version, ...]:
    """Every release that the catalogue names."""
    fields = ("since", "removed", "unknown_since", "ignored_since", "flag_removed")
    found = {NEWEST}
    for row in rows().values():
        found |= {Version(row[field]) for field in fields if row.get(field)}
        found |= {Version(change) for change in row.get("default_changes") or ()}
    return tuple(found)


def refused(
    settings: Mapping[str, Any], flags: Flags, version: Version, coming: Version
) -> Iterator[str]:
    """What ``version`` takes, in its file or as a flag, and ``coming`` refuses or ignores."""
    yield from soon_refused(settings, version, coming)
    for key in settings:
        option = options().get(key)
        if refusal(key, settings[key], version) or (option and ends(option.gone, version, coming)):
            continue
        if why := ignored(key, coming):
            yield why
    for name, option in _by_flag().items():
        if name not in flags:
            continue
        gone = option.flag_removed or option.gone
        if gone and ends(gone, version, coming):
            yield f"--{name} stops Docker {release(gone)} and later from starting"
        elif option.type == "string" and not refusal(option.key, flags[name][-1], version):
            why = refusal(option.key, flags[name][-1], coming)
            if why and not option.gone:
                yield why


def ends(gone: Version | None, version: Version, coming: Version) -> bool:
    """Whether what goes with the release ``gone`` goes on the way from one release to the other."""
    return gone is not None and version < gone <= coming


@functools.cache
def _by_flag() -> Mapping[str, Option]:
    """The keys by each of their flags' names; what is a flag's name alone is left out."""
    found = options().values()
    return {flag: option for option in found if option.type != "alias" for flag in option.flags}


def moved(
    settings: Mapping[str, Any],
    flags: Flags,
    version: Version,
    coming: Version,
    drivers: tuple[str, ...] | None,
) -> Iterator[str]:
    """The defaults on which a host rests and which ``coming`` changes.

    ``drivers`` are the storage drivers whose data lies in the data root, None where that is not
    known.
    """
    for key, before, after in moves(settings, flags, version, coming):
        yield f"{key} becomes {_shown(after)} by default, it was {_shown(before)}"
    if version < CONTAINERD_STORE <= coming and drivers is not None:
        yield from _image_store(settings, flags, drivers)


def moves(
    settings: Mapping[str, Any], flags: Flags, version: Version, coming: Version
) -> Iterator[tuple[str, Any, Any]]:
    """Each key that rests on a default which ``coming`` changes, the former one and the new."""
    for key, row in rows().items():
        changes = {Version(since): value for since, value in row.get("default_changes", {}).items()}
        before, after = _at(changes, version), _at(changes, coming)
        if before is None or before == after or key in MEANS_THE_SAME:
            continue
        if row.get("removed") and Version(row["removed"]) <= coming:
            continue
        if _stands(settings, key) or any(flag.lstrip("-") in flags for flag in row["flag"]):
            continue
        yield key, before, after


def _at(changes: Mapping[Version, Any], version: Version) -> Any:
    since = max((change for change in changes if change <= version), default=None)
    return None if since is None else changes[since]


def _stands(settings: Any, key: str) -> bool:
    """Whether ``key``, dots between its levels, is set."""
    for part in key.split("."):
        if not isinstance(settings, Mapping) or part not in settings:
            return False
        settings = settings[part]
    return True


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def chooses_store(settings: Mapping[str, Any], flags: Flags) -> bool:
    """Whether the image store is said, so that no default decides on it."""
    return _stands(settings, "features.containerd-snapshotter") or "feature" in flags


def _image_store(
    settings: Mapping[str, Any], flags: Flags, drivers: tuple[str, ...]
) -> Iterator[str]:
    named = {settings.get("storage-driver"), *flags.get("storage-driver", ())}
    kept = GRAPHDRIVERS.intersection(drivers) - {"vfs"}
    chosen = chooses_store(settings, flags)
    remapped = settings.get("userns-remap") or "userns-remap" in flags
    if chosen or kept or remapped or GRAPHDRIVERS & {str(name) for name in named}:
        return
    lost = "; what lies there for vfs is not seen any more" if "vfs" in drivers else ""
    yield f"image store: Docker {CONTAINERD_STORE} takes containerd's on this data root{lost}"
