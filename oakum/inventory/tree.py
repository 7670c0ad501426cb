"""Groups and hosts while an inventory is read, and whose variable wins.

A host's variables lie on each other, the last one wins: of ``all`` in the sources, of its other
groups there, of ``group_vars/all``, of ``group_vars/`` of its other groups, of the host in the
sources, of ``host_vars/``. Groups are in order of depth, ``ansible_group_priority``, and name.
"""

import graphlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyinfra.api.exceptions import InventoryError

from oakum.inventory.values import Said, beside, kind


@dataclass
class Group:
    """What one group holds itself; ``hosts`` and ``children`` in the order in which they came."""

    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    said: dict[str, Said] = field(default_factory=dict)
    priority: int = 1


@dataclass(frozen=True, slots=True)
class ResolvedHost:
    """A host, all its groups but ``all``, lowest first, and its variables."""

    name: str
    groups: tuple[str, ...]
    said: Mapping[str, Said]


class Tree:
    """An inventory while its sources are read."""

    def __init__(self) -> None:
        self.groups = {"all": Group(), "ungrouped": Group()}
        self.hosts: dict[str, dict[str, Said]] = {}

    def add_group(self, name: Any, place: str) -> str:
        """The name of a group that is there now."""
        self.groups.setdefault(_name(name, "group", place), Group())
        return str(name)

    def add_child(self, parent: str, child: str, place: str) -> None:
        """Put a group into a group; both are there."""
        if child in (parent, "all") or parent in self._below(child):
            raise InventoryError(f"{place}: group {child} in group {parent} would hold itself")
        self.groups[parent].children[child] = None

    def add_host(self, name: Any, group: str | None, place: str, port: int | None = None) -> None:
        """Put a host into a group; ``port`` counts where the host was not known before."""
        if _name(name, "host", place) not in self.hosts:
            self.hosts[name] = {} if port is None else {"ansible_port": Said(port, place)}
        if group is not None:
            self.groups[group].hosts[name] = None

    def say(self, name: str, said: Mapping[str, Said]) -> None:
        """Set variables of the group, else the host, of that name, as Ansible looks for it."""
        if name not in self.groups:
            self.hosts[name] |= said
            return
        group = self.groups[name]
        group.said |= {key: row for key, row in said.items() if key != "ansible_group_priority"}
        if priority := said.get("ansible_group_priority"):
            try:
                group.priority = int(priority.value)
            except (TypeError, ValueError):
                raise InventoryError(
                    f"{priority.place}: ansible_group_priority of group {name}: expected a number, "
                    f"found {kind(priority.value)}"
                ) from None

    def resolved(self, folder: Path | None) -> Iterator[ResolvedHost]:
        """Every host in the order of its first mention; ``folder`` holds group_vars and host_vars.

        Raises:
            InventoryError: a file in there is wrong.
        """
        files = {name: beside(folder / "group_vars", name) for name in self.groups if folder}
        for name, groups in self._memberships():
            said = dict(self.groups["all"].said)
            for group in groups:
                said |= self.groups[group].said
            for group in ("all", *groups):
                said |= files.get(group, {})
            said |= self.hosts[name]
            said |= beside(folder / "host_vars", name) if folder else {}
            yield ResolvedHost(name, groups, said)

    def _below(self, name: str) -> set[str]:
        found: set[str] = set()
        waiting = [name]
        while waiting:
            children = self.groups[waiting.pop()].children.keys() - found
            found |= children
            waiting += children
        return found

    def _memberships(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Every host with all its groups but ``all``, lowest first."""
        parents: dict[str, set[str]] = {name: set() for name in self.groups if name != "all"}
        for name, group in self.groups.items():
            for child in group.children if name != "all" else ():
                parents[child].add(name)
        depth: dict[str, int] = {}
        above: dict[str, set[str]] = {}
        for name in graphlib.TopologicalSorter(parents).static_order():
            depth[name] = 1 + max((depth[parent] for parent in parents[name]), default=0)
            above[name] = {name}.union(*(above[parent] for parent in parents[name]))
        found: dict[str, set[str]] = {name: set() for name in self.hosts}
        for name in parents:
            for host in self.groups[name].hosts:
                found[host] |= above[name]

        def rank(name: str) -> tuple[int, int, str]:
            return depth[name], self.groups[name].priority, name

        for host, names in found.items():
            yield host, tuple(sorted(names - {"ungrouped"} or {"ungrouped"}, key=rank))


def _name(name: Any, what: str, place: str) -> str:
    if not isinstance(name, str) or not name:
        raise InventoryError(f"{place}: {name!r} is no name of a {what}; quote it")
    return name
