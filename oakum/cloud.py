"""What a new host needs to bootstrap itself, as text: ``host/first_boot.sh`` and, as data for it,
the manifests of the plans that ``bootstrap`` would make of every kind of host.

Pure functions. What a plan of a new host depends on is its *kind*, which the host finds out: the
release of its engine, systemd, SELinux, and values of the kernel. Here each kind is planned from
the facts that it has, and what plans have in common is said once.
"""

import datetime
import itertools
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from packaging.version import Version

from oakum import bootstrap, manifest
from oakum.bootstrap import NotNew
from oakum.controls.base import Control
from oakum.controls.daemon.seccomp import FORMAT_SINCE
from oakum.engine.catalogue import NEWEST, OLDEST_PLANNED, options
from oakum.facts import HELD, INSTALLED, HostFacts, Read
from oakum.installation import DEB_ARCHITECTURES
from oakum.manifest import About, Call
from oakum.model import Plan
from oakum.parts import Engine
from oakum.policy import Policy

BY: Final = "cloud-init"
"""Who it was, for the ledger of the host."""

DAEMON_JSON: Final = "/etc/docker/daemon.json"
"""Which no new host has; the script looks for it."""

INITS: Final = ("systemd-v2", "systemd-v1", "other")
"""Whether systemd runs, and the version of its control groups."""

SELINUX: Final = ("none", "enforcing")
VALUES: Final = ("kept", "set")
"""Whether values of the kernel are the host's own, writable, and not yet what they should be."""

FAMILIES: Final = (
    *itertools.product(["apt"], ["debian", "ubuntu", "raspbian", "other"]),
    *itertools.product(["dnf", "yum"], ["fedora", "rhel", "centos", "amzn", "other"]),
    *itertools.product(["zypper", "apk", "pacman"], ["other"]),
)
"""Package manager and distribution, by which packages and repository are chosen."""

PACKAGED_FLAGS: Final[Sequence[Mapping[str, tuple[str, ...]]]] = (
    {"default-ulimit": ("nofile=32768:65536",)},  # Amazon Linux
    {
        "default-ulimit": ("nofile=1024:1024",),
        "live-restore": ("true",),
        "log-driver": ("journald",),
        "selinux-enabled": ("true",),
    },  # Fedora
)
"""What /etc/sysconfig/docker of distributions' packages gives dockerd as flags; a key that is one
must not be in its file."""

NO_FLAGS: Final = "-"

Key = tuple[str, ...]
"""What is known of a host, such as (manager, distribution)."""

NEW: Final = "new"

MAJOR: Final = "90909"
"""No release of any distribution: it stands for that of the host, until the host says its own."""


class Impossible(Exception):
    """There is nothing that such a policy could be carried out with; the message says why."""


def script(
    policy: Policy,
    controls: Sequence[Control],
    today: datetime.date,
    text_of: Callable[[str], str],
    head: str = "",
) -> str:
    """The whole shell script; ``text_of`` gives one of ``oakum/host`` by name, ``head`` are words
    on whom it is for.

    Raises:
        Impossible: no distribution has such an engine.
    """
    installing = _installing(policy, controls, today)
    kinds, engines = _kinds(policy, controls, today)
    digest = manifest.digest(
        Plan((), tuple(row for plan in kinds.values() for row in plan.changes))
    )
    hardening = {
        kind: [*_lines(plan, facts_of(kind), policy, digest)] for kind, plan in kinds.items()
    }
    changes = [row for plan in kinds.values() for row in plan.changes]
    values = [row.path for row in changes if row.path.startswith("/proc/sys/")]
    flags = _flags_of(kinds.values(), controls)
    architectures = "".join(
        f"        {machine}) architecture={name} ;;\n"
        for machine, name in DEB_ARCHITECTURES.items()
    )
    return "".join(
        [
            "#!/bin/sh\n",
            *(f"# {' '.join(line.split())}\n" for line in head.splitlines()),
            _without_shebang(text_of("launch.sh")),
            f"WANTED={digest}\n",
            f"ENGINES={shlex.quote(' '.join(engines))}\n",
            f"FLAGS={shlex.quote(' '.join(flags))}\n",
            f"KNOWN={shlex.quote(' '.join(dict.fromkeys(kind[-1] for kind in kinds)))}\n",
            f"VALUES={shlex.quote(' '.join(dict.fromkeys(values)))}\n",
            _function("transaction_sh", _here(text_of("transaction.sh"))),
            _function("packages_sh", _here(text_of("packages.sh"))),
            _function("installation", _cases('"$manager:$distribution"', installing)),
            _function("hardening", _cases('"$kind"', hardening)),
            _function(
                "architecture",
                "    architecture=@architecture@\n    case $(uname -m) in\n"
                f"{architectures}    esac\n",
            ),
            _without_shebang(text_of("first_boot.sh")),
        ]
    )


