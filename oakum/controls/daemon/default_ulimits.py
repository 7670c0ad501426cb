"""Containers that set no limit of their own get one that the host can grant."""

from collections.abc import Iterable, Mapping
from typing import Any

from oakum.controls.base import Control, require_engine
from oakum.controls.daemon_key import DaemonKey
from oakum.facts import HostFacts
from oakum.model import Area, Impact, Json, Severity
from oakum.parts import Process
from oakum.policy import Policy


def canonical(value: Json) -> Json:
    """Limits by name with ``Name``, ``Hard``, ``Soft``; Go matches those without regard to case,
    and takes a missing one for 0 (docker-facts f2)."""
    if not isinstance(value, Mapping):
        return {}
    return {name: _limit(limit) for name, limit in sorted(value.items())}


def _limit(limit: Any) -> Json:
    if not isinstance(limit, Mapping):
        return limit
    fields = {str(key).title(): found for key, found in limit.items()}
    return {
        "Name": fields.get("Name", ""),
        "Hard": fields.get("Hard", 0),
        "Soft": fields.get("Soft", 0),
    }


def with_the_policys(facts: HostFacts, policy: Policy) -> Json:
    """The policy's limits over those that the operator has set for other names."""
    require_engine(facts)
    written = facts.document.value.settings.get("default-ulimits", {})
    ours = {
        name: {"Name": name, "Hard": limit.hard, "Soft": limit.soft}
        for name, limit in policy.default_ulimits.items()
    }
    return canonical({**canonical(written), **ours})


def above_what_the_host_grants(facts: HostFacts, policy: Policy) -> str | None:
    """A limit that runc may not set: dockerd looks healthy, and no container starts."""
    for name, limit in policy.default_ulimits.items():
        most, because = grantable(facts, name)
        if most is not None and (limit.hard == -1 or limit.hard > most):
            return (
                f"{name} {limit.hard} is above the {most} that this host can grant ({because}); "
                "no container would start. Set oakum_default_ulimits lower"
            )
    return None


def grantable(facts: HostFacts, name: str) -> tuple[int | None, str]:
    """The highest hard limit that a container can be given, and what bounds it; None is no bound.

    The runtime inherits from the system's containerd, or from dockerd where that starts its own;
    without CAP_SYS_RESOURCE a hard limit can only be lowered (setrlimit(2)). Where dockerd is
    stopped, its unit and the process that will start it bound it.
    """
    bounds: list[tuple[int, str]] = []
    if name == "nofile" and "fs.nr_open" in facts.sysctl.value:
        bounds.append((int(facts.sysctl.value["fs.nr_open"]), "fs.nr_open"))
    bounds += _of_process(name, facts.containerd.value, "containerd's own limit")
    if facts.dockerd.value:
        bounds += _of_process(name, facts.dockerd.value, "dockerd's own limit")
    elif not facts.first.value.lifts_limits:
        bounds += _of_process(name, facts.first.value, "the limit of process 1")
        hard = facts.unit_limits.value.get(name)
        bounds += [] if hard is None else [(hard, f"Limit{name.upper()} of docker.service")]
    return min(bounds, default=(None, ""))


def _of_process(name: str, process: Process | None, bound: str) -> list[tuple[int, str]]:
    hard = process.hard.get(name) if process and not process.lifts_limits else None
    return [] if hard is None else [(hard, bound)]


def old_containers(facts: HostFacts) -> Iterable[Impact]:
    """Limits are set when a container starts."""
    for container in facts.containers.value:
        yield Impact(
            container.name,
            "keeps its former limits until it is restarted",
            "limits are set when a container starts",
        )


CONTROL = Control(
    area=Area.DAEMON,
    id="default-ulimits",
    title="Containers without limits of their own get sane ones",
    why="Containers inherit whatever containerd was started with: infinity makes programs "
    "that walk all descriptors burn CPU, and core files fill the disk.",
    cost="A restart of dockerd; running containers keep their limits until they are restarted. "
    "Build steps of BuildKit are not covered.",
    undo="Take default-ulimits out of daemon.json and restart dockerd.",
    severity=Severity.MEDIUM,
    refs={"cis-1.6": "2.8", "cis-1.7": "2.8", "cis-1.8": "2.9", "seed": "default-ulimits"},
    sources=(
        "moby daemon/oci_linux.go: the inner Name alone selects the limit",
        "moby#38814, moby#45060: infinity",
        "moby#12695, moby#42069: nproc counts over all containers",
    ),
    setting=DaemonKey(key="default-ulimits", normal=canonical),
    desired=with_the_policys,
    parameter="default_ulimits",
    guards=(above_what_the_host_grants,),
    until_restarted=old_containers,
)
