"""What can go wrong while a host is changed: the faults, the points where they strike, the table.

A case happens to a `Subject`, a busy host that is put back to its first state before each. Several
hosts take cases from one queue, since most of a case's time is waiting.
"""

from __future__ import annotations

import queue
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .desk import Ran
from .guest import DAEMON_JSON
from .handmade import carry_out
from .hosts import Lab
from .subject import EDIT, LIMITS, Subject
from .warm import Running

HOSTS = 4

FORWARD = (
    *("begun", "locked", "recorded", "checked", "armed-boot", "kept", "staged", "validated"),
    *("shadowed", "counted", "probed", "armed-timer", "swap-begins", "swap-1", "swapped"),
    *("live-reload", "live-reloaded", "restart", "restarted", "answered", "read-back"),
    *("containers", "ports", "probed-after", "watched", "confirm", "confirmed", "disarmed"),
    "pruned",
)
BACK = ("undo", "bridged", "restored", "undone")
POINTS = (*FORWARD, *BACK)
"""Where the transaction can be stopped; on the way back only when dockerd refuses the new file."""

FIRST = ("hold", "installing", "installed", "released", "started")
"""Of a first start, which test_bootstrap.py has cases of its own for."""

REFUSE = "/etc/systemd/system/docker.service.d/refuse.conf"
# A dockerd that does not start under the new file, and that no preflight can know of: the program
# is fine, its unit is not.
SPOIL = f"""
mkdir -p {REFUSE.rpartition("/")[0]}
cat >{REFUSE} <<'X'
[Service]
ExecStartPre=/bin/sh -c '! grep -q userland-proxy {DAEMON_JSON}'
X
systemctl daemon-reload
"""
MEND = f"rm -r {REFUSE.rpartition('/')[0]}; systemctl daemon-reload"


@dataclass(frozen=True)
class Case:
    """One fault at one point, or a fault of its own."""

    fault: str
    point: str = ""

    def __str__(self) -> str:
        return f"{self.fault}-{self.point}" if self.point else self.fault

    @property
    def state(self) -> str:
        """What the host must be in when all is settled: ``old`` or ``new``; ``either`` where it
        is all the same; ``foreign`` where somebody else's bytes must have been kept."""
        if single := SINGLES.get(self.fault):
            return single.state
        if self.point in BACK:
            return "old"
        # Without its script a host goes back, until the ledger says that it is confirmed.
        lives = self.fault in ("session", "controller")
        committed = FORWARD.index(self.point) >= FORWARD.index("confirmed")
        return "new" if lives or committed else "old"

    @property
    def unfinished(self) -> bool:
        """Whether it may be that only the next run of oakum can end it: a boot hook that was not
        armed yet cannot run, a ledger without room takes no verdict, a read-only /etc keeps what is
        staged. The next apply has to end it, and is looked at in full."""
        unarmed = FORWARD[: FORWARD.index("armed-boot")]
        no_room = self.fault.startswith(("disk-full-state", "read-only-etc-at-staged"))
        return no_room or (self.fault == "power" and self.point in unarmed)


@dataclass(frozen=True)
class Result:
    """How a case ended: nothing in ``problems`` is a host that survived."""

    problems: tuple[str, ...]
    code: int | None
    state: str
    seconds: float
    said: str


# Faults at a point -------------------------------------------------------------------------------


def cut_session(subject: Subject, running: Running) -> None:
    """SIGKILL to the sshd processes of the operator's session, on the host."""
    subject.host.run("pkill -KILL -f '^sshd: root'")
    subject.go_on()


def kill_controller(subject: Subject, running: Running) -> None:
    running.kill()
    subject.go_on()


def pull_plug(subject: Subject, running: Running) -> None:
    subject.host.stop()
    subject.host.start()


AT_POINTS: dict[str, Callable[[Subject, Running], None] | None] = {
    "session": cut_session,
    "controller": kill_controller,
    "script": None,  # the transaction kills itself, exactly there
    "power": pull_plug,
}


def strike(subject: Subject, case: Case) -> tuple[int, str]:
    """Run an apply into the fault; its exit code, and what it said."""
    blow = AT_POINTS[case.fault]
    subject.me.crash(f"{case.point}:{'pause' if blow else 'kill'}")
    running = subject.start("apply", "--yes")
    try:
        if blow:
            subject.at_point(running)
            blow(subject, running)
    finally:
        ended = running.wait()
    subject.me.crash(None)
    return ended.code, heard(ended)


