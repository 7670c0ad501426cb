"""dangling-images: how much lies there that nobody runs."""

import pytest

from oakum.controls.images.dangling_images import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container, Image

ID = "sha256:" + "0123456789abcdef" * 4
OTHER, THIRD = (ID[:-1] + digit for digit in "01")
USED = Container("web", image="nginx:1", image_id=ID)


def lie(*images, containers=(USED,)):
    return {"containers": containers, "image_list": images}


RUNS = Image(id=ID, tags=("nginx:1",), size=90_000_000_000)
NAMELESS = Image(id=OTHER, size=12_000_000_000)
NAMED = Image(id=THIRD, tags=("nginx:0",), size=9_500_000_000)


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param(lie(RUNS), {}, Status.OK, None, id="all-run"),
        pytest.param(lie(RUNS, NAMELESS), {}, Status.OK, None, id="below-the-limit"),
        pytest.param(
            lie(RUNS, NAMELESS, NAMED),
            {},
            Status.HELD,
            "shared layers counted each time), 1 that no running container uses (9.5 GB",
            id="too-much",
        ),
        pytest.param(
            lie(RUNS, NAMED),
            {"unused_images": 9},
            Status.HELD,
            "1 that no running container uses (9.5 GB",
            id="by-the-policy",
        ),
        pytest.param(
            lie(RUNS, NAMELESS),
            {"profile": "strict"},
            Status.HELD,
            "1 dangling (12.0 GB",
            id="strict",
        ),
        pytest.param(
            lie(RUNS, NAMELESS, NAMED, containers=(Container("web", image="nginx:1"),)),
            {},
            Status.UNKNOWN,
            "was not recorded",
            id="ids-of-images-unread",
        ),
        pytest.param(
            lie(RUNS) | {"containers": Unread("?")}, {}, Status.UNKNOWN, "?", id="containers-unread"
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
