"""What outsiders can reach of loopback."""

import pytest

from oakum.controls.host.loopback_exposure import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container

ALL = "net.ipv4.conf.all.route_localnet"
DOCKER0 = {"net.ipv4.conf.docker0.route_localnet": "1"}
HERE = ("127.0.0.1:8080",)
BARE = {"Warnings": ["WARNING: DOCKER_INSECURE_NO_IPTABLES_RAW is set"]}
FILTERED = {"net.bridge.bridge-nf-call-iptables": "1"}


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        pytest.param({}, Status.OK, None, id="nothing-published"),
        pytest.param(
            {"ports": ("0.0.0.0:80", "[::1]:80", "10.127.0.1:80")},
            Status.OK,
            None,
            id="published-elsewhere",
        ),
        pytest.param({"sysctl": {**DOCKER0, ALL: "0"}}, Status.OK, None, id="route-without-a-port"),
        pytest.param(
            {"engine": "27.5.1", "ports": HERE},
            Status.HELD,
            "web 127.0.0.1:8080: upgrade to Docker 28",
            id="before-28",
        ),
        pytest.param(
            {"engine": "27.5.1", "ports": HERE, "sysctl": DOCKER0},
            Status.HELD,
            "web 127.0.0.1:8080 (route_localnet on docker0)",
            id="hairpin",
        ),
        pytest.param(
            {"engine": "28.0.0", "ports": HERE, "sysctl": DOCKER0}, Status.OK, None, id="from-28"
        ),
        pytest.param(
            {"engine": "28.5.2", "ports": HERE, "info": BARE},
            Status.HELD,
            "web 127.0.0.1:8080",
            id="rules-left-out",
        ),
        pytest.param(
            {"ports": HERE, "config": {"iptables": False}},
            Status.OK,
            None,
            id="the-proxy-alone-forwards",
        ),
        pytest.param(
            {"engine": "29.0.0", "sysctl": {ALL: "1"}},
            Status.HELD,
            "net.ipv4.conf.all.route_localnet is 1, on every interface",
            id="every-interface",
        ),
        pytest.param(
            {"config": {"icc": False}, "sysctl": FILTERED}, Status.OK, None, id="icc-filtered"
        ),
        pytest.param(
            {"config": {"icc": False}},
            Status.HELD,
            "icc is off, but frames on a bridge pass by iptables",
            id="no-br-netfilter",
        ),
        pytest.param(
            {"config": {"icc": False}, "sysctl": {"net.bridge.bridge-nf-call-iptables": "0"}},
            Status.HELD,
            "icc is off",
            id="br-netfilter-off",
        ),
        pytest.param(
            {"running": False}, Status.NOT_APPLICABLE, "dockerd does not run", id="stopped"
        ),
        pytest.param({"engine": None}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"),
        pytest.param({"sysctl": Unread("?")}, Status.UNKNOWN, "?", id="sysctl-unread"),
        pytest.param({"containers": Unread("?")}, Status.UNKNOWN, "?", id="containers-unread"),
        pytest.param({"flags": Unread("?")}, Status.UNKNOWN, "?", id="flags-unread"),
    ],
)
def test_verdict(host, policy, finding, known, status, reason):
    found = finding(CONTROL, host(**known), policy())
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


def test_each_port_is_named(host, policy, finding):
    boxes = (Container("web", ports=HERE), Container("db", ports=("127.0.0.2:5432", *HERE)))
    found = finding(CONTROL, host(containers=boxes), policy())
    assert found.actual == ["web 127.0.0.1:8080", "db 127.0.0.2:5432", "db 127.0.0.1:8080"]
