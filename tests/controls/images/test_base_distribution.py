"""base-distribution: what is inside has not ended by the clock of the host."""

import datetime

import pytest

from oakum.controls.images.base_distribution import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container, Image

ID = "sha256:" + "0123456789abcdef" * 4
NOW = datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)


def inside(release, **known):
    """One container named web, and the distribution in its image."""
    return {
        "containers": (Container("web", image="nginx:1", image_id=ID),),
        "image_list": (Image(id=ID, tags=("nginx:1",), **known),),
        "image_releases": {ID: release} if release else {},
        "clock": NOW,
    }


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param(inside("debian 12"), {}, Status.OK, None, id="lives"),
        pytest.param(
            inside("debian 10"),
            {},
            Status.HELD,
            "nginx:1 (web): debian 10 ended on 2024-06-30: build them anew",
            id="ended",
        ),
        pytest.param(
            inside("debian 10") | {"containers": ()},
            {},
            Status.HELD,
            "nginx:1: debian 10 ended",
            id="nobody-runs-it",
        ),
        pytest.param(
            inside("alpine 3.18.4"),
            {},
            Status.HELD,
            "alpine 3.18.4 ended on 2025-05-09",
            id="point-release",
        ),
        pytest.param(
            inside("alpine 3.16") | {"clock": datetime.datetime(2024, 5, 23, tzinfo=datetime.UTC)},
            {},
            Status.OK,
            None,
            id="last-day",
        ),
        pytest.param(inside("arch "), {}, Status.OK, None, id="rolling"),
        pytest.param(inside("debian 99"), {}, Status.OK, None, id="unknown-release"),
        pytest.param(inside(""), {}, Status.OK, None, id="nothing-inside"),
        pytest.param(
            inside("", driver=""),
            {},
            Status.NOT_APPLICABLE,
            "these are of the containerd image store",
            id="containerd-store-of-29",
        ),
        pytest.param(
            inside("", driver="overlayfs"),
            {},
            Status.NOT_APPLICABLE,
            "these are of overlayfs",
            id="containerd-store",
        ),
        pytest.param(
            inside("debian 10") | {"image_releases": Unread("permission denied")},
            {},
            Status.UNKNOWN,
            "permission denied",
            id="layers-unread",
        ),
        pytest.param(
            inside("debian 10") | {"clock": Unread("no date")},
            {},
            Status.UNKNOWN,
            "no date",
            id="clock-unread",
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


def test_what_runs_comes_first(host, policy, finding):
    other = ID[:-1] + "0"
    known = inside("debian 9")
    known["image_list"] = (Image(id=other, tags=("old:1",)), *known["image_list"])
    known["image_releases"] = {ID: "debian 9", other: "centos 7"}
    found = finding(CONTROL, host(**known), policy())
    assert found.actual == [
        "nginx:1 (web): debian 9 ended on 2022-07-01",
        "old:1: centos 7 ended on 2024-06-30",
    ]
