"""Exit codes: the part of a report that a pipeline reads."""

import enum

from oakum.model import INTERRUPTED, HostReport, Plan, Report, Severity, Status
from oakum.report import Standing, broke, standing


class ExitCode(enum.IntEnum):
    """How a run ended; the highest of 130 > 4 > 3 > 1 > 0 wins.

    OK: nothing to say, or all applied and verified. DRIFT: drift or held findings that count.
    USAGE: the command was wrong and no host was contacted. UNKNOWN: could not tell, because a host
    was not reached, a reading is unknown, or no host is meant. FAILED: applying failed on some
    host, rolled back or not. INTERRUPTED: somebody pressed Ctrl-C.
    """

    OK = 0
    DRIFT = 1
    USAGE = 2
    UNKNOWN = 3
    FAILED = 4
    INTERRUPTED = 130


def of(report: Report, fail_on: Severity | None) -> ExitCode:
    """The exit code of a run; drift and held findings count from ``fail_on`` on, None is never.

    Drift that is left after ``apply`` always counts: something was not applied.
    """
    if not report.hosts:
        return ExitCode.UNKNOWN
    if report.stopped == INTERRUPTED:
        return ExitCode.INTERRUPTED
    return max(_of_host(row, report.command, fail_on) for row in report.hosts)


def _of_host(row: HostReport, command: str, fail_on: Severity | None) -> ExitCode:
    if broke(row):
        return ExitCode.FAILED
    if command == "history":
        return ExitCode.UNKNOWN if row.error else ExitCode.OK
    if row.plan is None or standing(row) in (Standing.UNREACHED, Standing.UNKNOWN):
        return ExitCode.UNKNOWN
    return ExitCode.DRIFT if _counts(row.plan, command, fail_on) else ExitCode.OK


def _counts(plan: Plan, command: str, fail_on: Severity | None) -> bool:
    """Whether anything that is not as it should be is severe enough."""
    drift, held = (
        [found.severity for found in plan.findings if found.status is status]
        for status in (Status.DRIFT, Status.HELD)
    )
    if plan.deferred:
        drift.append(_of_deferred(plan))
    if command in ("apply", "bootstrap") and drift:
        return True
    return fail_on is not None and any(severity >= fail_on for severity in drift + held)


def _of_deferred(plan: Plan) -> Severity:
    """The highest severity among the controls that want the deferred files."""
    wanted = {control for change in plan.deferred for control in change.controls}
    severities = (found.severity for found in plan.findings if found.control in wanted)
    return max(severities, default=Severity.LOW)
