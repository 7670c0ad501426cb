"""A plan as the calls that ``host/transaction.sh`` carries out: pure data, no I/O.

What the script cannot do itself is done here: everything that needs daemon.json as a document.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from packaging.version import Version

from oakum.engine.catalogue import flag_for
from oakum.engine.document import Document, loads, merge, same
from oakum.facts import HostFacts, Read
from oakum.model import Change, Disruption, Installation, Kind, Plan, loader
from oakum.policy import Policy, TimeLimits

Call = tuple[str, ...]
"""A function of the script and its arguments, not yet quoted."""

SHADOW_SETS: Final = (
    "config-file",
    "containerd",
    "data-root",
    "exec-root",
    "graph",
    "hosts",
    "pidfile",
)
"""Keys of daemon.json that the shadow boot has values of its own for."""

NOT_VALIDATED: Final = (
    "tls",
    "tlscacert",
    "tlscert",
    "tlskey",
    "tlsverify",
    "userns-remap",
)
"""Keys that an ordinary user's dockerd could not judge: it may not read the keys of TLS, and would
have to create the user of ``userns-remap`` (docker-facts a11). The shadow boot judges them."""


@dataclass(frozen=True, slots=True)
class About:
    """What the ledger says of a transaction beside its plan: ``by`` is user@machine."""

    id: str
    by: str


def calls(plan: Plan, facts: HostFacts, policy: Policy, about: About) -> list[Call]:
    """The manifest of a plan; empty when it changes neither file nor service."""
    files = [change for change in plan.changes if change.kind is Kind.FILE]
    action = service_action(plan, facts)
    if plan.idle or not (files or action[1] != "none" or _goes_back(plan)):
        return []
    limits = policy.time_limits
    return [
        ("about", _command(plan), about.by, digest(plan), names(plan)),
        ("limits", *(str(one) for one in _seconds(plan, limits))),
        ("preflight", policy.preflight),
        *(_file(change, plan, facts) for change in files),
        *(("load", word) for word in dict.fromkeys(loader(one.path) for one in files) if word),
        *(("undoes", one) for one in plan.undoes),
        *_daemon_json(files, plan, facts),
        *([_engine(plan.install)] if plan.install else []),
        *(_upgraded(plan, facts) if plan.upgrade else ()),
        action,
        *([("leave",)] if plan.leave else []),
    ]


def _command(plan: Plan) -> str:
    """What the ledger calls it."""
    if plan.upgrade:
        return "upgrade"
    if plan.install or plan.start:
        return "bootstrap"
    return "rollback" if _goes_back(plan) else "apply"


def _seconds(plan: Plan, limits: TimeLimits) -> tuple[int, ...]:
    rest = (limits.install,) if plan.install or plan.upgrade else ()
    return limits.answer, limits.watch, limits.shadow, *rest


def _engine(install: Installation) -> Call:
    hold = "yes" if install.hold else "no"
    return "engine", install.manager, install.release or "-", hold, " ".join(install.names)


def _upgraded(plan: Plan, facts: HostFacts) -> Iterator[Call]:
    """The packages, and how containers are stopped for good where live-restore is on and must not
    carry them into another engine: by each daemon.json with it off."""
    if plan.upgrade is None:
        return
    yield _engine(plan.upgrade)
    path = _target(facts)
    files = [change for change in plan.changes if change.path == path]
    before = facts.daemon_file.value.content or b""
    former = loads(before, empty_ok=True)
    coming = loads((files[0].after or b"") if files else before, empty_ok=True)
    if not files:  # the new engine is tried under the file all the same
        shadow = merge(former, {}, SHADOW_SETS).decode()
        yield "shadow_files", shadow, shadow, merge(former, {}, NOT_VALIDATED).decode()
    on = bool(facts.info.value.get("LiveRestoreEnabled"))
    if path and on and plan.disruption >= Disruption.OUTAGE:
        if not files:  # its place is taken for a moment, and nobody else would put it back
            yield _as_it_is(facts)
        yield "calm", path, _off(coming), _off(former)


def _goes_back(plan: Plan) -> bool:
    return bool(plan.undoes or plan.leave)


def digest(plan: Plan) -> str:
    """16 hexadecimal digits that tell one plan's changes from another's."""
    told = "\0".join(f"{change.path}\0{change.diff}" for change in plan.changes)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def names(plan: Plan) -> str:
    """The controls that a plan acts for, with commas; ``-`` where there are none."""
    return ",".join(dict.fromkeys(name for row in plan.changes for name in row.controls)) or "-"


def service_action(plan: Plan, facts: HostFacts) -> Call:
    """What dockerd is told; whether live-restore comes on before; whether containers stay."""
    if plan.install or plan.start:
        return "service", "install" if plan.install else "start", "no", "may-stop"
    stay = "may-stop" if plan.disruption >= Disruption.OUTAGE else "stay"
    if plan.upgrade:
        return "service", "upgrade", "no", stay
    if plan.disruption is Disruption.NONE:
        return "service", "none", "no", stay
    if plan.disruption is Disruption.RELOAD:
        return "service", "reload", "no", stay
    first = "yes" if _turns_on(plan) and stay == "stay" and _running(facts) else "no"
    return "service", "restart", first, stay


def _turns_on(plan: Plan) -> bool:
    """Whether the plan switches live-restore on."""
    return not plan.undoes and any("live-restore" in change.controls for change in plan.changes)


def _running(facts: HostFacts) -> int:
    return len(facts.containers.value) if isinstance(facts.containers, Read) else 0


def _sha256(content: bytes | None) -> str:
    return "absent" if content is None else hashlib.sha256(content).hexdigest()


def _file(change: Change, plan: Plan, facts: HostFacts) -> Call:
    if plan.install:
        return _written(change, change.after or b"", "any")  # nobody has read what is there
    if plan.live_restore_last and change.path == _target(facts):
        # Everything but live-restore; what the file holds in the end comes by ``finally``.
        before_last = merge(loads(change.after or b"", empty_ok=True), {"live-restore": True})
        return _written(change, before_last, _sha256(change.before))
    if change.after is None:
        return "remove", change.path, _sha256(change.before)
    return _written(change, change.after, _sha256(change.before))


def _as_it_is(facts: HostFacts) -> Call:
    file = facts.daemon_file.value
    rights = (file.mode, str(file.owner), str(file.group))
    content = file.content or b""
    return "file", file.target, *rights, _sha256(content), content.decode("utf-8")


def _written(change: Change, content: bytes, expected: str) -> Call:
    rights = (change.mode, str(change.owner), str(change.group))
    return "file", change.path, *rights, expected, content.decode("utf-8")


def _target(facts: HostFacts) -> str | None:
    return facts.daemon_file.value.target if isinstance(facts.daemon_file, Read) else None


def _daemon_json(files: list[Change], plan: Plan, facts: HostFacts) -> Iterator[Call]:
    """What is asked of the engine, where the plan touches daemon.json."""
    change = next((change for change in files if change.path == _target(facts)), None)
    if change is None:
        return
    former = loads(change.before or b"", empty_ok=True)
    coming = loads(change.after or b"", empty_ok=True)
    shadows = [merge(document, {}, SHADOW_SETS).decode() for document in (coming, former)]
    yield "shadow_files", *shadows, merge(coming, {}, NOT_VALIDATED).decode()
    if (_turns_on(plan) and not plan.start) or plan.live_restore_last:
        yield "bridge", change.path, merge(former, {"live-restore": True}).decode()
    if _turns_on(plan) and not plan.start and "live-restore" not in former.settings:
        yield "reset", _off(former)
    if plan.live_restore_last:
        end = ("gone", "") if change.after is None else ("file", change.after.decode("utf-8"))
        yield "finally", change.path, _off(coming), *end
    if plan.disruption > Disruption.NONE or plan.start:
        yield from _expected(former.settings, coming.settings, facts)


def _off(document: Document) -> str:
    """daemon.json with live-restore off, said aloud: a reload keeps what is said no more."""
    return merge(document, {"live-restore": False}).decode()


_OPTION: Final = '{{range .SecurityOptions}}{{if eq . "name=%s"}}on{{end}}{{end}}'
_POOLS: Final = "{{range .DefaultAddressPools}}{{.Base}} {{.Size}};{{end}}"


@dataclass(frozen=True, slots=True)
class _Said:
    """What ``docker info`` tells of a key, as a template, from release ``since`` on; ``expected``
    turns what daemon.json will say, None without the key, into what it has to tell, None where that
    is the engine's own business."""

    template: str
    expected: Callable[[Any], str | None]
    since: str = "0"


