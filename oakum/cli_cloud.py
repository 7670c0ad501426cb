"""The command that makes user-data; no host is contacted."""

from pathlib import Path
from typing import NoReturn

import click

from oakum import options


@click.command("cloud-init", cls=options.Command)
@click.argument("inventory")
@click.argument("host", required=False)
@click.option("--group", metavar="GROUP", help="For a host of this group that is not there yet.")
@options.policy
@click.option("--shell", is_flag=True, help="The shell script itself, for whatever runs it.")
@click.option("--gzip", is_flag=True, help="Compressed, as cloud-init takes it too.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it to a file.",
)
def cloud_init(
    inventory: str,
    host: str | None,
    group: str | None,
    policy: Path | None,
    shell: bool,
    gzip: bool,
    output: Path | None,
) -> NoReturn:
    """Print user-data with which a new host installs Docker, hardened before its first start.

    For HOST of INVENTORY, or for any host of a group. The host needs no control machine for it, and
    goes on after a reboot in the middle until it is done. No host is contacted now.

    \b
    Examples:
      oakum cloud-init inventories/example.py web-1.example -o user-data
      oakum cloud-init inventories/example.py --group web --gzip -o user-data.gz
    """
    from oakum.userdata import put

    put(inventory, host, group, policy=policy, shell=shell, gzip=gzip, output=output)