def heard(ended: Ran) -> str:
    """What an operator was told: the talk, and each host's outcome and error."""
    try:
        rows = ended.report["hosts"]
    except ValueError:  # a controller that was killed leaves no report
        rows = []
    held = [finding["reason"] for row in rows for finding in row["findings"]]
    words = [f"{row['outcome']}: {row['error']}" for row in rows]
    return "\n".join([*filter(None, held), *words, ended.err[-3000:]])


# Faults of their own -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Single:
    """A fault that is prepared before the apply or done to it at a point, and mended afterwards.

    ``words`` are heard by the operator. With ``settings`` it is no apply, but a plan made by hand
    that a planner would never make.
    """

    state: str
    words: str = ""
    settings: Mapping[str, Any] | None = None
    prepare: str = ""
    point: str = ""
    blow: str = ""
    mend: str = ""
    limits: dict[str, int] = field(default_factory=dict)


def full_disk(path: str, pages: int) -> str:
    """A file system of its own over a directory, with its content and that many free pages."""
    return f"""
    set -e
    mkdir -p {path}
    rm -rf /run/copy && cp -a {path} /run/copy
    mount -t tmpfs -o size=4m,mode=$(stat -c %a {path}) full {path}
    cp -a /run/copy/. {path}
    rm -rf /run/copy
    dd if=/dev/zero of={path}/.filler bs=4096 2>/dev/null || true
    truncate -s -{4096 * pages} {path}/.filler
    """


def dockerd_wrapper(then: str) -> str:
    """A unit whose dockerd does something odd, and only under the new file."""
    return f"""
    set -e
    cat >/usr/local/sbin/odd-dockerd <<'X'
#!/bin/sh
grep -q userland-proxy {DAEMON_JSON} && {{ {then} }}
exec /usr/sbin/dockerd "$@"
X
    chmod 755 /usr/local/sbin/odd-dockerd
    mkdir -p {REFUSE.rpartition("/")[0]}
    cat >{REFUSE} <<'X'
[Service]
ExecStart=
ExecStart=/usr/local/sbin/odd-dockerd -H fd:// --containerd=/run/containerd/containerd.sock
X
    systemctl daemon-reload
    """


MEND_WRAPPER = f"{MEND}; rm /usr/local/sbin/odd-dockerd"


def jump(days: int) -> str:
    """``date`` as every script on the host finds it, on another day; the kernel has one clock for
    all hosts of the lab, so systemd's own timers see nothing of it."""
    return f"""
    cat >/usr/local/sbin/date <<'X'
#!/bin/sh
exec /bin/date -d '{days} days' "$@"
X
    chmod 755 /usr/local/sbin/date
    """


RO_ETC = "mount --bind /etc /etc && mount -o remount,bind,ro /etc"

