"""What hosts remember, on a page and in JSON: newest first, all of it, and nothing obeyed."""

import json
from dataclasses import replace

import fleets
import jsonschema
import pytest

from oakum.exit_codes import ExitCode, of
from oakum.report import history
from oakum.report.schema import history_schema

CHECK = jsonschema.Draft202012Validator(history_schema())


def page(report, **known):
    return history.text(report, exit_code=of(report, None), **known)


def test_golden(golden):
    golden("report-history.txt", page(fleets.remembered()))


def test_the_digests_only_when_asked_for():
    assert "a" * 64 not in page(fleets.remembered())
    assert f"sha256 {'a' * 64} → {'b' * 64}" in page(fleets.remembered(), verbosity=1)
    assert f"sha256 absent → {'a' * 64}" in page(fleets.remembered(), verbosity=1)


def test_quiet_is_the_summary_line():
    said = page(fleets.remembered(), verbosity=-1)
    assert said == "5 transactions · 1 could not tell on 3 hosts, exit 3\n"


def test_nothing_of_a_host_reaches_the_terminal_as_it_is():
    whole = page(fleets.remembered(), verbosity=1)
    assert all(line.isprintable() for line in whole.splitlines())
    assert "\\x1b[31m" in whole


def test_a_history_is_valid_and_newest_first():
    document = json.loads(history.json(fleets.remembered()))
    CHECK.validate(document)
    first, second, third = document["hosts"]
    times = [each["id"] for each in first["transactions"]]
    assert times == sorted(times, reverse=True)
    assert len(times) == 5
    assert [each["in_force"] for each in first["transactions"]] == [False] * 4 + [True]
    assert (second["transactions"], third["reached"]) == ([], False)
    assert "\x1b" not in history.json(fleets.remembered())


@pytest.mark.parametrize(
    ("key", "value"),
    [("outcome", "won"), ("time", "now"), ("score", 1), ("command", "plan"), ("in_force", None)],
)
def test_a_changed_history_is_not_valid(key, value):
    document = json.loads(history.json(fleets.remembered()))
    document["hosts"][0]["transactions"][0][key] = value
    assert not CHECK.is_valid(document)


@pytest.mark.parametrize(
    ("hosts", "code"),
    [
        pytest.param(slice(0, 2), ExitCode.OK, id="read"),
        pytest.param(slice(0, 3), ExitCode.UNKNOWN, id="one-not-reached"),
        pytest.param(slice(0, 0), ExitCode.UNKNOWN, id="no-host"),
    ],
)
def test_exit_codes(hosts, code):
    report = fleets.remembered()
    assert of(replace(report, hosts=report.hosts[hosts]), None) is code