# Plans -------------------------------------------------------------------------------------------


def _installing(
    policy: Policy,
    controls: Sequence[Control],
    today: datetime.date,
    families: Iterable[tuple[str, str]] = FAMILIES,
) -> dict[Key, list[str]]:
    """The manifest of the installation, by family. Raises Impossible."""
    plans: dict[Key, tuple[Plan, HostFacts]] = {}
    why = ""
    for manager, distribution in families:
        release = {"ID": distribution, "VERSION_CODENAME": "@suite@", "VERSION_ID": MAJOR}
        facts = HostFacts(packages=Read(manager), os=Read(release), engine_package=Read("none"))
        try:
            plans[manager, distribution] = bootstrap.build(facts, policy, controls, today), facts
        except NotNew as error:
            why = str(error)
    if not plans:
        raise Impossible(why)
    digest = _digest(plan for plan, _ in plans.values())
    # The host says its own; here they are those of the facts.
    machine = f"Architectures: {DEB_ARCHITECTURES['x86_64']}\n"
    return {
        key: [
            shlex.join(call)
            .replace(machine, "Architectures: @architecture@\n")
            .replace(f"/{MAJOR}/", "/@major@/")
            for call in _calls(plan, facts, policy, digest)
        ]
        for key, (plan, facts) in plans.items()
    }


def _digest(plans: Iterable[Plan]) -> str:
    return manifest.digest(Plan((), tuple(row for plan in plans for row in plan.changes)))


def _calls(plan: Plan, facts: HostFacts, policy: Policy, digest: str) -> list[Call]:
    """The manifest of one plan of several; ``digest`` is theirs."""
    about, *calls = manifest.calls(plan, facts, policy, About(NEW, BY))
    return [(*about[:3], digest, *about[4:]), *calls]


def _flags_of(plans: Iterable[Plan], controls: Sequence[Control]) -> list[str]:
    """The flags of dockerd that would make another plan of one of these: those of every key of a
    control that writes to daemon.json."""
    acting = {
        name
        for plan in plans
        for row in plan.changes
        if row.path == DAEMON_JSON
        for name in row.controls
    }
    keys = {key for control in controls if control.id in acting for key in control.setting.keys}
    return sorted(flag for key in keys if key in options() for flag in options()[key].flags)


def facts_of(kind: Key) -> HostFacts:
    """What such a host is when its engine has come and has not started yet."""
    engine, init, selinux, values, flags = kind
    given = {name: one for known in PACKAGED_FLAGS for name, one in known.items()}
    return HostFacts(
        engine=Read(Engine(Version(engine), engine, running=False)),
        init=Read("systemd" if init.startswith("systemd") else "openrc"),
        cgroup=Read("v1" if init == "systemd-v1" else "v2"),
        selinux=Read(selinux),
        virt=Read("kvm" if values == "set" else "docker"),
        sysctl=Read({"kernel.panic": "0", "kernel.panic_on_oops": "0"}),
        oakum_state=Read((HELD, INSTALLED)),
        unit_flags=Read({name: given[name] for name in flags.split("+") if name in given}),
    )


def _kinds(
    policy: Policy, controls: Sequence[Control], today: datetime.date
) -> tuple[dict[Key, Plan], tuple[str, ...]]:
    """The plan of every kind of host, and the releases from which on plans differ."""
    plans: dict[Key, Plan] = {}
    engines: list[str] = []
    former: list[list[Call]] = []

    def planned(engines: Iterable[str], flags: Iterable[str]) -> dict[Key, Plan]:
        kinds = itertools.product(engines, INITS, SELINUX, VALUES, flags)
        return {
            kind: replace(bootstrap.build(facts_of(kind), policy, controls, today), findings=())
            for kind in kinds
        }

    for engine in _releases(policy.engine.release):
        built = planned([engine], [NO_FLAGS])
        calls = [
            manifest.calls(plan, facts_of(kind), policy, About(NEW, BY))
            for kind, plan in built.items()
        ]
        if calls != former:
            engines.append(engine)
            plans |= built
        former = calls
    # A flag takes a key out of plans, so that those that are alike stay alike.
    flags = _flags_of(plans.values(), controls)
    known = [[flag for flag in flags if flag in given] for given in PACKAGED_FLAGS]
    plans |= planned(engines, dict.fromkeys("+".join(names) for names in known if names))
    return plans, tuple(engines)


