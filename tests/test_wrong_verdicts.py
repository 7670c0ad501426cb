"""What docker-bench-security 1.6.0 gets wrong, reproduced on real engines, and oakum must not.

Each case is a line of the reference on caveats; what is true of the host is given as facts.
"""

from dataclasses import replace

import pytest

from oakum.controls import controls
from oakum.facts import Read
from oakum.model import Status
from oakum.parts import Engine, Guarded, Listener

BY_ID = {control.id: control for control in controls()}

OPEN = b'{\n  "hosts": [\n    "fd://",\n    "tcp://0.0.0.0:2375"\n  ]\n}\n'
MUTUAL = b'{"hosts": ["fd://", "tcp://10.0.0.1:2376"], "tlsverify": true}'
HARDENED = {
    "default-ulimits": {
        "nofile": {"Name": "nofile", "Soft": 65536, "Hard": 65536},
        "core": {"Name": "core", "Soft": 0, "Hard": 0},
    },
    "icc": False,
    "live-restore": True,
    "no-new-privileges": True,
    "userland-proxy": False,
    "userns-remap": "default",
}


def test_hosts_on_several_lines_are_seen_by_the_socket(host, policy, finding):
    """It says that dockerd does not listen on TCP."""
    facts = host(config=OPEN, sockets=(Listener("0.0.0.0", 2375, "plain"),))
    found = finding(BY_ID["exposure"], facts, policy())
    assert found.status is Status.HELD
    assert "2375" in str(found.reason)


def test_a_socket_that_wants_a_certificate_is_no_exposure(host, policy, finding):
    """It warns of TCP without TLS where mutual TLS stands in daemon.json on one line."""
    facts = host(config=MUTUAL, sockets=(Listener("10.0.0.1", 2376, "verified"),))
    assert finding(BY_ID["exposure"], facts, policy()).status is Status.OK


@pytest.mark.parametrize(
    "control", ["icc", "userns-remap", "live-restore", "no-new-privileges", "userland-proxy"]
)
def test_what_is_written_and_not_active_does_not_pass(host, policy, finding, control):
    """It passes a hardened file although the daemon was never restarted."""
    facts = host(config=HARDENED, bridge_icc=True)
    facts = replace(facts, daemon_file=Read(replace(facts.daemon_file.value, changed=5000)))
    found = finding(BY_ID[control], facts, policy("strict"))
    assert found.status in (Status.DRIFT, Status.HELD)


def test_a_config_file_named_with_a_space_is_read(host, policy, finding):
    """It ignores ``--config-file PATH`` and warns of everything that stands there."""
    flags = {"host": ("fd://",), "config-file": ("/etc/dockerd.json",)}
    facts = host(
        config={"userland-proxy": False}, flags=flags, unit_flags=flags, info={"Swarm": {}}
    )
    assert finding(BY_ID["userland-proxy"], facts, policy()).status is Status.OK


def test_a_cgroup_parent_of_whatever_kind_does_not_pass(host, policy, finding):
    """It passes any ``cgroup-parent`` in the file."""
    facts = host(config={"cgroup-parent": "nothing.slice"}, info={"CgroupDriver": "systemd"})
    found = finding(BY_ID["resource-isolation"], facts, policy("strict"))
    assert found.status is not Status.OK


def test_a_data_root_that_is_mounted_on_itself_does_not_pass(host, policy, finding):
    """It passes by the mount point that dockerd itself makes."""
    root = "/var/lib/docker"
    same = (Guarded(root, 0o40710, device=1), Guarded(f"{root}/..", 0o40755, device=1))
    found = finding(BY_ID["data-root-filesystem"], host(guarded=same), policy())
    assert found.status is Status.HELD


def test_a_rules_file_without_auditctl_does_not_pass(host, policy, finding):
    """It passes by the text of a rules file."""
    found = finding(BY_ID["audit-rules"], host(audit=None), policy("strict"))
    assert found.status is Status.NOT_APPLICABLE
    assert "auditctl" in str(found.reason)


def test_an_engine_past_its_end_does_not_pass(host, policy, finding):
    """It passes every version, also 20.10 from Docker's own repository."""
    facts = host(engine="20.10.24")
    engine = facts.engine.value
    assert engine is not None
    docker = Engine(engine.version, engine.text, origin="docker-ce")
    found = finding(BY_ID["engine-support"], replace(facts, engine=Read(docker)), policy())
    assert found.status is Status.HELD
