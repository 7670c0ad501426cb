"""haveged: only for guests that can starve, and told where it is superfluous."""

import pytest
from packaging.version import Version

from oakum.controls.host.entropy import CONTROL
from oakum.facts import Unread
from oakum.model import Disruption, Kind, Status

STARVING = {"kernel": Version("4.19"), "virt": "kvm", "hwrng": "none", "rdrand": False}
RUNS = {"entropy_daemons": ("haveged",)}


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        pytest.param({}, Status.DRIFT, None, id="starves"),
        pytest.param({"engine": None}, Status.DRIFT, None, id="starves-without-docker"),
        pytest.param(RUNS, Status.OK, None, id="haveged-runs"),
        pytest.param({"haveged": True}, Status.DRIFT, None, id="installed-and-stopped"),
        pytest.param(
            {"kernel": Version("5.5.19")}, Status.DRIFT, None, id="last-kernel-that-blocks"
        ),
        pytest.param(
            {"kernel": Version("5.6")},
            Status.NOT_APPLICABLE,
            "kernel 5.6: /dev/random does not block from 5.6 on",
            id="first-kernel-that-does-not",
        ),
        pytest.param(
            {"kernel": Version("6.1"), **RUNS},
            Status.NOT_APPLICABLE,
            "from 5.6 on; haveged runs here for nothing and may be removed",
            id="superfluous",
        ),
        pytest.param(
            {"entropy_daemons": ("rngd", "haveged")},
            Status.NOT_APPLICABLE,
            "rngd runs; haveged runs here for nothing and may be removed",
            id="superfluous-beside-another",
        ),
        pytest.param({"virt": "none"}, Status.NOT_APPLICABLE, "bare metal", id="bare-metal"),
        pytest.param(
            {"hwrng": "virtio_rng.0"},
            Status.NOT_APPLICABLE,
            "hardware generator virtio_rng.0",
            id="hardware-generator",
        ),
        pytest.param({"rdrand": True}, Status.NOT_APPLICABLE, "has RDRAND", id="rdrand"),
        pytest.param(
            {"entropy_daemons": ("jitterentropy-rngd",)},
            Status.NOT_APPLICABLE,
            "jitterentropy-rngd runs",
            id="another-daemon",
        ),
        *(
            pytest.param(
                {"virt": virt},
                Status.NOT_APPLICABLE,
                f"inside {virt} the pool is its host's",
                id=virt,
            )
            for virt in ("docker", "lxc", "podman", "openvz", "systemd-nspawn", "wsl")
        ),
        pytest.param(
            {"packages": "none"},
            Status.HELD,
            "no package manager that could install haveged",
            id="no-package-manager",
        ),
        pytest.param({"uid": 1000}, Status.HELD, "not root", id="not-root"),
        pytest.param({"kernel": Unread("?")}, Status.UNKNOWN, "?", id="kernel-unread"),
        pytest.param({"virt": Unread("?")}, Status.UNKNOWN, "?", id="virt-unread"),
        pytest.param({"hwrng": Unread("?")}, Status.UNKNOWN, "?", id="hwrng-unread"),
        pytest.param({"rdrand": Unread("?")}, Status.UNKNOWN, "?", id="rdrand-unread"),
        pytest.param({"entropy_daemons": Unread("?")}, Status.UNKNOWN, "?", id="daemons-unread"),
        pytest.param(
            {"kernel": Version("6.1"), "rdrand": Unread("?")},
            Status.NOT_APPLICABLE,
            "kernel 6.1",
            id="a-new-kernel-needs-no-more-to-know",
        ),
    ],
)
def test_verdict(host, policy, finding, known, status, reason):
    found = finding(CONTROL, host(**{**STARVING, **known}), policy())
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


def test_actual_and_desired(host, policy, finding):
    starves = finding(CONTROL, host(**STARVING), policy())
    runs = finding(CONTROL, host(**STARVING, **RUNS), policy())
    assert (starves.actual, starves.desired) == ("absent", "running")
    assert (runs.actual, runs.desired) == ("running", "running")


def test_it_is_a_package_that_disrupts_nothing(host, policy, alone):
    found = alone(CONTROL, host(**STARVING), policy())
    (change,) = found.changes
    assert (change.kind, change.path, change.controls) == (Kind.PACKAGE, "haveged", ("entropy",))
    assert found.disruption is Disruption.NONE
    assert change.diff == "package haveged: install it, start and enable its service\n"
