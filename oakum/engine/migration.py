"""daemon.json on its way to a newer engine: what takes the place of a key that is refused there,
what goes, what cannot be helped; and defaults that are to stay as they were."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from packaging.version import Version

from oakum.engine.catalogue import flag_for, options, refusal, release
from oakum.engine.upgrade import Flags, chooses_store, ends, moves, refused

REPLACED: Final[Mapping[str, str]] = {"graph": "data-root"}
"""Keys that were given another name (docker-facts b)."""

WITHOUT: Final[Mapping[str, str]] = {
    "api-cors-header": "headers for browsers are set by a proxy before the API",
    "api-enable-cors": "headers for browsers are set by a proxy before the API",
    "cluster-advertise": "swarms of before 1.12 are gone",
    "cluster-store": "swarms of before 1.12 are gone, and so are overlay networks that rest on it",
    "cluster-store-opts": "swarms of before 1.12 are gone",
    "disable-legacy-registry": "registries of before 2.0 are not spoken to any more",
    "oom-score-adjust": "OOMScoreAdjust= of docker.service does the same",
}
"""Keys whose effect is gone, and what is to be known of that."""

LOOKED_FOR_UNTIL: Final[Mapping[str, Version]] = {
    "aufs": Version("23.0.0"),
    "devicemapper": Version("23.0.0"),
    "overlay": Version("23.0.0"),
    "vfs": Version("29.0.0"),
}
"""Storage drivers whose data an engine of this release and later does not use unless they are named
(docker-facts c3, c9): it does not start, or sees neither images nor containers."""

KERNEL_CHECK: Final = "overlay2.override_kernel_check"
"""An option of overlay2 that Docker 24 refuses; no kernel that it runs on needs it."""


@dataclass(frozen=True, slots=True)
class Migration:
    """What daemon.json needs for a newer engine: keys to ``set`` and to ``drop``; ``said`` are
    sentences on them, ``blocked`` those on what nothing takes the place of."""

    set: Mapping[str, Any] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()


def migration(
    settings: Mapping[str, Any],
    flags: Flags,
    version: Version,
    coming: Version,
    keep: Sequence[str] = (),
    driver: str | None = None,
) -> Migration:
    """How ``settings``, which ``version`` starts with, get to start ``coming``.

    ``keep`` are keys that get the default of ``version`` as a value, ``driver`` is the storage
    driver in effect. Whatever is set starts both engines, so that a dockerd that is started on the
    way finds a file that it takes.
    """
    put: dict[str, Any] = {}
    drop: list[str] = []
    said: list[str] = []
    blocked: list[str] = []
    for key, value in settings.items():
        option = options().get(key)
        if not option or not option.gone or not ends(option.gone, version, coming):
            continue
        from_here = f"{key}, which Docker {release(option.gone)} and later refuse,"
        if other := REPLACED.get(key):
            drop.append(key)
            said.append(f"{from_here} becomes {other}")
            if other not in settings:
                put[other] = value
        elif why := WITHOUT.get(key):
            drop.append(key)
            said.append(f"{from_here} goes: {why}")
    storage = settings.get("storage-opts")
    if isinstance(storage, list) and version < Version("24") <= coming:
        rest = [one for one in storage if KERNEL_CHECK not in str(one)]
        if rest != storage:
            said.append(f"{KERNEL_CHECK}, which Docker 24.0.0 and later refuse, goes")
            if rest:
                put["storage-opts"] = rest
            else:
                drop.append("storage-opts")
    if driver and _has_to_be_named(driver, settings, flags, version, coming):
        put["storage-driver"] = driver
        until = release(LOOKED_FOR_UNTIL[driver])
        said.append(f"storage-driver names {driver}, whose data Docker {until} does not look for")
    kept = dict(_kept(settings, flags, version, coming, keep, blocked))
    said += [f"{key} stays {str(value).lower()}, now by its key" for key, value in kept.items()]
    after = {**{key: one for key, one in settings.items() if key not in drop}, **put, **kept}
    blocked += _refused_still(after, {**put, **kept}, flags, version, coming)
    return Migration({**put, **kept}, tuple(drop), tuple(said), tuple(blocked))


def _has_to_be_named(
    driver: str, settings: Mapping[str, Any], flags: Flags, version: Version, coming: Version
) -> bool:
    said = settings.get("storage-driver") or flag_for("storage-driver", flags)
    if said or chooses_store(settings, flags):
        return False
    return ends(LOOKED_FOR_UNTIL.get(driver), version, coming)


def _kept(
    settings: Mapping[str, Any],
    flags: Flags,
    version: Version,
    coming: Version,
    keep: Sequence[str],
    blocked: list[str],
) -> Iterator[tuple[str, Any]]:
    moving = {key: before for key, before, _ in moves(settings, flags, version, coming)}
    for key in keep:
        if key not in moving:
            found = ", ".join(moving) or "none"
            blocked.append(f"--keep {key}: no default of it moves here; those that do: {found}")
            continue
        both = (refusal(key, moving[key], one) for one in (version, coming))
        if why := next(filter(None, both), None):
            blocked.append(f"--keep {key}: not by a key that both engines take: {why}")
        else:
            yield key, moving[key]


def _refused_still(
    after: Mapping[str, Any],
    fresh: Mapping[str, Any],
    flags: Flags,
    version: Version,
    coming: Version,
) -> Iterator[str]:
    """What stops one of the engines with the file as it is to be. A key that is ignored stops
    none."""
    for key, value in after.items():
        if why := refusal(key, value, coming, to_start=True):
            yield f"nothing takes the place of {key}: {why}"
        elif key in fresh and (why := refusal(key, value, version, to_start=True)):
            yield f"{key}: {why}"
        elif key in fresh and (flag := flag_for(key, flags)):
            yield f"{key} is also its flag --{flag}, and dockerd takes but one of them"
    yield from (why for why in refused({}, flags, version, coming) if why.startswith("--"))
