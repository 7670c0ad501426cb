"""How a change goes through a fleet, and ends: the real command line on simulated hosts.

Transactions are held at their crash points while a test looks, so nothing here hangs on how quick
the machine is. What dockerd does is not the matter; tests/lab/test_scenarios.py has it.
"""

from __future__ import annotations

import ast
import json
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from oakum.schedule import window

from .cluster import Cluster, cluster
from .desk import ROOT, Ran
from .simulated import DAEMON_JSON, UNPLAYED, Counts, Fault, Simulator

pytestmark = pytest.mark.usefixtures("can_simulate")

HASTE: Final = {"answer": 30, "watch": 0}
UNTOUCHED: Final = Counts(0, 0, 0)

FLEET: Final = int(os.environ.get("OAKUM_LAB_FLEET") or 30)
"""Hosts of the big fleet; for a thousand set it by hand."""

Event = Mapping[str, Any]
Open = Callable[..., Any]


def name(number: int) -> str:
    return f"sim-{number:04}"


def number(event: Event) -> int:
    return int(event["host"].removeprefix("sim-"))


class Controller:
    """oakum at work: what it has told until now, and how it ended."""

    def __init__(self, folder: Path, argv: Sequence[str], *, files: int | None = None) -> None:
        folder.mkdir()
        self.told, self.out, self.err = (folder / what for what in ("events", "out", "err"))
        limit = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh"] if files else []
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                [*limit, *argv, "--events", str(self.told)],
                cwd=ROOT,
                env={**os.environ, "XDG_STATE_HOME": str(folder.parent / "state")},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """What was told until now, of these kinds or of all."""
        if not self.told.exists():
            return []
        lines = self.told.read_text("utf-8").split("\n")[:-1]  # behind the last end is half a line
        events = [json.loads(line) for line in lines]
        return [event for event in events if not kinds or event["event"] in kinds]

    def hosts(self, kind: str) -> list[int]:
        """The hosts that this was told of, in order."""
        return [number(event) for event in self.events(kind)]

    def until(self, so: Callable[[], bool], seconds: float = 90) -> None:
        """Wait until something comes true while it works."""
        end = time.monotonic() + seconds
        while not so():
            ended = self.process.poll()
            if ended is not None and not so():
                raise AssertionError(f"it ended with {ended} before: {self.err.read_text()}")
            assert time.monotonic() < end, f"not in {seconds} s: {self.err.read_text()}"
            time.sleep(0.05)

    def until_told(self, kind: str, *hosts: int) -> None:
        self.until(lambda: set(hosts) <= set(self.hosts(kind)))

    def send(self, signal_number: int) -> None:
        self.process.send_signal(signal_number)

    def wait(self, seconds: float = 240) -> Ran:
        code = self.process.wait(seconds)
        return Ran(code, self.out.read_text("utf-8"), self.err.read_text("utf-8"))


