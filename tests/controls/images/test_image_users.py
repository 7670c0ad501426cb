"""image-users: who the processes of an image are."""

import pytest

from oakum.controls.images.image_users import CONTROL
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
        pytest.param(image(user="1000"), {}, Status.OK, None, id="a-number"),
        pytest.param(image(user="app:app"), {}, Status.OK, None, id="a-name"),
        pytest.param(image(), {}, Status.HELD, "nginx:1 (web): no user: say USER", id="no-user"),
        pytest.param(image(user="0:0"), {}, Status.HELD, "nginx:1 (web): root: say", id="zero"),
        pytest.param(image(user="root"), {}, Status.HELD, "nginx:1 (web): root: say", id="root"),
        pytest.param(
            image() | {"info": {"SecurityOptions": ["name=userns"]}},
            {},
            Status.HELD,
            "nginx:1 (web): no user (mapped)",
            id="mapped",
        ),
        pytest.param(image(platform="windows/amd64"), {}, Status.OK, None, id="windows"),
        pytest.param(
            image() | {"image_list": ()},
            {},
            Status.UNKNOWN,
            "not among the images that were read: nginx:1 (web)",
            id="image-is-gone",
        ),
        pytest.param(
            image() | {"image_list": Unread("timed out")},
            {},
            Status.UNKNOWN,
            "timed out",
            id="images-unread",
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
