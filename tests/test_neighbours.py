"""A host among its neighbours: a swarm played by @fake hosts, a kubectl that is a script of ours,
and real commands where oakum runs."""

import json
import os
import re
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from pyinfra.api.inventory import Inventory
from pyinfra.connectors.fake import FakeConnector
from pyinfra.connectors.util import CommandOutput, OutputLine
from pyinfra.context import ctx_state

from oakum import deploy, errand, swarm
from oakum import fleet as fleets
from oakum.errand import Trouble, here
from oakum.events import Events
from oakum.fleet import Access, Fleet
from oakum.model import HostReport, Outcome
from oakum.rollout import Rollout
from oakum.schedule import Amount, Strategy
from oakum.swarm import LABEL, Node, Seen, quorum_lost, running_tasks, understood
from oakum.visit import NotNow, Task, Want

RECORDED = Path(__file__).parent / "probes" / "debian12-systemd-20.10.24.txt"
DRIFT = RECORDED.read_text("utf-8")
PROXY_OFF = b'{"userland-proxy": false}\n'
CLUSTER = "c" * 25
TXN = "20260131T120000Z-1a2b3c4d"

SETS_RIGHT = {
    r"=file\.daemon\.stat .*": "=file.daemon.stat file 644 0 0 26 1",
    r"@file\.daemon\.bytes.*": f"@file.daemon.bytes {PROXY_OFF.hex()}",
}


@dataclass
class Played:
    """One @fake host, and the node that it is."""

    name: str
    manager: bool = False
    availability: str = "active"
    labels: dict[str, str] = field(default_factory=dict)
    ready: bool = True
    tasks: list[str] = field(default_factory=list)
    stubborn: bool = False
    """Whether its tasks stay when it is drained."""
    member: bool = True
    hardened: bool = False
    away: str | None = None
    transaction: str = "confirmed"
    known: str = ""
    """What its probe says of its last transaction."""
    fails: tuple[str, ...] = ()
    """Commands that fail there, by a part of their text."""

    @property
    def id(self) -> str:
        return (self.name.replace("-", "") * 25)[:25]

    def node(self) -> dict[str, Any]:
        reachable = {"Reachability": "reachable" if self.ready else "unreachable"}
        return {
            "ID": self.id,
            "Spec": {
                "Availability": self.availability,
                "Role": "manager" if self.manager else "worker",
                "Labels": self.labels,
            },
            "Status": {"State": "ready" if self.ready else "down"},
            **({"ManagerStatus": reachable} if self.manager else {}),
        }


