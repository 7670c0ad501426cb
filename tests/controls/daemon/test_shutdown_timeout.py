"""shutdown-timeout: what the policy names, else never less than the default."""

import pytest

from oakum.controls.daemon.shutdown_timeout import CONTROL
from oakum.facts import Unread
from oakum.model import Disruption, Status

MINUTE = {"shutdown_timeout": 60}
FLAG = {"shutdown-timeout": ("5",)}


def config(seconds: object) -> dict[str, object]:
    return {"config": {"shutdown-timeout": seconds}}


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param({}, {}, Status.OK, None, id="engine-default"),
        pytest.param({**config(15), "engine": "29.7.2"}, {}, Status.OK, None, id="said-aloud"),
        pytest.param(config(300), {}, Status.OK, None, id="longer"),
        pytest.param(config(-1), {}, Status.OK, None, id="for-ever"),
        pytest.param(config(0), {}, Status.OK, None, id="nought-is-not-set"),
        pytest.param(config(3), {}, Status.DRIFT, None, id="too-short"),
        pytest.param(
            {**config(3), "reloaded": {"shutdown-timeout": 3}},
            {},
            Status.DRIFT,
            None,
            id="too-short-by-its-log",
        ),
        pytest.param(
            {**config(15), "reloaded": {"shutdown-timeout": 3}},
            {},
            Status.DRIFT,
            "written, not active",
            id="written-not-active",
        ),
        pytest.param({"reloaded": {}}, {}, Status.OK, None, id="left-out-of-its-log"),
        pytest.param(
            config("15"), {}, Status.HELD, "shutdown-timeout must be a whole number", id="a-text"
        ),
        pytest.param(
            config(True), {}, Status.HELD, "shutdown-timeout must be a whole number", id="a-switch"
        ),
        pytest.param(
            {"flags": FLAG, "unit_flags": FLAG},
            {},
            Status.HELD,
            "--shutdown-timeout is a flag",
            id="too-short-by-flag",
        ),
        pytest.param(
            {"flags": {"shutdown-timeout": ("30",)}, "unit_flags": {"shutdown-timeout": ("30",)}},
            {},
            Status.OK,
            None,
            id="long-by-flag",
        ),
        pytest.param(
            {"unit_flags": {"shutdown-timeout": ("${X}",)}},
            {},
            Status.UNKNOWN,
            "--shutdown-timeout ${X} is no number",
            id="odd-flag",
        ),
        pytest.param({}, MINUTE, Status.DRIFT, None, id="the-policys"),
        pytest.param(config(60), MINUTE, Status.OK, None, id="the-policys-is-set"),
        pytest.param(config(90), MINUTE, Status.DRIFT, None, id="longer-than-the-policys"),
        pytest.param(
            {"engine": "1.12.6"}, {}, Status.NOT_APPLICABLE, "needs Docker 1.13", id="old-engine"
        ),
        pytest.param(
            {"engine": None}, {}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param({"running": False, **config(3)}, {}, Status.DRIFT, None, id="stopped"),
        pytest.param({"config": Unread("EACCES")}, {}, Status.UNKNOWN, "EACCES", id="unreadable"),
    ],
)
def test_verdict(host, policy, finding, known, wanted, status, reason):
    found = finding(CONTROL, host(**known), policy(**wanted))
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


def test_it_is_said_aloud_and_reloaded(host, policy, alone, written):
    """A reload keeps a value that is said no more."""
    facts = host(config={"shutdown-timeout": 3})
    assert written(CONTROL, facts, policy()) == {"shutdown-timeout": 15}
    assert alone(CONTROL, facts, policy()).disruption is Disruption.RELOAD
