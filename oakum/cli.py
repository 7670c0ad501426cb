"""The command line: arguments in, a report on stdout, an exit code. Talk goes to stderr.

pyinfra, rich and jinja2 are imported where they are used, so that --help answers at once.
"""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import click

from oakum import __version__, cli_nodes, cli_reconcile, options, screen
from oakum.model import Severity

if TYPE_CHECKING:
    from oakum.deploy import Road


class _Sections(click.Group):
    """A group whose bare call says what a newcomer needs."""

    command_class = options.Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        hosts = ["audit", "plan", "apply", "bootstrap", "cloud-init", "upgrade", "migrate"]
        rest = ["rollback", "history", "waivers", "reconcile"]
        return [*hosts, *rest, "controls", "explain", "schema", "completion"]


@click.group(
    cls=_Sections,
    invoke_without_command=True,
    context_settings=options.HELP,
)
@click.version_option(__version__, prog_name="oakum", message="%(prog)s %(version)s")
@click.pass_context
def oakum(ctx: click.Context) -> None:
    """Make fleets of Docker hosts safe to run in production.

    \b
    Examples:
      oakum plan @local
      oakum apply inventories/local.py

    \b
    Exit codes: 0 nothing to say, or all applied and verified · 1 drift or held · 2 usage error ·
    3 could not tell · 4 applying failed on some host · 130 interrupted
    """
    if ctx.invoked_subcommand is None:
        click.echo(
            "The three commands to begin with:\n\n"
            "  oakum audit @local    how this machine stands; reads, changes nothing\n"
            "  oakum plan @local     what hardening it would change, as a diff\n"
            "  oakum apply @local    make the change, and verify it\n\n"
            "@local is this machine; host1,host2 or an inventory file reaches others by SSH.\n"
            "oakum --help names the rest."
        )


@oakum.command()
@options.selection
@options.output
@options.fail_on("low")
@options.for_engine
@options.access
def audit(inventory: str, **given: Any) -> NoReturn:
    """Say how the hosts of INVENTORY stand. Reads, changes nothing.

    \b
    Examples:
      oakum audit @local
      oakum audit @local --only seccomp,live-restore --format json
    """
    _run("audit", inventory, given)


@oakum.command()
@options.selection
@options.output
@options.fail_on("low")
@options.for_engine
@options.max_disruption
@options.access
def plan(inventory: str, **given: Any) -> NoReturn:
    """Show what apply would change on the hosts of INVENTORY, what it costs, and whom it hits.

    \b
    Examples:
      oakum plan @local
      oakum plan inventories/local.py --fail-on high -o plan.txt
    """
    _run("plan", inventory, given)


@oakum.command()
@options.selection
@options.output
@options.fail_on("never")
@options.access
@options.rollout
@options.asking
def apply(inventory: str, yes: bool, **given: Any) -> NoReturn:
    """Change the hosts of INVENTORY to their policy, and verify it by reading them again.

    Shows the plan and asks first, unless --yes. A host that cannot take the change gets its former
    files back. Drift that is left afterwards ends in exit code 1, whatever --fail-on says; held
    findings do so from --fail-on on.

    \b
    Examples:
      oakum apply @local
      oakum apply inventories/local.py --skip userland-proxy --yes
    """
    _run("apply", inventory, given, yes=yes)


