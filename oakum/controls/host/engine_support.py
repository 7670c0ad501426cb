"""The engine still gets security fixes from whoever packaged it."""

import datetime
from collections.abc import Iterator, Mapping
from typing import Final

from oakum.controls.base import Control, Observed, require_engine
from oakum.engine import support
from oakum.facts import CannotTell, HostFacts
from oakum.model import Area, Json, Severity
from oakum.parts import Engine
from oakum.policy import Policy

DISTRIBUTIONS: Final = "distro"
"""The probe's word for an engine that the distribution packaged; all others follow Docker's."""


def supported(facts: HostFacts, policy: Policy) -> str:
    """A release that is still mended, wherever there is an engine."""
    require_engine(facts)
    return "supported"


def supporter(facts: HostFacts, engine: Engine) -> support.Support:
    """Who mends this engine, and how long. Raises CannotTell where no table says so."""
    if engine.origin == DISTRIBUTIONS or (engine.origin == "rootless" and _packaged(facts)):
        release = facts.os.value
        found, shown = support.of_distribution(release), _shown(release)
    else:
        found, shown = support.of_branch(str(engine.version)), f"Docker {engine.text}"
    if found is None:
        table = f"oakum's table of {support.written()} has no line for it"
        raise CannotTell(f"whether {shown} still gets fixes is not known: {table}")
    return found


def _shown(release: Mapping[str, str]) -> str:
    name = f"{release.get('ID', 'linux')} {release.get('VERSION_ID', '')}".strip()
    return f"the Docker of {name}"


def _packaged(facts: HostFacts) -> bool:
    """Whether the distribution brought the dockerd of a rootless engine."""
    name = facts.engine_package.value
    return not name.startswith(("docker-ce", "docker-engine", "moby-engine", "snap ", "none"))


def unsupported(facts: HostFacts, desired: Json) -> Iterator[str]:
    """The engine, where its support has ended. Raises CannotTell."""
    engine = require_engine(facts)
    found = supporter(facts, engine)
    if found.until is None:
        _still_known(facts)
    elif found.until < support.written() or found.until < _today(facts):
        yield f"Docker {engine.text}: support by {found.by} ended on {found.until}"


def _today(facts: HostFacts) -> datetime.date:
    return facts.clock.value.date()


def _still_known(facts: HostFacts) -> None:
    """An end that was not announced is news for a while only; a host that tells no time counts as
    one of the table's day."""
    try:
        late = _today(facts) > support.written() + support.TRUSTED_FOR
    except CannotTell:
        return
    if late:
        raise CannotTell(f"not known: oakum's table is of {support.written()}")


CONTROL = Control(
    area=Area.HOST,
    id="engine-support",
    title="The engine still gets security fixes",
    why="A release that nobody mends any more keeps every hole that is found after its end, and "
    "containers break out through such holes.",
    cost="An upgrade restarts dockerd, and a new major release may refuse keys of daemon.json and "
    "old clients; oakum upgrade tells of both before it begins.",
    undo="Install the former package again.",
    severity=Severity.HIGH,
    refs={"cis-1.6": "1.2.2", "cis-1.7": "1.2.2", "cis-1.8": "1.2.2", "seed": "security"},
    sources=(
        "oakum/engine/support.yml: every end with the place that announced it",
        "moby project/BRANCHES-AND-TAGS.md: what maintained and unmaintained mean",
    ),
    setting=Observed(
        label="the engine's release",
        faults=unsupported,
        advice="upgrade to a release that is maintained",
    ),
    desired=supported,
)
