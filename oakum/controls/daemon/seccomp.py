"""System calls of containers are filtered."""

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from packaging.version import Version

from oakum.controls.base import ABSENT, Control, FileEdit, require_engine
from oakum.controls.daemon_key import DaemonKey
from oakum.engine.catalogue import release
from oakum.facts import HostFacts, Read
from oakum.model import Area, Impact, Json, Severity
from oakum.policy import Policy, SeccompProfile
from oakum.render import render

PROFILE: Final = "/etc/docker/oakum-seccomp.json"
"""Where our own profile lies on a host."""

FORMAT_SINCE: Final = Version("20.10.10")
"""The first engine that reads ``errnoRet`` (docker-facts e3)."""


def in_effect(info: Mapping[str, Any]) -> str:
    """``builtin``, ``unconfined``, the path of a profile, or ``none`` where the kernel has none."""
    for option in info.get("SecurityOptions") or ():
        if found := re.fullmatch(r"(?:name=)?seccomp(?:,profile=(.*))?", option):
            return named(found[1])
    return "none"


def named(value: Json) -> str:
    """20.10 and older say ``default`` where newer ones say ``builtin``; nothing is the same."""
    return "builtin" if value in (None, "", "default", "builtin") else str(value)


def never_unconfined(facts: HostFacts, policy: Policy) -> str:
    """The built-in profile, or ours; a profile of the operator's own stays under ``builtin``."""
    require_engine(facts)
    if policy.seccomp is SeccompProfile.TIGHT:
        return PROFILE
    if facts.dockerd.value is not None:
        return own_profile(in_effect(facts.info.value)) or "builtin"
    written = named(facts.document.value.settings.get("seccomp-profile"))
    return own_profile(written) or "builtin"


def own_profile(value: str) -> str | None:
    """The path, when a file that an operator chose is in effect."""
    return value if value.startswith("/") and value != PROFILE else None


def written(desired: Json) -> Any:
    """The built-in profile is had by leaving the key out: the word is an error up to 20.10."""
    return ABSENT if desired == "builtin" else desired


def kernel_cannot(facts: HostFacts, policy: Policy) -> str | None:
    """Without kernel support containers run unconfined whatever the daemon is told."""
    if facts.dockerd.value is not None and in_effect(facts.info.value) == "none":
        return "this kernel has no seccomp filter (CONFIG_SECCOMP_FILTER)"
    return None


def operators_own(facts: HostFacts, policy: Policy) -> str | None:
    """Someone chose that profile; ours does not replace it."""
    chosen = own_profile(named(facts.document.value.settings.get("seccomp-profile")))
    if policy.seccomp is SeccompProfile.TIGHT and chosen:
        return f"{chosen} was chosen by an operator; take it out of daemon.json first"
    return None


def cannot_read_ours(facts: HostFacts, policy: Policy) -> str | None:
    """An older engine would read the profile's errno rules as plain ones."""
    version = facts.version
    if policy.seccomp is SeccompProfile.TIGHT and version < FORMAT_SINCE:
        return f"Docker {release(version)} cannot read the tight profile; it needs {FORMAT_SINCE}"
    return None


def profile_file(facts: HostFacts, policy: Policy) -> tuple[FileEdit, ...]:
    """Our profile in the form that this engine reads, where the one on the host differs."""
    if policy.seccomp is not SeccompProfile.TIGHT:
        return ()
    after = tight_profile(facts.version)
    before = facts.seccomp_file.value.content
    return () if before == after else (FileEdit(PROFILE, before, after),)


@functools.cache
def tight_profile(version: Version) -> bytes:
    """The bytes of the tight profile for Docker ``version``."""
    return render("seccomp.json.j2", version=version).encode()


def stored_unconfined(facts: HostFacts) -> Iterable[Impact]:
    """An unconfined daemon stores that with the containers that it starts (docker-facts e6)."""
    for container in facts.containers.value if _unconfined(facts) else ():
        yield Impact(
            container.name,
            "stays unconfined until it is recreated",
            "an unconfined daemon stores that with its containers",
        )


def started_before(facts: HostFacts) -> Iterable[Impact]:
    """The profile is read when a container starts."""
    for container in () if _unconfined(facts) else facts.containers.value:
        yield Impact(
            container.name,
            "keeps its former profile until it is restarted",
            "the profile is taken when a container starts",
        )


def _unconfined(facts: HostFacts) -> bool:
    return isinstance(facts.info, Read) and in_effect(facts.info.value) == "unconfined"


CONTROL = Control(
    area=Area.DAEMON,
    id="seccomp",
    title="System calls of containers are filtered",
    why="An unconfined container may make every system call, among them those behind most kernel "
    "exploits. The built-in profile costs nothing that ordinary programs use.",
    cost="A restart of dockerd. Under the tight profile debuggers need --cap-add SYS_PTRACE, and "
    "io_uring, AF_ALG, AF_VSOCK and AF_XDP are refused.",
    undo="Take seccomp-profile out of daemon.json and restart dockerd, then the containers.",
    severity=Severity.HIGH,
    refs={"cis-1.6": "2.17", "cis-1.7": "2.17", "cis-1.8": "2.18", "seed": "seccomp"},
    sources=(
        "moby daemon/daemon_unix.go: the words builtin and unconfined from 23.0 only",
        "moby profiles/seccomp: the format by release",
        "moby#42680: stale profiles break newer libcs",
    ),
    setting=DaemonKey(key="seccomp-profile", live=in_effect, normal=named, written=written),
    desired=never_unconfined,
    parameter="seccomp",
    guards=(kernel_cannot, operators_own, cannot_read_ours),
    files=profile_file,
    impact=stored_unconfined,
    until_restarted=started_before,
)
