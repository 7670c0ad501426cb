"""log-level: info, however it is spelt."""

import pytest

from oakum.controls.daemon.log_level import CONTROL
from oakum.facts import Unread
from oakum.model import Disruption, Status

FLAG = {"log-level": ("debug",)}


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param({}, {}, Status.OK, None, id="engine-default"),
        pytest.param(
            {"config": {"log-level": "info"}, "engine": "29.7.2"},
            {},
            Status.OK,
            None,
            id="said-aloud",
        ),
        pytest.param({"config": {"log-level": "INFO"}}, {}, Status.OK, None, id="in-capitals"),
        pytest.param({"config": {"log-level": ""}}, {}, Status.OK, None, id="empty"),
        pytest.param({"reloaded": {"mtu": 1500}}, {}, Status.OK, None, id="left-out-of-its-log"),
        pytest.param({"config": {"log-level": "debug"}}, {}, Status.DRIFT, None, id="debug"),
        pytest.param({"config": {"log-level": "error"}}, {}, Status.DRIFT, None, id="error"),
        pytest.param(
            {"config": {"log-level": 3}}, {}, Status.HELD, "log-level must be a text", id="a-number"
        ),
        pytest.param(
            {"flags": FLAG, "unit_flags": FLAG},
            {},
            Status.HELD,
            "--log-level is a flag",
            id="by-flag",
        ),
        pytest.param(
            {"flags": {"log-level": ("info",)}, "unit_flags": {"log-level": ("info",)}},
            {},
            Status.OK,
            None,
            id="info-by-flag",
        ),
        pytest.param(
            {"engine": None}, {}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param(
            {"running": False, "config": {"log-level": "warn"}},
            {},
            Status.DRIFT,
            None,
            id="stopped",
        ),
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


def test_the_key_goes_and_dockerd_is_restarted(host, policy, alone, written):
    facts = host(config={"log-level": "warn", "debug": True})
    assert written(CONTROL, facts, policy()) == {"debug": True}
    assert alone(CONTROL, facts, policy()).disruption is Disruption.RESTART
