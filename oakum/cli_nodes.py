"""Commands for hosts and their engines as they come and go."""

import re
from pathlib import Path
from typing import Any, NoReturn

import click

from oakum import options, screen
from oakum.model import Severity


@click.command(cls=options.Command)
@options.selection
@options.output
@options.fail_on("never")
@options.access
@options.rollout
@options.asking
def bootstrap(inventory: str, yes: bool, **given: Any) -> NoReturn:
    """Install Docker on the hosts of INVENTORY, hardened before its first start.

    Shows the plan and asks first, unless --yes. The engine comes from the distribution, or from
    where oakum_engine says; it is kept from starting until its files are in place. What fails or is
    cut off leaves it kept so, and the same command goes on. A host whose Docker runs already is
    left alone: apply is for those.

    \b
    Examples:
      oakum bootstrap new-1,new-2 --policy policy.yml
      oakum bootstrap inventories/local.py --limit new --yes
    """
    from oakum.deploy import BOOTSTRAP
    from oakum.runs import run

    run("bootstrap", inventory, given, yes=yes, road=BOOTSTRAP)


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


def _release(ctx: click.Context, param: click.Parameter, value: str) -> str:
    from oakum.engine.upgrade import target

    if not re.fullmatch(r"\d{1,2}(\.\d{1,2}){0,2}", value):
        raise click.BadParameter(f"{value!r} is no release of Docker, such as 28 or 28.5.1")
    try:
        target(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return value


@click.command(cls=options.Command)
@options.hosts
@options.policy
@click.option(
    "--to",
    required=True,
    metavar="VERSION",
    callback=_release,
    help="The release of Docker, or of a series the newest that the host's repositories have.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="KEY",
    help="Write this key of daemon.json with its former default, which the release moves.",
)
@options.output
@options.access
@options.rollout
@options.asking
def upgrade(inventory: str, to: str, keep: tuple[str, ...], yes: bool, **given: Any) -> NoReturn:
    """Upgrade Docker on the hosts of INVENTORY by their own package manager.

    Shows packages, keys of daemon.json, defaults that move and containers that stop, and asks
    first, unless --yes. The former packages are kept until the new engine was seen to work; what
    fails or is cut off gets them back. A host that is no older already is left alone.

    \b
    Examples:
      oakum upgrade @local --to 28 --max-disruption outage
      oakum upgrade inventories/local.py --to 28.5.1 --canary 1 --batch 10%
    """
    from oakum.deploy import upgrading_to
    from oakum.runs import run
    from oakum.upgrading import Wanted

    given |= {"fail_on": Severity.LOW, "to": to, "keep": keep}
    road = upgrading_to(Wanted(to, tuple(dict.fromkeys(keep))))
    run("upgrade", inventory, given, yes=yes, road=road)


@click.command(cls=options.Command)
@click.argument("kind", type=click.Choice(["userns-remap", "storage-driver"]))
@options.hosts
@options.policy
@click.option("--undo", is_flag=True, help="Back to the data of before.")
@options.dry_run
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
