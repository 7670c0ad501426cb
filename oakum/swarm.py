"""The node of a swarm, drained before its containers would stop, and active again afterwards.

What oakum drained carries the label ``oakum.away``, set in the same update: so a node that an
operator drained stays drained, and one that a killed run left drained is recognised.
Sources: moby ``api/types/swarm``, docker/cli ``cli/command/node/update.go`` and ``ps.go``; that a
swarm of N managers needs N // 2 + 1 of them is Raft's majority.
"""

import json
import re
import shlex
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

import gevent
from gevent.lock import BoundedSemaphore
from pyinfra.api.host import Host

from oakum.errand import Link, Said, Trip, Trouble
from oakum.facts import CannotTell, HostFacts

T = TypeVar("T")

LABEL: Final = "oakum.away"

ANSWER: Final = 30
"""Seconds that a manager has for one answer."""

BACK: Final = 90
"""Seconds until a node whose dockerd restarted is active and ready; its managers may elect first.
"""

_turns: Final[dict[str, BoundedSemaphore]] = defaultdict(lambda: BoundedSemaphore(1))
"""By a swarm's id: one node of it at a time, so that the others can take its tasks."""

_known: Final[dict[str, str]] = {}
"""Managers that were met: node id to inventory name."""

_searching: Final = BoundedSemaphore(1)

DOCKER: Final = """\
LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"
export LC_ALL PATH
unset DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_API_VERSION
"""
SELF: Final = "docker info --format '{{json .Swarm}}'"
NODES: Final = (
    "docker node inspect --format '{{json .}}' $(docker node ls --quiet --filter role=manager)"
)
TASKS: Final = "docker node ps --format '{{.CurrentState}}|{{.Name}}'"

