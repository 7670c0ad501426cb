"""The shadow boot: what dockerd would not start under is refused before anything is swapped, in
dockerd's own words, and the real engine and its host notice nothing of the trial."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from .guest import BUSY_DAEMON_JSON, DAEMON_JSON
from .handmade import carry_out, command_for
from .hosts import Lab, LabHost

# All that a dockerd could leave behind on a host; files of ours are elsewhere, and of no interest.
TRACES = r"""
find /etc -xdev -type f ! -name '*.oakum-*' ! -name 'oakum-recover.service' \
    -exec sha256sum {} + | sort
echo == && find /etc -xdev ! -name '*oakum*' -printf '%p %y %m %U:%G\n' | sort
echo == && iptables-save | sed '/^#/d; s/\[.*\]//'
echo == && ip6tables-save | sed '/^#/d; s/\[.*\]//'
echo == && cut -d ' ' -f 1-3 /proc/mounts
echo == && find /var/lib/docker -printf '%p %y %m %s\n' | sort
echo == && find /run -printf '%p %y %m\n' | grep -v -e oakum -e /run/systemd/ -e /run/motd | sort
echo == && ls /sys/class/net /sys/fs/cgroup/pids
echo == && pgrep -x dockerd && cut -d ' ' -f 22 /proc/$(pgrep -x dockerd)/stat
echo == && pgrep -x containerd
"""


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[LabHost]:
    host = lab.host()
    host.busy()
    host.write("/etc/oakum-lab-host", "")
    yield host
    host.remove()


def traces(host: LabHost) -> list[str]:
    return host.run("sh -s", stdin=TRACES).stdout.splitlines()


def difference(before: list[str], after: list[str]) -> list[str]:
    return [f"- {line}" for line in before if line not in after] + [
        f"+ {line}" for line in after if line not in before
    ]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        pytest.param(
            {"seccomp-profile": "/etc/docker/gone.json"},
            r"opening seccomp profile \(/etc/docker/gone.json\) failed",
            id="missing-seccomp-file",
        ),
        pytest.param(
            {"authorization-plugins": ["gone"]},
            r"Unable to locate plugin: gone",
            id="missing-authz-plugin",
        ),
        pytest.param(
            {"storage-driver": "zfs"},
            r"(error initializing graphdriver|driver not supported|prerequisites)",
            id="unsupported-storage-driver",
        ),
        pytest.param(
            {"storage-driver": "overlay2", "storage-opts": ["dm.basesize=20G"]},
            r"overlay2: unknown option dm.basesize",
            id="dm.basesize-with-overlay2",
        ),
        pytest.param(
            {"log-driver": "json-file", "log-opts": {"max-seize": "10m"}},
            r"unknown log opt 'max-seize' for json-file log driver",
            id="unknown-log-opt",
        ),
        pytest.param({"bip": "10.1.2.0/33"}, r"invalid CIDR address: 10.1.2.0/33", id="bad-bip"),
        pytest.param(
            {"default-address-pools": [{"base": "10.7.0.0/16", "size": 8}]},
            r"(invalid|failed).*pool",
            id="bad-pool",
        ),
        pytest.param(
            {"iptables": False, "icc": False},
            r"You specified --iptables=false with --icc=false",
            id="iptables-false-with-icc-false",
        ),
    ],
)
def test_refused_in_dockerds_own_words(
    host: LabHost, settings: dict[str, Any], reason: str
) -> None:
    before, pids = traces(host), host.running()
    done = carry_out(host, {"live-restore": True, **settings})
    assert done.code == 1, done
    (said,) = [line for line in done.err.splitlines() if line.startswith("refused: ")]
    assert re.search(reason, said), said
    assert "step swap" not in done.out
    assert host.read(DAEMON_JSON).decode() == BUSY_DAEMON_JSON
    assert host.running() == pids
    assert difference(before, traces(host)) == []


def test_a_good_one_leaves_no_trace_either(host: LabHost) -> None:
    """The trial of a user namespace, for which a dockerd adds a user to the host it runs on."""
    before, pids = traces(host), host.running()
    done = carry_out(host, {"userns-remap": "default"}, crash="shadowed:kill")
    assert "step preflight shadow boot answered" in done.out, done
    assert done.code == 1, done
    assert difference(before, traces(host)) == []
    assert host.running() == pids


def test_how_long_it_takes(host: LabHost, figures: dict[str, str]) -> None:
    """From one step to the next, as they arrive; the transaction is then ended."""
    settings = {"live-restore": True, "userland-proxy": False}
    text = f"export OAKUM_CRASH=shadowed:kill\n{command_for(host, settings)}"
    arrived: dict[str, float] = {}
    with subprocess.Popen(
        [*host.ssh_argv(), "--", text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        assert running.stdout
        for line in running.stdout:
            arrived[" ".join(line.split()[:2])] = time.monotonic()
    took = arrived["step preflight"] - arrived["step stage"]
    figures["shadow boot"] = f"validation and shadow boot together took {took:.1f} s"
    assert took < 20, "a bound for the slowest machine; what is wanted is 5 s"