class World:
    """What the hosts of a test answer, and what was asked of them, in order."""

    def __init__(self, *hosts: Played) -> None:
        self.hosts = {host.name: host for host in hosts}
        self.asked: list[tuple[str, str]] = []

    def __getitem__(self, name: str) -> Played:
        return self.hosts[name]

    def saw(self, *kinds: str) -> list[str]:
        """``host kind`` of all that was asked of some kind."""
        return [f"{name} {kind}" for name, kind in self.asked if kind.split()[0] in kinds]

    def own(self, host: Played) -> dict[str, Any]:
        if not host.member:
            return {"NodeID": "", "LocalNodeState": "inactive", "ControlAvailable": False}
        managers = [{"NodeID": one.id} for one in self.hosts.values() if one.manager]
        known = {"NodeID": host.id, "LocalNodeState": "active", "ControlAvailable": host.manager}
        return {
            **known,
            "RemoteManagers": managers,
            **({"Cluster": {"ID": CLUSTER}} if host.manager else {}),
        }

    def answer(self, name: str, text: str) -> tuple[bool, list[str], list[str]]:
        host = self.hosts[name.removeprefix("@fake/")]
        kind, said = self._kind(host, text)
        self.asked.append((host.name, kind))
        if any(part in text for part in host.fails):
            return False, [], ["no luck"]
        return self._done(host, kind, text, said)

    def _kind(self, host: Played, text: str) -> tuple[str, Any]:
        if "oakum-probe 1 begin" in text:
            return "probe", None
        if "begin 2" in text:
            return "transaction", None
        if re.search(r"^follow '?2", text, re.M):
            return "follow", None
        if found := re.search(r"docker node update (.*) (\w+) >", text):
            return f"update {found[1]}", found
        for part, kind in {
            "docker node ps": "tasks",
            "docker node inspect": "look",
            "docker info": "who",
            "echo ": "mark",
            "rm -f /var/lib/oakum/away": "unmark",
        }.items():
            if part in text:
                return kind, None
        return f"command {text.strip()}", None

    def _done(
        self, host: Played, kind: str, text: str, said: Any
    ) -> tuple[bool, list[str], list[str]]:
        by_id = {one.id: one for one in self.hosts.values()}
        if kind == "probe":
            return True, self._probe(host), []
        if kind == "transaction":
            host.hardened = host.transaction == "confirmed"
            lines = ["step swap", f"verdict {host.transaction} X"]
            return host.hardened, lines, [] if host.hardened else ["failed: no dockerd"]
        if kind == "follow":
            return True, ["step swap", f"verdict {host.transaction} {TXN}"], []
        if kind == "mark":
            host.away = TXN
        if kind == "unmark":
            host.away = None
        if kind in ("who", "look") and not host.manager:
            rows = [json.dumps(self.own(host))]
            return kind == "who", rows, ["Error: This node is not a swarm manager."]
        if kind == "who":
            return True, [json.dumps(self.own(host))], []
        if kind == "look":
            asked = text.split()[-1]
            nodes = [one.node() for one in self.hosts.values() if one.manager or one.id == asked]
            return True, [json.dumps(row) for row in (self.own(host), *nodes)], []
        if kind == "tasks":
            node = by_id[text.split()[-1]]
            return True, [f"Running 2 minutes ago|{task}" for task in node.tasks], []
        if kind.startswith("update"):
            self._update(by_id[said[2]], said[1])
        return True, [], []

    def _update(self, node: Played, options: str) -> None:
        words = options.replace("'", "").split()
        for option, value in zip(words[::2], words[1::2], strict=True):
            if option == "--availability":
                node.availability = value
                if value == "drain" and not node.stubborn:
                    node.tasks = []
            elif option == "--label-add":
                key, _, mark = value.partition("=")
                node.labels[key] = mark
            else:
                del node.labels[value]

    def _probe(self, host: Played) -> list[str]:
        text = re.sub(r'"Swarm":\{[^}]*\}', f'"Swarm":{json.dumps(self.own(host))}', DRIFT)
        for old, new in SETS_RIGHT.items() if host.hardened else ():
            text = re.sub(old, new, text)
        if host.known:
            text = re.sub("[!=]oakum.transaction.*\n", "", text)
            text = text.replace("<oakum.state", f"=oakum.transaction {host.known}\n<oakum.state")
        tasks = [json.dumps({"name": f"/{task}", "task": True}) for task in host.tasks]
        text = text.replace(
            "<containers\n", "".join(["<containers\n", *(f"|{row}\n" for row in tasks)])
        )
        if host.away:
            text = text.replace("<oakum.state\n", "<oakum.state\n|away\n")
        return text.splitlines()


