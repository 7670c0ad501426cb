"""What the rollout makes of hosts that answer this or that; pyinfra's @fake plays them."""

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import gevent
import pytest
from click.testing import CliRunner
from gevent.event import Event
from pyinfra.api.inventory import Inventory
from rich.console import Console

from oakum import deploy
from oakum import fleet as fleets
from oakum.cli import apply, oakum
from oakum.deploy import HARDEN, Road, rolling_back
from oakum.events import Events, Past, open_log, past
from oakum.fleet import Access, Fleet
from oakum.live import Live
from oakum.model import Change, HostReport, Kind, Outcome, Plan, Report
from oakum.rollout import Rollout
from oakum.runs import _next
from oakum.schedule import Amount, Stage, Strategy, Window
from oakum.selection import EmptySelection, select
from oakum.undo import Selection
from oakum.visit import Begin, NotNow, Task, Want, not_reached
from oakum.wire import BEGIN, END

RECORDED = Path(__file__).parent / "probes" / "debian12-systemd-20.10.24.txt"
PROXY_OFF = b'{"userland-proxy": false}\n'
DRIFT = RECORDED.read_text("utf-8").splitlines()
CONFIRMED = ["step swap", "verdict confirmed X"]


def clean() -> list[str]:
    """The recorded host with the proxy off in its file."""
    text = "\n".join(DRIFT)
    text = re.sub(r"=file\.daemon\.stat .*", "=file.daemon.stat file 644 0 0 26 1", text)
    text = re.sub(r"@file\.daemon\.bytes.*", f"@file.daemon.bytes {PROXY_OFF.hex()}", text)
    return text.splitlines()


def saying(name: str, value: str, probe: list[str] = DRIFT) -> list[str]:
    """A probe's output with another answer for one reading."""
    start = re.compile(rf"[!=@]{re.escape(name)} ")
    return [f"={name} {value}" if start.match(line) else line for line in probe]


def told(*lines: str, ledger: str = "") -> list[str]:
    """What history.sh prints."""
    return [BEGIN, f"@ledger {ledger.encode().hex()}", *lines, END]


class Turns(dict[str, Any]):
    """A response that is another one each time; the last one stays."""

    def __init__(self, *answers: Any) -> None:
        super().__init__()
        self.answers = list(answers)

    def get(self, key: str, default: Any = None) -> Any:
        if key == "success":  # asked first, once for each command
            self.now = self.answers[0]
            if len(self.answers) > 1:
                self.answers.pop(0)
        answer = self.now if isinstance(self.now, dict) else {"stdout": self.now}
        return answer.get(key, default)


PlayedFleet = Callable[..., Fleet]


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> PlayedFleet:
    """``fleet(name={"probe": …, "transaction": …, "delay": 0}, …)``: a Fleet of @fake hosts."""

    def make(road: Road = HARDEN, **hosts: dict[str, Any]) -> Fleet:
        entries = []
        for name, plays in hosts.items():
            responses = {
                re.compile("^tell ledger$", re.M): plays.get("ledger", told()),
                re.compile("^tell stored$", re.M): plays.get("stored", told()),
                re.compile("^tell now ", re.M): plays.get("now", told()),
                "oakum-probe 1 begin": plays.get("probe", clean()),
                re.compile("^begin 2", re.M): plays.get("transaction", CONFIRMED),
                re.compile(r'soak\.sh" soak 2'): plays.get("soak", ["held"]),
                re.compile("^follow 2", re.M): plays.get("follow", []),
            }
            data = {
                "fake_responses": responses,
                "fake_delay": plays.get("delay", 0),
                "fake_delay_jitter": 0,
                "oakum_only": ["userland-proxy"],
            }
            entries.append((f"@fake/{name}", data))
        inventory = Inventory((entries, {}))
        monkeypatch.setattr(fleets, "load_inventory", lambda name, override: inventory)
        return Fleet("played", access=Access(parallel=10), road=road)

    return make


def commands(fleet: Fleet, name: str) -> list[str]:
    """What was executed on a host: ``probe``, ``history``, ``transaction``, …"""
    host = fleet.targets[f"@fake/{name}"].host
    ran = host.connector.executed_commands  # type: ignore[attr-defined]
    kinds = {
        "\ntell ": "history",
        "oakum-probe 1 begin": "probe",
        'soak.sh" soak ': "soak",
        "\nbegin 2": "transaction",
        "\nfollow 2": "follow",
        "": "other",
    }
    return [next(kind for mark, kind in kinds.items() if mark in text) for text in ran]


