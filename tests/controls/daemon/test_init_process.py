"""init: only as the policy says, and never without docker-init."""

import pytest

from oakum.controls.daemon.init_process import CONTROL
from oakum.facts import Unread
from oakum.model import Impact, Status
from oakum.parts import Container

ON = {"init": "on"}
OFF = {"init": "off"}
SET = {"init": True}


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param({}, {}, Status.NOT_APPLICABLE, "oakum_init is keep", id="kept"),
        pytest.param(
            {},
            {"profile": "strict"},
            Status.NOT_APPLICABLE,
            "oakum_init is keep",
            id="kept-in-strict",
        ),
        pytest.param({}, ON, Status.DRIFT, None, id="engine-default"),
        pytest.param({"config": SET}, ON, Status.OK, None, id="set"),
        pytest.param(
            {"config": SET, "engine": "29.7.2", "reloaded": {}},
            ON,
            Status.DRIFT,
            "written, not active",
            id="written-not-active",
        ),
        pytest.param(
            {"init_binary": False},
            ON,
            Status.HELD,
            "docker-init is not installed: nothing would start",
            id="no-docker-init",
        ),
        pytest.param(
            {"init_binary": False, "config": {"init-path": "/sbin/tini"}},
            ON,
            Status.DRIFT,
            None,
            id="another-init",
        ),
        pytest.param(
            {"init_binary": Unread("hidden")}, ON, Status.UNKNOWN, "hidden", id="docker-init-unread"
        ),
        pytest.param(
            {"unit_flags": {"init": ("false",)}}, ON, Status.HELD, "--init is a flag", id="by-flag"
        ),
        pytest.param({}, OFF, Status.OK, None, id="off-by-default"),
        pytest.param(
            {"config": SET, "init_binary": False}, OFF, Status.DRIFT, None, id="on-and-not-wanted"
        ),
        pytest.param(
            {"engine": "1.12.6"}, ON, Status.NOT_APPLICABLE, "needs Docker 1.13", id="old-engine"
        ),
        pytest.param(
            {"engine": None}, ON, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param({"running": False}, ON, Status.DRIFT, None, id="stopped"),
        pytest.param({"config": Unread("EACCES")}, ON, Status.UNKNOWN, "EACCES", id="unreadable"),
    ],
)
def test_verdict(host, policy, finding, known, wanted, status, reason):
    found = finding(CONTROL, host(**known), policy(**wanted))
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


def test_what_is_written(host, policy, written):
    assert written(CONTROL, host(), policy(**ON)) == SET
    assert written(CONTROL, host(config={**SET, "debug": True}), policy(**OFF)) == {"debug": True}


def test_running_containers_keep_their_process_1(host):
    assert list(CONTROL.until_restarted(host(containers=(Container("web"),)))) == [
        Impact(
            "web",
            "keeps its process 1 until it is restarted",
            "the init is added when a container starts",
        )
    ]