Play = Callable[..., tuple[World, Fleet]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """``play(Played(…), …, oakum_key=…)``: a world and its fleet, all with the same policy."""

    def make(*hosts: Played, only: str = "userland-proxy", **data: Any) -> tuple[World, Fleet]:
        world = World(*hosts)

        def answer(connector: FakeConnector, text: str) -> tuple[bool, CommandOutput]:
            done, out, err = world.answer(connector.host.name, text)
            lines = [OutputLine("stdout", line) for line in out]
            return done, CommandOutput([*lines, *(OutputLine("stderr", line) for line in err)])

        monkeypatch.setattr(FakeConnector, "_lookup_response", answer)
        shared = {"fake_delay": 0.001, "fake_delay_jitter": 0, "oakum_only": [only], **data}
        inventory = Inventory(([(f"@fake/{host.name}", shared) for host in hosts], {}))
        monkeypatch.setattr(fleets, "load_inventory", lambda name, override: inventory)
        return world, Fleet("played", access=Access(parallel=10))

    quick = SimpleNamespace(sleep=lambda seconds: gevent.sleep(0.005 * seconds))
    monkeypatch.setattr(swarm, "gevent", quick)
    monkeypatch.setattr(swarm, "BACK", 0.2)
    swarm._known.clear()
    swarm._turns.clear()
    return make


def only(fleet: Fleet, *names: str) -> Fleet:
    """The fleet with some hosts meant; the others are in the inventory only."""
    fleet.targets = {name: one for name, one in fleet.targets.items() if name[6:] in names}
    return fleet


def look(fleet: Fleet) -> HostReport:
    (row,) = Rollout(fleet, Events("run", [])).look()
    return row


def change(
    fleet: Fleet, *names: str, agreed: HostReport | None = None, sink: Any = None
) -> dict[str, HostReport]:
    """Change the hosts that are named, or all, in one stage."""
    meant = only(fleet, *names) if names else fleet
    events = Events("run", [sink] if sink else [])
    strategy = Strategy(max_fail=Amount(99))
    shown = {agreed.name: agreed} if agreed else None
    rows = Rollout(meant, events, strategy=strategy).change("apply", "played", shown)
    return {row.name[6:]: row for row in rows}


def steps(row: HostReport) -> list[str]:
    return [f"{step.name} {step.detail}".strip() for step in row.steps]


DRAIN = {"oakum_swarm": "drain", "oakum_swarm_limit": 1}

# A swarm -----------------------------------------------------------------------------------------


def test_a_worker_is_drained_changed_and_active_again(play: Play) -> None:
    world, fleet = play(Played("m-1", manager=True), Played("w-1", tasks=["web.1"]), **DRAIN)
    row = change(fleet, "w-1")["w-1"]
    assert (row.outcome, row.error) == (Outcome.APPLIED, None)
    assert steps(row) == [
        "swarm drained",
        "swarm no task is left on it",
        "swap",
        "swarm active again",
    ]
    found = world.saw("mark", "update", "tasks", "transaction", "unmark")
    assert [re.sub(r"oakum.away=\S+", "LABEL", one) for one in found] == [
        "w-1 mark",
        "m-1 update --availability drain --label-add LABEL",
        "m-1 tasks",
        "w-1 transaction",
        "m-1 update --availability active --label-rm oakum.away",
        "w-1 unmark",
    ]
    assert (world["w-1"].availability, world["w-1"].labels) == ("active", {})
    assert row.transaction
    assert f"oakum.away={row.transaction}:active" in " ".join(kind for _, kind in world.asked)


def test_tasks_that_come_meanwhile_do_not_change_what_was_agreed_to(play: Play) -> None:
    """Another node was drained since, and this one took its tasks."""
    world, fleet = play(Played("m-1", manager=True), Played("w-1", tasks=["web.1"]), **DRAIN)
    seen = look(only(fleet, "w-1"))
    assert seen.plan
    assert [(hit.container, hit.effect) for hit in seen.plan.impact] == [("web.1", "leaves")]
    world["w-1"].tasks += ["web.2"]
    row = change(fleet, agreed=seen)["w-1"]
    assert (row.outcome, row.error) == (Outcome.APPLIED, None)


def test_a_node_that_was_paused_is_paused_again(play: Play) -> None:
    world, fleet = play(Played("m-1", manager=True), Played("w-1", availability="pause"), **DRAIN)
    assert change(fleet, "w-1")["w-1"].outcome is Outcome.APPLIED
    assert world["w-1"].availability == "pause"


def test_what_an_operator_drained_stays_drained(play: Play) -> None:
    world, fleet = play(Played("m-1", manager=True), Played("w-1", availability="drain"), **DRAIN)
    row = change(fleet, "w-1")["w-1"]
    assert row.outcome is Outcome.APPLIED
    assert "swarm drained already by somebody else, and stays so" in steps(row)
    assert world["w-1"].availability == "drain"
    assert world.saw("update") == []


def test_tasks_that_do_not_leave_leave_the_host_alone(play: Play) -> None:
    stuck = Played("w-1", tasks=["web.1", "web.2"], stubborn=True)
    world, fleet = play(Played("m-1", manager=True), stuck, **DRAIN)
    row = change(fleet, "w-1")["w-1"]
    assert (row.outcome, row.transaction) == (Outcome.FAILED, None)
    assert row.error == "left alone: swarm: 2 tasks did not leave within 1 s: web.1, web.2"
    assert world.saw("transaction") == []
    assert (stuck.availability, stuck.labels, stuck.away) == ("active", {}, None)


def test_a_rolled_back_host_is_active_again(play: Play) -> None:
    world, fleet = play(
        Played("m-1", manager=True), Played("w-1", transaction="rolled-back"), **DRAIN
    )
    row = change(fleet, "w-1")["w-1"]
    assert (row.outcome, row.error) == (Outcome.ROLLED_BACK, "failed: no dockerd")
    assert world["w-1"].availability == "active"
    assert steps(row)[-1] == "swarm active again"


def test_a_surprise_does_not_leave_the_node_drained(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, fleet = play(Played("m-1", manager=True), Played("w-1"), **DRAIN)

    def surprise(**_: Any) -> None:
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr("oakum.operations.packages", surprise)
    row = change(fleet, "w-1")["w-1"]
    assert (row.outcome, row.error) == (Outcome.FAILED, "ZeroDivisionError: a bug of ours")
    assert (world["w-1"].availability, world["w-1"].away) == ("active", None)


def test_a_node_that_cannot_be_put_back_is_said_loudly_and_stays_marked(play: Play) -> None:
    world, fleet = play(Played("m-1", manager=True, fails=("--label-rm",)), Played("w-1"), **DRAIN)
    row = change(fleet, "w-1")["w-1"]
    assert row.outcome is Outcome.FAILED
    assert row.error == (
        "not put back among its neighbours: still drained in its swarm: swarm: no luck; on a "
        "manager run: docker node update --availability active --label-rm oakum.away "
        f"{world['w-1'].id}"
    )
    assert world["w-1"].hardened
    assert world["w-1"].away


@pytest.mark.parametrize("hardened", [False, True])
def test_what_a_killed_run_left_drained_the_next_one_puts_back(play: Play, hardened: bool) -> None:
    """Whether the host is still to be changed, or was changed without us."""
    left = Played("w-1", availability="drain", labels={LABEL: f"{TXN}:active"}, away=TXN)
    left.hardened = hardened
    world, fleet = play(Played("m-1", manager=True), left, **DRAIN)
    seen = look(only(fleet, "w-1"))
    assert seen.plan
    assert seen.plan.notes == (
        "a former run took this host from its neighbours and did not put it back",
    )
    row = change(fleet, agreed=seen)["w-1"]
    assert row.outcome is (Outcome.UNCHANGED if hardened else Outcome.APPLIED)
    assert world.saw("transaction") == ([] if hardened else ["w-1 transaction"])
    assert steps(row)[-1] == "swarm active again"
    assert (left.availability, left.labels, left.away) == ("active", {}, None)
    again = look(fleet)
    assert again.plan
    assert (again.plan.idle, again.plan.notes) == (True, ())


def visit(fleet: Fleet, task: Task, begin: Any) -> HostReport:
    with fleet.ready(lambda *_: None):
        return fleet.visit(task, begin)


def test_a_resumed_run_puts_back_the_host_whose_change_it_takes_up(play: Play) -> None:
    left = Played("w-1", availability="drain", labels={LABEL: f"{TXN}:active"}, away=TXN)
    left.hardened, left.known = True, f"{TXN} confirmed"
    world, fleet = play(Played("m-1", manager=True), left, **DRAIN)
    task = Task(host="@fake/w-1", want=Want.CHANGE, transaction=TXN)
    row = visit(fleet, task, lambda _: None)
    assert (row.outcome, row.error, row.transaction) == (Outcome.APPLIED, None, TXN)
    assert world.saw("follow", "transaction") == ["w-1 follow"]
    assert steps(row) == ["swap", "swarm active again"]
    assert (left.availability, left.away) == ("active", None)


def test_a_change_that_may_not_begin_any_more_drains_nobody(play: Play) -> None:
    world, fleet = play(Played("m-1", manager=True), Played("w-1"), **DRAIN)

    def begin(row: HostReport) -> None:
        raise NotNow("the run has ended")

    row = visit(fleet, Task(host="@fake/w-1", want=Want.CHANGE), begin)
    assert (row.outcome, row.error) == (Outcome.NOT_REACHED, "the run has ended")
    assert world.saw("mark", "update", "transaction") == []


@pytest.mark.parametrize(
    ("policy", "error"),
    [
        pytest.param({"oakum_swarm_manager": "m-9"}, "m-9 is no host of the inventory", id="name"),
        pytest.param(
            {"oakum_swarm_manager": "@fake/w-2"},
            "swarm: Error: This node is not a swarm manager.",
            id="worker",
        ),
        pytest.param({}, "no manager of its swarm was found in the inventory", id="search"),
    ],
)
def test_without_a_manager_the_host_is_left_alone(
    play: Play, policy: dict[str, Any], error: str
) -> None:
    world, fleet = play(Played("w-1"), Played("w-2"), **DRAIN, **policy)
    row = change(fleet, "w-1")["w-1"]
    assert row.outcome is Outcome.FAILED
    assert error in (row.error or "")
    assert world.saw("mark", "transaction") == []


def test_the_manager_that_the_policy_names_is_asked(play: Play) -> None:
    managers = [Played(f"m-{number}", manager=True) for number in (1, 2, 3)]
    world, fleet = play(*managers, **DRAIN, oakum_swarm_manager="@fake/m-3")
    assert change(fleet, "m-1")["m-1"].outcome is Outcome.APPLIED
    assert {name for name, kind in world.asked if kind.startswith("update")} == {"m-3"}


def test_nodes_of_a_swarm_go_one_at_a_time(play: Play) -> None:
    """All at once would leave their tasks nowhere to go; managers would lose their quorum."""
    managers = [Played(f"m-{number}", manager=True) for number in (1, 2, 3)]
    world, fleet = play(*managers, Played("w-1"), **{**DRAIN, "oakum_swarm_limit": 30})
    rows = change(fleet)
    assert {row.outcome for row in rows.values()} == {Outcome.APPLIED}
    turns = [line.split()[0] for line in world.saw("mark", "transaction", "unmark")]
    assert [turns[start : start + 3] for start in range(0, 12, 3)] == [
        [name] * 3 for name in dict.fromkeys(turns)
    ]
    waits = "swarm waits for its turn: one node of a swarm at a time"
    assert sum(waits in steps(row) for row in rows.values()) == 3


def manager(name: str, *, reachable: bool = True, away: str | None = None) -> Node:
    return Node(name, "active", True, True, reachable, away)


@pytest.mark.parametrize(
    ("others", "lost"),
    [
        pytest.param([], None, id="the-only-one-cannot-be-spared-anyhow"),
        pytest.param(
            [manager("b")],
            "without it 1 of 2 managers would be left, and 2 are needed",
            id="one-of-two",
        ),
        pytest.param([manager("b"), manager("c")], None, id="one-of-three"),
        pytest.param(
            [manager("b"), manager("c", reachable=False)],
            "without it 1 of 3 managers would be left, and 2 are needed",
            id="one-is-down",
        ),
        pytest.param(
            [manager("b"), manager("c", away=TXN)],
            "without it 1 of 3 managers would be left, and 2 are needed",
            id="one-is-away-for-another-run",
        ),
        pytest.param(
            [manager("b"), manager("c"), manager("d"), manager("e", reachable=False)],
            None,
            id="five-can-spare-two",
        ),
        pytest.param(
            [manager("b"), manager("c"), manager("d", reachable=False)],
            "without it 2 of 4 managers would be left, and 3 are needed",
            id="four-can-spare-one",
        ),
    ],
)
def test_a_manager_goes_only_while_the_others_are_a_quorum(
    others: list[Node], lost: str | None
) -> None:
    own = manager("a")
    assert quorum_lost(Seen(CLUSTER, own, (own, *others))) == lost
    worker = Node("w", "active", True, False, False, None)
    assert quorum_lost(Seen(CLUSTER, worker, (own, *others))) is None


def test_no_manager_goes_below_the_quorum(play: Play) -> None:
    hosts = [Played("m-1", manager=True), Played("m-2", manager=True, ready=False)]
    world, fleet = play(*hosts, **DRAIN)
    row = change(fleet, "m-1")["m-1"]
    assert row.error == (
        "left alone: swarm: without it 0 of 2 managers would be left, and 2 are needed"
    )
    assert world.saw("mark", "update", "transaction") == []


def test_the_only_manager_goes_and_it_is_said(play: Play) -> None:
    _, fleet = play(Played("m-1", manager=True), **DRAIN)
    row = change(fleet)["m-1"]
    assert row.outcome is Outcome.APPLIED
    assert steps(row)[0] == "swarm its only manager: nothing is scheduled until it is back"


def test_two_runs_that_drain_managers_at_once_both_step_back(play: Play) -> None:
    """The other run's mark appears between our look and our own mark."""
    managers = [Played(f"m-{number}", manager=True) for number in (1, 2, 3)]
    world, fleet = play(*managers, **DRAIN, oakum_swarm_manager="@fake/m-3")
    update = world._update

    def both(node: Played, options: str) -> None:
        update(node, options)
        if "drain" in options:
            world["m-2"].labels[LABEL] = f"{TXN}:active"

    world._update = both  # type: ignore[method-assign]
    row = change(fleet, "m-1")["m-1"]
    assert "1 of 3 managers would be left" in (row.error or "")
    assert world.saw("transaction") == []
    assert world["m-1"].availability == "active"


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        ([], []),
        (["Running 3 minutes ago|web.1", "Shutdown 2 seconds ago|web.1"], ["web.1"]),
        (
            ["Preparing 1 second ago|a.1", "Ready now|b.1", "Starting now|c.1"],
            ["a.1", "b.1", "c.1"],
        ),
        ([f"{word} now|x" for word in ("Complete", "Failed", "Rejected", "Orphaned")], []),
    ],
)
def test_tasks_that_have_not_ended(lines: list[str], left: list[str]) -> None:
    assert running_tasks(lines) == left


