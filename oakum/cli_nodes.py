"""Commands for hosts and their engines as they come and go."""

import re
from typing import Any, NoReturn

import click

from oakum import options
from oakum.model import Severity


@click.command(cls=options.Command)
@options.selection
@options.output
@options.fail_on("never")
@options.access
@options.rollout
@click.option("-y", "--yes", is_flag=True, help="Do not ask before changing.")
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
@click.option("-y", "--yes", is_flag=True, help="Do not ask before changing.")
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
