"""AppArmor or SELinux confines containers, and the engine knows of it."""

from collections.abc import Iterator
from typing import Final

from oakum.controls.base import Control, NotApplicable, Observed, require_engine
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy

PROFILE: Final = "docker-default"
"""The AppArmor profile that dockerd loads at its start and gives to containers."""


def one_of_them(facts: HostFacts, policy: Policy) -> str:
    """Either, where the engine can use it."""
    engine = require_engine(facts)
    if engine.origin == "rootless":
        raise NotApplicable("rootless: dockerd cannot load a profile there")
    if engine.origin == "desktop":
        raise NotApplicable("Docker Desktop: containers run on the kernel of its own machine")
    if facts.dockerd.value is None:
        raise NotApplicable("dockerd does not run: it loads the profile at its start")
    return "AppArmor or SELinux"


def unconfined(facts: HostFacts, desired: Json) -> Iterator[str]:
    """What keeps the kernel from confining containers. Raises CannotTell."""
    modules = facts.lsm.value
    said = [str(option) for option in facts.info.value.get("SecurityOptions") or ()]
    seen = {option.removeprefix("name=").partition(",")[0] for option in said}
    if "selinux" in modules:
        if facts.selinux.value != "enforcing":
            yield f"SELinux is {facts.selinux.value}"
        elif "selinux" not in seen:
            yield "SELinux is enforced, but not by dockerd (selinux-enabled is off)"
    elif "apparmor" not in modules:
        known = f" (its modules: {', '.join(modules)})" if modules else ""
        yield f"kernel: neither AppArmor nor SELinux is on{known}"
    elif "apparmor" not in seen:
        yield "AppArmor is on, but dockerd does not use it"
    elif facts.apparmor.value == "none":
        yield f"{PROFILE} is not loaded"
    elif facts.apparmor.value != "enforce":
        yield f"{PROFILE} is in mode {facts.apparmor.value}, which denies nothing"


CONTROL = Control(
    area=Area.HOST,
    id="mandatory-access-control",
    title="AppArmor or SELinux confines containers",
    why="It is the wall behind namespaces: a process that gets out of its container still may not "
    "write to /proc and /sys of the host or mount what it likes.",
    cost="Containers that write where the profile forbids it fail until they get a profile of "
    "their own. Switching a module on takes a boot option and a reboot.",
    undo="Take the boot option out again, or selinux-enabled out of daemon.json.",
    severity=Severity.MEDIUM,
    refs={"seed": "apparmor"},
    sources=(
        "moby daemon/apparmor_default.go: docker-default is loaded at the start of dockerd",
        "linux Documentation/admin-guide/LSM: /sys/kernel/security/lsm",
        "docs.docker.com/engine/security/rootless: AppArmor is not supported there",
    ),
    setting=Observed(
        label="the kernel's security module",
        faults=unconfined,
        advice="switch it on, install its tools (apparmor, or container-selinux with "
        "selinux-enabled in daemon.json) and restart dockerd",
    ),
    desired=one_of_them,
)