_ENDED: Final = ("complete", "failed", "orphaned", "rejected", "remove", "shutdown")
"""States of a task that will not run again (moby ``TaskState``)."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node as a manager sees it; ``away`` is our label: a transaction and what the node was."""

    id: str
    availability: str
    ready: bool
    manager: bool
    reachable: bool
    away: str | None

    @property
    def former(self) -> str:
        """What a node that we drained was before."""
        return "pause" if (self.away or "").endswith(":pause") else "active"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a manager says of its swarm: its id, the node in question, the managers."""

    swarm: str
    node: Node
    managers: tuple[Node, ...]


def understood(lines: Sequence[str], node_id: str) -> Seen:
    """What a manager printed: its own ``.Swarm``, then one node a line.

    Raises:
        Trouble: it is no manager's answer, or knows no such node.
    """
    try:
        own, *rows = map(json.loads, filter(str.strip, lines))
        nodes = {row["ID"]: _node(row) for row in rows}
        swarm = str(own["Cluster"]["ID"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Trouble("docker node inspect printed no nodes") from None
    if node_id not in nodes:
        raise Trouble(f"no node {node_id} in that swarm")
    managers = tuple(node for node in nodes.values() if node.manager)
    return Seen(swarm, nodes[node_id], managers)


def _node(row: Any) -> Node:
    spec, manager = row["Spec"], row.get("ManagerStatus") or {}
    return Node(
        str(row["ID"]),
        str(spec["Availability"]),
        row["Status"]["State"] == "ready",
        spec["Role"] == "manager",
        manager.get("Reachability") == "reachable",
        (spec.get("Labels") or {}).get(LABEL),
    )


def quorum_lost(seen: Seen) -> str | None:
    """Why the swarm would lose its quorum while the node is away, or None.

    Managers that another run has away do not count. A single manager cannot be spared anyhow: the
    tasks of its workers run on, and nobody moves them until it is back.
    """
    total = len(seen.managers)
    if not seen.node.manager or total == 1:
        return None
    left = [
        other
        for other in seen.managers
        if other.id != seen.node.id and other.reachable and other.away is None
    ]
    needed = total // 2 + 1
    if len(left) >= needed:
        return None
    return f"without it {len(left)} of {total} managers would be left, and {needed} are needed"


def running_tasks(lines: Sequence[str]) -> list[str]:
    """The names of the tasks that ``docker node ps`` shows on a node and that have not ended."""
    rows = (line.partition("|") for line in lines if line.strip())
    return [name for state, _, name in rows if state.split()[0].lower() not in _ENDED]


def _wait(seen: Callable[[], T], limit: float) -> T:
    """Ask once a second until there is nothing more to wait for; what was left at the end."""
    deadline = time.monotonic() + limit
    while (found := seen()) and time.monotonic() < deadline:
        gevent.sleep(1)
    return found


class Swarm:
    """A host as the node of a swarm that is drained and made active again."""

    def __init__(self, trip: Trip, node_id: str) -> None:
        self.trip, self.node_id = trip, node_id
        self._manager: Link | None = None

    @classmethod
    def of(cls, trip: Trip) -> Self | None:
        """The node that a host is; None outside of a swarm. Raises Trouble."""
        if not trip.policy.drains_tasks:
            return None
        try:
            own = own_swarm(trip.facts)
        except CannotTell as why:
            raise Trouble(f"cannot tell whether it is a swarm node: {why}") from None
        state, node_id = own.get("LocalNodeState") or "inactive", own.get("NodeID")
        if state == "inactive":
            return None
        if state != "active" or not re.fullmatch("[a-z0-9]{10,40}", str(node_id)):
            raise Trouble(f"swarm node ({state}) without a say")
        return cls(trip, str(node_id))

    # Away and back ------------------------------------------------------------------------------

    def ready(self) -> None:
        """Wait for the node's turn, and until the other managers are a quorum. Raises Trouble."""
        turn = _turns[self._look().swarm]
        if not turn.acquire(blocking=False):
            self.trip.say("swarm", "waits for its turn: one node of a swarm at a time")
            turn.acquire()
        self.trip.held.callback(turn.release)
        why = _wait(lambda: quorum_lost(self._look()), self.trip.policy.swarm_limit)
        if why:
            raise Trouble(f"swarm: {why}")
        seen = self._look()
        if seen.node.manager and len(seen.managers) == 1:
            self.trip.say("swarm", "its only manager: nothing is scheduled until it is back")

    def leave(self) -> None:
        """Drain the node and wait until its tasks are gone. Raises Trouble."""
        node = self._look().node
        if node.away:
            self.trip.say("swarm", f"still drained by {node.away.partition(':')[0]}")
            if node.availability != "drain":
                self._update("--availability", "drain")
        elif node.availability == "drain":
            self.trip.say("swarm", "drained already by somebody else, and stays so")
        else:
            mark = f"{LABEL}={self.trip.transaction}:{node.availability}"
            self._update("--availability", "drain", "--label-add", mark)
            self.trip.say("swarm", "drained")
            # Somebody elsewhere may have begun with another manager at the same time.
            if why := quorum_lost(self._look()):
                raise Trouble(f"swarm: {why}")
        limit = self.trip.policy.swarm_limit
        if left := _wait(self._tasks, limit):
            names = ", ".join(left[:5])
            raise Trouble(f"swarm: {len(left)} tasks did not leave within {limit} s: {names}")
        self.trip.say("swarm", "no task is left on it")

    def back(self) -> None:
        """Make the node what it was, if oakum drained it, and wait until it is ready.

        Raises:
            Trouble: it is still drained, or not ready; what to do by hand.
        """
        last: str | None = None

        def undrained() -> str | None:
            nonlocal last
            try:
                node = self._look().node
                if node.away:
                    self._update("--availability", node.former, "--label-rm", LABEL)
                    last = node.former
                    return "not seen yet"
                return None if node.ready or not last else "not ready"
            except Trouble as trouble:
                return str(trouble)

        why = _wait(undrained, BACK)
        if why and last is None:
            raise Trouble(
                f"still drained in its swarm: {why}; on a manager run: docker node update "
                f"--availability active --label-rm {LABEL} {self.node_id}"
            )
        if why:
            raise Trouble(f"{last} in its swarm again, but not ready after {BACK} s: {why}")
        if last:
            self.trip.say("swarm", f"{last} again")

    # What a manager is asked --------------------------------------------------------------------

    def _look(self) -> Seen:
        said = self._ask(f"{SELF} && {NODES} {shlex.quote(self.node_id)}")
        return understood(said.expected("swarm"), self.node_id)

    def _tasks(self) -> list[str]:
        said = self._ask(f"{TASKS} {shlex.quote(self.node_id)}")
        return running_tasks(said.expected("swarm"))

    def _update(self, *options: str) -> None:
        command = shlex.join(["docker", "node", "update", *options, self.node_id])
        said = self._ask(f"{command} >/dev/null")
        if "out of sequence" in said.last:  # the node told of itself between its reading and this
            said = self._ask(f"{command} >/dev/null")
        said.expected("swarm")

    def _ask(self, command: str) -> Said:
        if self._manager is None:
            self._manager = self.trip.link(self._find())
        return self._manager.run(f"{DOCKER}{command}\n", ANSWER)

    def _find(self) -> Host:
        """The manager that is asked: the policy's, the host itself, or one in the inventory."""
        host, own = self.trip.host, own_swarm(self.trip.facts)
        inventory: Any = host.inventory  # untyped in pyinfra
        if name := self.trip.policy.swarm_manager:
            found: Host | None = inventory.get_host(name, None)
            if found is None:
                raise Trouble(f"oakum_swarm_manager: {name} is no host of the inventory")
            return found
        if own.get("ControlAvailable"):
            _known[self.node_id] = host.name
            return host
        managers = {row.get("NodeID") for row in own.get("RemoteManagers") or ()}
        deadline = time.monotonic() + self.trip.policy.swarm_limit
        with _searching:
            names = [_known[node] for node in managers if node in _known]
            known = [one for one in map(lambda name: inventory.get_host(name, None), names) if one]
            for other in (*known, *inventory):
                if time.monotonic() > deadline:
                    break
                if other.name != host.name and (node := _manages(other)) in managers:
                    _known[str(node)] = other.name
                    return other  # type: ignore[no-any-return]
        raise Trouble(
            "no manager of its swarm was found in the inventory; name one by oakum_swarm_manager"
        )


def own_swarm(facts: HostFacts) -> dict[str, Any]:
    """What a host says of its swarm. Raises CannotTell."""
    found: dict[str, Any] = facts.info.value.get("Swarm") or {}
    return found


def _manages(host: Host) -> str | None:
    """The node id of a manager; None of any other host, and of one that does not answer."""
    link = Link(host)
    try:
        own = json.loads("".join(link.run(f"{DOCKER}{SELF}\n", ANSWER).lines))
        return str(own["NodeID"]) if own["ControlAvailable"] else None
    except (Trouble, ValueError, KeyError, TypeError):
        return None
    finally:
        link.close()