class Desk:
    """An operator with an inventory of a simulated fleet."""

    def __init__(self, fleet: Simulator, folder: Path) -> None:
        self.fleet, self.folder = fleet, folder
        self.started: list[Controller] = []

    def write(self, each: Mapping[int, Mapping[str, Any]], **data: Any) -> None:
        """The inventory anew, with this data of some hosts over that of all."""
        text = self.fleet.write_inventory(**data).read_text("utf-8")
        entries = [
            (host, {**known, **each.get(position, {})})
            for position, (host, known) in enumerate(ast.literal_eval(text.partition("=")[2][1:]))
        ]
        rows = "".join(f"    {entry!r},\n" for entry in entries)
        self.fleet.inventory.write_text(f"hosts = [\n{rows}]\n")

    def start(self, command: str, *words: str, form: str = "json", files: int | None = None) -> Any:
        argv = [sys.executable, "-m", "oakum", command, str(self.fleet.inventory)]
        argv += ["--format", form, *words]
        self.started.append(Controller(self.folder / f"run-{len(self.started)}", argv, files=files))
        return self.started[-1]

    def apply(self, *words: str, form: str = "json") -> Controller:
        running: Controller = self.start("apply", "--yes", *words, form=form)
        return running

    # On the hosts, around SSH --------------------------------------------------------------------

    def held(self, points: Mapping[int, str]) -> dict[int, dict[str, Any]]:
        """Inventory data with which transactions wait at these points of theirs."""
        for host in points:
            (self.fleet.root(host) / "etc/oakum-lab-host").touch()
        return {host: {"_env": {"OAKUM_CRASH": f"{at}:pause"}} for host, at in points.items()}

    def point(self, host: int) -> Path:
        """The file that is there while the transaction of a host waits."""
        return self.fleet.root(host) / "run/oakum-point"

    def waits(self, *hosts: int) -> bool:
        return all(self.point(host).exists() for host in hosts)

    def go_on(self, *hosts: int) -> None:
        for host in hosts:
            self.point(host).unlink()

    def confirmed(self, *hosts: int) -> bool:
        return all(self.verdicts(host) == ["confirmed"] for host in hosts)

    def verdicts(self, host: int) -> list[str]:
        """How the transactions in the ledger of a host ended."""
        words = [line.split() for line in self.fleet.ledger(host).splitlines()]
        ends = ("confirmed", "rolled-back", "refused", "broken")
        return [found[2] for found in words if found[2] in ends]

    def unchanged(self, *hosts: int) -> bool:
        """Whether nothing was ever done there."""
        return all(
            self.fleet.restarts(host) == 0
            and "confirmed" not in self.fleet.ledger(host)
            and (self.fleet.root(host) / "etc/docker/daemon.json").read_text() == DAEMON_JSON
            for host in hosts
        )


@pytest.fixture
def desk(tmp_path: Path) -> Open:
    """``with desk(8, faults={…}) as me``: a fleet and who works on it; nothing of it stays."""

    @contextmanager
    def open_desk(hosts: int, **how: Any) -> Iterator[Desk]:
        data = {"oakum_time_limits": HASTE, **how.pop("data", {})}
        with Simulator(hosts, data=data, **how) as fleet:
            me = Desk(fleet, Path(tempfile.mkdtemp(dir=tmp_path)))
            try:
                yield me
            finally:
                for one in me.started:
                    with suppress(ProcessLookupError):
                        one.process.kill()
                    one.process.wait()

    return open_desk


def outcomes(ran: Ran) -> list[str | None]:
    return [row["outcome"] for row in ran.report["hosts"]]


def errors(ran: Ran) -> list[str]:
    return [row["error"] or "" for row in ran.report["hosts"]]


# Stopping ----------------------------------------------------------------------------------------


def test_nobody_is_touched_after_a_canary_that_failed(desk: Open) -> None:
    with desk(4, faults={0: Fault.DISK_FULL}) as me:
        ran = me.apply("--canary", "1").wait()
        assert (ran.code, ran.report["stopped"]) == (4, "the canary failed"), ran.err
        assert outcomes(ran) == ["failed", *["not-reached"] * 3]
        assert errors(ran)[1:] == ["the canary failed"] * 3
        assert me.fleet.log()[1:] == [UNTOUCHED] * 3
        run = ran.report["run"]

        again = me.apply("--resume", run, form="text").wait()
        assert again.code == 4, again.err
        assert me.fleet.log()[1:] == [UNTOUCHED] * 3, "the canary is one after a resume, too"
        following = again.out.replace("\n", " ").partition("Next:")[2]
        words = shlex.split(following)
        assert words[:2] == ["oakum", "apply"]
        assert words[words.index("--resume") + 1] == run

        me.fleet.set_faults({})
        healed = me.apply(*words[3:]).wait()
        assert (healed.code, outcomes(healed)) == (0, ["applied"] * 4), healed.err