@pytest.mark.parametrize("lines", [[], ["hello"], ["{}"], ["[]", "3"], ['{"Cluster": null}']])
def test_what_is_no_managers_answer_is_said(lines: list[str]) -> None:
    with pytest.raises(Trouble, match="printed no nodes"):
        understood(lines, "n")


def test_a_swarm_that_is_not_to_be_drained_is_not_asked(play: Play) -> None:
    world, fleet = play(Played("m-1", manager=True), Played("w-1"))
    assert change(fleet, "w-1")["w-1"].outcome is Outcome.APPLIED
    assert [kind for _, kind in world.asked] == ["probe", "transaction", "probe"]


def test_a_clean_node_costs_one_command_and_is_not_drained(play: Play) -> None:
    world, fleet = play(Played("m-1", manager=True), Played("w-1", hardened=True), **DRAIN)
    assert change(fleet, "w-1")["w-1"].outcome is Outcome.UNCHANGED
    assert world.asked == [("w-1", "probe")]


class Heard:
    """A sink that keeps the steps that it is told."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def write(self, event: Mapping[str, Any], row: HostReport | None) -> None:
        if event["event"] == "step":
            self.steps.append(f"{event['step']} {event['detail']}".strip())


# Commands ----------------------------------------------------------------------------------------


def noting(file: Path, what: str, *, then: str = "true", where: str = "controller") -> Any:
    line = f"{what} $OAKUM_HOST ${{OAKUM_OUTCOME-none}}"
    return {"where": where, "run": ["sh", "-c", f'echo "{line}" >>{file}; {then}']}


def test_commands_run_before_and_after(play: Play, tmp_path: Path) -> None:
    file = tmp_path / "log"
    before = [noting(file, "out"), {"where": "host", "run": ["lb ctl", "drain; x"]}]
    world, fleet = play(
        Played("a", member=False), oakum_before=before, oakum_after=[noting(file, "in")]
    )
    heard = Heard()
    row = change(fleet, sink=heard)["a"]
    assert (row.outcome, row.error) == (Outcome.APPLIED, None)
    assert file.read_text() == "out @fake/a none\nin @fake/a applied\n"
    assert steps(row) == [
        "before sh on the controller",
        "before lb ctl on the host",
        "swap",
        "after sh on the controller",
    ]
    assert heard.steps == steps(row), "told as they are done, in that order"
    (ran,) = world.saw("command")
    assert ran.startswith("a command env OAKUM_HOST=@fake/a OAKUM_TRANSACTION=")
    assert ran.endswith(" 'lb ctl' 'drain; x' </dev/null")


@pytest.mark.parametrize(
    ("before", "error"),
    [
        pytest.param(
            {"where": "controller", "run": ["sh", "-c", "echo lb is down; exit 3"]},
            "left alone: before: sh: lb is down",
            id="fails",
        ),
        pytest.param(
            {"where": "controller", "run": ["false"]},
            "left alone: before: false: failed without a word",
            id="silent",
        ),
        pytest.param(
            {"where": "controller", "run": ["/no/such/lb"]},
            "left alone: before: /no/such/lb: No such file or directory",
            id="absent",
        ),
        pytest.param(
            {"where": "controller", "run": ["sleep", "60"], "limit": 1},
            "left alone: before: sleep: not done within 1 s",
            id="slow",
        ),
        pytest.param(
            {"where": "host", "run": ["lbctl"]}, "left alone: before: lbctl: no luck", id="host"
        ),
    ],
)
def test_a_failing_before_leaves_the_host_alone(
    play: Play, tmp_path: Path, before: Any, error: str
) -> None:
    """And what may have been begun is put back."""
    file = tmp_path / "log"
    world, fleet = play(
        Played("a", member=False, fails=("lbctl",)),
        oakum_before=[before, noting(file, "never")],
        oakum_after=[noting(file, "in")],
    )
    row = change(fleet)["a"]
    assert (row.outcome, row.error, row.transaction) == (Outcome.FAILED, error, None)
    assert world.saw("transaction") == []
    assert file.read_text() == "in @fake/a failed\n"
    assert world["a"].away is None


def test_after_runs_after_a_rollback_all_of_it(play: Play, tmp_path: Path) -> None:
    file = tmp_path / "log"
    after = [noting(file, "one", then="echo no pool; false"), noting(file, "two")]
    world, fleet = play(Played("a", member=False, transaction="rolled-back"), oakum_after=after)
    row = change(fleet)["a"]
    assert row.outcome is Outcome.ROLLED_BACK
    assert row.error == (
        "failed: no dockerd; not put back among its neighbours: after: sh: no pool"
    )
    assert file.read_text() == "one @fake/a rolled-back\ntwo @fake/a rolled-back\n"
    assert world["a"].away, "the next run tries again"


def test_a_lost_connection_is_made_once_more_for_what_comes_after(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = {"where": "host", "run": ["lbctl", "enable"]}
    world, fleet = play(Played("a", member=False), oakum_after=[command])
    lookup, died = FakeConnector._lookup_response, []

    def dies(connector: FakeConnector, text: str) -> tuple[bool, CommandOutput]:
        if "lbctl" in text and not died:
            died.append(text)
            raise EOFError("the connection is gone")
        return lookup(connector, text)

    monkeypatch.setattr(FakeConnector, "_lookup_response", dies)
    row = change(fleet)["a"]
    assert (row.outcome, row.error, len(died)) == (Outcome.APPLIED, None, 1)
    assert len(world.saw("command")) == 1


def test_a_host_that_cannot_be_marked_is_left_alone(play: Play, tmp_path: Path) -> None:
    file = tmp_path / "log"
    world, fleet = play(
        Played("a", member=False, fails=("mkdir",)), oakum_before=[noting(file, "out")]
    )
    row = change(fleet)["a"]
    assert row.error == "left alone: /var/lib/oakum/away: no luck"
    assert world.saw("transaction") == []
    assert not file.exists()


# Where oakum runs --------------------------------------------------------------------------------


def test_a_command_here_sees_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    seen = here(["env"], 10, {"OAKUM_HOST": "a"}).lines
    assert {line.partition("=")[0] for line in seen} <= {*errand.KEPT, "OAKUM_HOST", "PWD", "_"}
    assert "OAKUM_HOST=a" in seen


def test_a_slow_command_ends_with_all_that_it_started(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    script = f"trap '' TERM; sleep 60 & echo $! >{file}; wait; sleep 60"
    started = time.monotonic()
    with pytest.raises(Trouble, match=r"^sh: not done within 0\.5 s$"):
        here(["sh", "-c", script], 0.5)
    assert time.monotonic() - started < 10
    child = int(file.read_text())
    state = Path(f"/proc/{child}/stat")
    deadline = time.monotonic() + 5
    while state.exists() and state.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_what_is_left_in_the_background_is_not_waited_for() -> None:
    started = time.monotonic()
    assert here(["sh", "-c", "sleep 5 & echo done"], 10).lines == ("done",)
    assert time.monotonic() - started < 4


def test_only_the_end_of_much_output_is_read() -> None:
    said = here(["sh", "-c", "yes | head -c 1000000; echo; echo the end"], 20)
    assert said.last == "the end"
    assert sum(map(len, said.lines)) < errand.MOST


# Kubernetes --------------------------------------------------------------------------------------

KUBECTL = """\
#!/bin/sh
# No kubectl: it plays one node, whose state is a file `cordoned|annotation`, and writes down what
# it was called with. FAILS beside it names the verb that fails.
cd "$(dirname "$0")" || exit 1
echo "$*" >>calls
[ "$1" = --context=prod ] || { echo "error: no context" >&2; exit 1; }
case $(cat FAILS 2>/dev/null) in "$2") echo "error: cannot evict pod db-0" >&2; exit 1 ;; esac
case $2 in
    get) cat node ;;
    patch)
        case $* in
            *'"unschedulable": true'*)
                mark=${*##*'"oakum.away": "'}
                echo "true|${mark%%'"'*}" >node
                ;;
            *) echo '|' >node ;;
        esac
        ;;
