"""A container has the capabilities that the engine gives to all, and no more."""

from typing import Final

from oakum.controls.base import Control
from oakum.controls.running import none_but_trusted, of_untrusted, require_told
from oakum.facts import HostFacts
from oakum.model import Area, Severity
from oakum.parts import Container

DEFAULT: Final = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "NET_RAW",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
"""What every container has; one that has dropped all may take some of them back."""


def beyond_the_default(container: Container, facts: HostFacts) -> str | None:
    """Which ones; a privileged container has all of them, which is another control's business."""
    require_told(container, "capadd")
    added = {name.upper().removeprefix("CAP_") for name in container.capabilities} - DEFAULT
    return ", ".join(sorted(added)) if added and not container.privileged else None


CONTROL = Control(
    area=Area.CONTAINERS,
    id="added-capabilities",
    title="No container has more capabilities than the engine gives to all",
    why="SYS_ADMIN, SYS_PTRACE, SYS_MODULE or DAC_READ_SEARCH are each a known way out of a "
    "container; NET_ADMIN changes the network of others when it is the host's.",
    cost="Nothing here changes; the container has to be created anew without the capability.",
    undo="Nothing was changed.",
    severity=Severity.MEDIUM,
    refs={"cis-1.6": "5.4", "cis-1.7": "5.4", "cis-1.8": "5.4", "seed": "security-additions"},
    sources=(
        "moby daemon/pkg/oci/caps/defaults.go: the 14 that every container has",
        "capabilities(7)",
    ),
    setting=of_untrusted(
        "HostConfig.CapAdd of containers",
        beyond_the_default,
        "create them without --cap-add for what they can do without, or name those that may in "
        "oakum_trusted_containers",
    ),
    desired=none_but_trusted,
    parameter="trusted_containers",
)
