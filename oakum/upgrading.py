"""The plan of an upgrade: which packages, what daemon.json needs for the newer engine, what becomes
of containers, or why not. Pure functions; ``host/upgrade.sh`` carries it out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from packaging.version import Version

from oakum.controls.base import NotApplicable, require_engine
from oakum.controls.daemon_key import daemon_file_guards
from oakum.engine.catalogue import NEWEST, refusal, release
from oakum.engine.document import merge
from oakum.engine.migration import Migration, migration
from oakum.engine.upgrade import moved, refused, target
from oakum.facts import CannotTell, HostFacts, Read
from oakum.model import (
    Change,
    Disruption,
    Finding,
    Impact,
    Installation,
    Kind,
    Plan,
    Severity,
    Status,
)
from oakum.offers import NAMES, Package, upstream
from oakum.planner import LEAVES, reload_hurts, restart_hits, without_tasks
from oakum.policy import Policy

ENGINE: Final = "engine"
"""What the changes and findings of an upgrade are for; it is no control."""

SOCKETS: Final = ("/var/run/docker.sock", "/run/docker.sock")

NEEDS_API: Final = Version("29.0.0")
"""From here on old clients are refused."""

V1_DEPRECATED: Final = Version("29.0.0")
"""From here on control groups of version 1 are deprecated."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A release of Docker, or a series such as ``28``, and keys whose default is to stay."""

    release: str
    keep: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[int, ...]:
        return Version(self.release).release

    def covers(self, version: Version) -> bool:
        """Whether ``version`` is the release, or of the series."""
        return version.release[: len(self.series)] == self.series


def names(facts: HostFacts) -> tuple[str, ...]:
    """The packages that go together here, as ``host/upgrade.sh`` takes them; empty where no package
    manager has the engine, or none that could be asked. Raises CannotTell."""
    owner = str(facts.engine_package.value).partition(" ")[0]
    if facts.packages.value in ("none", "pacman"):
        return ()
    if owner == "docker-engine" and facts.packages.value != "apk":
        return ()
    return NAMES.get(owner, ())


def build(facts: HostFacts, policy: Policy, packages: Sequence[Package], wanted: Wanted) -> Plan:
    """What an upgrade would do to a host; what cannot be is a finding, and nothing is changed.

    A host whose engine is no older than what is wanted is left alone.
    """
    try:
        plan = _built(facts, policy, packages, wanted)
    except (CannotTell, NotApplicable) as why:
        plan = Plan((_finding(Status.UNKNOWN, str(why), wanted),))
    return replace(plan, away=facts.away and policy.has_neighbours)


def _built(facts: HostFacts, policy: Policy, packages: Sequence[Package], wanted: Wanted) -> Plan:
    engine = facts.engine.value
    if engine is None:
        why = "no Docker engine on this host; oakum bootstrap installs one"
        return Plan((_finding(Status.HELD, why, wanted),))
    main = packages[0] if packages else None
    offered = upstream(main.candidate) if main and main.candidate else None
    coming = offered or target(wanted.release)
    older = engine.version < target(wanted.release) and not wanted.covers(engine.version)
    if older and main and (came := _not_restarted(facts, main)):
        return Plan((_finding(Status.HELD, came, wanted, engine.text),))
    if _there(engine.version, coming, main, wanted):
        text = f"Docker {engine.text} is no older than {wanted.release}"
        return Plan((_finding(Status.OK, None, wanted, engine.text),), notes=(text,))
    held = [*_no_way(facts, packages), *_not_ready(facts, coming)]
    if held:
        return Plan(tuple(_finding(Status.HELD, why, wanted, engine.text) for why in held))
    return _planned(facts, policy, packages, wanted, coming)


def _not_restarted(facts: HostFacts, main: Package) -> str | None:
    """Why the former package would be no way back: it is not what runs."""
    lies = upstream(main.installed) if main.installed else None
    if not lies or lies <= facts.version or facts.dockerd.value is None:
        return None
    text = require_engine(facts).text
    return (
        f"{main.name} is {main.installed} already, and dockerd has run on as {text} since it came; "
        "restart it first, in a window"
    )


def _there(version: Version, coming: Version, main: Package | None, wanted: Wanted) -> bool:
    """Whether nothing newer is wanted, as far as the host knows what there is. Of the same release
    a newer package may come, such as a distribution's with fixes."""
    if main is None or main.candidate is None:
        return wanted.covers(version) or version >= coming
    return main.candidate == main.installed or version > coming


def _finding(status: Status, why: str | None, wanted: Wanted, actual: str | None = None) -> Finding:
    return Finding(ENGINE, status, Severity.HIGH, actual, wanted.release, why)


