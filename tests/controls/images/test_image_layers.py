"""image-layers: as many as the policy bears."""

import pytest

from oakum.controls.images.image_layers import CONTROL
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
        pytest.param(image(layers=60), {}, Status.OK, None, id="at-the-limit"),
        pytest.param(
            image(layers=61, tags=("nginx:1",)),
            {},
            Status.HELD,
            "nginx:1 (web): 61 layers: join",
            id="too-many",
        ),
        pytest.param(
            image(layers=31, tags=("nginx:1",)),
            {"profile": "strict"},
            Status.HELD,
            "nginx:1 (web): 31 layers",
            id="strict",
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
