"""The kernel records who changes what Docker is made of."""

from collections.abc import Sequence
from typing import Final

from oakum.controls.base import Control, NotApplicable
from oakum.controls.daemon_guards import only_audited, unless_off
from oakum.controls.host.entropy import CONTAINERS
from oakum.controls.host_file import HostFile
from oakum.facts import HostFacts
from oakum.model import Area, Severity
from oakum.parts import Audit
from oakum.policy import Policy
from oakum.render import render

KEY: Final = "oakum-docker"
"""By which the transaction finds rules of ours to delete."""

RIGHTS: Final = {"program": "wxa", "folder": "wa", "file": "wa"}
"""What is recorded: writes and changes of rights, and who runs a program. Reads of the data root
would be every file that a container opens."""

NEEDED: Final = frozenset("wa")
"""What a rule must record, whoever wrote it."""


def what_there_is(facts: HostFacts, policy: Policy) -> list[str]:
    """Docker's programs, folders, units and sockets that are on this host."""
    unless_off(policy, "audit_rules")
    if facts.engine.value is None:
        raise NotApplicable("no Docker engine on this host")
    if facts.virt.value in CONTAINERS:
        raise NotApplicable(f"inside {facts.virt.value} the audit is its host's")
    audit(facts)
    return sorted(path for _, path in facts.audit_paths.value)


def audit(facts: HostFacts) -> Audit:
    if (found := facts.audit.value) is None:
        raise NotApplicable("auditctl is not installed: nothing here records anything")
    return found


def watched(facts: HostFacts) -> list[str]:
    """What the loaded rules cover, of what there is: each path by itself or by a folder above."""
    rules = audit(facts).watched
    paths = sorted(path for _, path in facts.audit_paths.value)
    return [path for path in paths if any(_covers(rule, rules[rule], path) for rule in rules)]


def _covers(rule: str, rights: str, path: str) -> bool:
    within = path == rule or path.startswith(rule.rstrip("/") + "/")
    return within and NEEDED.issubset(rights)


def fault(facts: HostFacts, desired: Sequence[str]) -> str | None:
    found = watched(facts)
    missing = [path for path in desired if path not in found]
    if audit(facts).enabled == 0:
        return "auditing is switched off"
    if not missing:
        return None
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"nothing watches {missing[0]}{more}"


def content(facts: HostFacts, desired: Sequence[str]) -> bytes:
    watches = {path: RIGHTS[kind] for kind, path in facts.audit_paths.value}
    return render("audit.rules.j2", watches=watches, key=KEY).encode()


def switched_off(facts: HostFacts, policy: Policy) -> str | None:
    """Rules record nothing while auditing is off, and whoever switched it off had a reason."""
    return "auditing is switched off (auditctl -s)" if audit(facts).enabled == 0 else None


def immutable(facts: HostFacts, policy: Policy) -> str | None:
    """The rules are locked until the next boot (-e 2)."""
    if audit(facts).enabled == 2:
        return "the rules are locked until the next boot (auditctl -e 2)"
    return None


def cannot_be_loaded(facts: HostFacts, policy: Policy) -> str | None:
    """Rules are put together from /etc/audit/rules.d, or somebody's audit.rules would be lost."""
    loader = audit(facts).loader
    if loader == "missing":
        return "no augenrules on this host, which loads /etc/audit/rules.d"
    if loader == "by hand":
        return "/etc/audit/audit.rules is written by hand, and augenrules would replace it"
    return None


CONTROL = Control(
    area=Area.HOST,
    id="audit-rules",
    title="Changes of Docker's programs and files are recorded",
    why="Whoever may change dockerd, its configuration or its data is root on the host. The "
    "kernel's audit says who did. Rules in a file record nothing: only the loaded ones count.",
    cost="Nothing restarts. Every write below the data root that does not come from inside of a "
    "container's own layer is a line in the audit log: volumes can make many.",
    undo="Remove /etc/audit/rules.d/oakum-docker.rules, then auditctl -D -k oakum-docker and "
    "augenrules --load.",
    severity=Severity.LOW,
    refs={
        name: ", ".join(f"1.1.{number}" for number in range(3, 19))
        for name in ("cis-1.6", "cis-1.7", "cis-1.8")
    }
    | {"seed": "security"},
    sources=(
        "auditctl(8): watches, and the flag enabled",
        "augenrules(8): audit.rules is made of rules.d",
        "docker-bench-security tests/1_host_configuration.sh: without auditctl a file is enough",
    ),
    setting=HostFile(
        label="/etc/audit/rules.d/oakum-docker.rules",
        actual=watched,
        fault=fault,
        file=lambda facts: facts.audit_file.value,
        content=content,
        advice="the rules are written and not loaded: run augenrules --load, and see what it says",
        mode="640",
    ),
    desired=what_there_is,
    parameter="audit_rules",
    guards=(only_audited("audit_rules"), switched_off, immutable, cannot_be_loaded),
)
