"""What kind of Docker this is, and what oakum leaves alone there."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from oakum.controls.base import Control, Observed, State, require_engine
from oakum.controls.daemon.live_restore import swarm_state
from oakum.controls.daemon_key import KUBELETS, runs_pods
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy

GUESTS: Final = ("docker", "lxc", "lxc-libvirt", "openvz", "podman", "systemd-nspawn")
"""Words of systemd-detect-virt for a host that is a container itself."""


def a_host_of_its_own(facts: HostFacts, policy: Policy) -> str | None:
    """An engine whose configuration oakum may change; podman is none, and says so."""
    if not facts.podman.value:
        require_engine(facts)
    return "an engine that oakum may configure"


def audited(facts: HostFacts, desired: Json) -> Iterator[str]:
    """Why this engine is only looked at, and where its own configuration lies."""
    if facts.podman.value:
        yield "podman answers to Docker's name here, and reads no daemon.json"
        return
    file = facts.daemon_file.value.path
    origin = require_engine(facts).origin
    if origin == "desktop":
        yield (
            "Docker Desktop: its engine runs in a machine of its own, and its settings own "
            "daemon.json"
        )
    elif origin == "snap":
        yield f"snap: {file} is its own; edit it there, then snap restart docker"
    elif origin == "rootless":
        user = f"the user {facts.dockerd_uid.value}" if facts.dockerd.value else "a user"
        yield f"rootless: {file} belongs to {user}, whose systemd restarts it"


def surroundings(facts: HostFacts) -> Iterator[str]:
    """What is around an engine that oakum does change, and what is left alone for its sake."""
    virt = facts.virt.value
    if virt == "wsl":
        yield "WSL: the kernel is Windows', and may run without systemd"
    elif virt in GUESTS:
        yield f"guest of {virt}: kernel and security modules are its host's"
    if facts.engine.value is None:
        return
    if swarm_state(facts) != "inactive":
        manager = facts.info.value["Swarm"].get("ControlAvailable") is True
        kind = "manager" if manager else "worker"
        yield f"swarm {kind}: live-restore is left alone, which dockerd refuses there"
    if runs_pods(facts):
        yield f"Kubernetes node on this dockerd: {', '.join(sorted(KUBELETS))} are left alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings(Observed):
    """An observed setting that tells what is around it, too, where nothing is at fault."""

    def state(self, facts: HostFacts, desired: Json) -> State:
        found = Observed.state(self, facts, desired)
        return replace(found, actual=[*audited(facts, desired), *surroundings(facts)])


CONTROL = Control(
    area=Area.PLATFORM,
    id="platform",
    title="The engine is one that oakum may configure",
    why="Docker Desktop, a snap and a rootless engine keep their configuration elsewhere and start "
    "it their own way; podman reads none. In a swarm, and under a kubelet, some keys belong to "
    "others. Windows hosts are refused when they answer.",
    cost="Nothing is changed there; every other control still tells what it sees.",
    undo="Nothing to undo.",
    severity=Severity.LOW,
    refs={"seed": "virtualised-docker"},
    sources=(
        "canonical/docker-snap bin/dockerd-wrapper: paths, and the keys that its flags take",
        "moby contrib/dockerd-rootless-setuptool.sh: paths of a rootless engine",
        "moby daemon/cluster/cluster.go: live-restore is refused in swarm mode",
        "Mirantis/cri-dockerd: dockerd as the runtime of a kubelet, containers named k8s_*",
        "docs.docker.com/desktop/settings-and-maintenance: Docker Engine, its daemon.json",
    ),
    setting=Surroundings(
        label="the platform", faults=audited, advice="oakum audits it and changes nothing"
    ),
    desired=a_host_of_its_own,
)