_SAYS: Final[Mapping[str, _Said]] = {
    "live-restore": _Said("{{.LiveRestoreEnabled}}", lambda value: _word(bool(value))),
    "log-driver": _Said("{{.LoggingDriver}}", lambda value: str(value) if value else None),
    "storage-driver": _Said("{{.Driver}}", lambda value: str(value) if value else None),
    "userns-remap": _Said(_OPTION % "userns", lambda value: "on" if value else ""),
    "no-new-privileges": _Said(
        _OPTION % "no-new-privileges", lambda value: "on" if value else "", "24.0"
    ),
    "default-cgroupns-mode": _Said(
        _OPTION % "cgroupns", lambda value: {"private": "on", "host": ""}.get(str(value))
    ),
    "selinux-enabled": _Said(_OPTION % "selinux", lambda value: "on" if value else ""),
    "experimental": _Said("{{.ExperimentalBuild}}", lambda value: _word(bool(value))),
    "default-address-pools": _Said(_POOLS, lambda value: _pools(value), "20.10"),
}
"""What ``docker info`` tells of the keys that it tells anything of."""


def _word(value: bool) -> str:
    return "true" if value else "false"


def _pools(value: Any) -> str | None:
    """Only in the form that oakum writes; an operator's own may be spelt otherwise."""
    if not value:
        return ""
    plain = [pool for pool in value if isinstance(pool, dict) and pool.keys() == {"base", "size"}]
    if len(plain) < len(value):
        return None
    return "".join(f"{pool['base']} {pool['size']};" for pool in plain)


def _expected(
    former: Mapping[str, Any], coming: Mapping[str, Any], facts: HostFacts
) -> Iterator[Call]:
    """What dockerd has to say afterwards of the keys that change; a flag has its own say."""
    flags = facts.flags.value if isinstance(facts.flags, Read) else {}
    for key, said in _SAYS.items():
        if same(former.get(key), coming.get(key)) or flag_for(key, flags):
            continue
        expected = said.expected(coming.get(key))
        if expected is not None and facts.version >= Version(said.since):
            yield "expect", said.template, expected
