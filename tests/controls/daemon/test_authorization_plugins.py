"""authorization-plugins: required by the policy alone, and by the living engine's word."""

import pytest

from oakum.controls.daemon.authorization_plugins import CONTROL
from oakum.facts import Unread
from oakum.model import Status

ACTIVE = {"info": {"Plugins": {"Authorization": ["opa"]}}}
WRITTEN = {"config": {"authorization-plugins": ["opa"]}}
FLAG = {"authorization-plugin": ("opa",)}


@pytest.mark.parametrize(
    ("known", "required", "status", "reason"),
    [
        pytest.param({}, [], Status.NOT_APPLICABLE, "names none", id="none-required"),
        pytest.param({**ACTIVE, **WRITTEN}, ["opa"], Status.OK, None, id="there"),
        pytest.param(
            {**ACTIVE, "flags": FLAG, "unit_flags": FLAG}, ["opa"], Status.OK, None, id="by-flag"
        ),
        pytest.param(
            {"info": {"Plugins": {"Authorization": None}}},
            ["opa"],
            Status.HELD,
            "opa is not there: install",
            id="missing",
        ),
        pytest.param(WRITTEN, ["opa"], Status.HELD, "opa is written, not active", id="written"),
        pytest.param(
            ACTIVE,
            ["opa"],
            Status.HELD,
            "opa is active, not written, so the next start ends it",
            id="active",
        ),
        pytest.param(
            {**ACTIVE, **WRITTEN}, ["opa", "audit"], Status.HELD, "audit is not", id="one-of-two"
        ),
        pytest.param({**WRITTEN, "running": False}, ["opa"], Status.OK, None, id="stopped"),
        pytest.param(
            {**WRITTEN, "info": Unread("authorization denied by plugin opa")},
            ["opa"],
            Status.UNKNOWN,
            "denied by plugin opa",
            id="the-plugin-does-not-answer",
        ),
        pytest.param({"engine": None}, ["opa"], Status.NOT_APPLICABLE, "no Docker", id="no-engine"),
    ],
)
def test_verdict(host, policy, finding, known, required, status, reason):
    found = finding(CONTROL, host(**known), policy(authorization_plugins=required))
    assert found.status is status
    assert (reason is None) == (found.reason is None)
    assert (reason or "") in (found.reason or "")
