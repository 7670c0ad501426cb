"""dockerd may write the rules of the firewall that its networks need."""

from oakum.controls.base import ABSENT, Control, require_engine
from oakum.controls.daemon_guards import kubernetes_node, only_audited, unless_off
from oakum.controls.daemon_key import DaemonKey
from oakum.facts import HostFacts
from oakum.model import Area, Severity
from oakum.policy import Policy


def allowed(facts: HostFacts, policy: Policy) -> bool:
    """On, unless the policy leaves the control alone."""
    unless_off(policy, "iptables")
    require_engine(facts)
    return True


CONTROL = Control(
    area=Area.DAEMON,
    id="iptables",
    title="The firewall's rules are dockerd's to write",
    why="Without its rules containers are not masqueraded, every published port goes through a "
    "process, and nothing keeps one network from another.",
    cost="A restart of dockerd, which then writes chains of its own and may set the policy of "
    "FORWARD to DROP. Someone switched it off, often for a firewall of his own: that is why "
    "baseline only audits it.",
    undo='Set "iptables": false in daemon.json, restart dockerd and flush its chains.',
    severity=Severity.MEDIUM,
    refs={"cis-1.6": "2.4", "cis-1.7": "2.4", "cis-1.8": "2.4", "seed": "docker-defaults"},
    sources=(
        "moby daemon/libnetwork/drivers/bridge: what iptables=false leaves out",
        "moby daemon/config/config_linux.go: default true in every release",
    ),
    setting=DaemonKey(key="iptables", written=lambda desired: ABSENT),
    desired=allowed,
    parameter="iptables",
    guards=(only_audited("iptables"), kubernetes_node),
)
