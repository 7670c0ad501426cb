"""A container keeps the confinement that the engine gives to all."""

from collections.abc import Iterator

from oakum.controls.base import Control
from oakum.controls.running import none_but_trusted, of_untrusted, require_told
from oakum.facts import HostFacts
from oakum.model import Area, Severity
from oakum.parts import Container


def switched_off(container: Container, facts: HostFacts) -> str | None:
    """What it does without; a privileged one does without everything, which is told elsewhere."""
    if container.privileged:
        return None
    if found := list(_options(container, facts)):
        return ", ".join(found)
    require_told(container, "securityopt", "masked")
    return None


def _options(container: Container, facts: HostFacts) -> Iterator[str]:
    # Older engines kept the colon of their day.
    options = {option.replace(":", "=", 1) for option in container.security}
    if "seccomp=unconfined" in options:
        yield "seccomp"
    modules = facts.info.value.get("SecurityOptions") or ()
    for module, option in (("apparmor", "apparmor=unconfined"), ("selinux", "label=disable")):
        if option in options and f"name={module}" in modules:
            yield module
    if not container.masked:
        yield "systempaths"


CONTROL = Control(
    area=Area.CONTAINERS,
    id="unconfined-containers",
    title="No container does without seccomp, AppArmor or SELinux",
    why="The profiles stand between a container and a bug of the kernel; unmasked system paths let "
    "root in the container write to the host's own /proc and /sys.",
    cost="Nothing here changes; the container has to be created anew without the option, or with a "
    "profile that allows what it needs.",
    undo="Nothing was changed.",
    severity=Severity.MEDIUM,
    refs={
        "cis-1.6": "5.2, 5.3, 5.22",
        "cis-1.7": "5.2, 5.3, 5.22",
        "cis-1.8": "5.2, 5.3, 5.22",
        "seed": "seccomp",
    },
    sources=(
        "moby daemon/daemon_unix.go parseSecurityOpt: the options, also with a colon",
        "docker cli/command/container/opts.go parseSystemPaths: systempaths=unconfined is an empty "
        "list of masked paths",
    ),
    setting=of_untrusted(
        "HostConfig.SecurityOpt of containers",
        switched_off,
        "create them without these --security-opt, or name those that may in "
        "oakum_trusted_containers",
    ),
    desired=none_but_trusted,
    parameter="trusted_containers",
)
