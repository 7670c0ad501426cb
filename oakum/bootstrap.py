"""The plan of a new host: the engine comes, kept from starting; then its files; then its first
start. Pure functions, as in the planner, which says what the files hold.
"""

import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from oakum import planner
from oakum.controls.base import Control
from oakum.facts import HostFacts, Read
from oakum.installation import Unsupported, installation
from oakum.model import Change, Installation, Kind, Plan
from oakum.policy import Policy

ENGINE: Final = "engine"
"""What the changes of an installation are for; it is no control."""


class NotNew(Exception):
    """This host is none that could be bootstrapped; the message says why, and the way out."""


def build(
    facts: HostFacts, policy: Policy, controls: Sequence[Control], today: datetime.date
) -> Plan:
    """What is to be done to a host until its Docker runs hardened.

    A host without an engine gets one first; what its first dockerd will find is in ``deferred``,
    and a second plan, made from the engine that came, has it as changes. A host whose dockerd runs
    is left alone.

    Raises:
        NotNew: it has something else that is Docker, or a data root that holds data.
        CannotTell: what the host is could not be read.
    """
    if facts.held_back:
        # A first dockerd of ours left it, and nobody could have used that one.
        facts = replace(facts, drivers_on_disk=Read(()))
    plan = planner.build(facts, policy, controls, today)
    engine = facts.engine.value
    if engine is not None and facts.dockerd.value is not None:
        hint = ("Docker runs here already: oakum apply hardens it",) if plan.changes else ()
        return Plan(plan.findings, notes=hint, away=plan.away)
    if facts.uid.value != 0:
        raise NotNew("not root, who alone can install an engine; use --sudo")
    if way_out := _something_else(facts):
        raise NotNew(way_out)
    if found := facts.drivers_on_disk.value:
        raise NotNew(_has_data(facts, found))
    if engine is None or facts.unfinished:
        try:
            install = installation(facts, policy.engine)
        except Unsupported as why:
            raise NotNew(str(why)) from None
        return replace(plan, changes=tuple(_arrival(install)), install=install)
    first = Change(
        path=planner.SERVICE,
        kind=Kind.SERVICE,
        controls=(ENGINE,),
        note="start it for the first time, and enable it",
    )
    return replace(plan, changes=(*plan.changes, first), notes=(), start=True)


def _has_data(facts: HostFacts, drivers: Sequence[str]) -> str:
    """Of a data root that no first dockerd would find empty: what is in it, and the way out."""
    holds = f"{facts.data_root.value} holds data of {', '.join(drivers)}"
    if facts.engine.value is None:
        return f"there is no engine, and {holds}, of a former one: move it away first"
    return f"Docker is installed and stopped, and {holds}: start it yourself, and use oakum apply"


def _something_else(facts: HostFacts) -> str | None:
    """What answers to Docker's name, and is not to be mixed with the engine that would come."""
    if facts.podman.value:
        return "podman answers to Docker's name here; remove its shim, the package podman-docker"
    engine = facts.engine.value
    if engine is None:
        return None
    if engine.origin == "snap":
        return "Docker is a snap here: snap remove docker (after saving what it holds) comes first"
    if engine.origin in ("rootless", "desktop", "static"):
        return f"the engine here is {engine.origin}, which no package manager could replace"
    if facts.engine_package.value.startswith("docker-engine ") and facts.packages.value != "apk":
        return "docker-engine is Docker's package of before 2017: remove it first"
    return None


def _arrival(install: Installation) -> list[Change]:
    files = [
        Change(path=file.path, kind=Kind.FILE, controls=(ENGINE,), after=file.text.encode())
        for file in install.files
    ]
    release = f" {install.release}" if install.release else ""
    hold = "; its version is held" if install.hold else ""
    package = Change(
        path=install.packages[0],
        kind=Kind.PACKAGE,
        controls=(ENGINE,),
        note=f"install{release} by {install.manager}, not to be started yet{hold}",
    )
    return [*files, package]
