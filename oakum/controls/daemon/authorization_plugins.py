"""Every call of the API passes the plugins that have to allow it."""

from collections.abc import Iterator
from typing import Any

from oakum.controls.base import Control, NotApplicable, Observed, require_engine
from oakum.controls.daemon_key import at_next_start
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy


def those_required(facts: HostFacts, policy: Policy) -> list[str]:
    """What the policy names; without any, Docker's own rule is that its socket is root."""
    require_engine(facts)
    if not policy.authorization_plugins:
        raise NotApplicable("oakum_authorization_plugins names none that would be required")
    return list(policy.authorization_plugins)


def missing(facts: HostFacts, required: Json) -> Iterator[str]:
    """The plugins that calls do not pass, now or from the next start on.

    ``docker info`` is such a call, so that a plugin which it names has answered just now.
    """
    listed: Any = at_next_start(facts, "authorization-plugins")
    written = listed if isinstance(listed, list) else []
    active = written
    if facts.dockerd.value is not None:
        active = (facts.info.value.get("Plugins") or {}).get("Authorization") or []
    for name in required:
        if name not in active:
            yield f"{name} is " + ("written, not active" if name in written else "not there")
        elif name not in written:
            yield f"{name} is active, not written, so the next start ends it"


CONTROL = Control(
    area=Area.DAEMON,
    id="authorization-plugins",
    title="Calls of the API pass the required authorization plugins",
    why="Without a plugin everybody who reaches Docker's socket may do everything, which is root.",
    cost="Nothing changes: a plugin that is named and missing stops dockerd, even at a reload.",
    undo="Nothing to undo.",
    severity=Severity.MEDIUM,
    refs={"cis-1.6": "2.12", "cis-1.7": "2.12", "cis-1.8": "2.13", "seed": "security-additions"},
    sources=(
        "moby pkg/authorization/middleware.go: each call goes through every plugin",
        "moby daemon/command/daemon.go: a missing plugin ends dockerd 15 s after a reload",
    ),
    setting=Observed(
        label="authorization-plugins of dockerd",
        faults=missing,
        advice="install and start the plugin first, then name it in authorization-plugins and "
        "restart dockerd, watching it for half a minute",
    ),
    desired=those_required,
    parameter="authorization_plugins",
)
