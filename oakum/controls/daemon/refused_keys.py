"""What stands on the host now still starts the engine that an upgrade will bring."""

from collections.abc import Iterator
from typing import Final

from oakum.controls.base import Control, NotApplicable, Observed, require_engine
from oakum.engine.catalogue import NEWEST, release
from oakum.engine.upgrade import moved, refused, target
from oakum.facts import CannotTell, HostFacts, Read
from oakum.model import Area, Json, Severity
from oakum.policy import Policy

ANY_NEWER: Final = "any newer release"
"""Where the policy names no release: all that the catalogue knows are looked at."""


def coming_engine(facts: HostFacts, policy: Policy) -> str:
    """The release that an upgrade will bring."""
    require_engine(facts)
    if policy.for_engine is None:
        return ANY_NEWER
    try:
        coming = target(policy.for_engine)
    except ValueError as why:
        raise CannotTell(str(why)) from None
    if coming <= facts.version:
        raise NotApplicable(
            f"Docker {release(facts.version)} is no older than {policy.for_engine}, which "
            "oakum_for_engine names"
        )
    return release(coming)


def broken_by_it(facts: HostFacts, desired: Json) -> Iterator[str]:
    """Keys and flags that the coming engine refuses or ignores.

    Of a release that was asked for, also the defaults that it moves.
    """
    settings, flags, version = facts.document.value.settings, facts.unit_flags.value, facts.version
    asked = desired != ANY_NEWER
    coming = target(str(desired)) if asked else NEWEST
    yield from refused(settings, flags, version, coming)
    if asked:
        drivers = facts.drivers_on_disk
        known = drivers.value if isinstance(drivers, Read) else None
        yield from moved(settings, flags, version, coming, known)


CONTROL = Control(
    area=Area.DAEMON,
    id="refused-keys",
    title="The configuration still starts the next release of Docker",
    why="dockerd stops at a key or flag that it does not know, so one that a newer release dropped "
    "turns an unattended upgrade into an outage of every container.",
    cost="Nothing changes.",
    undo="Nothing to undo.",
    severity=Severity.MEDIUM,
    refs={"seed": "docker-defaults"},
    sources=(
        "oakum/engine/options.yml: the configuration loader of every stable release was run",
        "moby daemon/image_store_choice.go: who gets the containerd image store in 29",
        "moby daemon/config/config.go: the minimum version of the API by release",
    ),
    setting=Observed(
        label="keys and flags that newer engines refuse",
        faults=broken_by_it,
        advice="take it out, or say what is wanted in its place, before the upgrade",
    ),
    desired=coming_engine,
    parameter="for_engine",
)