esac
"""


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a played kubectl, first in PATH, with a node that is not cordoned."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "kubectl"
    program.write_text(KUBECTL)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (folder / "node").write_text("|\n")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


CLOUD = {"oakum_kubernetes": {"context": "prod", "node": "n-1", "limit": 40}}


def calls(folder: Path) -> list[str]:
    lines = (folder / "calls").read_text().splitlines()
    return [line.removeprefix("--context=prod ") for line in lines if " get " not in line]


def test_a_kubernetes_node_is_drained_and_uncordoned(play: Play, kubectl: Path) -> None:
    policy = {"oakum_kubernetes": {**CLOUD["oakum_kubernetes"], "drain_options": ["--force"]}}
    world, fleet = play(Played("a", member=False), **policy)
    row = change(fleet)["a"]
    assert (row.outcome, row.error) == (Outcome.APPLIED, None)
    assert steps(row) == [
        "kubernetes cordoned",
        "kubernetes drained",
        "swap",
        "kubernetes uncordoned",
    ]
    cordon, drain, uncordon = calls(kubectl)
    assert drain == "drain n-1 --ignore-daemonsets --timeout=40s --force"
    assert cordon.startswith("patch node n-1 --type=merge --patch=")
    assert json.loads(cordon.partition("--patch=")[2]) == {
        "metadata": {"annotations": {"oakum.away": row.transaction}},
        "spec": {"unschedulable": True},
    }
    assert json.loads(uncordon.partition("--patch=")[2]) == {
        "metadata": {"annotations": {"oakum.away": None}},
        "spec": {"unschedulable": None},
    }
    assert world["a"].away is None


def test_what_an_operator_cordoned_stays_cordoned(play: Play, kubectl: Path) -> None:
    (kubectl / "node").write_text("true|\n")
    _, fleet = play(Played("a", member=False), **CLOUD)
    assert change(fleet)["a"].outcome is Outcome.APPLIED
    assert [call.split()[0] for call in calls(kubectl)] == ["drain"]
    assert (kubectl / "node").read_text() == "true|\n"


def test_pods_that_cannot_be_evicted_leave_the_host_alone(play: Play, kubectl: Path) -> None:
    (kubectl / "FAILS").write_text("drain")
    world, fleet = play(Played("a", member=False), **CLOUD)
    row = change(fleet)["a"]
    assert row.error == "left alone: kubectl drain: error: cannot evict pod db-0"
    assert world.saw("transaction") == []
    assert (kubectl / "node").read_text() == "|\n"


def test_a_node_that_a_killed_run_left_cordoned_is_uncordoned(play: Play, kubectl: Path) -> None:
    (kubectl / "node").write_text(f"true|{TXN}\n")
    world, fleet = play(Played("a", member=False, hardened=True, away=TXN), **CLOUD)
    row = change(fleet)["a"]
    assert (row.outcome, steps(row)) == (Outcome.UNCHANGED, ["kubernetes uncordoned"])
    assert (kubectl / "node").read_text() == "|\n"
    assert world["a"].away is None


def test_a_host_whose_name_is_no_nodes_needs_one(play: Play) -> None:
    _, fleet = play(Played("a", member=False), oakum_kubernetes={"context": "prod"})
    assert change(fleet)["a"].error == (
        "left alone: @fake/a is no name of a Kubernetes node; set node in oakum_kubernetes"
    )


def test_a_reload_drains_nobody_and_runs_the_commands(
    play: Play, kubectl: Path, tmp_path: Path
) -> None:
    file = tmp_path / "log"
    data = {**CLOUD, "oakum_before": [noting(file, "out")]}
    world, fleet = play(Played("a", member=False), only="live-restore", **data)
    row = change(fleet)["a"]
    assert row.plan
    assert row.plan.disruption == "reload"
    assert world.saw("transaction") == ["a transaction"]
    assert not (kubectl / "calls").exists()
    assert file.read_text() == "out @fake/a none\n"


def test_a_reload_puts_back_what_a_killed_run_left_and_drains_nobody(
    play: Play, kubectl: Path
) -> None:
    (kubectl / "node").write_text(f"true|{TXN}\n")
    world, fleet = play(Played("a", member=False, away=TXN), only="live-restore", **CLOUD)
    change(fleet)
    assert world.saw("transaction") == ["a transaction"]
    assert [call.split()[0] for call in calls(kubectl)] == ["patch"]
    assert (kubectl / "node").read_text() == "|\n"


# pyinfra's own command ---------------------------------------------------------------------------


@pytest.mark.parametrize("idle", [True, False])
def test_pyinfras_own_command_leaves_such_a_host_to_oakum(
    play: Play, monkeypatch: pytest.MonkeyPatch, idle: bool
) -> None:
    _, fleet = play(Played("a", member=False, hardened=idle), oakum_after=[noting(Path("x"), "y")])
    refused: list[str | None] = []
    monkeypatch.setattr(deploy.operations, "refuse", lambda name, reason: refused.append(reason))
    monkeypatch.setattr(deploy, "change", lambda *_: None)
    monkeypatch.setattr(deploy, "verified", lambda **_: None)
    (target,) = fleet.targets.values()
    with ctx_state.use(fleet.state), deploy.ctx_host.use(target.host):
        target.host.connect()
        deploy._walk(deploy.HARDEN)
    said = "its neighbours have to be told before and after, which only oakum apply does"
    assert refused == [None if idle else said]
