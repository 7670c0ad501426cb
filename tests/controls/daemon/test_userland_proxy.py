"""The userland proxy: off where the kernel can do its work, held where only it answers."""

from dataclasses import replace

import pytest
from packaging.version import Version

from oakum.controls.daemon.userland_proxy import CONTROL
from oakum.facts import Unread
from oakum.model import Impact, Status
from oakum.parts import Container, FileState

OFF = {"userland-proxy": False}
SILENT = [Unread("timed out")]
NAT = {"iptables": True}
LATER = FileState("/etc/docker/daemon.json", "/etc/docker/daemon.json", b"{}", changed=2000)
NO_BR_NETFILTER = {"kernel_config": {"BRIDGE_NETFILTER": False}}


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        pytest.param({}, Status.DRIFT, None, id="engine-default"),
        pytest.param({"config": {"userland-proxy": True}}, Status.DRIFT, None, id="written-true"),
        pytest.param({"config": OFF}, Status.OK, None, id="set"),
        pytest.param({"config": OFF, "engine": "29.7.2"}, Status.OK, None, id="set-on-29"),
        pytest.param(
            {"flags": {"userland-proxy": ("false",)}, "unit_flags": {"userland-proxy": ("false",)}},
            Status.OK,
            None,
            id="set-by-flag",
        ),
        pytest.param(
            {"flags": {"userland-proxy": ("true",)}, "unit_flags": {"userland-proxy": ("true",)}},
            Status.HELD,
            "--userland-proxy is a flag of dockerd's service",
            id="on-by-flag",
        ),
        pytest.param(
            {"config": OFF, "daemon_file": LATER},
            Status.DRIFT,
            "written, not active: daemon.json changed after dockerd started",
            id="written-not-active",
        ),
        pytest.param(
            {"config": OFF, "daemon_file": LATER, "reloaded": {"userland-proxy": True, **NAT}},
            Status.DRIFT,
            "written, not active",
            id="reloaded-not-restarted",
        ),
        pytest.param(
            {"config": OFF, "daemon_file": LATER, "reloaded": NAT},
            Status.OK,
            None,
            id="a-later-reload-shows-it-off",
        ),
        pytest.param(
            {"reloaded": NAT},
            Status.DRIFT,
            "active, not written: the next start of Docker 20.10.24 ends it",
            id="live-but-not-written",
        ),
        pytest.param(
            {"ports": ["[::1]:8080"]},
            Status.HELD,
            "published on IPv6 loopback, where only the proxy answers: web [::1]:8080",
            id="ipv6-loopback",
        ),
        pytest.param({"ports": ["0.0.0.0:80", "[::]:80"]}, Status.DRIFT, None, id="other-ports"),
        pytest.param(
            {"config": {"iptables": False}}, Status.HELD, "iptables is off", id="no-iptables"
        ),
        pytest.param(
            {"flags": {"iptables": ("false",)}},
            Status.HELD,
            "iptables is off",
            id="no-iptables-flag",
        ),
        pytest.param(
            {"running": False, "config": {"iptables": False}},
            Status.HELD,
            "iptables is off",
            id="no-iptables-at-the-next-start",
        ),
        pytest.param(
            {"engine": "28.5.2", **NO_BR_NETFILTER},
            Status.HELD,
            "no br_netfilter",
            id="no-br-netfilter",
        ),
        pytest.param(
            {"engine": "27.3.1", **NO_BR_NETFILTER}, Status.DRIFT, None, id="before-it-was-needed"
        ),
        pytest.param(
            {
                "engine": "28.5.2",
                **NO_BR_NETFILTER,
                "sysctl": {"net.bridge.bridge-nf-call-iptables": "1"},
            },
            Status.DRIFT,
            None,
            id="br-netfilter-is-loaded",
        ),
        pytest.param(
            {"engine": "28.5.2", "kernel_config": {"BRIDGE_NETFILTER": True}},
            Status.DRIFT,
            None,
            id="br-netfilter-can-be-loaded",
        ),
        pytest.param(
            {"engine": "28.5.2", "kernel_config": Unread("no config")},
            Status.DRIFT,
            None,
            id="kernel-configuration-unknown",
        ),
        pytest.param(
            {"kernel": Version("3.9")},
            Status.NOT_APPLICABLE,
            "kernel 3.9 is too old for hairpin NAT",
            id="old-kernel",
        ),
        pytest.param({"kernel": Version("3.10")}, Status.DRIFT, None, id="oldest-kernel"),
        pytest.param(
            {"engine": "1.9.1"}, Status.NOT_APPLICABLE, "needs Docker 1.10", id="old-engine"
        ),
        pytest.param(
            {"engine": "1.10.1"},
            Status.NOT_APPLICABLE,
            "has an effect only from Docker 1.10.2",
            id="ignored-by-the-engine",
        ),
        pytest.param({"engine": None}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"),
        pytest.param({"running": False}, Status.DRIFT, None, id="stopped"),
        pytest.param({"running": False, "config": OFF}, Status.OK, None, id="stopped-and-set"),
        pytest.param({"config": Unread("EACCES")}, Status.UNKNOWN, "EACCES", id="unreadable"),
        pytest.param(
            {"kernel": Unread("no uname")}, Status.UNKNOWN, "no uname", id="kernel-unread"
        ),
        pytest.param({"info": SILENT[0]}, Status.UNKNOWN, "timed out", id="engine-is-silent"),
        pytest.param({"engine": SILENT[0]}, Status.UNKNOWN, "timed out", id="engine-unread"),
        pytest.param({"flags": Unread("hidden")}, Status.UNKNOWN, "hidden", id="flags-unread"),
    ],
)
def test_verdict(host, policy, finding, known, status, reason):
    silent = {name: known[name] for name in ("info", "engine") if known.get(name) in SILENT}
    facts = replace(host(**{name: known[name] for name in known.keys() - silent}), **silent)
    found = finding(CONTROL, facts, policy())
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


def test_actual_and_desired(host, policy, finding):
    found = finding(CONTROL, host(), policy())
    assert (found.actual, found.desired) == (True, False)


def test_it_is_written_as_false(host, policy, written):
    facts = host(config={"userland-proxy": True, "icc": False}, engine="26.1.5")
    assert written(CONTROL, facts, policy()) == {"userland-proxy": False, "icc": False}


@pytest.mark.parametrize(
    ("sysctl", "impact"),
    [
        pytest.param(
            {},
            [Impact("web", "its port on [::1]:80 goes silent", "on IPv6 loopback only the proxy "
                    "answers")],
            id="ipv6",
        ),
        pytest.param({"net.ipv6.conf.all.disable_ipv6": "1"}, [], id="no-ipv6"),
    ],
)  # fmt: skip
def test_ports_that_go_silent(host, sysctl, impact):
    ports = ("0.0.0.0:80", "[::]:80", "127.0.0.1:81")
    facts = host(containers=(Container("web", ports=ports), Container("db")), sysctl=sysctl)
    assert list(CONTROL.impact(facts)) == impact
