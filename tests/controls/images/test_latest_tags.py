"""latest-tags: neither latest nor nothing."""

import pytest

from oakum.controls.images.latest_tags import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container

ID = "sha256:" + "0123456789abcdef" * 4


def runs(*texts, id=ID):
    """Containers web0, web1 ... by what they name as their image."""
    return {
        "containers": tuple(
            Container(f"web{n}", image=text, image_id=id) for n, text in enumerate(texts)
        )
    }


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param(
            runs("nginx:1.27", "nginx:latest@sha256:12", "reg:5000/x:2", ID),
            {},
            Status.OK,
            None,
            id="versions",
        ),
        pytest.param(
            runs("nginx", "reg:5000/x", "nginx:latest"),
            {},
            Status.HELD,
            "nginx (web0), nginx:latest (web2), reg:5000/x (web1): name a version",
            id="latest",
        ),
        pytest.param(
            {"containers": ()}, {}, Status.NOT_APPLICABLE, "no container runs", id="no-container"
        ),
        pytest.param(
            {"engine": None}, {}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param(
            {"running": False}, {}, Status.NOT_APPLICABLE, "dockerd does not run", id="stopped"
        ),
        pytest.param(
            {"containers": Unread("timed out")},
            {},
            Status.UNKNOWN,
            "timed out",
            id="containers-unread",
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
