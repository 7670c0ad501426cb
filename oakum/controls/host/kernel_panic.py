"""A node whose kernel panics comes back by itself."""

import re
from collections.abc import Mapping
from typing import Final

from oakum.controls.base import Control, FileEdit, NotApplicable
from oakum.controls.host.entropy import CONTAINERS
from oakum.controls.host_file import HostFile
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy
from oakum.render import render

PANIC: Final = "kernel.panic"
ON_OOPS: Final = "kernel.panic_on_oops"

FOLDERS: Final = ("/etc/", "/run/", "/usr/local/lib/", "/usr/lib/", "/lib/")
"""Of two files with one name the first of these counts (sysctl.d(5))."""


def wanted_by_policy(facts: HostFacts, policy: Policy) -> dict[str, int]:
    """What the kernel should be told, where it is this host's own."""
    if facts.engine.value is None:
        raise NotApplicable("no Docker engine on this host")
    if facts.virt.value in CONTAINERS:
        raise NotApplicable(f"inside {facts.virt.value} the kernel is its host's")
    wanted = {PANIC: policy.kernel_panic.reboot_after}
    if policy.kernel_panic.on_oops:
        wanted[ON_OOPS] = 1
    if missing := [name for name in wanted if name not in facts.sysctl.value]:
        raise NotApplicable(f"there is no {missing[0]} in /proc/sys")
    return wanted


def suits(value: str) -> bool:
    """Whether a node would boot anew: any number of seconds does, and below 0 it does at once."""
    return isinstance(number := _number(value), int) and number != 0


def fault(facts: HostFacts, desired: Mapping[str, int]) -> str | None:
    """What holds the node back now or after its next boot; or that our own file is of another
    policy."""
    at_boot = {name: _at_boot(facts, name) for name in desired}
    if wrong := [name for name in desired if not suits(facts.sysctl.value[name])]:
        return "written, not active" if all(suits(at_boot[name][1]) for name in wrong) else ""
    for name, (path, value) in at_boot.items():
        if path and not suits(value):
            return f"{path} sets {name} to {value[:20]} at the next boot"
    return "" if facts.sysctl_file.value.content not in (None, content(facts, desired)) else None


def _at_boot(facts: HostFacts, name: str, *, after_ours: bool = False) -> tuple[str, str]:
    """The file that has the last word on a value, and the value; empty where no file has any."""
    ours = facts.sysctl_file.value.path
    best: dict[str, tuple[str, str]] = {}
    for path, known, value in facts.sysctl_files.value:
        if known == name and not (after_ours and _order(path) <= _order(ours)):
            last = best.get(_order(path))
            if last is None or _rank(path) <= _rank(last[0]):
                best[_order(path)] = (path, value)
    return best[max(best)] if best else ("", "")


def _order(path: str) -> str:
    """Files are read by their names, whatever folder they are in, and /etc/sysctl.conf last."""
    return "~" if path == "/etc/sysctl.conf" else path.rpartition("/")[2]


def _rank(path: str) -> int:
    ranks = (number for number, folder in enumerate(FOLDERS) if path.startswith(folder))
    return next(ranks, len(FOLDERS))


def content(facts: HostFacts, desired: Mapping[str, int]) -> bytes:
    return render("sysctl.conf.j2", values=desired).encode()


def living_values(facts: HostFacts, desired: Mapping[str, int]) -> tuple[FileEdit, ...]:
    """The values to set at once: those that would not do, and those that a former policy of ours
    set. What an operator chose stays."""
    former = (facts.sysctl_file.value.content or b"").decode("utf-8", "replace")
    ours = dict(re.findall(r"^(\S+) = (\S+)$", former, re.MULTILINE))
    edits = []
    for name, value in desired.items():
        now = facts.sysctl.value[name]
        if now != str(value) and (not suits(now) or now == ours.get(name)):
            path = f"/proc/sys/{name.replace('.', '/')}"
            edits.append(FileEdit(path, f"{now}\n".encode(), f"{value}\n".encode()))
    return tuple(edits)


def in_force(facts: HostFacts) -> Json:
    known: Mapping[str, str] = facts.sysctl.value
    return {name: _number(known[name]) for name in (PANIC, ON_OOPS) if name in known}


def _number(value: str) -> int | str:
    return int(value) if re.fullmatch(r"-?[0-9]{1,10}", value) else value[:20]


def set_elsewhere(facts: HostFacts, policy: Policy) -> str | None:
    """A file that is read after ours would take it back at the next boot."""
    for name in wanted_by_policy(facts, policy):
        path, value = _at_boot(facts, name, after_ours=True)
        if path and not suits(value):
            return f"{path} sets {name} to {value[:20]} and is read last; change it there"
    return None


def cannot_be_written(facts: HostFacts, policy: Policy) -> str | None:
    """Nothing below /proc/sys can be written, so that it would count from the next boot only."""
    why = facts.sysctl_locked.value
    return f"/proc/sys: {why}" if why else None


CONTROL = Control(
    area=Area.HOST,
    id="kernel-panic",
    title="A node whose kernel panics boots anew",
    why="All containers share one kernel. When it panics it stands still for good by default, and "
    "every container of the node with it, until somebody comes.",
    cost="Nothing restarts now. After a panic there is less time to read the screen; kdump still "
    "works. With on_oops, a fault that would have killed one process boots the node anew.",
    undo="Remove /etc/sysctl.d/60-oakum.conf and write the former value to /proc/sys/kernel/panic.",
    severity=Severity.MEDIUM,
    refs={"seed": "kernel-panic"},
    sources=(
        "linux Documentation/admin-guide/sysctl/kernel.rst: panic, panic_on_oops",
        "sysctl.d(5): files are read by name, the last one wins",
    ),
    setting=HostFile(
        label="kernel.panic in /etc/sysctl.d/60-oakum.conf and /proc/sys",
        actual=in_force,
        fault=fault,
        file=lambda facts: facts.sysctl_file.value,
        content=content,
        values=living_values,
        advice="the file is right and something else changed the value: write it to /proc/sys",
    ),
    desired=wanted_by_policy,
    parameter="kernel_panic",
    guards=(set_elsewhere, cannot_be_written),
)
