"""What the kernel must have for Docker."""

import pytest
from packaging.version import Version

from oakum.controls.host.kernel_options import ALWAYS, CONTROL, LEGACY_TABLES
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Engine

ALL = dict.fromkeys((*ALWAYS, *LEGACY_TABLES, "CGROUP_BPF"), True)
NFT = dict.fromkeys((*ALWAYS, "NF_TABLES", "NFT_COMPAT", "CGROUP_BPF"), True)
DESKTOP = Engine(Version("28.0"), "28.0", "desktop")


def without(option, options=ALL):
    return {name: there for name, there in options.items() if name != option}


def on(kernel, options=ALL):
    return {"kernel": Version(kernel), "kernel_config": options}


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        pytest.param({"kernel_config": ALL}, Status.OK, None, id="all"),
        pytest.param({"kernel_config": NFT}, Status.OK, None, id="nftables-alone"),
        pytest.param(
            {"kernel_config": {**ALL, "VETH": False}},
            Status.HELD,
            "CONFIG_VETH: boot a kernel that has them",
            id="said-to-be-off",
        ),
        pytest.param(
            {"kernel_config": without("POSIX_MQUEUE")},
            Status.HELD,
            "CONFIG_POSIX_MQUEUE",
            id="not-named",
        ),
        pytest.param(
            {"kernel_config": without("NFT_COMPAT", NFT)},
            Status.HELD,
            "CONFIG_IP_NF_FILTER, CONFIG_IP_NF_MANGLE",
            id="neither-tables",
        ),
        pytest.param(
            {"kernel_config": without("CGROUP_BPF")},
            Status.HELD,
            "CONFIG_CGROUP_BPF",
            id="from-4.15",
        ),
        pytest.param(
            on("4.14", {**without("CGROUP_BPF"), "NF_NAT_IPV4": True, "NF_NAT_NEEDED": True}),
            Status.OK,
            None,
            id="before-4.15",
        ),
        pytest.param(
            on("5.1"), Status.HELD, "CONFIG_NF_NAT_IPV4, CONFIG_NF_NAT_NEEDED", id="up-to-5.1"
        ),
        pytest.param(on("5.2"), Status.HELD, "CONFIG_NF_NAT_NEEDED: boot", id="up-to-5.2"),
        pytest.param(on("5.3"), Status.OK, None, id="from-5.3"),
        pytest.param(
            on("4.7", {**without("CGROUP_BPF"), "NF_NAT_IPV4": True, "NF_NAT_NEEDED": True}),
            Status.HELD,
            "CONFIG_DEVPTS_MULTIPLE_INSTANCES: boot",
            id="up-to-4.7",
        ),
        pytest.param(
            {"engine": DESKTOP, "kernel_config": {"CGROUPS": False}},
            Status.NOT_APPLICABLE,
            "Docker Desktop",
            id="desktop",
        ),
        pytest.param({"engine": None}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"),
        pytest.param(
            {"kernel_config": {"USER_NS": True, "VETH": True}},
            Status.UNKNOWN,
            "was not read as a whole",
            id="only-a-part",
        ),
        pytest.param(
            {"kernel_config": Unread("no configuration of kernel 6.1")},
            Status.UNKNOWN,
            "no configuration of kernel 6.1",
            id="unread",
        ),
        pytest.param({"kernel": Unread("?")}, Status.UNKNOWN, "?", id="kernel-unread"),
    ],
)
def test_verdict(host, policy, finding, known, status, reason):
    found = finding(CONTROL, host(**known), policy())
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)
