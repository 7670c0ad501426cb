"""unpinned-images: a tag moves, a digest does not."""

import pytest

from oakum.controls.images.unpinned_images import CONTROL
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
            runs("nginx:1.27@sha256:12", "nginx@sha256:12", ID, "0123456789ab"),
            {"unpinned_images": True},
            Status.OK,
            None,
            id="by-digest-or-id",
        ),
        pytest.param(
            runs("nginx:1.27", "nginx", "nginx:1.27"),
            {"unpinned_images": True},
            Status.HELD,
            "nginx (web1), nginx:1.27 (web0, web2): name them as name:tag@sha256",
            id="by-tag",
        ),
        pytest.param(
            runs("nginx:1.27"), {"profile": "strict"}, Status.HELD, "nginx:1.27", id="strict"
        ),
        pytest.param(
            runs("nginx:1.27"),
            {},
            Status.NOT_APPLICABLE,
            "oakum_unpinned_images is false",
            id="baseline",
        ),
        pytest.param(
            {"containers": ()},
            {"unpinned_images": True},
            Status.NOT_APPLICABLE,
            "no container runs",
            id="no-container",
        ),
        pytest.param(
            {"engine": None},
            {"unpinned_images": True},
            Status.NOT_APPLICABLE,
            "no Docker engine",
            id="no-engine",
        ),
        pytest.param(
            {"running": False},
            {"unpinned_images": True},
            Status.NOT_APPLICABLE,
            "dockerd does not run",
            id="stopped",
        ),
        pytest.param(
            {"containers": Unread("timed out")},
            {"unpinned_images": True},
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


def test_a_reason_stays_short(host, policy, finding):
    many = runs(*(f"app{n:02}:1" for n in range(20)), *["app00:1"] * 9)
    found = finding(CONTROL, host(**many), policy(unpinned_images=True))
    assert "app00:1 (web0, web20, web21 and 7 more)" in str(found.reason)
    assert "app07:1 (web7) and 12 more: name them" in str(found.reason)
    assert len(found.actual) == 20
