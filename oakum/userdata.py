"""User-data for a host or a group of an inventory: whose policy, and where the text goes."""

import datetime
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from pyinfra.api.exceptions import InventoryError
from pyinfra.api.host import Host
from pyinfra.connectors.ssh import SSHConnector

from oakum import __version__, cloud, cloud_config, options, screen
from oakum.controls import controls
from oakum.deploy import policy_for, waivers_of
from oakum.exit_codes import ExitCode
from oakum.inventory.keys import host_data
from oakum.inventory.sources import read
from oakum.policy import Mode, Policy, Waiver, nearest
from oakum.probe import script
from oakum.runs import complaining
from oakum.selection import SelectionError, load_inventory

NEW: Final = "new host"
"""What a host of a group is called as long as it is none."""

NEIGHBOURS: Final = ("before", "after", "kubernetes", "swarm")
"""Settings about others than the host, who are told by oakum alone."""


def put(
    inventory: str,
    host: str | None,
    group: str | None,
    *,
    policy: Path | None,
    shell: bool,
    gzip: bool,
    output: Path | None,
) -> NoReturn:
    """Write the user-data of a host, or of any host of a group, and end."""
    if (host is None) == (group is None):
        screen.refuse("give a HOST of the inventory, or --group for one that is not there yet")
    if gzip and output is None and sys.stdout.isatty():
        screen.refuse("--gzip prints bytes that a terminal cannot show; use -o FILE")
    today = datetime.datetime.now(datetime.UTC).date()
    with complaining():
        wanted, notes = _policy(inventory, host, group, policy, today)
    for note in notes:
        screen.complain(note)
    whom = f"group {group}" if host is None else f"host {host}"
    head = (
        f"oakum {__version__}: installs Docker, hardened before its first start.\n"
        f"For {whom}, profile {wanted.profile}. Run again, it completes what was cut off."
    )
    try:
        text = cloud.script(wanted, controls(), today, script, head)
        small = cloud.script(
            wanted, controls(), today, lambda name: cloud_config.dense(script(name), wanted), head
        )
    except cloud.Impossible as error:
        screen.refuse(str(error))
    if not shell:
        text, small = cloud_config.user_data(text, head), cloud_config.user_data(small, head)
    plain, packed = text.encode(), cloud_config.packed(small)
    _say_size(len(plain), len(packed), gzip=gzip)
    content = packed if gzip else plain
    try:
        if output is None:
            sys.stdout.buffer.write(content)
        else:
            output.write_bytes(content)
    except OSError as error:
        screen.refuse(f"{output or 'stdout'}: {error.strerror}")
    sys.exit(ExitCode.OK)


def _say_size(plain: int, small: int, *, gzip: bool) -> None:
    size = small if gzip else plain
    if size <= cloud_config.LIMIT:
        return
    way = "" if gzip else f"; with --gzip it has {small:,}"
    limits = f"Amazon EC2 takes {cloud_config.LIMIT:,} of user-data, others 32 to 256 kB"
    screen.complain(f"{size:,} bytes, and {limits}{way}")


def _policy(
    inventory: str, name: str | None, group: str | None, file: Path | None, today: datetime.date
) -> tuple[Policy, list[str]]:
    """The policy, and what of it does not apply.

    Raises:
        SelectionError: no such inventory, host or group.
        PolicyError: a wrong key, value or control.
    """
    loaded: Any = load_inventory(inventory, {})  # untyped in pyinfra
    below, _ = options.layers_of({"policy": file})
    host = _known(loaded, inventory, name) if group is None else _new(loaded, inventory, group)
    policy = policy_for(host, below)
    return policy, [*_notes(policy, waivers_of(host, below), today)]


def _known(loaded: Any, inventory: str, name: str | None) -> Host:
    if name not in loaded.hosts:
        near = nearest(str(name), list(loaded.hosts)[:50])
        raise SelectionError(
            f"{name}: is no host of {inventory}{near}; for one that is not there use --group"
        )
    found: Host = loaded.hosts[name]
    return found


def _new(loaded: Any, inventory: str, group: str) -> Host:
    """A host of that group, and of those that its hosts are in anyway, without data of its own."""
    connector, _, path = inventory.partition("/")
    groups, data = [group], {}
    if connector == "@ansible":
        try:
            newcomer = read(path, (NEW, group))[-1]
        except InventoryError as error:
            raise SelectionError(f"--group: {error}") from None
        groups, data = [*newcomer.groups], host_data(NEW, newcomer.said)
    elif inventory.startswith("@"):
        raise SelectionError(
            f"--group: what the groups of {connector} hold is known of their hosts alone; "
            "name a HOST whose policy the new one shall have"
        )
    elif group not in (known := {*loaded.groups, *loaded.group_data}):
        raise SelectionError(f"--group {group}: is no group{nearest(group, sorted(known))}")
    elif len(loaded.groups.get(file := Path(inventory).stem, ())) == len(loaded) and file != group:
        groups.append(file)  # pyinfra puts every host of a file into a group of the file's name
    loaded.host_data[NEW] = data
    return Host(NEW, loaded, groups, SSHConnector)


def _notes(policy: Policy, said: Sequence[Waiver], today: datetime.date) -> Iterator[str]:
    """What somebody may count on, and does not get at the first boot."""
    for waiver in said:
        if waiver not in policy.waivers:
            yield f"the waiver of {waiver.control} ({waiver.owner}) is for others, and not applied"
    for waiver in policy.waivers:
        whose = f"{waiver.control} ({waiver.owner})"
        if waiver.until < today:
            yield f"the waiver of {whose} ended on {waiver.until}, and counts no more"
        else:
            yield f"waived until {waiver.until}, so not set: {whose}"
    told = [name for name in NEIGHBOURS if name != "swarm" and getattr(policy, name)]
    if policy.drains_tasks:
        told.append("swarm")
    if told:
        names = ", ".join(f"oakum_{name}" for name in told)
        yield f"{names}: oakum on a control machine does that, and a first boot does not"
    if policy.audit_rules is Mode.ENFORCE:
        yield "oakum_audit_rules: where auditd is installed, the first oakum apply sets them"