SINGLES: dict[str, Single] = {
    **{
        f"disk-full-state-{pages}-pages-left": Single(
            "either",
            prepare=full_disk("/var/lib/oakum", pages),
            mend="rm /var/lib/oakum/.filler",
        )
        for pages in (0, 4, 12, 20)
    },
    **{
        f"disk-full-state-at-{point}": Single(
            "either",
            prepare=full_disk("/var/lib/oakum", 200),
            point=point,
            blow="dd if=/dev/zero of=/var/lib/oakum/.filler2 bs=4096 2>/dev/null; true",
            mend="rm /var/lib/oakum/.filler /var/lib/oakum/.filler2",
        )
        for point in ("locked", "checked", "kept", "staged", "swap-begins", "restarted", "confirm")
    },
    **{
        f"disk-full-etc-{pages}-pages-left": Single(
            "either",
            prepare=full_disk("/etc/docker", pages),
            mend="rm /etc/docker/.filler",
        )
        for pages in (0, 1)
    },
    **{
        f"{name}-without-preflight": Single(
            "old",
            words=words,
            settings=settings,
            # A host whose shadow boot is impossible: the real dockerd meets the mistake.
            prepare="mv /usr/bin/unshare /usr/bin/unshare.away",
            mend="mv /usr/bin/unshare.away /usr/bin/unshare",
        )
        for name, words, settings in (
            ("missing-seccomp-file", "dockerd", {"seccomp-profile": "/etc/docker/gone.json"}),
            ("missing-authz-plugin", "locate plugin", {"authorization-plugins": ["gone"]}),
            (
                "bad-address-pool",
                "dockerd",
                {"default-address-pools": [{"base": "10.7.0.0/16", "size": 8}]},
            ),
            ("unsupported-storage-driver", "dockerd", {"storage-driver": "zfs"}),
        )
    },
    "no-container-starts-any-more": Single(
        "old",
        words="no container starts any more",
        settings={"default-ulimits": {"nofile": {"Name": "nofile", "Soft": 65536, "Hard": 65536}}},
    ),
    **{
        f"daemon-reload-at-{point}": Single("new", point=point, blow="systemctl daemon-reload")
        for point in ("armed-boot", "swapped")
    },
    "read-only-etc": Single(
        "old", words="cannot be replaced", prepare=RO_ETC, mend="umount -l /etc"
    ),
    "read-only-etc-at-checked": Single("old", point="checked", blow=RO_ETC, mend="umount -l /etc"),
    "read-only-etc-at-staged": Single("old", point="staged", blow=RO_ETC, mend="umount -l /etc"),
    "dockerd-hangs-on-start": Single(
        "old", words="dockerd", prepare=dockerd_wrapper("exec sleep 600;"), mend=MEND_WRAPPER
    ),
    "dockerd-dies-20s-after-a-good-start": Single(
        "old",
        words="dockerd",
        prepare=dockerd_wrapper("(sleep 20; kill -KILL $$) &"),
        mend=MEND_WRAPPER,
        limits={"watch": 25},
    ),
    "foreign-edit-before-apply-checks": Single(
        "foreign", words="stale", point="recorded", blow=EDIT
    ),
    "foreign-edit-before-swap": Single("foreign", point="swap-begins", blow=EDIT),
    "foreign-edit-before-confirm": Single("foreign", point="containers", blow=EDIT),
    "clock-jumps-ahead": Single(
        "new", point="restart", blow=jump(1), mend="rm /usr/local/sbin/date"
    ),
    "clock-jumps-back": Single(
        "new", point="restart", blow=jump(-1), mend="rm /usr/local/sbin/date"
    ),
    "start-limit-already-hit": Single(
        "new",
        prepare="""
        systemctl reset-failed docker.service
        set -e
        for _ in 1 2 3; do systemctl restart docker.service; done # a fourth would be refused
        docker start web db cron >/dev/null
        """,
    ),
    "immutable": Single(
        "old",
        words="cannot be replaced",
        prepare=f"chattr +i {DAEMON_JSON}",
        mend=f"chattr -i {DAEMON_JSON}",
    ),
    "immutable-at-staged": Single(
        "old", point="staged", blow=f"chattr +i {DAEMON_JSON}", mend=f"chattr -i {DAEMON_JSON}"
    ),
}


def suffer(subject: Subject, single: Single) -> tuple[int, str]:
    """Run an apply under a fault of its own."""
    subject.me.set(oakum_time_limits={**LIMITS, **single.limits})
    subject.sh(single.prepare, timeout=120)
    subject.pids = subject.host.running()
    if single.settings:
        done = carry_out(
            subject.host, {"live-restore": True, **single.settings}, time_limits=LIMITS
        )
        return done.code, done.err
    subject.me.crash(f"{single.point}:pause" if single.point else None)
    running = subject.start("apply", "--yes")
    try:
        if single.point:
            subject.at_point(running)
            subject.sh(single.blow)
            subject.go_on()
    finally:
        ended = running.wait()
    subject.me.crash(None)
    subject.me.set(oakum_time_limits=LIMITS)
    return ended.code, heard(ended)


# One case ----------------------------------------------------------------------------------------


def endure(subject: Subject, case: Case, *, followed: bool = False) -> Result:
    """A case, on a host that is in its first state; ``followed`` by another case on the same host,
    whose apply is the next one and has to converge."""
    began = time.monotonic()
    problems: list[str] = []
    code, said = None, ""
    subject.state = "?"
    try:
        if case.point in BACK:
            subject.sh(SPOIL)
        single = SINGLES.get(case.fault)
        code, said = suffer(subject, single) if single else strike(subject, case)
        if not case.unfinished and (busy := subject.settled()):
            problems.append(f"not settled: {busy}")
        if mend := single.mend if single else MEND if case.point in BACK else "":
            subject.sh(mend)
        problems += subject.look(
            booted=case.fault == "power",
            foreign=case.state == "foreign",
            unfinished=case.unfinished,
        )
        if case.state in ("old", "new") and subject.state != case.state:
            problems.append(f"the state is {subject.state}, not {case.state}")
        if single and single.words not in said:
            problems.append(f"nobody said {single.words!r}")
        problems += _goes_on(subject, case, followed=followed)
    except Exception as error:  # whatever it is, it is this case's result and no other's
        problems.append("".join(traceback.format_exception_only(error)).strip())
    return Result(tuple(problems), code, subject.state, time.monotonic() - began, said)