def rows(found: list[HostReport]) -> dict[str, HostReport]:
    return {row.name.removeprefix("@fake/"): row for row in found}


class Heard:
    """A sink that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def write(self, event: Mapping[str, Any], row: HostReport | None) -> None:
        self.events.append({**event, "row": row})

    def hosts(self, kind: str) -> list[str]:
        named = (event["host"] for event in self.events if event["event"] == kind)
        return [name.removeprefix("@fake/") for name in named]


def look(fleet: Fleet, heard: Heard | None = None) -> list[HostReport]:
    return Rollout(fleet, Events("run", [heard] if heard else [])).look()


def change(
    fleet: Fleet,
    agreed: dict[str, HostReport] | None = None,
    heard: Heard | None = None,
    **how: Any,
) -> list[HostReport]:
    strategy = Strategy(**{"max_fail": Amount(99), **how})
    events = Events("run", [heard] if heard else [])
    return Rollout(fleet, events, strategy=strategy).change("apply", "played", agreed)


def test_clean_host_costs_one_command_and_a_change_three(fleet: PlayedFleet) -> None:
    played = fleet(clean={}, drift={"probe": Turns(DRIFT, clean())})
    found = rows(change(played))
    assert (found["clean"].outcome, commands(played, "clean")) == (Outcome.UNCHANGED, ["probe"])
    assert found["drift"].outcome is Outcome.APPLIED
    assert commands(played, "drift") == ["probe", "transaction", "probe"]
    assert found["drift"].plan
    assert [change.path for change in found["drift"].plan.changes] == ["/etc/docker/daemon.json"]


def failing(*lines: str) -> dict[str, Any]:
    said = [line for line in lines if not line.startswith(("refused", "failed"))]
    return {
        "success": False,
        "stdout": said,
        "stderr": [line for line in lines if line not in said],
    }


@pytest.mark.parametrize(
    ("plays", "outcome", "error"),
    [
        pytest.param(
            {
                "probe": DRIFT,
                "transaction": failing("failed: dockerd did not restart", "verdict rolled-back X"),
            },
            Outcome.ROLLED_BACK,
            "failed: dockerd did not restart",
            id="rolled-back",
        ),
        pytest.param(
            {"probe": DRIFT, "transaction": failing("failed: no", "verdict broken X")},
            Outcome.FAILED,
            "failed: no; dockerd is not well",
            id="broken",
        ),
        pytest.param(
            {"probe": DRIFT, "transaction": failing("refused: stale: x", "verdict refused X")},
            Outcome.FAILED,
            "refused: stale: x",
            id="refused",
        ),
        pytest.param(
            {"probe": DRIFT, "transaction": {"success": False}},
            Outcome.FAILED,
            "the connection was lost while it changed",
            id="connection-lost",
        ),
        pytest.param(
            {"probe": DRIFT},
            Outcome.FAILED,
            "still to change after the change: /etc/docker/daemon.json",
            id="nothing-changed",
        ),
        pytest.param(
            {"probe": Turns(DRIFT, DRIFT[:40])},
            Outcome.FAILED,
            "changed, not verified: the probe's output is cut off",
            id="cut-while-verifying",
        ),
        pytest.param({"probe": DRIFT[:40]}, None, "cut off", id="probe-cut"),
        pytest.param({"probe": ["hello"]}, None, "the host's shell answered 'hello'", id="shell"),
        pytest.param(
            {"probe": {"success": False, "stderr": ["sh: not found"]}},
            None,
            "sh: not found",
            id="no-shell",
        ),
    ],
)
def test_what_goes_wrong_stays_in_its_row(
    fleet: PlayedFleet, plays: dict[str, Any], outcome: Outcome | None, error: str
) -> None:
    played = fleet(bad=plays, good={"probe": Turns(DRIFT, clean())})
    found = rows(change(played))
    assert found["bad"].outcome is outcome
    assert error in (found["bad"].error or "")
    assert found["good"].outcome is Outcome.APPLIED


def test_only_a_transaction_without_a_word_is_followed(fleet: PlayedFleet) -> None:
    """What failed with a reason of its own, such as a package, left nothing to follow."""
    played = fleet(
        silent={"probe": DRIFT, "transaction": {"success": False}},
        package={"probe": DRIFT, "transaction": failing("E: no such package")},
    )
    found = rows(change(played))
    assert commands(played, "silent") == ["probe", "transaction", "follow"]
    assert commands(played, "package") == ["probe", "transaction"]
    assert "the connection was lost" in (found["silent"].error or "")
    assert found["package"].error == "E: no such package"


def test_surprise_on_one_host_does_not_end_the_run(
    fleet: PlayedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprise(facts: Any, policy: Any) -> Any:
        if next(turns) == 0:
            raise ZeroDivisionError("a bug of ours")
        return real(facts, policy)

    real = deploy.plan_for
    turns: Iterator[int] = iter(range(9))
    monkeypatch.setattr(deploy, "plan_for", surprise)
    found = look(fleet(one={}, two={}))
    assert [row.error for row in found] == ["ZeroDivisionError: a bug of ours", None]


def test_report_is_in_inventory_order_and_told_as_it_comes(fleet: PlayedFleet) -> None:
    heard = Heard()
    found = look(fleet(slow={"delay": 0.3}, quick={}), heard)
    assert [row.name for row in found] == ["@fake/slow", "@fake/quick"]
    assert heard.hosts("done") == ["quick", "slow"]


def test_agreed_plan_is_the_one_that_is_carried_out(fleet: PlayedFleet) -> None:
    played = fleet(
        same={"probe": Turns(DRIFT, DRIFT, clean())},
        moved={"probe": Turns(DRIFT, clean())},
        done={},
    )
    planned = {row.name: row for row in look(played)}
    found = rows(change(played, planned))
    assert found["same"].outcome is Outcome.APPLIED
    assert (found["moved"].outcome, commands(played, "moved")) == (Outcome.FAILED, ["probe"] * 2)
    assert "stale" in (found["moved"].error or "")
    assert (found["done"].outcome, commands(played, "done")) == (Outcome.UNCHANGED, ["probe"])


@pytest.mark.parametrize(
    ("limit", "names"),
    [
        pytest.param([], ["web-1", "web-2", "db-1"], id="all"),
        pytest.param(["db-1,web-1"], ["web-1", "db-1"], id="names-in-inventory-order"),
        pytest.param(["web-*"], ["web-1", "web-2"], id="pattern"),
        pytest.param(["db"], ["db-1"], id="group"),
    ],
)
def test_selection(limit: list[str], names: list[str]) -> None:
    inventory = Inventory((["web-1", "web-2", "db-1"], {}), db=(["db-1"], {}))
    assert [host.name for host in select(inventory, limit)] == names


def test_selection_of_nobody_is_an_error() -> None:
    inventory = Inventory((["web-1"], {}))
    with pytest.raises(EmptySelection, match="web-9: means no host; nearest: web-1"):
        select(inventory, ["web-1", "web-9"])


# Rolling back ------------------------------------------------------------------------------------

ONE, TWO = "20260131T120000Z-1a2b3c4d", "20260131T130000Z-1a2b3c4d"
AT = "2026-01-31T12:00:00Z"
PATH = "/etc/docker/daemon.json"
RESTING = re.sub(r"=dockerd.pid .*", "=dockerd.pid none", "\n".join(clean())).splitlines()
LEDGER = f"""\
{AT} {ONE} begin apply ops@desk 0123456789abcdef userland-proxy
{AT} {ONE} file 1 absent {hashlib.sha256(PROXY_OFF).hexdigest()} {PATH}
{AT} {ONE} confirmed
"""
UNDONE = f"""\
{LEDGER}{AT} {TWO} begin rollback ops@desk 0123456789abcdef userland-proxy
{AT} {TWO} file 1 {hashlib.sha256(PROXY_OFF).hexdigest()} absent {PATH}
{AT} {TWO} undoes {ONE}
{AT} {TWO} confirmed
"""


def standing(content: bytes | None) -> list[str]:
    """What daemon.json is now."""
    lines = ["=now 1", f"@n1.path {PATH.encode().hex()}"]
    if content is None:
        return [*lines, "=n1.stat absent"]
    return [*lines, "=n1.stat 644 0 0", f"@n1.bytes {content.hex()}"]


KEPT = (
    *("=stored 1", f"=t1.id {ONE}", "=t1.files 1", f"@t1.f1.path {PATH.encode().hex()}"),
    *("=t1.f1.was.stat absent", "=t1.f1.new.stat 644 0 0", f"@t1.f1.new.bytes {PROXY_OFF.hex()}"),
)
HARDENED = {"probe": RESTING, "stored": told(*KEPT, *standing(PROXY_OFF), ledger=LEDGER)}
BACK = told(*standing(None), ledger=UNDONE)


def test_a_rollback_costs_five_commands_and_nothing_to_undo_two(fleet: PlayedFleet) -> None:
    played = fleet(rolling_back(Selection()), old={**HARDENED, "now": BACK}, new={})
    found = rows(change(played))
    assert (found["new"].outcome, commands(played, "new")) == (
        Outcome.UNCHANGED,
        ["probe", "history"],
    )
    assert (found["old"].error, found["old"].outcome) == (None, Outcome.APPLIED)
    assert commands(played, "old") == [
        *("probe", "history"),
        "transaction",
        *("probe", "history"),
    ]
    assert found["old"].plan
    assert found["old"].plan.undoes == (ONE,)
    assert [change.after for change in found["old"].plan.changes] == [None]


@pytest.mark.parametrize(
    ("plays", "outcome", "error"),
    [
        pytest.param(
            {"now": told(*standing(PROXY_OFF), ledger=UNDONE)},
            Outcome.FAILED,
            f"not as it was before, after the rollback: {PATH}",
            id="file-still-there",
        ),
        pytest.param(
            {"now": told(*standing(None), ledger=LEDGER)},
            Outcome.FAILED,
            f"still in force after the rollback: {ONE}",
            id="still-in-force",
        ),
        pytest.param(
            {"now": ["nonsense"]}, Outcome.FAILED, "changed, not verified: ", id="not-verified"
        ),
        pytest.param(
            {"transaction": failing("failed: no dockerd", "verdict rolled-back X")},
            Outcome.ROLLED_BACK,
            "failed: no dockerd",
            id="undone",
        ),
        pytest.param(
            {"stored": told(ledger="nonsense\n")}, None, "ledger line 1: is no line", id="ledger"
        ),
        pytest.param(
            {"stored": [BEGIN, "!ledger permission denied: /var/lib/oakum", END]},
            None,
            "permission denied",
            id="not-root",
        ),
    ],
)
def test_what_goes_wrong_with_a_rollback(
    fleet: PlayedFleet, plays: dict[str, Any], outcome: Outcome | None, error: str
) -> None:
    (found,) = change(fleet(rolling_back(Selection()), bad={**HARDENED, **plays}))
    assert (found.reached, found.outcome) == (True, outcome)
    assert error in (found.error or "")


def test_an_id_of_another_host_is_said(fleet: PlayedFleet) -> None:
    (found,) = look(fleet(rolling_back(Selection(to=TWO)), host=HARDENED))
    assert found.plan is None
    assert found.error == f"{TWO} is not in force on this host; in force: {ONE}"


def test_a_conflict_leaves_the_host_alone(fleet: PlayedFleet) -> None:
    edited = told(*KEPT, *standing(b'{"userland-proxy": true}\n'), ledger=LEDGER)
    played = fleet(rolling_back(Selection()), host={**HARDENED, "stored": edited})
    (found,) = change(played)
    assert (found.outcome, commands(played, "host")) == (Outcome.UNCHANGED, ["probe", "history"])
    assert found.plan
    assert [one.status for one in found.plan.findings] == ["held"]


def test_the_past_costs_one_command(fleet: PlayedFleet) -> None:
    played = fleet(old={"ledger": told(ledger=UNDONE)}, bad={"ledger": told(ledger="x\n")})
    found = rows(Rollout(played, Events("run")).remember())
    assert [entry.id for entry in found["old"].history] == [ONE, TWO]
    assert commands(played, "old") == ["history"]
    assert (found["bad"].history, found["bad"].error) == (
        (),
        "ledger line 1: is no line of a ledger: 'x'",
    )


# Through the fleet -------------------------------------------------------------------------------


class Scripted:
    """A crew that is told how each visit ends, and when; a visit begins its change at once."""

    remote = False

    def __init__(self, **ends: Any) -> None:
        self.ends = ends
        self.tasks: list[Task] = []
        self.now: set[str] = set()
        self.most = 0

    def visit(self, task: Task, begin: Begin) -> HostReport:
        name = task.host.removeprefix("@fake/")
        self.tasks.append(task)
        self.now.add(name)
        self.most = max(self.most, len(self.now))
        try:
            end = self.ends.get(name, Outcome.APPLIED)
            row = HostReport(name=task.host, transaction=task.transaction)
            if callable(end):
                return end(task, begin, row)
            if isinstance(end, str) and not isinstance(end, Outcome):
                return replace(row, reached=False, error=end)
            if end is not Outcome.UNCHANGED:
                begin(row)
            gevent.sleep(0)
            return replace(row, outcome=end)
        except NotNow as reason:
            return not_reached(HostReport(name=task.host), str(reason))
        finally:
            self.now.remove(name)

    def asked(self) -> list[str]:
        return [task.host.removeprefix("@fake/") for task in self.tasks]


@dataclass
class Went:
    """How a rollout went."""

    rows: dict[str, HostReport]
    stopped: str | None
    heard: Heard
    crew: Scripted

    def outcomes(self) -> list[str | None]:
        return [row.outcome and str(row.outcome) for row in self.rows.values()]


Rolled = Callable[..., Went]


@pytest.fixture
def rolled(fleet: PlayedFleet) -> Rolled:
    """``rolled(crew, hosts, parallel=…, canary=…, …)``: a rollout over hosts of these names."""

    def roll(
        crew: Scripted,
        names: str,
        *,
        parallel: int = 10,
        data: dict[str, dict[str, Any]] | None = None,
        past: Past | None = None,
        agreed: dict[str, HostReport] | None = None,
        **how: Any,
    ) -> Went:
        played = fleet(**{name: {} for name in names})
        played.access = replace(played.access, parallel=parallel)
        for name, more in (data or {}).items():
            played.state.inventory.host_data[f"@fake/{name}"].update(more)
        heard = Heard()
        rollout = Rollout(
            played, Events("run", [heard]), crew=crew, strategy=Strategy(**how), past=past
        )
        found = rollout.change("apply", "played", agreed)
        return Went(rows(found), rollout.stopped, heard, crew)

    return roll


FAILS = Outcome.FAILED


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        pytest.param(FAILS, "the canary failed", id="failed"),
        pytest.param(Outcome.ROLLED_BACK, "the canary failed", id="rolled-back"),
        pytest.param("no route", "the canary could not be read", id="unreachable"),
    ],
)
def test_a_canary_that_fails_is_the_last_one(rolled: Rolled, end: Any, reason: str) -> None:
    went = rolled(Scripted(a=end), "abc", canary=Amount(1), max_fail=Amount(99))
    assert (went.stopped, went.crew.asked()) == (reason, ["a"])
    assert went.outcomes()[1:] == ["not-reached"] * 2
    assert went.rows["b"].error == reason


@pytest.mark.parametrize(
    ("allowed", "asked"),
    [
        pytest.param(Amount(0), "ab", id="none"),
        pytest.param(Amount(1), "abcd", id="one"),
        pytest.param(Amount(34, True), "abcdef", id="a-third-of-six"),
        pytest.param(Amount(100, True), "abcdef", id="all"),
    ],
)
def test_the_run_stops_with_the_failure_that_is_one_too_many(
    rolled: Rolled, allowed: Amount, asked: str
) -> None:
    crew = Scripted(b=FAILS, d=Outcome.ROLLED_BACK, f=FAILS)
    went = rolled(crew, "abcdef", max_fail=allowed, parallel=1)
    assert "".join(crew.asked()) == asked
    left = len("abcdef") - len(asked)
    assert went.outcomes().count("not-reached") == left
    assert (went.stopped is not None) is (allowed.of(6) < 3)


@pytest.mark.parametrize(
    ("counted", "asked"), [pytest.param(False, "abc", id="no"), pytest.param(True, "a", id="yes")]
)
def test_unreachable_hosts_count_where_that_is_wanted(
    rolled: Rolled, counted: bool, asked: str
) -> None:
    crew = Scripted(a="no route", b="no route")
    went = rolled(crew, "abc", parallel=1, count_unreachable=counted)
    assert "".join(crew.asked()) == asked
    assert went.stopped == ("1 failed or unreachable, --max-fail 0" if counted else None)


def test_no_change_begins_after_the_stop(rolled: Rolled) -> None:
    """While one fails, one has begun and finishes, one is about to begin, and one only reads."""
    begun, failed = Event(), Event()

    def fails(task: Task, begin: Begin, row: HostReport) -> HostReport:
        begun.wait()
        failed.set()
        return replace(row, outcome=FAILS)

    def finishes(task: Task, begin: Begin, row: HostReport) -> HostReport:
        begin(row)
        begun.set()
        failed.wait()
        gevent.sleep(0)
        return replace(row, outcome=Outcome.APPLIED)

    def late(task: Task, begin: Begin, row: HostReport) -> HostReport:
        failed.wait()
        begin(row)
        raise AssertionError

    def reads(task: Task, begin: Begin, row: HostReport) -> HostReport:
        Event().wait()
        raise AssertionError

    crew = Scripted(a=fails, b=finishes, c=late, d=reads)
    went = rolled(crew, "abcde", parallel=4)
    assert went.outcomes() == ["failed", "applied", *["not-reached"] * 3]
    assert went.heard.hosts("planned") == ["b"]
    assert "e" not in crew.asked()


def test_a_host_that_has_not_even_started_leaves_quietly(rolled: Rolled) -> None:
    """The second failure comes between the start of a visit and its first step."""
    turns: list[Event] = []

    def first(task: Task, begin: Begin, row: HostReport) -> HostReport:
        gevent.sleep(0)
        return replace(row, outcome=Outcome.APPLIED)

    def second(task: Task, begin: Begin, row: HostReport) -> HostReport:
        turns[0].wait()
        return replace(row, outcome=FAILS)

    crew = Scripted(a=first, b=second)
    real = Rollout._stage

    def staged(self: Rollout, *args: Any) -> None:
        turns.append(self.waking)
        real(self, *args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Rollout, "_stage", staged)
        went = rolled(crew, "abc", parallel=2)
    assert went.outcomes() == ["applied", "failed", "not-reached"]
    assert crew.asked() == ["a", "b"]


def test_batches_are_barriers_and_no_more_than_parallel_are_at_work(rolled: Rolled) -> None:
    crew = Scripted()
    went = rolled(crew, "abcdefg", canary=Amount(1), batches=(Amount(3),), parallel=2)
    assert went.outcomes() == ["applied"] * 7
    assert crew.most == 2
    told = [
        event.get("host", event.get("stage", "")).removeprefix("@fake/")
        for event in went.heard.events
        if event["event"] in ("stage", "begin", "done")
    ]
    parts = "".join(f"|{word}|" if len(word) > 1 else word for word in told).split("|")[1:]
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    assert {stage: sorted(hosts) for stage, hosts in found.items()} == {
        "canary": ["a"] * 2,
        "batch 1": sorted("bcd" * 2),
        "batch 2": sorted("efg" * 2),
    }


def test_one_failure_domain_is_worked_on_once_at_a_time(rolled: Rolled) -> None:
    crew = Scripted()
    racks = dict(zip("abcdef", "112233", strict=True))
    went = rolled(crew, "abcdefg", data={n: {"rack": r} for n, r in racks.items()}, spread="rack")
    assert crew.asked()[:4] == ["a", "c", "e", "g"], "who has no rack waits for nobody"
    busy: list[str] = []
    for event in went.heard.events:
        rack = racks.get(str(event.get("host", "")).removeprefix("@fake/"))
        if rack and event["event"] == "begin":
            assert rack not in busy
            busy.append(rack)
        elif rack and event["event"] == "done":
            busy.remove(rack)
    assert went.outcomes() == ["applied"] * 7


def test_a_run_is_gone_on_with(rolled: Rolled) -> None:
    """Who was done is not asked; who was begun keeps its transaction; the rest gets new ones."""
    done = HostReport(name="@fake/a", outcome=Outcome.APPLIED, transaction="A")
    begun = HostReport(name="@fake/b", transaction="B")
    order = (Stage("canary", ("@fake/a",)), Stage("batch 1", ("@fake/c", "@fake/b")))
    past = Past("run", "apply", "played", order, {"@fake/a": done}, {"@fake/b": begun})
    went = rolled(Scripted(), "abc", past=past, parallel=1)
    assert went.crew.asked() == ["c", "b"], "in the order of the first run"
    c, b = went.crew.tasks
    assert (b.transaction, b.agreed) == ("B", begun)
    assert c.transaction not in (None, "A", "B")
    assert went.rows["a"] == done
    assert went.outcomes() == ["applied"] * 3


@pytest.mark.parametrize(
    ("last", "ends", "outcome", "commands_"),
    [
        pytest.param(ONE, CONFIRMED, Outcome.APPLIED, ("follow", "probe"), id="ended-well"),
        pytest.param(
            ONE,
            failing("failed: no", "verdict rolled-back X"),
            Outcome.ROLLED_BACK,
            ("follow",),
            id="undone",
        ),
        pytest.param(
            TWO, CONFIRMED, Outcome.APPLIED, ("transaction", "probe"), id="never-came-there"
        ),
    ],
)
def test_a_change_that_was_begun_is_taken_up(
    fleet: PlayedFleet, last: str, ends: Any, outcome: Outcome, commands_: tuple[str, ...]
) -> None:
    (planned,) = look(fleet(a={"probe": DRIFT}))
    begun = saying("oakum.transaction", f"{last} confirmed", DRIFT)
    played = fleet(a={"probe": Turns(begun, clean()), "transaction": ends, "follow": ends})
    row = replace(planned, transaction=ONE)
    past = Past("r", "apply", "played", (Stage("batch 1", ("@fake/a",)),), {}, {"@fake/a": row})
    (ended,) = Rollout(played, Events("r"), past=past).change("apply", "played")
    assert (ended.outcome, ended.transaction) == (outcome, ONE), ended.error
    assert tuple(commands(played, "a")) == ("probe", *commands_)


def test_agreed_rows_are_what_a_host_gets(rolled: Rolled) -> None:
    """Who has nothing to do, or could not be read, is not asked again."""
    idle = HostReport(name="@fake/a", plan=Plan(()))
    unread = HostReport(name="@fake/b", reached=False, error="no route")
    change = Change(path="/x", kind=Kind.FILE, controls=("x",), before=None, after=b"")
    busy = HostReport(name="@fake/c", plan=Plan((), (change,)))
    agreed = {row.name: row for row in (idle, unread, busy)}
    went = rolled(Scripted(), "abc", agreed=agreed)
    assert went.outcomes() == ["unchanged", None, "applied"]
    assert went.rows["b"].error == "no route"
    assert [task.agreed for task in went.crew.tasks] == [busy]


@pytest.mark.parametrize(
    ("zone", "error"),
    [
        pytest.param("+0000", None, id="inside"),
        pytest.param("+0300", "outside of --window 10:00-11:00: it is 13:30 there", id="outside"),
        pytest.param(None, "own time is unknown, which --window 10:00-11:00 needs", id="unknown"),
    ],
)
def test_a_window_is_in_the_hosts_own_time(
    fleet: PlayedFleet, zone: str | None, error: str | None
) -> None:
    probe = saying("host.clock", str(int(datetime(2026, 1, 31, 10, 30, tzinfo=UTC).timestamp())))
    if zone:
        probe = saying("host.zone", zone, probe)
    else:
        unread = "!host.zone date is missing"
        probe = [unread if line.startswith("=host.zone ") else line for line in probe]
    played = fleet(a={"probe": Turns(probe, clean())})
    (found,) = change(played, window=Window(time(10), time(11)))
    if error is None:
        assert found.outcome is Outcome.APPLIED
    else:
        assert (found.outcome, commands(played, "a")) == (Outcome.NOT_REACHED, ["probe"])
        assert error in (found.error or "")


@pytest.mark.parametrize(
    ("plays", "error"),
    [
        pytest.param({}, None, id="held"),
        pytest.param(
            {"soak": failing("failed: dockerd is gone")},
            "did not hold: failed: dockerd is gone",
            id="dockerd-gone",
        ),
        pytest.param(
            {"probe": Turns(DRIFT, clean(), DRIFT)},
            "did not hold: still to change after the change: /etc/docker/daemon.json",
            id="put-back",
        ),
    ],
)
def test_what_was_changed_is_looked_at_again(
    fleet: PlayedFleet, plays: dict[str, Any], error: str | None
) -> None:
    first, second = ({"probe": Turns(DRIFT, clean())} for _ in range(2))
    played = fleet(a={**first, **plays}, still={}, b=second)
    found = rows(change(played, max_fail=Amount(0), batches=(Amount(2),), pause=0.01))
    assert commands(played, "a")[:4] == ["probe", "transaction", "probe", "soak"]
    assert commands(played, "still") == ["probe"], "what was not changed is not looked at"
    assert found["a"].transaction
    assert found["a"].error == error
    assert found["a"].outcome is (Outcome.APPLIED if error is None else Outcome.FAILED)
    assert found["b"].outcome is (Outcome.APPLIED if error is None else Outcome.NOT_REACHED)


def test_a_changed_host_that_cannot_be_reached_again_did_not_hold(rolled: Rolled) -> None:
    def gone(task: Task, begin: Begin, row: HostReport) -> HostReport:
        if task.want is Want.SOAK:
            return HostReport(name=task.host, reached=False, error="no route")
        begin(row)
        return replace(row, plan=Plan(()), outcome=Outcome.APPLIED)

    went = rolled(Scripted(a=gone), "ab", batches=(Amount(1),), pause=0.01)
    assert went.outcomes() == ["failed", "not-reached"]
    assert went.rows["a"].error == "did not hold: no route"
    assert went.rows["a"].transaction == went.crew.tasks[0].transaction
    assert went.rows["a"].plan == Plan(())


def test_a_host_that_did_not_hold_is_asked_again_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    log = open_log(ONE)
    told = Events(ONE, [log])
    told.tell("run", command="apply", inventory="played", stages=[])
    for outcome in (Outcome.APPLIED, Outcome.FAILED):
        told.tell("done", HostReport(name="a", outcome=outcome))
    log.stream.close()
    assert past(ONE).done == {}


def test_a_log_whose_end_a_crash_tore_takes_a_second_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    row = HostReport(name="a", outcome=Outcome.APPLIED, facts={"os": "x"})
    for torn in (True, False):
        log = open_log(ONE, resumed=not torn)
        told = Events(ONE, [log])
        told.tell("run", command="apply", inventory="played", stages=[])
        told.tell("done", row)
        log.stream.close()
        if torn:
            path = next(tmp_path.rglob("*.jsonl"))
            text = path.read_text()
            path.write_text(text[: text.rindex('"facts"') + len('"facts":{"os":"x"}')])
            assert past(ONE).done == {}
    assert past(ONE).done == {"a": row}


def test_the_next_command_is_as_careful_as_the_one_that_stopped() -> None:
    care = "--max-fail 10% --spread rack --pause 0.5 --window 22:00-05:30 --parallel 3"
    line = f"--limit web --sudo {care} --count-unreachable --canary 1 --batch 1"
    given = apply.make_context("apply", ["fleet.py", *line.split()]).params
    report = Report("apply", "", "", "", (), run=ONE, stopped="because")
    said = _next("apply", report, "fleet.py", given)
    begin = "oakum apply fleet.py --limit web --sudo"
    assert said == f"{begin} {care} --count-unreachable --resume {ONE}"


def test_a_dry_run_shows_what_would_be_done_and_asks_nobody(fleet: PlayedFleet) -> None:
    played = fleet(drift={"probe": DRIFT})
    words = ["apply", "played", "--dry-run"]
    shown = CliRunner().invoke(oakum, words)
    assert shown.exit_code == 1, shown.output
    assert '"userland-proxy": false' in shown.stdout
    assert "Next: oakum apply played" in shown.stdout
    told = CliRunner().invoke(oakum, [*words, "--format=json"])
    (row,) = json.loads(told.stdout)["hosts"]
    assert (told.exit_code, row["outcome"], len(row["changes"])) == (1, None, 1)
    assert commands(played, "drift") == ["probe"]


def test_a_dry_run_with_nothing_to_do(fleet: PlayedFleet) -> None:
    fleet(clean={})
    assert CliRunner().invoke(oakum, ["apply", "played", "--dry-run"]).exit_code == 0


def test_a_host_that_did_not_hold_counts_once_on_the_screen() -> None:
    console = Console(file=io.StringIO(), width=100)
    live = Live("applying", 2, quiet=True, console=console)
    for outcome in (Outcome.APPLIED, Outcome.FAILED):
        Events("run", [live]).tell("done", HostReport(name="a", outcome=outcome))
    with console.capture() as shown:
        console.print(live.shown())
    assert shown.get().strip() == "applying  1/2 · 1 failed"