def _transaction_id(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    from oakum.ledger import ID

    if value and not re.fullmatch(ID, value):
        raise click.BadParameter(f"{value!r} is no transaction; oakum history lists them")
    return value


@oakum.command()
@options.hosts
@options.policy
@click.option("--to", metavar="ID", callback=_transaction_id, help="Back to where ID left a host.")
@click.option("--all", "everything", is_flag=True, help="Take back everything of ours.")
@options.output
@options.access
@options.rollout
@options.asking
def rollback(inventory: str, to: str | None, everything: bool, yes: bool, **given: Any) -> NoReturn:
    """Take back the last change that apply made on the hosts of INVENTORY, or more of them.

    Shows what comes back, what it costs and whom it hits, and asks first, unless --yes. What
    somebody else changed since stays; where that cannot be told apart, the host is left alone, and
    the exit code is 1. Packages that were installed stay.

    \b
    Examples:
      oakum rollback @local
      oakum rollback inventories/local.py --all --yes
    """
    from oakum.deploy import rolling_back
    from oakum.undo import Selection

    if to and everything:
        screen.refuse("--to and --all mean different things; give one of them")
    road = rolling_back(Selection(to, everything))
    given |= {"fail_on": Severity.LOW, "to": to, "everything": everything}
    _run("rollback", inventory, given, yes=yes, road=road)


@oakum.command()
@options.hosts
@options.output
@options.access
def history(inventory: str, **given: Any) -> NoReturn:
    """List who changed what on the hosts of INVENTORY, when, from which plan, and how it ended.

    \b
    Examples:
      oakum history @local
      oakum history inventories/local.py --format json
    """
    from oakum.runs import history

    history(inventory, given)


@oakum.command()
@options.hosts
@options.policy
@options.report
def waivers(inventory: str, **given: Any) -> NoReturn:
    """List the waivers of INVENTORY: whom each is for, by whom, why, and its days left.

    No host is contacted. Exit 1 where one has ended: its control counts as drift again.

    \b
    Examples:
      oakum waivers inventories/local.py
      oakum waivers inventories/local.py --format json
    """
    from oakum.runs import waivers

    waivers(inventory, given)


def _run(
    command: str,
    inventory: str,
    given: Mapping[str, Any],
    *,
    yes: bool = True,
    road: "Road | None" = None,
) -> NoReturn:
    from oakum.runs import run

    run(command, inventory, given, yes=yes, road=road)


# What other processes of a run are started as ---------------------------------------------------


@oakum.command(hidden=True)
def worker() -> None:
    """Visit hosts for another oakum; see oakum.crew."""
    from oakum.worker import work

    work()


@oakum.command(hidden=True)
@click.argument("address")
def bridge(address: str) -> None:
    """Visit hosts by the Dask cluster at ADDRESS for another oakum; see oakum.crew."""
    from oakum.worker import bridge

    bridge(address)


for command in (
    cli_nodes.bootstrap,
    cli_nodes.cloud_init,
    cli_nodes.upgrade,
    cli_nodes.migrate,
    cli_reconcile.reconcile,
):
    oakum.add_command(command)


# What needs no host ------------------------------------------------------------------------------


@oakum.command("controls")
@click.option(
    "--format", "form", type=click.Choice(options.FORMATS), default="text", show_default=True
)
def list_controls(form: str) -> None:
    """List the controls: what should be so, how much it matters, where it lives.

    \b
    Examples:
      oakum controls
      oakum controls --format json
    """
    from oakum.controls import controls

    if form == "json":
        rows = [
            {
                "id": control.id,
                "title": control.title,
                "severity": control.severity,
                "setting": control.setting.label,
                "refs": dict(control.refs),
            }
            for control in controls()
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    wide = max(len(control.id) for control in controls())
    for control in controls():
        click.echo(f"{control.id:{wide}}  {control.severity:6}  {control.title}")


def _control_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from oakum.controls import controls

    return [control.id for control in controls() if control.id.startswith(incomplete)]


@oakum.command()
@click.argument("control", shell_complete=_control_ids)
def explain(control: str) -> None:
    """Explain one CONTROL: why, what it costs, when it is held, how to undo it, sources.

    \b
    Examples:
      oakum explain userland-proxy
      oakum explain entropy
    """
    from oakum.controls import controls
    from oakum.policy import nearest
    from oakum.render import render

    known = {found.id: found for found in controls()}
    if control not in known:
        screen.refuse(f"{control!r} is no control{nearest(control, known)}")
    click.echo(render("control.md.j2", control=known[control]), nl=False)


@oakum.command()
@click.argument("name", type=click.Choice(["report", "history", "policy"]))
def schema(name: str) -> None:
    """Print the JSON Schema of the report (--format json), of a history or of a --policy file.

    \b
    Examples:
      oakum schema report
      oakum schema policy
    """
    if name == "report":
        from oakum.report.schema import report_schema

        found = report_schema()
    elif name == "history":
        from oakum.report.schema import history_schema

        found = history_schema()
    else:
        from oakum.layers import policy_schema

        found = policy_schema()
    click.echo(json.dumps(found, indent=2))


@oakum.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a SHELL.

    \b
    Examples:
      oakum completion bash > ~/.local/share/bash-completion/completions/oakum
      oakum completion zsh > ~/.zfunc/_oakum
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        screen.refuse(f"{shell}: no completion for this shell")
    click.echo(found(oakum, {}, "oakum", "_OAKUM_COMPLETE").source())
