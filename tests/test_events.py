"""What a run tells, and what another one makes of it."""

import json
import os
from pathlib import Path

import pytest

from oakum import events
from oakum.events import BadLog, Events, open_file, open_log, packed, past, unpacked
from oakum.model import (
    Change,
    Disruption,
    Finding,
    HostReport,
    Impact,
    Kind,
    Outcome,
    Plan,
    Severity,
    Status,
    Step,
)
from oakum.schedule import Stage

PLAN = Plan(
    findings=(
        Finding("seccomp", Status.DRIFT, Severity.LOW, actual={"a": [1, None]}, refs={"c": "1"}),
    ),
    changes=(
        Change(
            path="/etc/x",
            kind=Kind.FILE,
            controls=("seccomp",),
            before=b"\xff\x00",
            after=None,
            disruption=Disruption.RESTART,
        ),
    ),
    disruption=Disruption.RESTART,
    impact=(Impact("db", "stays", "live-restore"),),
    notes=("n",),
)
ROW = HostReport(
    name="web-1",
    groups=("web",),
    facts={"docker": "20.10"},
    plan=PLAN,
    outcome=Outcome.APPLIED,
    transaction="20260131T120000Z-1a2b3c4d",
    steps=(Step("swap", "1 file"),),
)
RUN = "20260131T115959Z-00000001"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "oakum" / "runs"


def test_row_comes_back_as_it_was() -> None:
    assert unpacked(json.loads(json.dumps(packed(ROW)))) == ROW


def test_what_is_no_row_is_refused() -> None:
    with pytest.raises(BadLog, match="no row of a report"):
        unpacked({"name": 1})


def written(*told: tuple[str, HostReport | None]) -> None:
    log = open_log(RUN)
    run = Events(RUN, [log])
    stages = [{"name": "canary", "hosts": ["web-1"]}, {"name": "batch 1", "hosts": ["a", "b"]}]
    run.tell("run", command="apply", inventory="fleet.py", stages=stages)
    for event, row in told:
        run.tell(event, row)
    log.stream.close()


def row(name: str, outcome: Outcome | None) -> HostReport:
    return HostReport(name=name, outcome=outcome, transaction="T")


def test_past_knows_who_is_done_and_who_was_cut_off(home: Path) -> None:
    written(
        ("planned", ROW),
        ("done", ROW),
        ("planned", row("a", None)),
        ("planned", row("b", None)),
        ("done", row("b", Outcome.ROLLED_BACK)),
        ("done", row("c", Outcome.NOT_REACHED)),
    )
    found = past(RUN)
    assert (found.command, found.inventory) == ("apply", "fleet.py")
    assert found.stages == (Stage("canary", ("web-1",)), Stage("batch 1", ("a", "b")))
    assert found.done == {"web-1": ROW}
    assert found.begun == {"a": row("a", None)}, "b has an end; it is begun anew"
    assert past("00000001") == found, "the end of a name is enough"
    assert (home / f"{RUN}.jsonl").stat().st_mode & 0o777 == 0o600


def test_line_that_a_crash_cut_off_says_nothing(home: Path) -> None:
    written(("done", ROW))
    path = home / f"{RUN}.jsonl"
    path.write_text(path.read_text()[:-40])
    assert past(RUN).done == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "no beginning", id="empty"),
        pytest.param('{"event":"done","host":"a"}\n', "no beginning", id="headless"),
        pytest.param('[1]\n{"event":"run"}\n', "line 1: no event", id="array"),
        pytest.param('{"event":"run","command":"apply"}\n', "lacks 'stages'", id="no-stages"),
    ],
)
def test_what_no_run_wrote_is_refused(home: Path, text: str, said: str) -> None:
    home.mkdir(parents=True)
    (home / f"{RUN}.jsonl").write_text(text)
    with pytest.raises(BadLog, match=said):
        past(RUN)


@pytest.mark.parametrize("word", ["nothing", "../x", "2026"])
def test_what_names_no_single_run_is_refused(home: Path, word: str) -> None:
    home.mkdir(parents=True)
    for number in (1, 2):
        (home / f"20260131T1200{number}0Z-0000000{number}.jsonl").write_text("")
    with pytest.raises(BadLog, match=r"no run|2 runs"):
        past(word)


def test_run_that_goes_on_is_not_taken_over() -> None:
    held = open_log(RUN)
    with pytest.raises(BadLog, match="still going on in another process"):
        open_log(RUN, resumed=True)
    held.stream.close()


def test_old_logs_go(home: Path) -> None:
    home.mkdir(parents=True)
    for number in range(events.KEEP + 5):
        (home / f"2026{number:04}.jsonl").write_text("")
    open_log("20270000").stream.close()
    names = sorted(path.stem for path in home.iterdir())
    assert len(names) == events.KEEP
    assert names[-1] == "20270000"


def test_file_of_events_has_the_contracts_row(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = open_file(path)
    Events(RUN, [sink]).tell("done", ROW, stage="canary")
    sink.stream.close()
    (event,) = map(json.loads, path.read_text().splitlines())
    assert event["report"]["changes"][0]["path"] == "/etc/x"
    assert (event["event"], event["host"], event["outcome"], event["stage"]) == (
        *("done", "web-1", "applied"),
        "canary",
    )
    assert "row" not in event
    assert os.stat(path).st_mode & 0o777 == 0o600
