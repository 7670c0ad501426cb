"""image-registries: what runs comes from where the policy says, as Docker reads names."""

import pytest

from oakum.controls.images.image_registries import CONTROL
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
            runs(
                "nginx",
                "docker.io/library/redis:7",
                "ghcr.io/acme/app:1",
                "reg.example:5000/x@sha256:12",
            ),
            {"registries": ["docker.io/library", "ghcr.io/acme", "reg.example:5000"]},
            Status.OK,
            None,
            id="allowed",
        ),
        pytest.param(
            runs("acme/app:1", "ghcr.io/acmeother/app"),
            {"registries": ["docker.io/library", "ghcr.io/acme", "reg.example:5000"]},
            Status.HELD,
            "acme/app:1 (web0) is docker.io/acme/app, ghcr.io/acmeother/app (web1) is",
            id="strangers",
        ),
        pytest.param(
            runs(ID) | {"image_list": (Image(id=ID, tags=("nginx:1",)),)},
            {"registries": ["docker.io/library", "ghcr.io/acme", "reg.example:5000"]},
            Status.OK,
            None,
            id="by-id-with-an-allowed-name",
        ),
        pytest.param(
            runs("0123456") | {"image_list": (Image(id=ID, digests=("evil/x@sha256:12",)),)},
            {"registries": ["docker.io/library", "ghcr.io/acme", "reg.example:5000"]},
            Status.HELD,
            "0123456 (web0) is docker.io/evil/x",
            id="by-short-id",
        ),
        pytest.param(
            runs(ID) | {"image_list": (Image(id=ID),)},
            {"registries": ["docker.io/library", "ghcr.io/acme", "reg.example:5000"]},
            Status.HELD,
            "sha256:0123456789ab (web0) has no name",
            id="nameless",
        ),
        pytest.param(
            runs(ID) | {"image_list": Unread("not asked")},
            {"registries": ["docker.io/library", "ghcr.io/acme", "reg.example:5000"]},
            Status.UNKNOWN,
            "not asked",
            id="by-id-and-unread",
        ),
        pytest.param(
            runs("nginx") | {"image_list": Unread("not asked")},
            {"registries": ["docker.io/library", "ghcr.io/acme", "reg.example:5000"]},
            Status.OK,
            None,
            id="names-need-no-images",
        ),
        pytest.param(
            runs("evil/x"), {}, Status.NOT_APPLICABLE, "oakum_registries names none", id="no-list"
        ),
        pytest.param(
            {"containers": ()},
            {"registries": ["docker.io/library", "ghcr.io/acme", "reg.example:5000"]},
            Status.NOT_APPLICABLE,
            "no container runs",
            id="no-container",
        ),
        pytest.param(
            {"engine": None},
            {"registries": ["docker.io/library", "ghcr.io/acme", "reg.example:5000"]},
            Status.NOT_APPLICABLE,
            "no Docker engine",
            id="no-engine",
        ),
        pytest.param(
            {"running": False},
            {"registries": ["docker.io/library", "ghcr.io/acme", "reg.example:5000"]},
            Status.NOT_APPLICABLE,
            "dockerd does not run",
            id="stopped",
        ),
        pytest.param(
            {"containers": Unread("timed out")},
            {"registries": ["docker.io/library", "ghcr.io/acme", "reg.example:5000"]},
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
