"""Room where images and containers lie."""

import pytest

from oakum.controls.host.disk_pressure import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Inodes, Space

STORE = {"containerd_root": "/var/lib/containerd", "containerd_inodes": Inodes(0, 0)}
GIB = 2**20


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        pytest.param({"space": Space(100 * GIB, 10 * GIB)}, Status.OK, None, id="just-enough"),
        pytest.param(
            {"space": Space(100 * GIB, 10 * GIB - 1)},
            Status.HELD,
            "/var/lib/docker: 9 % free, 10.0 GiB: see docker system df",
            id="a-kilobyte-less",
        ),
        pytest.param(
            {"inodes": Inodes(1000, 99)},
            Status.HELD,
            "/var/lib/docker: 9 % of the inodes free",
            id="inodes",
        ),
        pytest.param({"inodes": Inodes(0, 0)}, Status.OK, None, id="inodes-without-end"),
        pytest.param(
            {**STORE, "containerd_space": Space(100, 5)},
            Status.HELD,
            "/var/lib/containerd: 5 % free",
            id="containerds-store",
        ),
        pytest.param(
            {**STORE, "containerd_space": Space(100, 50)},
            Status.OK,
            None,
            id="containerds-store-has-room",
        ),
        pytest.param(
            {"running": False, "containerd_root": Unread("no socket"), "space": Space(100, 50)},
            Status.OK,
            None,
            id="stopped-with-room",
        ),
        pytest.param(
            {"running": False, "containerd_root": Unread("no socket"), "space": Space(100, 5)},
            Status.HELD,
            "/var/lib/docker: 5 % free",
            id="stopped-and-full",
        ),
        pytest.param({"engine": None}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"),
        pytest.param(
            {"space": Unread("stat could not measure /x")},
            Status.UNKNOWN,
            "stat could not measure /x",
            id="space-unread",
        ),
        pytest.param({"inodes": Unread("?")}, Status.UNKNOWN, "?", id="inodes-unread"),
        pytest.param({"containerd_root": Unread("?")}, Status.UNKNOWN, "?", id="store-unread"),
        pytest.param(
            {**STORE, "containerd_space": Unread("?")},
            Status.UNKNOWN,
            "?",
            id="space-of-the-store-unread",
        ),
    ],
)
def test_verdict(host, policy, finding, known, status, reason):
    found = finding(CONTROL, host(**known), policy())
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


def test_the_threshold_is_the_policys(host, policy, finding):
    facts = host(space=Space(100, 15))
    assert finding(CONTROL, facts, policy(disk_free=15)).status is Status.OK
    assert finding(CONTROL, facts, policy(disk_free=16)).status is Status.HELD
