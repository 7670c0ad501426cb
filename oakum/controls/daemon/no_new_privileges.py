"""Programs in containers gain no privileges that their process does not have."""

from collections.abc import Iterable
from typing import Final

from packaging.version import Version

from oakum.controls.base import Control, require_engine
from oakum.controls.daemon_guards import (
    kubernetes_node,
    only_audited,
    unless_off,
    until_recreated,
)
from oakum.controls.daemon_key import DaemonKey
from oakum.facts import HostFacts
from oakum.model import Area, Impact, Severity
from oakum.policy import Policy

TOLD_SINCE: Final = Version("24.0")
"""From here on ``docker info`` says so."""


def wanted_by_policy(facts: HostFacts, policy: Policy) -> bool:
    """On, unless the policy leaves the control alone."""
    unless_off(policy, "no_new_privileges")
    require_engine(facts)
    return True


def told(facts: HostFacts) -> bool | None:
    """What ``docker info`` says, from 24.0 on."""
    if facts.version < TOLD_SINCE:
        return None
    return "name=no-new-privileges" in (facts.info.value.get("SecurityOptions") or ())


def old_containers(facts: HostFacts) -> Iterable[Impact]:
    """The default is taken at creation; a container that names the option has its own say."""
    without = [
        container
        for container in facts.containers.value
        if not any(option.startswith("no-new-privileges") for option in container.security)
    ]
    return until_recreated(without, "keeps what setuid and sudo give it")


CONTROL = Control(
    area=Area.DAEMON,
    id="no-new-privileges",
    title="Containers cannot gain new privileges",
    why="A setuid program in an image makes root of any user in the container, and root is what an "
    "escape needs.",
    cost="A restart of dockerd. In containers created from then on sudo, su, setuid programs and "
    "file capabilities give nothing, unless --security-opt no-new-privileges=false is said.",
    undo="Take no-new-privileges out of daemon.json, restart dockerd and recreate the containers "
    "that were created meanwhile.",
    severity=Severity.MEDIUM,
    refs={"cis-1.6": "2.14", "cis-1.7": "2.14", "cis-1.8": "2.15", "seed": "security-additions"},
    sources=(
        "moby daemon/daemon_unix.go, parseSecurityOpt: taken when a container is created",
        "moby daemon/info.go: in SecurityOptions from 24.0",
        "linux Documentation/userspace-api/no_new_privs.rst: what execve gives no longer",
    ),
    setting=DaemonKey(key="no-new-privileges", seen=told),
    desired=wanted_by_policy,
    parameter="no_new_privileges",
    guards=(only_audited("no_new_privileges"), kubernetes_node),
    impact=old_containers,
)