def test_a_run_stops_exactly_after_one_failure_too_many(desk: Open) -> None:
    with desk(8, faults=dict.fromkeys((1, 3, 5), Fault.DISK_FULL)) as me:
        running = me.apply("--max-fail", "1", "--batch", "1")
        ran = running.wait()
        assert (ran.code, ran.report["stopped"]) == (4, "2 failed, --max-fail 1"), ran.err
        assert outcomes(ran) == ["applied", "failed"] * 2 + ["not-reached"] * 4
        assert me.fleet.log()[4:] == [UNTOUCHED] * 4
        assert running.hosts("done") == [0, 1, 2, 3]


def test_no_change_begins_after_one_failure_too_many(desk: Open) -> None:
    """Two that will fail, two that are being changed, three that are being read, one that waits."""
    with desk(8, faults=dict.fromkeys((4, 5, 6), Fault.HANG_PROBE)) as me:
        me.write(me.held({0: "recorded", 1: "recorded", 2: "swapped", 3: "swapped"}))
        running = me.apply("--max-fail", "1", "--parallel", "6")
        running.until(lambda: me.waits(0, 1, 2, 3))
        for host in (0, 1):  # which makes their plans stale
            (me.fleet.root(host) / "etc/docker/daemon.json").write_text("{}\n")
        me.go_on(0)
        running.until_told("done", 0)
        running.until_told("begin", 4, 5, 6)  # one failure is allowed
        me.go_on(1)
        running.until_told("done", 1, 4, 5, 6)
        me.go_on(2, 3)
        ran = running.wait()
        assert outcomes(ran) == ["failed"] * 2 + ["applied"] * 2 + ["not-reached"] * 4
        assert set(errors(ran)[4:]) == {"2 failed, --max-fail 1"}
        assert me.fleet.log()[7] == UNTOUCHED
        told = running.events()
        _, second = (at for at, event in enumerate(told) if event.get("outcome") == "failed")
        assert not [event for event in told[second:] if event["event"] in ("planned", "begin")]
        assert [event["event"] for event in told[-2:]] == ["stop", "end"]


def test_one_rack_is_never_worked_on_twice_at_once(desk: Open) -> None:
    racks = dict(enumerate("aabbcc"))
    with desk(6) as me:
        held = me.held({0: "swapped", 2: "swapped", 4: "swapped"})
        me.write({host: {"rack": rack, **held.get(host, {})} for host, rack in racks.items()})
        running = me.apply("--spread", "rack")
        running.until(lambda: me.waits(0, 2, 4))  # three racks at once
        assert sorted(running.hosts("begin")) == [0, 2, 4]
        assert [me.fleet.log()[host] for host in (1, 3, 5)] == [UNTOUCHED] * 3
        me.go_on(0, 2, 4)
        ran = running.wait()
        assert (ran.code, outcomes(ran)) == (0, ["applied"] * 6), ran.err
        busy: dict[str, int] = {}
        for event in running.events("planned", "done"):
            rack, host = racks[number(event)], number(event)
            if event["event"] == "planned":
                assert rack not in busy, f"{host} was begun while {busy[rack]} was at it"
                busy[rack] = host
            else:
                assert busy.pop(rack) == host


def test_a_host_that_became_unwell_ends_the_run_before_the_next_batch(desk: Open) -> None:
    with desk(4) as me:
        me.write(me.held({1: "swapped"}))
        running = me.apply("--batch", "2", "--pause", "1")
        running.until(lambda: me.waits(1))
        running.until_told("done", 0)
        (me.fleet.root(0) / "run/docker.sock").unlink()
        me.go_on(1)
        ran = running.wait()
        assert ran.code == 4, ran.err
        assert outcomes(ran) == ["failed", "applied", "not-reached", "not-reached"]
        assert errors(ran)[0].startswith("did not hold: ")
        assert me.confirmed(0, 1)
        assert me.fleet.log()[2:] == [UNTOUCHED] * 2
        assert [event["seconds"] for event in running.events("pause")] == [1]


