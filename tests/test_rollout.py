"""What the rollout makes of hosts that answer this or that; pyinfra's @fake plays them."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.inventory import Inventory

from oakum import rollout
from oakum.model import HostReport, Outcome
from oakum.rollout import Access, EmptySelection, Fleet, select

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

    def make(**hosts: dict[str, Any]) -> Fleet:
        entries = []
        for name, plays in hosts.items():
            responses = {
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
        return Fleet("played", access=Access(parallel=10))

    return make


def commands(fleet: Fleet, name: str) -> list[str]:
    """What was executed on a host: ``probe`` or ``transaction``."""
    (host,) = [target.host for target in fleet.targets if target.host.name == f"@fake/{name}"]
    ran = host.connector.executed_commands  # type: ignore[attr-defined]
    return ["probe" if "oakum-probe 1 begin" in text else "transaction" for text in ran]


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


def test_surprise_on_one_host_does_not_end_the_run(
    fleet: PlayedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprise(facts: Any, policy: Any) -> Any:
        if next(turns) == 0:
            raise ZeroDivisionError("a bug of ours")
        return real(facts, policy)

    real = rollout.plan_for
    turns: Iterator[int] = iter(range(9))
    monkeypatch.setattr(rollout, "plan_for", surprise)
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
    found = rows(played.change(ignore, planned=planned))
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
