"""The JSON report keeps its contract, whatever a host sends."""

import copy
import json
import subprocess
import sys
from dataclasses import replace

import fleets
import jsonschema
import pytest
from fleets import DRIFT, FINE, OK, PROXY, REMAP, UNREAD, WAIVED, plan, row

from oakum.model import Migration, Outcome, Room
from oakum.report import Standing, standing
from oakum.report import json as json_report
from oakum.report.schema import report_schema

RUNS = [
    *(fleets.mixed, fleets.many, fleets.applied, fleets.engineless, fleets.hostile, fleets.run),
    fleets.rolled_back,
]
CHECK = jsonschema.Draft202012Validator(report_schema())


def rendered(report):
    return json.loads(json_report.render(report))


@pytest.fixture
def _version(monkeypatch):
    monkeypatch.setattr(json_report, "__version__", "0.0.0")


@pytest.mark.usefixtures("_version")
def test_a_mixed_fleet(golden):
    golden("report-mixed.json", json_report.render(fleets.mixed()))


@pytest.mark.parametrize("made", RUNS)
def test_every_report_is_valid(made):
    text = json_report.render(made())
    CHECK.validate(json.loads(text, parse_constant=pytest.fail))
    assert text.endswith("}\n")
    text.encode("utf-8")


@pytest.mark.parametrize("made", [fleets.mixed, fleets.applied, fleets.hostile])
def test_two_renders_are_the_same(made):
    assert json_report.render(made()) == json_report.render(made())


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(report_schema())


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        pytest.param([], "schema", 2, id="another-version"),
        pytest.param([], "score", 10, id="a-key-too-many"),
        pytest.param([], "started", "yesterday", id="no-time"),
        pytest.param([], "command", "destroy", id="no-command"),
        pytest.param(["summary"], "ok", -1, id="fewer-than-none"),
        pytest.param(["hosts", 0], "reached", None, id="null-reached"),
        pytest.param(["hosts", 0], "outcome", "done", id="no-outcome"),
        pytest.param(["hosts", 0, "facts"], "kernel", 6.1, id="fact-that-is-no-text"),
        pytest.param(["hosts", 0, "findings", 0], "status", "warn", id="no-status"),
        pytest.param(["hosts", 0, "findings", 0], "id", "x", id="finding-with-more"),
        pytest.param(["hosts", 0, "changes", 0], "kind", "link", id="no-kind"),
        pytest.param(["hosts", 0, "impact", 0], "reason", None, id="impact-without-reason"),
    ],
)
def test_a_changed_report_is_not_valid(where, key, value):
    document = rendered(fleets.mixed())
    spot = document
    for step in where:
        spot = spot[step]
    spot[key] = value
    assert not CHECK.is_valid(document)


def test_no_key_may_be_missing():
    document = rendered(fleets.mixed())
    host = document["hosts"][0]
    places = (document, document["summary"], host, host["findings"][0], host["changes"][0])
    for number, place in enumerate(places):
        for key in place:
            less = copy.deepcopy(document)
            inner = less["hosts"][0]
            spots = (less, less["summary"], inner, inner["findings"][0], inner["changes"][0])
            del spots[number][key]
            assert not CHECK.is_valid(less), key


def test_a_migration_is_told_where_there_is_one():
    (row, *rest) = fleets.mixed().hosts
    moved = Migration(id="x", kind="userns-remap", rooms=(Room("/var/lib/docker", 2, 3),))
    planned = replace(row, plan=replace(row.plan, migration=moved))
    document = rendered(replace(fleets.mixed(), command="migrate", hosts=(planned, *rest)))
    CHECK.validate(document)
    told = document["hosts"][0]["migration"]
    assert told["rooms"] == [{"folder": "/var/lib/docker", "needed": 2, "free": 3}]
    assert "migration" not in document["hosts"][1]
    del told["images"]
    assert not CHECK.is_valid(document)