# Why not -----------------------------------------------------------------------------------------


def _no_way(facts: HostFacts, packages: Sequence[Package]) -> Iterator[str]:
    """Why no package manager could bring the engine."""
    engine = require_engine(facts)
    if facts.uid.value != 0:
        yield "not root, who alone can upgrade packages; use --sudo"
    if facts.podman.value:
        yield "podman answers to Docker's name here"
    elif engine.origin in ("snap", "rootless", "desktop", "static"):
        yield f"the engine here is {engine.origin}, which no package manager could upgrade"
    elif facts.packages.value == "pacman":
        yield "Arch is upgraded as a whole, or not at all: pacman -Syu"
    elif facts.packages.value == "none":
        yield "there is no package manager that oakum knows (apt, dnf, zypper, apk)"
    elif not packages or packages[0].installed is None:
        yield f"oakum knows no way to upgrade the package {facts.engine_package.value}"
    elif facts.unfinished:
        yield "a package of the engine is installed only in part; oakum bootstrap, or dpkg, first"


def _not_ready(facts: HostFacts, coming: Version) -> Iterator[str]:
    if coming > NEWEST:
        yield f"oakum knows Docker up to {release(NEWEST)}, and nothing of {release(coming)}"
    if facts.held_back:
        yield "Docker is kept from starting; oakum bootstrap goes on first"
    elif facts.dockerd.value is None:
        yield "dockerd does not run, so nobody could see that the new one does as well"
        return
    yield from daemon_file_guards(facts)
    driver = facts.info.value.get("Driver")
    if driver and (why := refusal("storage-driver", driver, coming, to_start=True)):
        yield f"images and containers lie in {driver}: {why}"


# What is done ------------------------------------------------------------------------------------


def _planned(
    facts: HostFacts,
    policy: Policy,
    packages: Sequence[Package],
    wanted: Wanted,
    coming: Version,
) -> Plan:
    version = facts.version
    settings, flags = facts.document.value.settings, facts.unit_flags.value
    driver = facts.info.value.get("Driver")
    way = migration(settings, flags, version, coming, wanted.keep, driver)
    disruption, why = _cost(facts, policy, version, coming)
    held = [*way.blocked]
    if disruption > policy.max_disruption:
        held.append(
            f"would cost: {disruption} ({why}); oakum_max_disruption is {policy.max_disruption}"
        )
    calm = disruption is Disruption.OUTAGE and bool(facts.info.value.get("LiveRestoreEnabled"))
    if calm and (trouble := _cannot_calm(facts)):
        held.append(f"containers could not be stopped in order: {trouble}")
    actual = require_engine(facts).text
    if held:
        return Plan(tuple(_finding(Status.HELD, one, wanted, actual) for one in held))
    files = tuple(_daemon_file(facts, way))
    changes = (*files, *_packages(facts, packages, wanted, disruption))
    return Plan(
        (_finding(Status.DRIFT, None, wanted, actual),),
        changes,
        disruption=disruption,
        impact=tuple(_impact(facts, policy, disruption)),
        notes=tuple(_notes(facts, packages, wanted, coming, way, why)),
        upgrade=_upgrade(facts, packages, wanted),
    )


def _upgrade(facts: HostFacts, packages: Sequence[Package], wanted: Wanted) -> Installation:
    exact = upstream(packages[0].candidate) if packages[0].candidate else None
    held = any(package.held for package in packages)
    return Installation(
        facts.packages.value, names(facts), _plain(exact) if exact else wanted.release, held
    )


def _plain(version: Version) -> str:
    """As packages write it, which give years of 17.03 to 20.10 their zero too."""
    return release(version)


def _packages(
    facts: HostFacts, packages: Sequence[Package], wanted: Wanted, disruption: Disruption
) -> Iterator[Change]:
    manager = facts.packages.value
    for package in packages:
        if package.installed is None and package.candidate is None:
            continue
        if package.installed == package.candidate:
            continue
        there = package.installed or "not installed"
        new = package.candidate or f"release {wanted.release}"
        source = f" from {package.source}" if package.source else ""
        held = "; its version stays held" if package.held else ""
        yield Change(
            path=package.name,
            kind=Kind.PACKAGE,
            controls=(ENGINE,),
            disruption=disruption,
            note=f"{there} → {new} by {manager}{source}{held}",
        )


