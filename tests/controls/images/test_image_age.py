"""image-age: since when what runs has not been rebuilt."""

import datetime

import pytest

from oakum.controls.images.image_age import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container, Image

ID = "sha256:" + "0123456789abcdef" * 4
NOW = datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)


def image(**known):
    """One container named web, and what is known of its image."""
    return {
        "containers": (Container("web", image="nginx:1", image_id=ID),),
        "image_list": (Image(id=ID, **known),),
    }


def built(days):
    return image(created=NOW - datetime.timedelta(days=days)) | {"clock": NOW}


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param(built(365), {}, Status.OK, None, id="at-the-limit"),
        pytest.param(
            built(366), {}, Status.HELD, "nginx:1 (web): 366 days: build or pull", id="old"
        ),
        pytest.param(
            built(91), {"profile": "strict"}, Status.HELD, "nginx:1 (web): 91 days", id="strict"
        ),
        pytest.param(built(-5), {}, Status.OK, None, id="from-the-future"),
        pytest.param(image(created=None) | {"clock": NOW}, {}, Status.OK, None, id="no-real-date"),
        pytest.param(
            built(366) | {"image_list": ()},
            {},
            Status.UNKNOWN,
            "not among the images",
            id="image-is-gone",
        ),
        pytest.param(
            built(1) | {"clock": Unread("no date")},
            {},
            Status.UNKNOWN,
            "no date",
            id="clock-unread",
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
