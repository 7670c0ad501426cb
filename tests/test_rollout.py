"""What the rollout makes of hosts that answer this or that; pyinfra's @fake plays them."""

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.inventory import Inventory

from oakum import deploy, rollout
from oakum.deploy import HARDEN, Road, rolling_back
from oakum.model import HostReport, Outcome
from oakum.rollout import Access, Fleet
from oakum.selection import EmptySelection, select
from oakum.undo import Selection
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
                "begin 2": plays.get("transaction", CONFIRMED),
            }
            data = {
                "fake_responses": responses,
                "fake_delay": plays.get("delay", 0),
                "fake_delay_jitter": 0,
                "oakum_only": ["userland-proxy"],
            }
            entries.append((f"@fake/{name}", data))
        inventory = Inventory((entries, {}))
        monkeypatch.setattr(rollout, "load_inventory", lambda name, override: inventory)
        return Fleet("played", access=Access(parallel=10), road=road)

    return make


def commands(fleet: Fleet, name: str) -> list[str]:
    """What was executed on a host: ``probe``, ``history`` or ``transaction``."""
    (host,) = [target.host for target in fleet.targets if target.host.name == f"@fake/{name}"]
    ran = host.connector.executed_commands  # type: ignore[attr-defined]
    kinds = {"\ntell ": "history", "oakum-probe 1 begin": "probe", "": "transaction"}
    return [next(kind for mark, kind in kinds.items() if mark in text) for text in ran]


def rows(found: list[HostReport]) -> dict[str, HostReport]:
    return {row.name.removeprefix("@fake/"): row for row in found}


def ignore(row: HostReport) -> None:
    pass


def test_clean_host_costs_one_command_and_a_change_three(fleet: PlayedFleet) -> None:
    played = fleet(clean={}, drift={"probe": Turns(DRIFT, clean())})
    found = rows(played.change(ignore))
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
    found = rows(played.change(ignore))
    assert found["bad"].outcome is outcome
    assert error in (found["bad"].error or "")
    assert found["good"].outcome is Outcome.APPLIED


def test_only_a_transaction_without_a_word_is_followed(fleet: PlayedFleet) -> None:
    """What failed with a reason of its own, such as a package, left nothing to follow."""
    played = fleet(
        silent={"probe": DRIFT, "transaction": {"success": False}},
        package={"probe": DRIFT, "transaction": failing("E: no such package")},
    )
    found = rows(played.change(ignore))
    assert commands(played, "silent") == ["probe", "transaction", "transaction"]
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
    found = fleet(one={}, two={}).look(ignore)
    assert [row.error for row in found] == ["ZeroDivisionError: a bug of ours", None]


def test_report_is_in_inventory_order_and_told_as_it_comes(fleet: PlayedFleet) -> None:
    told: list[str] = []
    played = fleet(slow={"delay": 0.3}, quick={})
    found = played.look(lambda row: told.append(row.name))
    assert [row.name for row in found] == ["@fake/slow", "@fake/quick"]
    assert told == ["@fake/quick", "@fake/slow"]


def test_agreed_plan_is_the_one_that_is_carried_out(fleet: PlayedFleet) -> None:
    played = fleet(
        same={"probe": Turns(DRIFT, DRIFT, clean())},
        moved={"probe": Turns(DRIFT, clean())},
        done={},
    )
    planned = {row.name: row for row in played.look(ignore)}
    found = rows(played.change(ignore, agreed=planned))
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
    found = rows(played.change(ignore))
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
    (found,) = fleet(rolling_back(Selection()), bad={**HARDENED, **plays}).change(ignore)
    assert (found.reached, found.outcome) == (True, outcome)
    assert error in (found.error or "")


def test_an_id_of_another_host_is_said(fleet: PlayedFleet) -> None:
    (found,) = fleet(rolling_back(Selection(to=TWO)), host=HARDENED).look(ignore)
    assert found.plan is None
    assert found.error == f"{TWO} is not in force on this host; in force: {ONE}"


def test_a_conflict_leaves_the_host_alone(fleet: PlayedFleet) -> None:
    edited = told(*KEPT, *standing(b'{"userland-proxy": true}\n'), ledger=LEDGER)
    played = fleet(rolling_back(Selection()), host={**HARDENED, "stored": edited})
    (found,) = played.change(ignore)
    assert (found.outcome, commands(played, "host")) == (Outcome.UNCHANGED, ["probe", "history"])
    assert found.plan
    assert [one.status for one in found.plan.findings] == ["held"]


def test_the_past_costs_one_command(fleet: PlayedFleet) -> None:
    played = fleet(old={"ledger": told(ledger=UNDONE)}, bad={"ledger": told(ledger="x\n")})
    found = rows(played.remember(ignore))
    assert [entry.id for entry in found["old"].history] == [ONE, TWO]
    assert commands(played, "old") == ["history"]
    assert (found["bad"].history, found["bad"].error) == (
        (),
        "ledger line 1: is no line of a ledger: 'x'",
    )
