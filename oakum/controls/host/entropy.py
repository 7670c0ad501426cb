"""A guest that can starve of randomness gets haveged; no other host does."""

from typing import Final

from packaging.version import Version

from oakum.controls.base import Control, HostPackage, NotApplicable
from oakum.facts import HostFacts
from oakum.model import Area, Severity
from oakum.policy import Policy

NO_LONGER_BLOCKS: Final = Version("5.6")
"""From this kernel /dev/random never blocks once it is seeded (linux commit 30c08efec888)."""


CONTAINERS: Final = ("docker", "lxc", "lxc-libvirt", "podman", "openvz", "systemd-nspawn", "wsl")
"""Where the kernel is another host's, in the words of systemd-detect-virt."""


def fed_by(facts: HostFacts) -> str | None:
    """What keeps the entropy pool of this host from running out, or None where nothing does."""
    if facts.kernel.value >= NO_LONGER_BLOCKS:
        return f"kernel {facts.kernel.value}: /dev/random does not block from 5.6 on"
    if facts.virt.value == "none":
        return "bare metal: interrupts and disks give enough"
    if facts.hwrng.value != "none":
        return f"hardware generator {facts.hwrng.value}"
    if facts.rdrand.value:
        return "the processor has RDRAND"
    others = [name for name in facts.entropy_daemons.value if name != "haveged"]
    return f"{others[0]} runs" if others else None


def haveged_where_needed(facts: HostFacts, policy: Policy) -> str:
    """A daemon that feeds the pool, where nothing else does."""
    if facts.virt.value in CONTAINERS:
        raise NotApplicable(f"inside {facts.virt.value} the pool is its host's")
    if why := fed_by(facts):
        superfluous = "; haveged runs here for nothing and may be removed"
        raise NotApplicable(why + superfluous * ("haveged" in facts.entropy_daemons.value))
    return "running"


CONTROL = Control(
    area=Area.HOST,
    id="entropy",
    title="Guests that can starve of entropy run haveged",
    why="On kernels before 5.6 a virtual machine without a hardware generator can block for "
    "minutes in /dev/random: TLS handshakes and key generation in containers hang.",
    cost="A package and its service; nothing restarts.",
    undo="Remove the package haveged.",
    severity=Severity.LOW,
    refs={"seed": "haveged"},
    sources=(
        "linux commit 30c08efec888: /dev/random no longer blocks (5.6)",
        "jirka-h/haveged#57: its author on where it is still needed",
        "debops docker_server, apt_install: guests only",
    ),
    setting=HostPackage("haveged", lambda facts: "haveged" in facts.entropy_daemons.value),
    desired=haveged_where_needed,
)
