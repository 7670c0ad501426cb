"""Which hosts are meant: an inventory's name and ``--limit`` in, pyinfra hosts out."""

import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pyinfra.api.exceptions import InventoryError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.context import ctx_state

from oakum.policy import nearest

_ANSIBLE: Final = (".yml", ".yaml", ".ini", ".json")
"""How files end that pyinfra would take for the name of a host, and Ansible for an inventory."""


class SelectionError(Exception):
    """The inventory or the selection is wrong; nothing was contacted."""


class EmptySelection(SelectionError):
    """The inventory is there, but no host of it is meant."""


def load_inventory(name: str, override: Mapping[str, Any]) -> Inventory:
    """The inventory that pyinfra makes of ``name``.

    Raises:
        SelectionError: nothing of that name, or the file is wrong.
    """
    # Here, for it patches gevent as it is imported, which a Dask worker could not bear.
    from pyinfra_cli.inventory import make_inventory

    looks_like_a_file = name.endswith(".py") or ("/" in name and not name.startswith("@"))
    if name.endswith(_ANSIBLE) and not name.startswith("@"):
        raise SelectionError(f"{name}: for an Ansible inventory write @ansible/{name}")
    if looks_like_a_file and not Path(name).is_file():
        raise SelectionError(f"{name}: no such inventory file")
    try:
        with ctx_state.use(State()):
            inventory: Inventory = make_inventory(
                name, override_data=dict(override), cwd=str(Path.cwd())
            )
    except (Exception, SystemExit) as error:  # an inventory file may raise whatever it likes
        cause = getattr(error, "exception", error)  # pyinfra wraps what a file raises
        kind = "" if isinstance(cause, InventoryError) else f"{type(cause).__name__}: "
        raise SelectionError(f"{name}: {kind}{cause}") from error
    finally:
        ctx_state.reset()
    if not len(inventory):
        raise EmptySelection(
            f"{name}: no hosts; an inventory is a .py file, host1,host2, @ansible/PATH, or a "
            "connector like @local"
        )
    return inventory


def select(inventory: Inventory, limit: Sequence[str]) -> list[Host]:
    """The hosts that ``limit`` names by group, name or pattern, in inventory order; all without.

    Raises:
        EmptySelection: a word of ``limit`` means no host.
    """
    if not limit:
        return list(inventory)
    chosen: set[str] = set()
    for word in (part for item in limit for part in item.split(",")):
        members = {host.name for host in inventory.groups.get(word, ())}
        found = members or {h.name for h in inventory if fnmatch.fnmatch(h.name, word)}
        if not found:
            known = [*inventory.groups, *(host.name for host in inventory)]
            raise EmptySelection(f"--limit {word}: means no host{nearest(word, known[:50])}")
        chosen |= found
    return [host for host in inventory if host.name in chosen]
