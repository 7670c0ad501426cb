"""image-size: the biggest first, whether it runs or not."""

import pytest

from oakum.controls.images.image_size import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container, Image

ID = "sha256:" + "0123456789abcdef" * 4


def image(**known):
    """One container named web, and what is known of its image."""
    return {
        "containers": (Container("web", image="nginx:1", image_id=ID),),
        "image_list": (Image(id=ID, **known),),
    }


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param(image(size=2_000_000_000), {}, Status.OK, None, id="at-the-limit"),
        pytest.param(
            image(size=2_400_000_000, tags=("nginx:1",)),
            {},
            Status.HELD,
            "nginx:1 (web): 2400 MB: build in stages",
            id="too-big",
        ),
        pytest.param(
            image(size=2_400_000_000) | {"containers": ()},
            {},
            Status.HELD,
            "sha256:0123456789ab: 2400 MB",
            id="nobody-runs-it",
        ),
        pytest.param(
            image(size=300_000_000, tags=("nginx:1",)),
            {"image_size": 200},
            Status.HELD,
            "nginx:1 (web): 300 MB",
            id="by-the-policy",
        ),
        pytest.param(
            image(size=2_400_000_000) | {"containers": Unread("?")},
            {},
            Status.UNKNOWN,
            "?",
            id="containers-unread",
        ),
        pytest.param(
            {"image_list": ()}, {}, Status.NOT_APPLICABLE, "no image on this host", id="no-image"
        ),
        pytest.param(
            {"engine": None}, {}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param(
            {"running": False, "image_list": Unread("stopped")},
            {},
            Status.NOT_APPLICABLE,
            "dockerd does not run",
            id="stopped",
        ),
        pytest.param(
            {"image_list": Unread("timed out")}, {}, Status.UNKNOWN, "timed out", id="images-unread"
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
