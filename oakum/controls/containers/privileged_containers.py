"""A privileged container is root on the host with a few more steps."""

from oakum.controls.base import Control
from oakum.controls.running import none_but_trusted, of_untrusted, require_told
from oakum.facts import HostFacts
from oakum.model import Area, Severity
from oakum.parts import Container


def privileged(container: Container, facts: HostFacts) -> str | None:
    require_told(container, "privileged")
    return "" if container.privileged else None


CONTROL = Control(
    area=Area.CONTAINERS,
    id="privileged-containers",
    title="No container is privileged",
    why="A privileged container has every capability, every device of the host and no seccomp or "
    "AppArmor profile: whoever is root in it can mount the host's disks and own the host.",
    cost="Nothing here changes; the container has to be created anew with the few devices and "
    "capabilities that it needs.",
    undo="Nothing was changed.",
    severity=Severity.HIGH,
    refs={"cis-1.6": "5.5", "cis-1.7": "5.5", "cis-1.8": "5.5", "seed": "containers-and-machines"},
    sources=(
        "moby daemon/oci_linux.go WithCapabilities, WithDevices: what privileged adds",
        "moby daemon/seccomp_linux.go: a privileged container has no profile",
    ),
    setting=of_untrusted(
        "HostConfig.Privileged of containers",
        privileged,
        "create them with --device and --cap-add for what they need, or name those that may in "
        "oakum_trusted_containers",
    ),
    desired=none_but_trusted,
    parameter="trusted_containers",
)
