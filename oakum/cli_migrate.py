"""``oakum migrate``: what ``apply`` holds for it would hide data, with the data carried over."""

from typing import Any, NoReturn

import click

from oakum import options, screen

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.command(context_settings=HELP)
@click.argument("kind", type=click.Choice(["userns-remap", "storage-driver"]))
@options.hosts
@options.policy
@click.option("--undo", is_flag=True, help="Back to the data of before.")
@click.option("--dry-run", is_flag=True, help="Count and show; change nothing.")
@click.option(
    "--yes-for",
    multiple=True,
    metavar="HOST",
    help="This host may be migrated; once for each host. Without it, each is asked for.",
)
@click.option(
    "--scratch",
    metavar="DIR",
    help="Folder on the hosts for the saved images.  [default: below /var/lib/oakum]",
)
@click.option("-y", "--yes", is_flag=True, hidden=True)
@options.output
@options.access
def migrate(kind: str, inventory: str, yes: bool, **given: Any) -> NoReturn:
    """Change the data root (userns-remap) or the storage driver of hosts that hold data.

    Counts first what is carried over and what is not, and wants a yes for each host: its
    containers stop, and oakum does not make them again. Images are saved and loaded, volumes
    copied, everything is compared; the former data stays, and --undo goes back to it. One host at
    a time. A migration that was cut off is finished by the same command.

    \b
    Examples:
      oakum migrate userns-remap inventories/local.py --dry-run
      oakum migrate userns-remap @local --yes-for @local
    """
    if yes:
        screen.refuse(
            "migrate wants a yes for each host, since the containers of each stop and have to be "
            "made again: --yes-for HOST"
        )
    if given["executor"] not in ("auto", "here"):
        screen.refuse("migrate visits one host after the other from this process: no --executor")
    scratch = given["scratch"]
    if scratch is not None and (
        not scratch.startswith("/") or "\n" in scratch or len(scratch) > 200
    ):
        screen.refuse(f"--scratch {scratch!r} is no absolute path on a host, such as /mnt/big")

    from oakum.migration import Request
    from oakum.runs import migrate

    migrate(inventory, given, Request(kind, given["undo"], scratch))