def _releases(pinned: str | None) -> Iterator[str]:
    """The releases at which a plan may begin to be another one, oldest first."""
    fields = ("since", "effective_since", "ignored_since", "removed", "unknown_since")
    known = {getattr(option, field) for option in options().values() for field in fields}
    known |= {value.since for option in options().values() for value in option.values}
    known |= {value.until for option in options().values() for value in option.values}
    known |= {FORMAT_SINCE, *(Version(f"{major}.0") for major in range(23, NEWEST.major + 1))}
    steps = sorted(step for step in known if step and OLDEST_PLANNED < step <= NEWEST)
    steps = [OLDEST_PLANNED, *steps]
    if pinned is None:
        return map(str, steps)
    first, last = Version(pinned), Version(f"{pinned}.9999")
    return map(str, [first, *(step for step in steps if first < step <= last)])


def _lines(plan: Plan, facts: HostFacts, policy: Policy, digest: str) -> Iterator[str]:
    """The manifest of a first start, as lines of shell; what begins with $ is run on the host."""
    about, *calls = _calls(plan, facts, policy, digest)
    daemon_json = next(
        (row.after.decode() for row in plan.changes if row.path == DAEMON_JSON and row.after), ""
    )
    yield shlex.join(about)
    if daemon_json:
        yield f"json={shlex.quote(daemon_json)}"
    for call in calls:
        if call[0] == "file" and call[1] in RANGES:
            if call[1] == RANGES[0]:
                yield "$ranges"
            continue
        if call[0] == "file":
            call = (*call[:5], "any", *call[6:])  # looked at, or ours
        yield " ".join(
            '"$json"' if daemon_json and word == daemon_json else shlex.quote(word) for word in call
        )


RANGES: Final = ("/etc/subuid", "/etc/subgid")
"""What the host adds to by itself, since images have users of their own."""


# Shell -------------------------------------------------------------------------------------------


def _without_shebang(text: str) -> str:
    return re.sub(r"\A#![^\n]*\n", "", text)


def _function(name: str, body: str) -> str:
    return f"{name}() {{\n{body}}}\n"


def _here(text: str) -> str:
    """Lines that print ``text``, whatever is in it."""
    mark = "OAKUM"
    while mark in text:
        mark += "_"
    return f"cat <<'{mark}'\n{text}{mark}\n"


def _cases(word: str, texts: Mapping[Key, Sequence[str]]) -> str:
    """Lines that print what is said for ``word``, where everything is said once for all keys that
    have it."""
    dimensions = [tuple(dict.fromkeys(column)) for column in zip(*texts, strict=True)]
    rows: dict[str, list[Key]] = {}
    for key, lines in texts.items():
        for line in lines:
            rows.setdefault(line, []).append(key)
    parts = []
    ordered = _in_order(rows, texts.values())
    for keys, run in itertools.groupby(ordered, key=lambda line: rows[line]):
        text = "".join(_printed(run))
        if len(keys) < len(texts) or len(texts) < 2:
            pattern = " | ".join(_patterns(set(keys), dimensions))
            text = f"case {word} in {pattern})\n{text};; esac\n"
        parts.append(text)
    return "".join(parts)


def _in_order(rows: Iterable[str], texts: Iterable[Sequence[str]]) -> list[str]:
    """All lines, so that those of each text stay in its order."""
    after: dict[str, set[str]] = {row: set() for row in rows}
    for text in texts:
        for former, line in itertools.pairwise(text):
            after[line].add(former)
    found: list[str] = []
    while after:
        ready = next(line for line, before in after.items() if before.issubset(found))
        found.append(ready)
        del after[ready]
    return found


def _printed(lines: Iterable[str]) -> Iterator[str]:
    for runs, group in itertools.groupby(lines, key=lambda line: line.startswith("$")):
        if runs:
            yield from (f"{line[1:]}\n" for line in group)
        else:
            yield _here("".join(f"{line}\n" for line in group))


def _patterns(keys: set[Key], dimensions: Sequence[Sequence[str]]) -> list[str]:
    """What matches these keys and no other, with a * where a part does not matter."""
    used = [
        [word for word in column if any(key[at] == word for key in keys)]
        for at, column in enumerate(dimensions)
    ]
    if len(keys) != len([*itertools.product(*used)]):
        return [":".join(key) for key in sorted(keys)]
    words = [
        ["*"] if len(own) == len(column) and len(column) > 1 else own
        for own, column in zip(used, dimensions, strict=True)
    ]
    return [":".join(key) for key in itertools.product(*words)]
