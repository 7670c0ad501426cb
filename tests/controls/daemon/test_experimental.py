"""experimental: off, unless this release starts with nothing else."""

import pytest

from oakum.controls.daemon.experimental import CONTROL
from oakum.facts import Unread
from oakum.model import Status

ENFORCE = {"experimental": "enforce"}
ON = {"experimental": True}
IS_ON = {"info": {"ExperimentalBuild": True}}


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param({}, {}, Status.OK, None, id="engine-default"),
        pytest.param(
            {"config": {"experimental": False}, "info": {"ExperimentalBuild": False}},
            {},
            Status.OK,
            None,
            id="said-aloud",
        ),
        pytest.param(
            {"config": ON, **IS_ON},
            {},
            Status.HELD,
            "oakum_experimental is audit",
            id="on-in-baseline",
        ),
        pytest.param({"config": ON, **IS_ON}, ENFORCE, Status.DRIFT, None, id="on"),
        pytest.param(
            {"config": ON, **IS_ON, "engine": "29.7.2"},
            {"profile": "strict"},
            Status.DRIFT,
            None,
            id="on-in-strict",
        ),
        pytest.param(
            {"config": ON}, ENFORCE, Status.DRIFT, "active, not written", id="on-at-the-next-start"
        ),
        pytest.param(
            {**IS_ON}, ENFORCE, Status.DRIFT, "written, not active", id="on-until-the-next-start"
        ),
        pytest.param(
            {"config": {**ON, "ip6tables": True}, **IS_ON},
            ENFORCE,
            Status.HELD,
            "ip6tables is set, which this dockerd takes only with it",
            id="ip6tables-on-20.10",
        ),
        pytest.param(
            {"config": {**ON, "ip6tables": True}, **IS_ON, "engine": "26.1.5"},
            ENFORCE,
            Status.HELD,
            "ip6tables is set",
            id="ip6tables-on-26",
        ),
        pytest.param(
            {"config": {**ON, "ip6tables": True}, **IS_ON, "engine": "27.0.1"},
            ENFORCE,
            Status.DRIFT,
            None,
            id="ip6tables-on-27",
        ),
        pytest.param(
            {"config": {**ON, "metrics-addr": "127.0.0.1:9"}, **IS_ON, "engine": "19.03.15"},
            ENFORCE,
            Status.HELD,
            "metrics-addr is set",
            id="metrics-on-19.03",
        ),
        pytest.param(
            {"config": {**ON, "metrics-addr": "127.0.0.1:9"}, **IS_ON},
            ENFORCE,
            Status.DRIFT,
            None,
            id="metrics-on-20.10",
        ),
        pytest.param(
            {"config": ON, **IS_ON},
            {"experimental": "off"},
            Status.NOT_APPLICABLE,
            "oakum_experimental is off",
            id="left-alone",
        ),
        pytest.param(
            {"engine": "1.12.6"}, {}, Status.NOT_APPLICABLE, "needs Docker 1.13", id="old-engine"
        ),
        pytest.param(
            {"engine": None}, {}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param({"running": False, "config": ON}, ENFORCE, Status.DRIFT, None, id="stopped"),
        pytest.param({"info": Unread("denied")}, {}, Status.UNKNOWN, "denied", id="silent"),
    ],
)
def test_verdict(host, policy, finding, known, wanted, status, reason):
    found = finding(CONTROL, host(**known), policy(**wanted))
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


def test_the_key_goes(host, policy, written):
    facts = host(config={"experimental": True, "debug": True}, **IS_ON)
    assert written(CONTROL, facts, policy(**ENFORCE)) == {"debug": True}