def _goes_on(subject: Subject, case: Case, *, followed: bool) -> list[str]:
    """What is wrong with the next plan, and with the next apply if no other case brings it."""
    state = subject.state
    planned = subject.oakum("plan")
    clean = state == "new" and case.state != "foreign"
    found = []
    if planned.code not in ((0,) if clean else (0, 1)):
        found.append(f"the next plan ends with {planned.code}: {heard(planned)}")
    if followed:
        return found
    applied = subject.oakum("apply", "--yes")
    if applied.code != 0:
        found.append(f"the next apply ends with {applied.code}: {heard(applied)}")
    elif applied.host()["outcome"] != "unchanged":
        again = subject.oakum("plan")
        if again.code != 0:
            found.append(f"the plan after that ends with {again.code}: {heard(again)}")
        left = subject.look(foreign=case.state == "foreign")
        found += [f"after the next apply, {what}" for what in left]
    subject.state = state
    return found


# The table ---------------------------------------------------------------------------------------


def cases() -> Iterable[Case]:
    """All there are."""
    for point in POINTS:
        for fault in AT_POINTS:
            yield Case(fault, point)
    for fault in SINGLES:
        yield Case(fault)


Round = tuple[Case, ...]
"""Cases that happen to a host one after the other before it is put back."""


def rounds(wanted: Iterable[Case]) -> list[Round]:
    """A case that leaves a host old is followed by one that leaves it new, as far as they go: the
    second is the next apply, which has to converge. What is left unfinished, or may end in more
    than one way, is looked at alone; and first, for some of that waits for long."""
    old: list[Case] = []
    new: list[Case] = []
    alone: list[Case] = []
    for case in wanted:
        if case.unfinished or case.state not in ("old", "new"):
            alone.append(case)
        else:
            (new if case.state == "new" else old).append(case)
    pairs = list(zip(reversed(old), reversed(new), strict=False))
    rest = [*alone, *old[: len(old) - len(pairs)], *new[: len(new) - len(pairs)]]
    return [*((case,) for case in rest), *pairs]


Told = Callable[[Case, Result], None]


def run(
    lab: Lab, wanted: Iterable[Case], folder: Path, told: Told | None = None
) -> dict[Case, Result]:
    """All cases, on a few hosts at once; ``told`` hears of each as it ends."""
    todo: queue.SimpleQueue[Round] = queue.SimpleQueue()
    for one in rounds(wanted):
        todo.put(one)
    results: dict[Case, Result] = {}

    def next_round() -> Round | None:
        try:
            return todo.get_nowait()
        except queue.Empty:
            return None

    def give_up() -> None:
        """Each host ends with the case that it has."""
        while next_round():
            pass

    def work(number: int) -> None:
        subject: Subject | None = None
        hosts = 0
        try:
            while cases := next_round():
                for place, case in enumerate(cases, 1):
                    if subject is None:
                        hosts += 1
                        name = f"fault-{number}-{hosts}"
                        subject = Subject(lab.host(name=name), folder / name)
                        subject.reset()
                    elif place == 1:
                        subject.reset()
                    results[case] = endure(subject, case, followed=place < len(cases))
                    if told:
                        told(case, results[case])
                    if results[case].problems:
                        # What this host is like now nobody knows; go on with another.
                        subject.close()
                        subject = None
        except BaseException:
            give_up()  # it is the harness that failed: the others need not go on
            raise
        finally:
            if subject:
                subject.close()

    hosts = min(HOSTS, todo.qsize())
    with ThreadPoolExecutor(hosts or 1) as pool:
        # Asking for what each returns raises what went wrong with the harness itself.
        try:
            for done in [pool.submit(work, number) for number in range(hosts)]:
                done.result()
        finally:
            give_up()  # somebody may have lost patience
    return results


def table(states: Mapping[Case, str]) -> str:
    """Faults x points, as docs/safety.md has it, and then the faults of their own."""
    rows = [["point", *AT_POINTS]]
    for point in POINTS:
        row = [states.get(Case(fault, point), "") for fault in AT_POINTS]
        if any(row):
            rows.append([point, *row])
    lines = [f"{row[0]:<15}" + "".join(f"{word:<12}" for word in row[1:]) for row in rows]
    singles = [(fault, states[Case(fault)]) for fault in SINGLES if Case(fault) in states]
    lines += ["", *(f"{name:<47} {word}" for name, word in singles)] if singles else []
    return "\n".join(line.rstrip() for line in lines)


def promised() -> str:
    """The table as it must be."""
    return table({case: case.state for case in cases()})


def came_out(results: Mapping[Case, Result]) -> str:
    """The table as it was, and how many hosts survived."""
    states = {
        case: "FAILED" if result.problems else result.state for case, result in results.items()
    }
    survived = sum(not result.problems for result in results.values())
    return f"{table(states)}\n\n{survived} of {len(results)} survived"
