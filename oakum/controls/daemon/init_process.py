"""Containers have an init as process 1, or none, as the policy says."""

from collections.abc import Iterable

from oakum.controls.base import ABSENT, Control, NotApplicable, require_engine
from oakum.controls.daemon_key import DaemonKey, at_next_start
from oakum.facts import HostFacts
from oakum.model import Area, Impact, Severity
from oakum.policy import Policy
from oakum.policy_values import Init


def the_policys(facts: HostFacts, policy: Policy) -> bool:
    """On or off as the policy says; keep is what the host has."""
    if policy.init is Init.KEEP:
        raise NotApplicable("oakum_init is keep")
    require_engine(facts)
    return policy.init is Init.ON


def no_binary(facts: HostFacts, policy: Policy) -> str | None:
    """Without docker-init no container starts any more, though dockerd does."""
    if policy.init is not Init.ON or at_next_start(facts, "init-path"):
        return None
    return None if facts.init_binary.value else "docker-init is not installed: nothing would start"


def process_1(facts: HostFacts) -> Iterable[Impact]:
    """It is added, or left out, when a container starts."""
    for container in facts.containers.value:
        yield Impact(
            container.name,
            "keeps its process 1 until it is restarted",
            "the init is added when a container starts",
        )


CONTROL = Control(
    area=Area.DAEMON,
    id="init-process",
    title="Containers get the init that the policy says",
    why="A program that runs as process 1 and collects no orphans leaves zombies until no pid is "
    "left, and may ignore the signal that should stop it.",
    cost="A restart of dockerd. Containers that start anew have docker-init as process 1: images "
    "with an init of their own that insists on being process 1, as s6 and systemd do, do not "
    "start any more without --init=false. That is why no profile sets it.",
    undo="Take init out of daemon.json, restart dockerd and the containers.",
    severity=Severity.LOW,
    refs={"seed": "docker-defaults"},
    sources=(
        "moby daemon/oci_linux.go: looked up and added when a container starts",
        "moby daemon/config/config_linux.go, lookupBinPath: where docker-init is looked for",
    ),
    setting=DaemonKey(key="init", written=lambda desired: desired or ABSENT),
    desired=the_policys,
    parameter="init",
    guards=(no_binary,),
    until_restarted=process_1,
)