def test_keys_are_in_the_order_of_the_contract():
    document, schema = rendered(fleets.mixed()), report_schema()
    host, kinds = document["hosts"][0], schema["$defs"]
    assert list(document) == list(schema["properties"])
    assert list(document["summary"]) == list(schema["properties"]["summary"]["properties"])
    assert [*host, "migration"] == list(kinds["host"]["properties"])
    assert list(host["findings"][0]) == list(kinds["finding"]["properties"])
    assert list(host["changes"][0]) == list(kinds["change"]["properties"])
    assert list(host["impact"][0]) == list(kinds["impact"]["properties"])


def test_hosts_keep_their_order_and_findings_go_by_control():
    document = rendered(fleets.run(row("b", plan(REMAP, PROXY, *FINE)), row("a")))
    assert [host["name"] for host in document["hosts"]] == ["b", "a"]
    controls = [found["control"] for found in document["hosts"][0]["findings"]]
    assert controls == sorted(controls)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param(float("inf"), "inf", id="1e999-in-a-file"),
        pytest.param({"a": [float("nan")]}, {"a": ["nan"]}, id="deep"),
        pytest.param("\udc80", "\\udc80", id="lone-surrogate"),
        pytest.param({"\ud800": 1}, {"\\ud800": 1}, id="lone-surrogate-as-key"),
        pytest.param(b"\xff", "b'\\xff'", id="bytes"),
        pytest.param((1, 2.5, None, True), [1, 2.5, None, True], id="tuple"),
        pytest.param("grün\u202e\x9b", "grün\u202e\x9b", id="text-comes-back-as-it-was"),
    ],
)
def test_whatever_a_host_has_becomes_json(value, written):
    document = rendered(fleets.run(row("a", plan(replace(PROXY, actual=value)))))
    assert document["hosts"][0]["findings"][0]["actual"] == written


def test_nothing_in_it_moves_a_terminal():
    text = json_report.render(fleets.hostile())
    assert all(each.isprintable() or each == "\n" for each in text.replace("\u200b", ""))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        pytest.param(row("a", OK), Standing.OK, id="ok"),
        pytest.param(row("a", plan(WAIVED)), Standing.OK, id="waived"),
        pytest.param(row("a", plan(REMAP)), Standing.HELD, id="held"),
        pytest.param(row("a", DRIFT), Standing.DRIFT, id="drift-over-held"),
        pytest.param(row("a", fleets.BEFORE_DOCKER), Standing.DRIFT, id="deferred"),
        pytest.param(row("a", plan(PROXY, UNREAD)), Standing.UNKNOWN, id="unknown-over-drift"),
        pytest.param(fleets.silent("a", "hangs"), Standing.UNKNOWN, id="no-plan"),
        pytest.param(row("a", plan(UNREAD), reached=False), Standing.UNREACHED, id="unreached"),
        pytest.param(
            row("a", plan(REMAP), outcome=Outcome.FAILED, error="why"), Standing.HELD, id="failed"
        ),
    ],
)
def test_a_host_stands_by_its_worst(host, expected):
    assert standing(host) is expected
    counts = rendered(fleets.run(host))["summary"]
    assert [one for one in Standing if counts[one]] == [expected]


def test_outcomes_are_counted_beside():
    counts = rendered(fleets.applied())["summary"]
    assert counts == {
        "hosts": 5,
        "ok": 1,
        "drift": 1,
        "held": 2,
        "unknown": 0,
        "unreached": 1,
        "not_reached": 0,
        "changed": 1,
        "failed": 0,
        "rolled_back": 1,
    }


def test_a_host_without_a_plan_costs_nothing_that_is_known():
    host = rendered(fleets.run(fleets.silent("a", "hangs")))["hosts"][0]
    assert host["disruption"] is None


def test_neither_rich_nor_pyinfra_is_needed():
    code = "import sys, oakum.report.json; sys.exit(bool({'rich', 'pyinfra'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
