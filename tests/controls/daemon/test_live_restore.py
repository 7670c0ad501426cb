"""live-restore: on everywhere but in a swarm, and by the living daemon's own word."""

from dataclasses import replace

import pytest

from oakum.controls.daemon.live_restore import CONTROL
from oakum.facts import Read, Unread
from oakum.model import Disruption, Kind, Status

ON = {"live-restore": True}
IS_ON = {"info": {"LiveRestoreEnabled": True}}
FLAG = {"live-restore": ("true",)}


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        pytest.param({}, Status.DRIFT, None, id="engine-default"),
        pytest.param({"engine": "29.7.2"}, Status.DRIFT, None, id="still-the-default-in-29"),
        pytest.param({"config": ON, **IS_ON}, Status.OK, None, id="set"),
        pytest.param({"config": ON}, Status.DRIFT, "written, not active", id="written-not-active"),
        pytest.param(
            IS_ON,
            Status.DRIFT,
            "active, not written: the next start of Docker 20.10.24 ends it",
            id="live-but-not-written",
        ),
        pytest.param(
            {"config": {"live-restore": False}, **IS_ON},
            Status.DRIFT,
            "active, not written",
            id="live-and-written-off",
        ),
        pytest.param(
            {"flags": FLAG, "unit_flags": FLAG, **IS_ON}, Status.OK, None, id="set-by-flag"
        ),
        pytest.param(
            {"flags": FLAG, "unit_flags": {}, **IS_ON},
            Status.HELD,
            "--live-restore is a flag",
            id="by-a-flag-that-the-unit-has-lost",
        ),
        pytest.param(
            {"unit_flags": {"live-restore": ("false",)}},
            Status.HELD,
            "--live-restore is a flag",
            id="off-by-flag",
        ),
        *(
            pytest.param(
                {"info": {"Swarm": {"LocalNodeState": state}}},
                Status.NOT_APPLICABLE,
                f"swarm node ({state}): dockerd refuses live-restore",
                id=f"swarm-{state}",
            )
            for state in ("active", "pending", "locked", "error")
        ),
        pytest.param(
            {"config": ON, "info": {"Swarm": {"LocalNodeState": "active"}}},
            Status.HELD,
            "swarm node (active): dockerd would not start again with live-restore",
            id="set-on-a-swarm-node",
        ),
        pytest.param({"info": {"Swarm": None}}, Status.DRIFT, None, id="no-word-of-a-swarm"),
        pytest.param({"info": {"Swarm": {}}}, Status.DRIFT, None, id="no-state"),
        pytest.param(
            {"engine": "1.11.2"}, Status.NOT_APPLICABLE, "needs Docker 1.12", id="old-engine"
        ),
        pytest.param({"engine": None}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"),
        pytest.param({"running": False}, Status.DRIFT, None, id="stopped"),
        pytest.param({"running": False, "config": ON}, Status.OK, None, id="stopped-and-set"),
        pytest.param({"config": Unread("EACCES")}, Status.UNKNOWN, "EACCES", id="unreadable"),
        pytest.param(
            {"containers": Unread("timed out")}, Status.UNKNOWN, "timed out", id="containers-unread"
        ),
    ],
)
def test_verdict(host, policy, finding, known, status, reason):
    found = finding(CONTROL, host(**known), policy())
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


def test_a_silent_engine_is_unknown(host, policy, finding):
    facts = replace(host(config=ON), info=Unread("permission denied"))
    found = finding(CONTROL, facts, policy())
    assert (found.status, found.reason) == (Status.UNKNOWN, "permission denied")


def test_it_is_written_and_reloaded(host, policy, alone, written):
    facts = host(config={"live-restore": False, "debug": True})
    assert written(CONTROL, facts, policy()) == {"live-restore": True, "debug": True}
    assert alone(CONTROL, facts, policy()).disruption is Disruption.RELOAD


def test_what_is_live_is_written_by_the_file_alone(host, policy, alone):
    """The file changes, and a reload makes dockerd know it."""
    (change,) = alone(CONTROL, host(**IS_ON), policy()).changes
    assert (change.kind, change.disruption) == (Kind.FILE, Disruption.RELOAD)


def test_a_stopped_dockerd_tells_of_no_swarm(host, policy, finding):
    facts = replace(host(running=False), info=Read({"Swarm": {"LocalNodeState": "active"}}))
    assert finding(CONTROL, facts, policy()).status is Status.NOT_APPLICABLE
