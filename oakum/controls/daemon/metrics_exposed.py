"""The metrics of dockerd, which ask for no password, are not for the network."""

from collections.abc import Iterator
from ipaddress import ip_address

from oakum.controls.base import Control, Observed, require_engine
from oakum.controls.daemon_key import at_next_start, in_force
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy


def only_on_loopback(facts: HostFacts, policy: Policy) -> str:
    """What the host itself may see."""
    require_engine(facts)
    return "loopback"


def open_metrics(facts: HostFacts, desired: Json) -> Iterator[str]:
    """Where metrics are served to other hosts, and where the next start would serve them.

    A TCP socket of dockerd that is no API, no published port and no swarm's is that of its metrics,
    whatever its file says by now.
    """
    running = facts.dockerd.value is not None
    written = str(at_next_start(facts, "metrics-addr") or "")
    ports = (
        {_port(written), _port(str(in_force(facts, "metrics-addr") or ""))} if running else set()
    )
    serving = [
        socket
        for socket in facts.sockets.value
        if not socket.loopback and (socket.answer == "other" or str(socket.port) in ports)
    ]
    for socket in serving:
        yield f"metrics-addr {socket.where.removeprefix('tcp://')} answers everybody"
    if written and not serving and not _loopback(written):
        yield f"metrics-addr {written} answers everybody from the next start on"


def _port(address: str) -> str:
    return address.rpartition(":")[2]


def _loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


CONTROL = Control(
    area=Area.DAEMON,
    id="metrics-exposed",
    title="Metrics of dockerd are served on loopback alone",
    why="The metrics endpoint knows no password and no TLS. It tells the network how many "
    "containers run, which engine and kernel, and how often calls fail.",
    cost="Nothing changes.",
    undo="Nothing to undo.",
    severity=Severity.LOW,
    refs={"seed": "monitoring"},
    sources=(
        "moby daemon/command/metrics.go: plain HTTP on metrics-addr, without any authentication",
        "the kernel's /proc/PID/fd and /proc/PID/net/tcp",
    ),
    setting=Observed(
        label="metrics-addr of dockerd",
        faults=open_metrics,
        advice="set metrics-addr to 127.0.0.1:9323 and let the collector of the host ask there",
    ),
    desired=only_on_loopback,
)
