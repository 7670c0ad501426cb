"""One row per way a run can end."""

from dataclasses import replace
from typing import Any

import fleets
import pytest
from fleets import DRIFT, FINE, REMAP, UNREAD, WAIVED, plan, row, run, silent

from oakum.exit_codes import ExitCode, of
from oakum.model import Outcome, Severity, Status

HELD = plan(*FINE, REMAP)
LOW, HIGH = Severity.LOW, Severity.HIGH


@pytest.mark.parametrize(
    ("hosts", "fail_on", "code"),
    [
        pytest.param([], LOW, ExitCode.UNKNOWN, id="no-hosts"),
        pytest.param([row("a")], LOW, ExitCode.OK, id="nothing-to-say"),
        pytest.param([row("a", DRIFT)], LOW, ExitCode.DRIFT, id="drift"),
        pytest.param([row("a", DRIFT)], HIGH, ExitCode.OK, id="drift-below-the-threshold"),
        pytest.param([row("a", DRIFT)], None, ExitCode.OK, id="drift-with-never"),
        pytest.param([row("a", HELD)], LOW, ExitCode.DRIFT, id="held"),
        pytest.param([row("a", HELD)], HIGH, ExitCode.OK, id="held-below-the-threshold"),
        pytest.param([row("a", plan(*FINE, WAIVED))], LOW, ExitCode.OK, id="waived"),
        pytest.param([row("a", fleets.BEFORE_DOCKER)], LOW, ExitCode.DRIFT, id="no-engine-yet"),
        pytest.param([row("a", plan(UNREAD))], HIGH, ExitCode.UNKNOWN, id="reading-unknown"),
        pytest.param([silent("a", "gone", reached=False)], None, ExitCode.UNKNOWN, id="unreached"),
        pytest.param([silent("a", "no answer")], None, ExitCode.UNKNOWN, id="no-answer"),
        pytest.param(
            [row("a", DRIFT), silent("b", "gone", reached=False)],
            LOW,
            ExitCode.UNKNOWN,
            id="unknown-wins-over-drift",
        ),
    ],
)
def test_plan(hosts: list[Any], fail_on: Severity | None, code: ExitCode) -> None:
    assert of(run(*hosts), fail_on) is code


@pytest.mark.parametrize(
    ("host", "code"),
    [
        pytest.param(row("a", plan(*FINE), outcome=Outcome.APPLIED), ExitCode.OK, id="applied"),
        pytest.param(row("a", outcome=Outcome.UNCHANGED), ExitCode.OK, id="unchanged"),
        pytest.param(row("a", HELD, outcome=Outcome.UNCHANGED), ExitCode.OK, id="held-was-known"),
        pytest.param(
            row("a", fleets.BEFORE_DOCKER, outcome=Outcome.UNCHANGED), ExitCode.DRIFT, id="left"
        ),
        pytest.param(row("a", DRIFT, outcome=Outcome.FAILED, error="x"), ExitCode.FAILED, id="no"),
        pytest.param(
            row("a", DRIFT, outcome=Outcome.ROLLED_BACK, error="x"), ExitCode.FAILED, id="undone"
        ),
    ],
)
def test_apply(host: Any, code: ExitCode) -> None:
    gone = silent("b", "gone", reached=False)
    assert of(run(host, command="apply"), None) is code
    assert of(run(host, gone, command="apply"), None) is max(code, ExitCode.UNKNOWN)


def test_the_highest_wins_in_the_order_of_the_contract() -> None:
    assert ExitCode.INTERRUPTED > ExitCode.FAILED > ExitCode.UNKNOWN > ExitCode.DRIFT > ExitCode.OK


def test_waived_is_not_drift_but_an_unknown_beside_it_counts() -> None:
    both = plan(replace(REMAP, status=Status.WAIVED), UNREAD)
    assert of(run(row("a", both)), LOW) is ExitCode.UNKNOWN
