"""content-trust: retired, and told where somebody still relies on it."""

import pytest

from oakum.controls.images.content_trust import CONTROL
from oakum.facts import Unread
from oakum.model import Status

ON = {"content_trust": (("/etc/environment", "1"),)}
OWN = {"content_trust": (("/etc/profile.d/x.sh", "server"), ("/etc/environment", "1"))}


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param(
            {},
            {},
            Status.NOT_APPLICABLE,
            "retired (notary.docker.io ends on 2026-12-08): pin digests",
            id="nobody",
        ),
        pytest.param(
            ON,
            {},
            Status.HELD,
            "/etc/environment sets DOCKER_CONTENT_TRUST, for which notary.docker.io is asked",
            id="on",
        ),
        pytest.param(
            {"content_trust": (("/etc/environment", "yes"),)},
            {},
            Status.HELD,
            "/etc/environment",
            id="any-other-word-is-on",
        ),
        pytest.param(
            {"content_trust": (("/etc/environment", "0"),)},
            {},
            Status.NOT_APPLICABLE,
            "retired",
            id="off",
        ),
        pytest.param(
            {"content_trust": (("/etc/profile", "server"),)},
            {},
            Status.NOT_APPLICABLE,
            "retired",
            id="a-server-alone",
        ),
        pytest.param(OWN, {}, Status.OK, None, id="own-server"),
        pytest.param(
            OWN | {"engine": "29.1.3"},
            {},
            Status.HELD,
            "which the client of Docker 29 ignores: take it out",
            id="ignored-by-29",
        ),
        pytest.param(
            {"engine": None} | ON, {}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param(
            {"content_trust": Unread("permission denied")},
            {},
            Status.UNKNOWN,
            "permission denied",
            id="unread",
        ),
    ],
)
def test_verdict(host, policy, finding, known, wanted, status, reason):
    found = finding(CONTROL, host(**known), policy(**wanted))
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)
