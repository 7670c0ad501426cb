"""The kernel has what Docker needs."""

from collections.abc import Iterator, Mapping
from typing import Final

from packaging.version import Version

from oakum.controls.base import Control, NotApplicable, Observed, require_engine
from oakum.facts import CannotTell, HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy

ALWAYS: Final = (
    *("NAMESPACES", "NET_NS", "PID_NS", "IPC_NS", "UTS_NS"),
    *("CGROUPS", "CGROUP_CPUACCT", "CGROUP_DEVICE", "CGROUP_FREEZER", "CGROUP_SCHED"),
    *("CPUSETS", "MEMCG", "KEYS", "VETH", "BRIDGE", "BRIDGE_NETFILTER"),
    *("NETFILTER_XT_MATCH_ADDRTYPE", "NETFILTER_XT_MATCH_CONNTRACK"),
    *("NETFILTER_XT_MATCH_IPVS", "NETFILTER_XT_MARK", "NF_NAT", "POSIX_MQUEUE"),
)
"""Generally necessary on every kernel (moby ``contrib/check-config.sh``)."""

LEGACY_TABLES: Final = (
    *("IP_NF_FILTER", "IP_NF_MANGLE", "IP_NF_NAT", "IP_NF_TARGET_MASQUERADE", "IP_NF_RAW"),
    *("IP6_NF_FILTER", "IP6_NF_MANGLE", "IP6_NF_NAT", "IP6_NF_TARGET_MASQUERADE", "IP6_NF_RAW"),
)
"""Necessary too, but where iptables speaks to nftables, which newer kernels are built for alone."""

NFTABLES: Final = ("NF_TABLES", "NFT_COMPAT")

BY_KERNEL: Final = (
    ("DEVPTS_MULTIPLE_INSTANCES", None, Version("4.8")),
    ("NF_NAT_IPV4", None, Version("5.2")),
    ("NF_NAT_NEEDED", None, Version("5.3")),
    ("CGROUP_BPF", Version("4.15"), None),
)
"""Options of some kernels only: from the first version, up to but not the second."""


def all_there(facts: HostFacts, policy: Policy) -> str:
    """None missing, wherever an engine uses the host's own kernel."""
    if require_engine(facts).origin == "desktop":
        raise NotApplicable("Docker Desktop: containers run on the kernel of its own machine")
    return "none missing"


def missing(facts: HostFacts, desired: Json) -> Iterator[str]:
    """The options that the kernel lacks, by name. Raises CannotTell."""
    config, kernel = facts.kernel_config.value, facts.kernel.value
    if "CGROUPS" not in config:
        raise CannotTell("the configuration of the kernel was not read as a whole")
    wanted = list(ALWAYS)
    if not all(config.get(option) for option in NFTABLES):
        wanted += LEGACY_TABLES
    for option, since, until in BY_KERNEL:
        if (since is None or kernel >= since) and (until is None or kernel < until):
            wanted.append(option)
    yield from (f"CONFIG_{option}" for option in wanted if not _has(config, option))


def _has(config: Mapping[str, bool], option: str) -> bool:
    return config.get(option, False)


CONTROL = Control(
    area=Area.HOST,
    id="kernel-options",
    title="The kernel has what Docker needs",
    why="Without one of these options dockerd does not start, containers do not, or a limit or a "
    "filter that was asked for is silently not there.",
    cost="Another kernel, and a reboot into it.",
    undo="Boot the former kernel.",
    severity=Severity.MEDIUM,
    refs={"seed": "cgroups"},
    sources=(
        "moby contrib/check-config.sh: what it calls generally necessary",
        "linux net/netfilter/Kconfig: NFT_COMPAT, xtables matches for nftables",
    ),
    setting=Observed(
        label="the configuration of the kernel",
        faults=missing,
        advice="boot a kernel that has them, such as the distribution's own",
    ),
    desired=all_there,
)
