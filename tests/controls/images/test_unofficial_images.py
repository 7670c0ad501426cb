"""unofficial-images: Docker Hub beyond its library, where the policy asks."""

import pytest

from oakum.controls.images.unofficial_images import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container, Image

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
            runs("nginx:1", "acme/app", "ghcr.io/anybody/x"),
            {"unofficial_images": True, "registries": ["docker.io/acme"]},
            Status.OK,
            None,
            id="official-allowed-or-elsewhere",
        ),
        pytest.param(
            runs("bitnami/redis:7"),
            {"unofficial_images": True, "registries": ["docker.io/acme"]},
            Status.HELD,
            "bitnami/redis:7 (web0) is docker.io/bitnami/redis",
            id="unofficial",
        ),
        pytest.param(
            runs("bitnami/redis:7"),
            {"profile": "strict"},
            Status.HELD,
            "bitnami/redis",
            id="strict",
        ),
        pytest.param(
            runs("bitnami/redis:7"),
            {},
            Status.NOT_APPLICABLE,
            "oakum_unofficial_images is false (profile baseline)",
            id="baseline",
        ),
        pytest.param(
            runs(ID) | {"image_list": (Image(id=ID, tags=("ghcr.io/x/y:1", "evil/x:1")),)},
            {"unofficial_images": True, "registries": ["docker.io/acme"]},
            Status.HELD,
            "is docker.io/evil/x",
            id="by-id",
        ),
        pytest.param(
            runs(ID) | {"image_list": Unread("not asked")},
            {"unofficial_images": True, "registries": ["docker.io/acme"]},
            Status.UNKNOWN,
            "not asked",
            id="by-id-and-unread",
        ),
        pytest.param(
            {"containers": ()},
            {"unofficial_images": True, "registries": ["docker.io/acme"]},
            Status.NOT_APPLICABLE,
            "no container runs",
            id="no-container",
        ),
        pytest.param(
            {"engine": None},
            {"unofficial_images": True, "registries": ["docker.io/acme"]},
            Status.NOT_APPLICABLE,
            "no Docker engine",
            id="no-engine",
        ),
        pytest.param(
            {"running": False},
            {"unofficial_images": True, "registries": ["docker.io/acme"]},
            Status.NOT_APPLICABLE,
            "dockerd does not run",
            id="stopped",
        ),
        pytest.param(
            {"containers": Unread("timed out")},
            {"unofficial_images": True, "registries": ["docker.io/acme"]},
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
