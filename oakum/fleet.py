"""The hosts of an inventory that are meant, ready to be visited: the only place that owns a pyinfra
State."""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from paramiko import Transport
from pyinfra.api.config import Config
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.output import set_echo
from pyinfra.api.state import State, StateStage
from pyinfra.connectors import util as connector_util
from pyinfra.context import ctx_state

from oakum.deploy import HARDEN, Road, policy_for
from oakum.known_hosts import indexed
from oakum.layers import Layer
from oakum.model import HostReport, Step
from oakum.policy import Policy, PolicyError
from oakum.probe import NoAnswer
from oakum.schedule import Member
from oakum.selection import load_inventory, select
from oakum.visit import Begin, Target, Task, visited

for talker in ("pyinfra", "paramiko"):
    # What they log belongs in rows; without a handler it would go to stderr.
    logging.getLogger(talker).addHandler(logging.NullHandler())

# paramiko wakes every open connection ten times a second to see whether it should close, which is a
# third of a core for 1,000 of them; closing does not wait for that, since it shuts the socket.
Transport._active_check_timeout = 5.0  # type: ignore[attr-defined]

PARALLEL: Final = 40
"""Hosts that are worked on at once, and so the most connections that are open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How hosts are reached, in pyinfra's words: ``override`` such as ``ssh_user``, and ``config``
    such as ``SUDO``."""

    override: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    parallel: int = PARALLEL


@dataclass(frozen=True, slots=True)
class Packed:
    """A host as another process needs it: pyinfra's words, data already merged, and its policy."""

    name: str
    groups: tuple[str, ...]
    connector: type
    data: Mapping[str, Any]
    policy: Policy


@dataclass(frozen=True, slots=True)
class Roster:
    """A fleet as it goes to another process."""

    hosts: tuple[Packed, ...]
    access: Access
    road: Road


Heard = Callable[[str, Step], None]
"""Told of each step of a transaction as soon as it is done: the host's name, and the step."""


class Fleet:
    """The hosts of an inventory that are meant, with their policies.

    Raises:
        SelectionError: no such inventory, or no host in it that ``limit`` means.
        PolicyError: a wrong ``oakum_*`` key, anywhere in the fleet.
    """

    def __init__(
        self,
        inventory: str,
        *,
        limit: Sequence[str] = (),
        below: Sequence[Layer] = (),
        above: Sequence[Layer] = (),
        access: Access | None = None,
        road: Road = HARDEN,
    ) -> None:
        access = access or Access()
        loaded = load_inventory(inventory, access.override)
        self._open(loaded, _targets(select(loaded, limit), below, above, road), access, road)

    def _open(
        self, inventory: Inventory, targets: Sequence[Target], access: Access, road: Road
    ) -> None:
        config = Config(**access.config)  # type: ignore[no-untyped-call]
        config.PARALLEL = access.parallel
        self.access = access
        self.road = road
        self.targets = {target.host.name: target for target in targets}
        self.state = State(inventory, config, check_for_changes=False)
        # pyinfra runs an operation at once when it is called in this stage, which is what lets
        # every host walk its road alone.
        self.state.set_stage(StateStage.Execute)
        self.state.is_executing = True

    @classmethod
    def unpacked(cls, roster: Roster) -> "Fleet":
        """The fleet that another process packed."""
        inventory = Inventory(([], {}))  # type: ignore[no-untyped-call]
        targets = []
        for packed in roster.hosts:
            host = Host(packed.name, inventory, list(packed.groups), packed.connector)
            inventory.hosts[packed.name] = host
            inventory.host_data[packed.name] = dict(packed.data)
            targets.append(Target(host, packed.policy, roster.road))
        fleet = cls.__new__(cls)
        fleet._open(inventory, targets, roster.access, roster.road)
        return fleet

    def packed(self) -> Roster:
        """This fleet for another process."""
        hosts = (
            Packed(name, target.groups, host.connector_cls, _data(host), target.policy)
            for name, target in self.targets.items()
            for host in [target.host]
        )
        return Roster(tuple(hosts), self.access, self.road)

    @property
    def profiles(self) -> str:
        """The names of the profiles in use, most often one."""
        return ", ".join(sorted({target.policy.profile for target in self.targets.values()}))

    def members(self, spread: str | None, rows: Mapping[str, HostReport]) -> list[Member]:
        """The hosts as a schedule sees them; ``rows`` are what is known of them already."""
        return [
            Member(
                name,
                target.groups,
                _domain(target.host, spread),
                *((row.plan.disruption,) if (row := rows.get(name)) and row.plan else ()),
            )
            for name, target in self.targets.items()
        ]

    def visit(self, task: Task, begin: Begin) -> HostReport:
        """Visit one host, in the greenlet that calls this; ``ready`` must be open."""
        target = self.targets[task.host]
        row = visited(target, task, begin)
        self.state.ops[target.host].clear()  # what it said is in the row; a fleet says a lot
        return row

    @contextmanager
    def ready(self, heard: Heard) -> Iterator[None]:
        """Hosts can be visited while this is open."""
        with _no_questions(), indexed(), self._streaming(heard):
            ctx_state.set(self.state)  # type: ignore[no-untyped-call]
            try:
                yield
            finally:
                ctx_state.reset()

    @contextmanager
    def _streaming(self, heard: Heard) -> Iterator[None]:
        """Hand on what transactions say while they say it; pyinfra echoes it behind its host."""
        said: set[tuple[str, str]] = set()  # what is followed a second time says all once more

        def echo(message: object = "", **how: object) -> None:
            found = re.match(r"\[(.*?)\] *(?:nested)? *step (.*)", str(message))
            if found and found[1] in self.targets and (found[1], found[2]) not in said:
                said.add((found[1], found[2]))
                step, _, detail = found[2].partition(" ")
                heard(found[1], Step(step, detail))

        set_echo(echo)
        self.state.print_output = True
        try:
            yield
        finally:
            set_echo(lambda *_, **__: None)


def _targets(
    hosts: Sequence[Host], below: Sequence[Layer], above: Sequence[Layer], road: Road
) -> list[Target]:
    targets: list[Target] = []
    problems: list[str] = []
    for host in hosts:
        try:
            targets.append(Target(host, policy_for(host, below, above), road))
        except PolicyError as error:
            problems += error.problems
    if problems:
        raise PolicyError(list(dict.fromkeys(problems)))
    return targets


def _data(host: Host) -> dict[str, Any]:
    """What the inventory says of a host, all layers of it laid on each other."""
    merged: dict[str, Any] = host.data.dict()  # type: ignore[no-untyped-call]
    return merged


def _domain(host: Host, spread: str | None) -> str | None:
    value: Any = host.data.get(spread) if spread else None
    return None if value is None else str(value)


@contextmanager
def _no_questions() -> Iterator[None]:
    """Nothing may ask for a password in the middle of a fleet."""

    def no_prompt(prompt: str = "", stream: TextIO | None = None) -> str:
        raise NoAnswer(
            "sudo wants a password: set _sudo_password in the inventory or use --same-sudo-password"
        )

    ask = connector_util.getpass  # type: ignore[attr-defined]
    connector_util.getpass = no_prompt  # type: ignore[attr-defined]
    try:
        yield
    finally:
        connector_util.getpass = ask  # type: ignore[attr-defined]