def test_nothing_is_changed_outside_of_the_window(desk: Open) -> None:
    hours = [f"{datetime.now(UTC) + timedelta(hours=ahead):%H:%M}" for ahead in (2, 4, -2)]
    with desk(2) as me:
        shut = f"{hours[0]}-{hours[1]}"
        ran = me.apply("--window", shut).wait()
        assert outcomes(ran) == ["not-reached"] * 2
        for error in errors(ran):
            said, _, clock = error.partition(": it is ")
            assert said == f"outside of --window {shut}"
            assert window(f"{hours[2]}-{hours[0]}").holds(
                datetime.strptime(clock[:5], "%H:%M").time()
            )
            assert clock[5:] == " there"
        assert me.unchanged(0, 1)
        assert ran.code != 0

        opened = me.apply("--window", f"{hours[2]}-{hours[0]}").wait()
        assert (opened.code, outcomes(opened)) == (0, ["applied"] * 2)


# Ending in the midst -----------------------------------------------------------------------------


def test_a_run_whose_controller_was_killed_is_gone_on_with(desk: Open) -> None:
    with desk(8) as me:
        me.write(me.held({2: "recorded", 3: "swapped", 4: "restart", 5: "confirm"}))
        killed = me.apply("--parallel", "4")
        killed.until_told("done", 0, 1)
        killed.until(lambda: me.waits(2, 3, 4, 5))
        killed.send(signal.SIGKILL)
        assert killed.wait().code == -signal.SIGKILL
        before = me.fleet.log()
        assert before[6:] == [UNTOUCHED] * 2
        me.go_on(2, 3)  # nobody is there to hear how they end

        resumed = me.apply("--parallel", "4", "--resume", killed.events("run")[0]["run"])
        resumed.until(lambda: me.confirmed(2, 3))
        resumed.until(
            lambda: all(me.fleet.log()[host].execs > before[host].execs for host in (4, 5))
        )
        me.go_on(4, 5)  # they end while the second run looks on
        ran = resumed.wait()
        assert (ran.code, outcomes(ran)) == (0, ["applied"] * 8), ran.err
        assert me.fleet.log()[:2] == before[:2], "who was done is not asked again"
        for host in range(8):
            assert me.confirmed(host), me.fleet.ledger(host)
            assert me.fleet.ledger(host).count(" begin ") == 1
            assert me.fleet.restarts(host) == 1


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c(times: int, desk: Open) -> None:
    """Three that are being changed, one that is being read, two that wait."""
    with desk(6, faults={3: Fault.HANG_PROBE}) as me:
        me.write(me.held(dict.fromkeys((0, 1, 2), "swapped")))
        running = me.apply("--parallel", "4")
        running.until(lambda: me.waits(0, 1, 2))
        running.until_told("begin", 3)
        running.send(signal.SIGINT)
        running.until_told("done", 3)
        if times == 2:
            running.send(signal.SIGINT)
            assert running.wait(60).code == 130
            assert me.waits(0, 1, 2), "it did not wait for them"
            me.go_on(0, 1, 2)
            wait_for(lambda: me.confirmed(0, 1, 2))
        else:
            assert running.process.poll() is None
            me.go_on(0, 1, 2)
            ran = running.wait()
            assert (ran.code, ran.report["stopped"]) == (130, "interrupted")
            assert outcomes(ran) == ["applied"] * 3 + ["not-reached"] * 3
            assert me.confirmed(0, 1, 2)
        assert me.unchanged(3, 4, 5)
        assert me.fleet.log()[4:] == [UNTOUCHED] * 2


