"""setuid-files: only where somebody asked, for it is slow."""

import pytest

from oakum.controls.images.setuid_files import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container, Image, SetuidFiles

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
        pytest.param(
            image() | {"setuid_files": {ID: SetuidFiles(0)}},
            {"image_setuid": True},
            Status.OK,
            None,
            id="none",
        ),
        pytest.param(
            image() | {"setuid_files": {ID: SetuidFiles(7, ("/bin/su", "/bin/mount"))}},
            {"image_setuid": True},
            Status.HELD,
            "nginx:1 (web): 7 such as /bin/su: take the bits away",
            id="some",
        ),
        pytest.param(
            image() | {"setuid_files": {ID: SetuidFiles(1)}},
            {"image_setuid": True},
            Status.HELD,
            "nginx:1 (web): 1: take",
            id="odd-names-are-not-told",
        ),
        pytest.param(
            image() | {"setuid_files": {ID: SetuidFiles(7)}},
            {},
            Status.NOT_APPLICABLE,
            "oakum_image_setuid is false",
            id="not-asked",
        ),
        pytest.param(
            image() | {"setuid_files": Unread("it took too long")},
            {"image_setuid": True},
            Status.UNKNOWN,
            "it took too long",
            id="unread",
        ),
        pytest.param(
            {"containers": ()},
            {"image_setuid": True},
            Status.NOT_APPLICABLE,
            "no container runs",
            id="no-container",
        ),
        pytest.param(
            {"engine": None},
            {"image_setuid": True},
            Status.NOT_APPLICABLE,
            "no Docker engine",
            id="no-engine",
        ),
        pytest.param(
            {"running": False},
            {"image_setuid": True},
            Status.NOT_APPLICABLE,
            "dockerd does not run",
            id="stopped",
        ),
        pytest.param(
            {"containers": Unread("timed out")},
            {"image_setuid": True},
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
