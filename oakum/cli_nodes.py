"""Commands for new hosts."""

from typing import Any, NoReturn

import click

from oakum import options


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
