"""Docker's API answers over TCP only to whoever shows a certificate that it knows."""

from collections.abc import Iterator
from typing import Final

from oakum.controls.base import Control, NotApplicable, Observed, require_engine
from oakum.facts import CannotTell, HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy

OPEN: Final = {
    "plain": "answers in plain text",
    "tls": "answers over TLS without asking for a certificate",
}
"""What is wrong with a socket, by what a client without a certificate found there."""

UNTOLD: Final = frozenset({"unasked", "unclear"})
"""Answers that leave it open whether the API is there, and for whom."""


def only_with_a_certificate(facts: HostFacts, policy: Policy) -> str:
    """The sockets of the process are what counts, so there has to be one."""
    require_engine(facts)
    if facts.dockerd.value is None:
        raise NotApplicable("dockerd does not run, so it listens nowhere")
    return "verified"


def open_sockets(facts: HostFacts, desired: Json) -> Iterator[str]:
    """The sockets where anybody is served. Raises CannotTell when none is, and one is unclear."""
    sockets = facts.sockets.value
    found = [socket for socket in sockets if socket.answer in OPEN]
    for socket in found:
        near = " to every local process" if socket.loopback else ""
        yield f"{socket.where} {OPEN[socket.answer]}{near}"
    for socket in sockets:
        if not found and socket.answer in UNTOLD:
            why = socket.reason or "it was not asked, for enough others were"
            raise CannotTell(f"{socket.where}: {why}")


CONTROL = Control(
    area=Area.DAEMON,
    id="exposure",
    title="The API over TCP wants a verified client certificate",
    why="Whoever reaches Docker's API without a certificate is root on the host: it starts a "
    "privileged container with the host's disk in it. Open ports 2375 are found within minutes.",
    cost="Nothing changes; each TCP socket of dockerd is asked for its version once or twice.",
    undo="Nothing to undo.",
    severity=Severity.HIGH,
    refs={"cis-1.6": "2.7", "cis-1.7": "2.7", "cis-1.8": "2.8", "seed": "exposure"},
    sources=(
        "the kernel's /proc/PID/fd and /proc/PID/net/tcp: what the living dockerd listens on",
        "moby daemon/command/daemon.go: --tls alone verifies clients unless --tlsverify=false",
        "docker-bench-security 2.7: wrong in both directions when it reads daemon.json",
    ),
    setting=Observed(
        label="TCP sockets of dockerd",
        faults=open_sockets,
        advice="take the tcp:// address away and reach the API by SSH, or set tlsverify with a CA",
    ),
    desired=only_with_a_certificate,
)