def _daemon_file(facts: HostFacts, way: Migration) -> Iterator[Change]:
    if not (way.set or way.drop):
        return
    file = facts.daemon_file.value
    yield Change(
        path=file.target,
        kind=Kind.FILE,
        controls=(ENGINE,),
        before=file.content,
        after=merge(facts.document.value, way.set, way.drop)
        if file.content is not None
        else merge(facts.document.value, way.set),
        mode=file.mode,
        owner=file.owner,
        group=file.group,
        note="; ".join(way.said) or None,
    )


# What it costs -----------------------------------------------------------------------------------


def _cost(
    facts: HostFacts, policy: Policy, version: Version, coming: Version
) -> tuple[Disruption, str]:
    """Live-restore carries containers over patch releases alone
    (docs.docker.com/engine/daemon/live-restore)."""
    if not without_tasks(facts, policy).containers.value:
        return Disruption.RESTART, "no container runs here that would stop"
    if version.release[:2] != coming.release[:2]:
        return Disruption.OUTAGE, "live-restore is for patch releases alone"
    if not facts.info.value.get("LiveRestoreEnabled"):
        return Disruption.OUTAGE, "live-restore is off; oakum apply switches it on"
    return Disruption.RESTART, "live-restore, and a patch release"


def _cannot_calm(facts: HostFacts) -> str | None:
    """Why live-restore could not be switched off by a reload."""
    if "live-restore" in facts.flags.value:
        return "live-restore is a flag of dockerd; set it in daemon.json instead"
    return reload_hurts(facts)


def _impact(facts: HostFacts, policy: Policy, disruption: Disruption) -> Iterator[Impact]:
    one_off = {each.name for each in facts.containers.value if each.one_off}
    for hit in restart_hits(facts, policy, disruption):
        if disruption < Disruption.OUTAGE or hit.effect == LEAVES:
            yield hit
        elif hit.container in one_off:
            yield replace(hit, effect="stops", reason="it is removed when it ends")
        else:
            yield replace(hit, effect="restarts", reason="stopped, and started by the new engine")


# What is said ------------------------------------------------------------------------------------


def _notes(
    facts: HostFacts,
    packages: Sequence[Package],
    wanted: Wanted,
    coming: Version,
    way: Migration,
    why: str,
) -> Iterator[str]:
    version, flags = facts.version, facts.unit_flags.value
    offered = packages[0].candidate is not None
    yield f"Docker {release(version)} → {release(coming) if offered else wanted.release}; {why}"
    if not offered:
        yield (
            f"{facts.packages.value} knows no {packages[0].name} of release {wanted.release} yet: "
            "its lists are read anew first, and without one nothing is changed"
        )
    after = {
        **{key: one for key, one in facts.document.value.settings.items() if key not in way.drop},
        **way.set,
    }
    yield from refused(after, flags, version, coming)
    drivers = facts.drivers_on_disk
    known = drivers.value if isinstance(drivers, Read) else None
    yield from moved(after, flags, version, coming, known)
    if version < NEEDS_API <= coming:
        least = "1.44" if coming < Version("29.3.0") else "1.40"
        clients = [each.name for each in facts.containers.value if _has_socket(each.mounts)]
        found = f"; these have docker.sock: {', '.join(clients)}" if clients else ""
        yield f"clients of an API below {least} are refused{found}"
    if version < V1_DEPRECATED <= coming and facts.cgroup.value == "v1":
        yield "control groups of version 1, which this host has, are deprecated from Docker 29 on"


def _has_socket(mounts: Sequence[object]) -> bool:
    found = (str(getattr(mount, "source", "")).rstrip("/") for mount in mounts)
    return any(one in (*SOCKETS, "/var/run", "/run", "") for one in found)


def now(facts: HostFacts, plan: Plan, wanted: Wanted, hardened: Plan) -> Plan:
    """A plan that was carried out, with what is to be said of the host as it is now; ``hardened``
    is what oakum apply would do to it."""
    if left(facts, plan, wanted) is not None:
        return plan
    paths = ", ".join(change.path for change in hardened.changes)
    said = (f"left to oakum apply: {paths}",) if paths else ()
    findings = (_finding(Status.OK, None, wanted, require_engine(facts).text),)
    return replace(plan, findings=findings, notes=(*plan.notes, *said))


def left(facts: HostFacts, plan: Plan, wanted: Wanted) -> str | None:
    """What is left to do after an upgrade, as an error; None if nothing."""
    try:
        engine = require_engine(facts)
        if facts.dockerd.value is None:
            return "after the upgrade no dockerd runs"
    except (CannotTell, NotApplicable) as why:
        return f"upgraded, not verified: {why}"
    release = plan.upgrade.release if plan.upgrade else None
    if not Wanted(release or wanted.release).covers(engine.version):
        return f"after the upgrade Docker is {engine.text}, and {release} was wanted"
    return None
