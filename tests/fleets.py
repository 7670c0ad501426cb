"""Invented runs for the tests of reports: each names only what it is about."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from oakum.model import (
    Change,
    Disruption,
    Ending,
    Entry,
    FileEntry,
    Finding,
    HostReport,
    Impact,
    Kind,
    Outcome,
    Plan,
    Report,
    Severity,
    Status,
)

FACTS = {
    "docker": "20.10.24",
    "kernel": "6.1.0-30-amd64",
    "os": "debian 12",
    "arch": "x86_64",
    "virt": "kvm",
    "init": "systemd",
    "containers": "12",
}


def finding(control: str, status: Status = Status.OK, **known: Any) -> Finding:
    return Finding(control, status, **{"severity": Severity.LOW, **known})


def change(before: Mapping[str, Any] | None, after: Mapping[str, Any], **known: Any) -> Change:
    """daemon.json as it is and as it will be."""
    texts = [None if one is None else f"{json.dumps(one, indent=4)}\n" for one in (before, after)]
    old, new = (None if text is None else text.encode() for text in texts)
    plain = {"path": "/etc/docker/daemon.json", "kind": Kind.FILE, "before": old, "after": new}
    return Change(**{"disruption": Disruption.RESTART, **plain, **known})


def plan(*findings: Finding, changes: tuple[Change, ...] = (), **known: Any) -> Plan:
    costs = [change.disruption for change in changes]
    return Plan(findings, changes, **{"disruption": max(costs, default="none"), **known})


def row(name: str, found: Plan | None = None, **known: Any) -> HostReport:
    return HostReport(name=name, **{"plan": found or OK, "facts": FACTS, **known})


def silent(name: str, error: str, **known: Any) -> HostReport:
    return HostReport(name=name, error=error, **known)


def run(*hosts: HostReport, command: str = "plan", profile: str = "baseline") -> Report:
    return Report(command, profile, "2026-01-31T12:00:00Z", "2026-01-31T12:00:01Z", hosts)


def stays(containers: Iterable[str]) -> tuple[Impact, ...]:
    return tuple(Impact(name, "stays", "live-restore") for name in containers)


# What is found -----------------------------------------------------------------------------------

ENTROPY = finding("entropy", actual="running", desired="running")
LIVE_RESTORE = finding("live-restore", actual=True, desired=True)
SECCOMP = finding("seccomp", actual="builtin", desired="builtin", severity=Severity.HIGH)
STORAGE = finding("storage-driver", actual="overlay2", desired="overlay2", reason="in use")
FINE = (ENTROPY, LIVE_RESTORE, SECCOMP, STORAGE)
BARE_METAL = finding("entropy", Status.NOT_APPLICABLE, reason="bare metal: interrupts give enough")
LIMITS = {"nofile": {"Name": "nofile", "Hard": 65536, "Soft": 65536}}
NO_LIMITS = finding(
    "default-ulimits", Status.DRIFT, severity=Severity.MEDIUM, actual={}, desired=LIMITS
)
PROXY = finding(
    "userland-proxy", Status.DRIFT, actual=True, desired=False, refs={"cis-1.6": "2.16"}
)
REMAP = finding(
    "userns-remap",
    Status.HELD,
    severity=Severity.MEDIUM,
    actual=False,
    desired=True,
    reason="would hide 7 images (3.2 GB), 12 containers and 4 volumes; oakum migrate userns-remap "
    "carries images and volumes over",
)
WAIVED = replace(
    REMAP, status=Status.WAIVED, reason="images are built here (ops, until 2026-06-30)"
)
UNREAD = finding("seccomp", Status.UNKNOWN, reason="docker info: permission denied")

# What is planned ---------------------------------------------------------------------------------

BOTH = ("default-ulimits", "userland-proxy")
DAEMON_JSON = change(
    {"registry-mirrors": ["https://mirror.example"]},
    {
        "registry-mirrors": ["https://mirror.example"],
        "userland-proxy": False,
        "default-ulimits": LIMITS,
    },
    controls=BOTH,
)
FRESH = change(None, {"userland-proxy": False, "live-restore": True}, controls=("live-restore",))
HAVEGED = Change(
    path="haveged",
    kind=Kind.PACKAGE,
    controls=("entropy",),
    note="install it, start and enable its service",
)
OK = plan(*FINE)
DRIFT = plan(
    NO_LIMITS,
    *FINE,
    PROXY,
    REMAP,
    changes=(DAEMON_JSON,),
    notes=("live-restore is switched on by reload first, so the restart stops nothing",),
)
DONE = replace(
    DRIFT,
    findings=(
        replace(NO_LIMITS, status=Status.OK, actual=LIMITS),
        *FINE,
        replace(PROXY, status=Status.OK, actual=False),
        REMAP,
    ),
)
NO_ENGINE = "no Docker engine on this host"
BEFORE_DOCKER = plan(
    finding("live-restore", Status.NOT_APPLICABLE, severity=Severity.MEDIUM, reason=NO_ENGINE),
    finding("userland-proxy", Status.NOT_APPLICABLE, reason=NO_ENGINE),
    deferred=(FRESH,),
)

# Whole runs --------------------------------------------------------------------------------------


def mixed() -> Report:
    """The sketch of design: one drifts, one is like it, one is fine, one hangs; and two more."""
    silence = Impact(
        "grafana", "its port on [::1]:3000 goes silent", "only the proxy answers there"
    )
    hit = (*stays(["api", "cache", "db", "grafana"]), silence)
    return run(
        row("web-1", replace(DRIFT, impact=hit), groups=("web",)),
        row("web-2", replace(DRIFT, impact=stays(["api", "cache"])), groups=("web", "blue")),
        row("db-1", plan(BARE_METAL, *FINE[1:])),
        row("ci-1", plan(BARE_METAL, LIVE_RESTORE, UNREAD, WAIVED), facts={"os": "alpine 3.20"}),
        silent("build-7", "docker info did not answer within 10 s (dockerd pid 812 is in D state)"),
        silent("old-9", "Could not connect (timed out)", reached=False),
    )


def many() -> Report:
    """300 hosts in two large groups, and a few that stand alone."""

    def web(number: int) -> HostReport:
        hit = stays(["app", "nginx", f"job-{number}"])
        return row(f"web-{number:03}", replace(DRIFT, impact=hit))

    def db(number: int) -> HostReport:
        engine = "27.3.1" if number % 4 else "26.1.5"
        late = replace(LIVE_RESTORE, status=Status.DRIFT, actual=False)
        reload = change(None, {"live-restore": True}, controls=("live-restore",))
        return row(
            f"db-{number:02}",
            plan(late, *FINE[2:], REMAP, changes=(replace(reload, disruption=Disruption.RELOAD),)),
            facts={**FACTS, "docker": engine, "containers": "1"},
        )

    flag = replace(PROXY, status=Status.HELD, reason="--userland-proxy is a flag of the unit")
    return run(
        row("odd-1", plan(*FINE, flag)),
        *map(web, range(1, 213)),
        *map(db, range(1, 41)),
        *(row(f"ok-{number:02}") for number in range(1, 41)),
        *(silent(f"far-{n}", "Could not connect (timed out)", reached=False) for n in range(1, 7)),
        silent("odd-2", "no answer within 60 s"),
    )


def applied() -> Report:
    """One host takes the change, one gets its former files back, the others have nothing to do."""
    error = "dockerd does not start: unknown log opt 'max-sizes' for json-file log driver"
    known = {"outcome": Outcome.ROLLED_BACK, "error": error, "transaction": "20260131-120000-7f3a"}
    limits = Impact("api", "keeps its former limits until it is restarted", "set at its start")
    return run(
        row(
            "web-2",
            replace(DONE, impact=(limits, *stays(["api"]))),
            outcome=Outcome.APPLIED,
            transaction="20260131-115900-21bc",
        ),
        row("web-1", replace(DRIFT, impact=stays(["api"])), **known),
        row("db-1", outcome=Outcome.UNCHANGED),
        row("db-2", plan(*FINE, REMAP), outcome=Outcome.UNCHANGED),
        silent("old-9", "Could not connect (timed out)", reached=False),
        command="apply",
    )


def engineless() -> Report:
    """A host that Docker is not on yet, beside one that it is on."""
    facts = {"docker": "none", "kernel": "5.4.0-1", "os": "ubuntu 20.04"}
    package = replace(ENTROPY, status=Status.DRIFT, actual="absent")
    return run(
        row("new-1", BEFORE_DOCKER, facts=facts),
        row("new-2", BEFORE_DOCKER, facts=facts),
        row(
            "vm-3",
            plan(package, *FINE[1:], changes=(HAVEGED,)),
            facts={**facts, "docker": "26.1.5"},
        ),
    )


IDS = ("20260131T115900Z-0021bc44", "20260131T120000Z-00007f3a", "20260201T080000Z-00c0ffee")


def rolled_back() -> Report:
    """One host is as it was, one would not take it, one has a conflict, one has nothing to undo."""
    note = f"takes back {IDS[1]} of 2026-01-31T12:00:00Z by ops@desk: userland-proxy"
    former = replace(DAEMON_JSON, before=DAEMON_JSON.after, after=DAEMON_JSON.before)
    back = plan(changes=(former,), notes=(note,), undoes=(IDS[1],), impact=stays(["api"]))
    fresh = replace(FRESH, before=FRESH.after, after=None)
    conflict = replace(
        PROXY,
        status=Status.HELD,
        desired=None,
        reason=f"conflict in /etc/docker/daemon.json: {IDS[1]} set userland-proxy to false, it was "
        "absent before, and now it is true; settle it there by hand",
    )
    return run(
        row("web-1", back, outcome=Outcome.APPLIED, transaction=IDS[2]),
        row("web-2", replace(back, changes=(fresh,)), outcome=Outcome.APPLIED, transaction=IDS[2]),
        row(
            "web-3",
            back,
            outcome=Outcome.ROLLED_BACK,
            error="failed: dockerd did not restart",
            transaction=IDS[2],
        ),
        row(
            "web-4",
            plan(conflict, notes=(f"would {note.replace('takes', 'take')}",)),
            outcome=Outcome.UNCHANGED,
        ),
        row("db-1", plan(), outcome=Outcome.UNCHANGED),
        command="rollback",
    )


def remembered() -> Report:
    """A host with a past, one without, one that nobody reached."""
    digest, other = "a" * 64, "b" * 64
    by = {"by": "ops@desk", "plan": "0123456789abcdef", "controls": BOTH}
    first = Entry(
        **{"id": IDS[0], "time": "2026-01-31T11:59:00Z", "command": "apply", **by},
        files=(
            FileEntry("/etc/docker/daemon.json", digest, other),
            FileEntry("/etc/docker/oakum-seccomp.json", None, digest),
        ),
        outcome=Ending.CONFIRMED,
    )
    known = {"id": IDS[1], "time": "2026-01-31T12:00:00Z", "files": first.files[:1]}
    return run(
        row(
            "web-1",
            history=(
                replace(first, in_force=True),
                replace(first, **known),
                replace(
                    first,
                    id=IDS[2],
                    time="2026-02-01T08:00:00Z",
                    command="rollback",
                    files=(FileEntry("/etc/docker/daemon.json", other, None),),
                    undoes=(IDS[1],),
                ),
                replace(
                    first,
                    id="20260202T080000Z-00000001",
                    files=(),
                    outcome=Ending.REFUSED,
                    reason=f"stale: {HOSTILE}",
                ),
                replace(first, id="20260203T080000Z-00000002", files=(), outcome=None),
            ),
        ),
        row("db-1"),
        silent("old-9", "Could not connect (timed out)", reached=False),
        command="history",
    )


HOSTILE = "\x1b[31m[bold]:boom:[/bold] \u202egnp.exe \x9b2J\x07\r\n\t\x00\udc80\u200b"


def hostile() -> Report:
    """Every text that a host or an inventory has a say in tries to take the terminal over."""
    name = f"evil{HOSTILE}"
    bad = Change(
        path=f"/etc/{HOSTILE}",
        kind=Kind.FILE,
        controls=("userland-proxy",),
        before=HOSTILE.encode("utf-8", "surrogateescape"),
        after=b"\xff\x1b]0;owned\x07\n",
        note=HOSTILE,
    )
    odd = replace(PROXY, actual=HOSTILE, desired=[HOSTILE, float("inf")], reason=HOSTILE)
    found = plan(odd, changes=(bad,), notes=(HOSTILE,), impact=(Impact(HOSTILE, HOSTILE, HOSTILE),))
    return run(
        row(name, found, groups=(HOSTILE,), facts={**FACTS, "os": HOSTILE, "docker": "[red]"}),
        silent(f"{name}2", HOSTILE),
        silent("漢字-1", "[link=x]no markup[/link]", reached=False),
        profile=HOSTILE,
    )
