"""A host's neighbours: who sends it work, and must not while it is changed.

The commands of its policy, its swarm, its Kubernetes cluster. What was begun is put back however
the change ended. A file on the host stands there meanwhile, so that the next run notices what a
killed one left.
"""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final, Protocol

from pyinfra.api.host import Host
from pyinfra.api.output import echo

from oakum.errand import Link, Trip, Trouble, here
from oakum.facts import AWAY, HostFacts
from oakum.kubernetes import Node
from oakum.model import Disruption, HostReport, Outcome, Plan, Step
from oakum.policy import Command, Policy, Where
from oakum.swarm import Swarm

MARK: Final = f"/var/lib/oakum/{AWAY}"

ANSWER: Final = 30
"""Seconds that the host has to write or remove its mark."""


class Neighbour(Protocol):
    """Who is told that a host leaves, and that it is back; each raises Trouble."""

    def leave(self) -> None: ...

    def back(self) -> None: ...


class Commands:
    """The commands of a policy as a neighbour; those after a change are told the ``outcome``."""

    def __init__(self, trip: Trip, link: Link) -> None:
        self.trip, self.link = trip, link
        self.outcome = Outcome.UNCHANGED

    def leave(self) -> None:
        """Run those before, in order. Raises Trouble at the first that fails."""
        for command in self.trip.policy.before:
            self._run("before", command, {})

    def back(self) -> None:
        """Run those after, all of them. Raises Trouble with all that failed."""
        failed = []
        for command in self.trip.policy.after:
            try:
                self._run("after", command, {"OAKUM_OUTCOME": str(self.outcome)})
            except Trouble as trouble:
                failed.append(str(trouble))
        if failed:
            raise Trouble("; ".join(failed))

    def _run(self, when: str, command: Command, told: dict[str, str]) -> None:
        trip, program = self.trip, command.run[0]
        told = {"OAKUM_HOST": trip.host.name, "OAKUM_TRANSACTION": trip.transaction, **told}
        try:
            if command.where is Where.CONTROLLER:
                said = here(command.run, command.limit, told)
            else:
                words = [f"{key}={value}" for key, value in told.items()]
                text = f"{shlex.join(['env', *words, *command.run])} </dev/null\n"
                said = self.link.run(text, command.limit, again=when == "after")
            said.expected(program)
        except Trouble as trouble:
            raise Trouble(f"{when}: {trouble}") from None
        trip.say(when, f"{program} on the {command.where}")  # an argument may be a secret


def around(
    host: Host,
    policy: Policy,
    facts: HostFacts,
    row: HostReport,
    *,
    begin: Callable[[], None],
    carry: Callable[[], HostReport],
) -> HostReport:
    """What ``carry`` makes of a host, with its neighbours told before and after.

    ``row`` holds the plan and the id of the transaction to come. ``begin`` is called before anybody
    is told, and may prevent it all by raising. Where a neighbour cannot let the host go, it is left
    alone: its row has failed, with the reason. Once they were told before, they are told
    afterwards, whatever came of it; what could not be put back is in the row's error, and the row
    has failed. A plan that does nothing on the host only puts back what a former run left.
    """
    if not policy.has_neighbours:
        begin()
        return carry()
    plan = row.plan or Plan(())
    drains = plan.disruption >= Disruption.RESTART
    steps: list[Step] = []

    def say(name: str, detail: str) -> None:
        steps.append(Step(name, detail))
        echo(f"{host.print_prefix}step {name} {detail}", err=True)  # as a transaction's steps are

    with ExitStack() as held:
        trip = Trip(host, policy, facts, row.transaction or "", say, held)
        link = trip.link(host)
        commands = Commands(trip, link)
        try:
            clusters = list(_clusters(trip)) if drains or plan.away else []
            for cluster in clusters if drains else []:
                if isinstance(cluster, Swarm):
                    cluster.ready()
        except Trouble as trouble:
            return _failed(row, f"left alone: {trouble}", steps)
        leaving: list[Neighbour] = [commands, *clusters] if drains else [commands]
        if plan.acts:
            begin()
        if not (clusters or policy.before or policy.after):
            return carry()
        if plan.acts:
            try:
                _mark(link, trip)
            except Trouble as trouble:
                return _failed(row, f"left alone: {trouble}", steps)
        done = _gone(leaving if plan.acts else [], row, carry, steps)
        commands.outcome = done.outcome or Outcome.FAILED
        faults = list(_put_back([*reversed(clusters), commands], link))
    return _with_faults(replace(done, steps=tuple(steps)), faults)


def _clusters(trip: Trip) -> Iterator[Swarm | Node]:
    for found in (Swarm.of(trip), Node.of(trip)):
        if found is not None:
            yield found


def _mark(link: Link, trip: Trip) -> None:
    """Note on the host that it is away. Raises Trouble."""
    folder, word = MARK.rpartition("/")[0], shlex.quote(trip.transaction)
    mark = f"umask 077 && mkdir -p {folder} && echo {word} >{MARK}\n"
    link.run(mark, ANSWER).expected(MARK)


def _gone(
    leaving: Sequence[Neighbour],
    row: HostReport,
    carry: Callable[[], HostReport],
    steps: list[Step],
) -> HostReport:
    """What became of a host while it was away; ``steps`` gets those of the change."""
    try:
        for neighbour in leaving:
            neighbour.leave()
        done = carry()
    except Trouble as trouble:
        return _failed(row, f"left alone: {trouble}", ())
    except Exception as error:  # whatever it was, the host has to be put back
        done = replace(row, outcome=Outcome.FAILED, error=f"{type(error).__name__}: {error}")
    steps += done.steps
    return done


def _put_back(party: Sequence[Neighbour], link: Link) -> Iterator[str]:
    """Put the host back among its neighbours; what could not be done. Then the mark stays."""
    faults = []
    for neighbour in party:
        try:
            neighbour.back()
        except Trouble as trouble:
            faults.append(str(trouble))
        except Exception as error:  # the others have to hear of it, too
            faults.append(f"{type(error).__name__}: {error}")
    if not faults:
        folder = MARK.rpartition("/")[0]
        unmark = f"rm -f {MARK}; rmdir {folder} 2>/dev/null; test ! -e {MARK}\n"
        try:
            link.run(unmark, ANSWER).expected(MARK)
        except Trouble as trouble:
            faults.append(f"its mark is left: {trouble}")
    yield from faults


def _failed(row: HostReport, error: str, steps: Sequence[Step]) -> HostReport:
    """The row of a host that nothing was done to."""
    return replace(row, outcome=Outcome.FAILED, error=error, transaction=None, steps=tuple(steps))


def _with_faults(row: HostReport, faults: Sequence[str]) -> HostReport:
    if not faults:
        return row
    words = f"not put back among its neighbours: {'; '.join(faults)}"
    outcome = row.outcome if row.outcome is Outcome.ROLLED_BACK else Outcome.FAILED
    return replace(row, outcome=outcome, error=f"{row.error}; {words}" if row.error else words)
