"""The JSON report: version 1 of the contract, valid by its own schema."""

import copy
import json
from collections.abc import Callable
from typing import Any

import fleets
import jsonschema
import pytest

from oakum.model import Report
from oakum.report.json import render
from oakum.report.schema import report_schema

RUNS = [fleets.mixed, fleets.many, fleets.applied, fleets.engineless, fleets.hostile, fleets.run]


@pytest.mark.parametrize("make", RUNS, ids=lambda make: make.__name__)
def test_report_is_valid_and_the_same_each_time(make: Callable[[], Report]) -> None:
    text = render(make())
    assert text == render(make())
    text.encode("utf-8")
    report = json.loads(text, parse_constant=pytest.fail)
    jsonschema.Draft202012Validator.check_schema(report_schema())
    jsonschema.validate(report, report_schema())


def test_keys_stand_in_the_order_of_the_contract() -> None:
    report = json.loads(render(fleets.mixed()))
    top = ["schema", "oakum", "command", "profile", "started", "finished", "summary", "hosts"]
    assert list(report) == top
    assert report["summary"] == {
        "hosts": 6,
        "ok": 1,
        "drift": 2,
        "held": 0,
        "unknown": 2,
        "unreached": 1,
        "changed": 0,
        "failed": 0,
        "rolled_back": 0,
    }
    host = report["hosts"][0]
    assert [host["name"], host["groups"], host["reached"]] == ["web-1", ["web"], True]
    controls = [finding["control"] for finding in host["findings"]]
    assert controls == sorted(controls)
    assert host["changes"][0]["diff"].startswith("--- /etc/docker/daemon.json\n+++ ")


def test_outcomes_are_counted() -> None:
    summary = json.loads(render(fleets.applied()))["summary"]
    assert {key: summary[key] for key in ("changed", "failed", "rolled_back", "unreached")} == {
        "changed": 1,
        "failed": 0,
        "rolled_back": 1,
        "unreached": 1,
    }


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda report: report.pop("summary"), id="key-missing"),
        pytest.param(lambda report: report.update(extra=1), id="key-added"),
        pytest.param(lambda report: report.update(schema=2), id="other-version"),
        pytest.param(
            lambda report: report["hosts"][0]["findings"][0].update(status="fine"), id="status"
        ),
        pytest.param(lambda report: report["hosts"][0].pop("changes"), id="host-key-missing"),
    ],
)
def test_schema_refuses_what_is_not_the_contract(spoil: Callable[[Any], None]) -> None:
    report = json.loads(render(fleets.mixed()))
    spoilt = copy.deepcopy(report)
    spoil(spoilt)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spoilt, report_schema())
