"""Each exit code, and which one wins."""

from dataclasses import replace

import fleets
import pytest
from fleets import BEFORE_DOCKER, DRIFT, FINE, OK, PROXY, REMAP, UNREAD, WAIVED, finding, plan, row

from oakum.exit_codes import ExitCode, of
from oakum.model import Outcome, Severity, Status

LOW, MEDIUM, HIGH = Severity
PROXY_ONLY = plan(*FINE, PROXY)
REMAP_ONLY = plan(*FINE, REMAP)
NOT_HERE = plan(finding("entropy", Status.NOT_APPLICABLE, severity=HIGH))
STALE = {"outcome": Outcome.FAILED, "error": "stale"}
NO_CONTROL = plan(deferred=BEFORE_DOCKER.deferred)


@pytest.mark.parametrize(
    ("host", "fail_on", "code"),
    [
        pytest.param(row("a", OK), LOW, ExitCode.OK, id="ok"),
        pytest.param(row("a", PROXY_ONLY), LOW, ExitCode.DRIFT, id="drift"),
        pytest.param(row("a", PROXY_ONLY), MEDIUM, ExitCode.OK, id="drift-below"),
        pytest.param(row("a", PROXY_ONLY), None, ExitCode.OK, id="drift-never"),
        pytest.param(row("a", REMAP_ONLY), MEDIUM, ExitCode.DRIFT, id="held"),
        pytest.param(row("a", REMAP_ONLY), HIGH, ExitCode.OK, id="held-below"),
        pytest.param(row("a", plan(WAIVED)), LOW, ExitCode.OK, id="waived"),
        pytest.param(row("a", NOT_HERE), LOW, ExitCode.OK, id="not-applicable"),
        pytest.param(row("a", BEFORE_DOCKER), MEDIUM, ExitCode.DRIFT, id="deferred"),
        pytest.param(row("a", BEFORE_DOCKER), HIGH, ExitCode.OK, id="deferred-below"),
        pytest.param(row("a", NO_CONTROL), LOW, ExitCode.DRIFT, id="deferred-counts-as-low"),
        pytest.param(row("a", NO_CONTROL), MEDIUM, ExitCode.OK, id="deferred-is-only-low"),
        pytest.param(row("a", plan(PROXY, UNREAD)), LOW, ExitCode.UNKNOWN, id="unknown-and-drift"),
        pytest.param(row("a", plan(UNREAD)), None, ExitCode.UNKNOWN, id="unknown-never"),
        pytest.param(fleets.silent("a", "hangs"), None, ExitCode.UNKNOWN, id="no-answer"),
        pytest.param(row("a", OK, reached=False), None, ExitCode.UNKNOWN, id="not-reached"),
        pytest.param(
            row("a", OK, error="half read"), None, ExitCode.UNKNOWN, id="error-no-outcome"
        ),
    ],
)
@pytest.mark.parametrize("command", ["audit", "plan"])
def test_a_host_that_is_looked_at(command, host, fail_on, code):
    assert of(fleets.run(host, command=command), fail_on) is code


@pytest.mark.parametrize(
    ("host", "fail_on", "code"),
    [
        pytest.param(row("a", OK, outcome=Outcome.APPLIED), None, ExitCode.OK, id="applied"),
        pytest.param(row("a", OK, outcome=Outcome.UNCHANGED), LOW, ExitCode.OK, id="unchanged"),
        pytest.param(row("a", REMAP_ONLY), None, ExitCode.OK, id="held-never"),
        pytest.param(row("a", REMAP_ONLY), MEDIUM, ExitCode.DRIFT, id="held"),
        pytest.param(row("a", PROXY_ONLY), None, ExitCode.DRIFT, id="drift-is-left-never"),
        pytest.param(row("a", PROXY_ONLY), LOW, ExitCode.DRIFT, id="drift-is-left"),
        pytest.param(row("a", PROXY_ONLY), MEDIUM, ExitCode.DRIFT, id="drift-is-left-below"),
        pytest.param(row("a", REMAP_ONLY), HIGH, ExitCode.OK, id="held-below"),
        pytest.param(row("a", BEFORE_DOCKER), None, ExitCode.DRIFT, id="deferred-never"),
        pytest.param(row("a", BEFORE_DOCKER), HIGH, ExitCode.DRIFT, id="deferred-below"),
        pytest.param(
            row("a", DRIFT, outcome=Outcome.ROLLED_BACK), None, ExitCode.FAILED, id="back"
        ),
        pytest.param(row("a", OK, **STALE), None, ExitCode.FAILED, id="stale"),
        pytest.param(fleets.silent("a", "lost", reached=False), None, ExitCode.UNKNOWN, id="lost"),
    ],
)
def test_a_host_that_is_changed(host, fail_on, code):
    assert of(fleets.run(host, command="apply"), fail_on) is code


@pytest.mark.parametrize(
    ("host", "code"),
    [
        pytest.param(row("a", plan(), outcome=Outcome.APPLIED), ExitCode.OK, id="taken-back"),
        pytest.param(row("a", REMAP_ONLY, outcome=Outcome.UNCHANGED), ExitCode.DRIFT, id="held"),
        pytest.param(row("a", plan(UNREAD)), ExitCode.UNKNOWN, id="could-not-tell"),
        pytest.param(row("a", plan(), outcome=Outcome.ROLLED_BACK), ExitCode.FAILED, id="undone"),
    ],
)
def test_a_host_that_is_rolled_back(host, code):
    assert of(fleets.run(host, command="rollback"), LOW) is code


@pytest.mark.parametrize(
    ("plans", "code"),
    [
        pytest.param([], ExitCode.UNKNOWN, id="no-hosts"),
        pytest.param([OK, PROXY_ONLY, OK], ExitCode.DRIFT, id="drift-over-ok"),
        pytest.param([plan(UNREAD), PROXY_ONLY], ExitCode.UNKNOWN, id="unknown-over-drift"),
    ],
)
def test_the_highest_of_all_hosts_wins(plans, code):
    hosts = [row(f"web-{number}", found) for number, found in enumerate(plans)]
    assert of(fleets.run(*hosts), LOW) is code


def test_failed_is_over_unknown():
    assert of(fleets.applied(), None) is ExitCode.FAILED
    assert of(replace(fleets.applied(), command="plan"), HIGH) is ExitCode.FAILED


def test_the_numbers_are_the_contract():
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "DRIFT": 1,
        "USAGE": 2,
        "UNKNOWN": 3,
        "FAILED": 4,
        "INTERRUPTED": 130,
    }