def wait_for(so: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end
        time.sleep(0.05)


# Other processes ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("dask")) as running:
        yield running


def said(ran: Ran) -> list[dict[str, Any]]:
    """The rows, without what is another one each time: ids, and how long something took."""
    rows: list[dict[str, Any]] = ran.report["hosts"]
    steps = [[step["name"] for step in row["steps"]] for row in rows]
    return [
        {**row, "transaction": None, "steps": names} for row, names in zip(rows, steps, strict=True)
    ]


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


@pytest.mark.parametrize("where", ["processes", "dask"])
def test_other_processes_say_the_same_also_when_one_is_killed(
    where: str, desk: Open, dask: Cluster
) -> None:
    with desk(6) as me:
        here = said(me.apply("--executor", "here").wait())
    with desk(6) as me:
        points = ("recorded", "swapped", "confirm") * 2
        me.write(me.held(dict(enumerate(points))))
        executor = "processes:2" if where == "processes" else dask.executor
        running = me.apply("--executor", executor)
        running.until(lambda: me.waits(*range(6)))
        before = me.fleet.log()
        pid = children(running.process.pid)[0] if where == "processes" else dask.workers[0].pid
        os.kill(pid, signal.SIGKILL)
        # Each of the two had some of them: those are visited again, by another one.
        running.until(
            lambda: any(
                now.execs > then.execs for now, then in zip(me.fleet.log(), before, strict=True)
            )
        )
        me.go_on(*range(6))
        ran = running.wait()
        assert ran.code == 0, ran.err
        assert said(ran) == here
        for host in range(6):
            assert me.confirmed(host), me.fleet.ledger(host)
            assert me.fleet.ledger(host).count(" begin ") == 1
            assert me.fleet.restarts(host) == 1


# Broken hosts ------------------------------------------------------------------------------------

BROKEN: Final = {
    0: (Fault.HANG, None, "connecting took longer than 3 s"),
    1: (Fault.HANG_PROBE, None, "reading the host took longer than 5 s"),
    2: (Fault.CHANGED_KEY, None, "host key"),
    3: (Fault.DISK_FULL, "failed", "cannot write /var/lib/oakum"),
    4: (Fault.SUDO_REFUSED, None, "op is not in the sudoers file"),
}


def test_each_broken_host_is_told_of_and_the_others_do_not_wait(desk: Open) -> None:
    """Number 5 accepts a connection, and says nothing until all healthy ones are done."""
    faults = {host: fault for host, (fault, _, _) in BROKEN.items()}
    how = {"ssh_user": "op", "_sudo": True}
    with socket.create_server(("127.0.0.1", 0)) as mute, desk(9, faults=faults, data=how) as me:
        short = {"oakum_time_limits": {**HASTE, "connect": 3, "probe": 5}}
        silent = {"ssh_hostname": "127.0.0.1", "ssh_port": mute.getsockname()[1]}
        me.write({0: short, 1: short, 5: {**silent, "ssh_connect_retries": 0}})
        running = me.apply("--max-fail", "100%")
        running.until_told("done", 6, 7, 8)
        assert 5 not in running.hosts("done")
        mute.close()  # what was accepted in its stead is reset with it
        ran = running.wait()
        assert ran.code == 4, ran.err
        for host, (_, outcome, reason) in BROKEN.items():
            row = ran.host(name(host))
            assert row["outcome"] == outcome
            assert reason in row["error"].replace("Host", "host"), row["error"]
        assert "connect" in ran.host(name(5))["error"].lower()
        assert outcomes(ran)[6:] == ["applied"] * 3
        assert me.confirmed(6, 7, 8)
        assert me.unchanged(*range(5))


def test_host_behind_a_jump_host(desk: Open, tmp_path: Path) -> None:
    with desk(2) as me:
        fleet: Simulator = me.fleet
        config = tmp_path / "ssh_config"
        hosts = [("jump", 0, ""), ("inner", 1, "    ProxyJump jump\n")]
        config.write_text(
            "".join(
                f"Host {host}\n    HostName {fleet.addresses[at]}\n    Port {fleet.port}\n"
                f"    User root\n    IdentityFile {fleet.key}\n"
                f"    UserKnownHostsFile {fleet.known_hosts}\n{more}"
                for host, at, more in hosts
            )
        )
        data = {
            "ssh_config_file": str(config),
            "ssh_known_hosts_file": str(fleet.known_hosts),
            "ssh_strict_host_key_checking": "yes",
            "oakum_time_limits": HASTE,
            "oakum_skip": UNPLAYED,
        }
        fleet.inventory.write_text(f"hosts = [('inner', {data!r})]\n")
        ran = me.start("plan").wait()
        assert ran.code == 1, ran.out + ran.err
        assert ran.host("inner")["error"] is None
        assert ran.host("inner")["changes"]
        assert [seen.connections for seen in fleet.log()] == [1, 1]
        assert [seen.execs for seen in fleet.log()] == [0, 1]
        done = me.apply().wait()
        assert (done.code, me.verdicts(1)) == (0, ["confirmed"]), done.err
        fleet.set_faults({0: Fault.DROP})
        assert me.start("plan").wait().host("inner")["reached"] is False


# Many hosts --------------------------------------------------------------------------------------


def injected(hosts: int) -> dict[int, Fault | list[Fault | None]]:
    """Faults of every tenth host or so: never there, cut in the probe, or cut in the change and
    hard to reach afterwards."""
    dice = random.Random(20260131)
    kinds: list[Fault | list[Fault | None]] = [
        Fault.DROP,
        Fault.DROP_PROBE,
        [Fault.DROP_CHANGE],
        [Fault.DROP_CHANGE, Fault.DROP],
    ]
    chosen = sorted(dice.sample(range(hosts), hosts // 10))
    return {host: kinds[turn % len(kinds)] for turn, host in enumerate(chosen)}


def test_the_account_of_a_big_fleet_is_exact(desk: Open, figures: dict[str, str]) -> None:
    said = []

    def timed(what: str, running: Controller) -> Ran:
        began = time.monotonic()
        ran = running.wait(1800)
        said.append(f"{what} {time.monotonic() - began:.0f} s")
        return ran

    with desk(FLEET) as me:
        plans = [timed("plan", me.start("plan", files=256)) for _ in range(2)]
        texts = [
            [
                line
                for line in ran.out.splitlines()
                if '"started"' not in line and '"finished"' not in line
            ]
            for ran in plans
        ]
        assert texts[0] == texts[1]
        assert [ran.report["summary"]["drift"] for ran in plans] == [FLEET, FLEET]

        faults = injected(FLEET)
        me.fleet.set_faults(faults)
        words = ("apply", "--yes", "--max-fail", "100%")
        ran = timed("apply with faults", me.start(*words, files=256))
        rows, counts = ran.report["hosts"], ran.report["summary"]
        standings = ("ok", "drift", "held", "unknown", "unreached", "not_reached")
        assert sum(counts[one] for one in standings) == counts["hosts"] == FLEET
        told = [row["outcome"] for row in rows]
        assert [row["name"] for row in rows] == me.fleet.names
        assert counts["changed"] == told.count("applied")
        assert sorted(me.started[-1].hosts("done")) == list(range(FLEET)), "each one once"
        for host, row in enumerate(rows):
            lost = faults.get(host) in (Fault.DROP, Fault.DROP_PROBE)
            assert row["outcome"] == (None if lost else "applied"), row["error"]
            assert bool(row["error"]) is lost
            assert me.verdicts(host) == ([] if lost else ["confirmed"]), row
        unread = [host for host, fault in faults.items() if fault is Fault.DROP_PROBE]
        gone = [host for host, fault in faults.items() if fault is Fault.DROP]
        assert (counts["unreached"], counts["unknown"]) == (len(gone), len(unread))
        assert ran.code == 3

        me.fleet.set_faults({})
        last = timed("apply again", me.start(*words, files=256))
        assert last.code == 0, last.err
        assert last.report["summary"]["changed"] == len(gone) + len(unread)
        assert me.confirmed(*range(FLEET))
    figures[f"A fleet of {FLEET} hosts, {len(faults)} with faults"] = ", ".join(said)
