"""The options that commands on hosts share, and what they mean to the rollout."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from oakum import schedule
from oakum.model import Disruption, Severity

if TYPE_CHECKING:
    from oakum.fleet import Access
    from oakum.layers import Layer

FORMATS = ("text", "json")
Decorated = TypeVar("Decorated", bound=Callable[..., Any])

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Command(click.Command):
    """A command that knows -h also where it is made without its group."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"context_settings": HELP, **kwargs})


def _stack(*options: Callable[[Decorated], Decorated]) -> Callable[[Decorated], Decorated]:
    def decorate(command: Decorated) -> Decorated:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _words(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for item in value for word in item.split(",") if word)


hosts = _stack(
    click.argument("inventory"),
    click.option("--limit", multiple=True, metavar="HOST|GROUP|GLOB", help="Only these hosts."),
)
policy = click.option(
    "--policy",
    type=click.Path(path_type=Path),
    help="YAML file of oakum_* keys; group and host data override it.",
)
selection = _stack(
    hosts,
    click.option(
        "--only", multiple=True, metavar="CONTROL|AREA", callback=_words, help="Only these."
    ),
    click.option(
        "--skip", multiple=True, metavar="CONTROL|AREA", callback=_words, help="Not these."
    ),
    policy,
)
for_engine = click.option(
    "--for-engine",
    metavar="VERSION",
    help="The release of Docker that an upgrade will bring: judge what stands there by it too.",
)
max_disruption = click.option(
    "--max-disruption",
    type=click.Choice([str(word) for word in Disruption]),
    help="Hold what costs more, whatever the policy says.",
)
dry_run = click.option("--dry-run", is_flag=True, help="Show what would be done; change nothing.")
asking = _stack(
    dry_run,
    click.option("-y", "--yes", is_flag=True, help="Do not ask before changing."),
)
report = _stack(
    click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True),
    click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write the report to a file.",
    ),
)
output = _stack(
    report,
    click.option(
        "-v",
        "--verbose",
        is_flag=True,
        help="Also what is not applicable, and why; diffs of more than 60 lines whole.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="The summary line alone."),
    click.option(
        "--events",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write what happens, as it happens, as JSON lines.",
    ),
)


def _read(parse: Callable[[str], Any]) -> Callable[..., Any]:
    """A callback that refuses what ``parse`` raises ValueError for."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
        try:
            return None if value is None else parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return read


def executor(text: str) -> str | int:
    """``auto`` or ``here``; a number of processes, 0 for one for each core; or a Dask address.

    Raises:
        ValueError: none of these.
    """
    word, _, rest = text.partition(":")
    if text in ("auto", "here"):
        return text
    if word == "processes" and (not rest or (rest.isdigit() and 0 < int(rest) <= 64)):
        return int(rest or 0)
    if word == "dask" and rest.startswith("//") and len(rest) > 2:
        return f"tcp:{rest}"
    raise ValueError(f"{text!r} is none of auto, here, processes, processes:N, dask://HOST:PORT")


access = _stack(
    click.option("--ssh-user", help="SSH user to connect as."),
    click.option("--ssh-port", type=int, help="SSH port to connect to."),
    click.option("--ssh-key", type=click.Path(), help="SSH private key file."),
    click.option("--ssh-key-password", help="Password of the private key."),
    click.option("--ssh-password", help="SSH password."),
    click.option("--sudo", is_flag=True, help="Run everything on the hosts with sudo."),
    click.option("--sudo-user", help="Which user to sudo to."),
    click.option("--same-sudo-password", is_flag=True, help="Ask once for the sudo password."),
    click.option(
        "--parallel",
        type=click.IntRange(1, 500),
        help="Hosts at once.  [default: 40]",
    ),
    click.option(
        "--executor",
        metavar="auto|here|processes[:N]|dask://HOST:PORT",
        default="auto",
        show_default=True,
        callback=_read(executor),
        help="Who visits the hosts: this process, N others, or a Dask cluster (oakum[dask]).",
    ),
)


def _canary(text: str) -> schedule.Amount | str:
    return schedule.amount(text) if text[:1].isdigit() else text


def _batches(text: str) -> tuple[schedule.Amount, ...]:
    return tuple(schedule.amount(part) for part in text.split(","))


rollout = _stack(
    click.option(
        "--canary",
        metavar="N|N%|GROUP",
        callback=_read(_canary),
        help="These hosts first; if one of them fails, no other is touched.",
    ),
    click.option(
        "--batch",
        metavar="N|N%,...",
        callback=_read(_batches),
        help="So many hosts, then the next: 5, 25%, or 1,10%,50%.  [default: all]",
    ),
    click.option(
        "--max-fail",
        metavar="N|N%",
        default="0",
        show_default=True,
        callback=_read(lambda text: schedule.amount(text, least=0)),
        help="Stop once more hosts than this have failed.",
    ),
    click.option("--count-unreachable", is_flag=True, help="For --max-fail, count them as failed."),
    click.option(
        "--spread",
        metavar="KEY",
        help="Never two hosts at once with the same value of this key of their inventory data.",
    ),
    click.option(
        "--pause",
        type=click.FloatRange(0, 86400),
        default=0,
        metavar="SECONDS",
        help="After each batch, wait, and see that the changed hosts still are well.",
    ),
    click.option(
        "--order",
        type=click.Choice([str(word) for word in schedule.Order]),
        default="inventory",
        show_default=True,
        help="Who comes first.",
    ),
    max_disruption,
    click.option(
        "--window",
        metavar="HH:MM-HH:MM",
        callback=_read(schedule.window),
        help="Begin no change outside of these hours of the host's own time.",
    ),
    click.option("--resume", metavar="RUN", help="Go on with a run that was stopped or cut off."),
)


def fail_on(default: str) -> Callable[[Decorated], Decorated]:
    """``--fail-on`` with the default of a command."""
    return click.option(
        "--fail-on",
        type=click.Choice([*(str(word) for word in Severity), "never"]),
        default=default,
        show_default=True,
        help="Exit 1 on drift or held findings of at least this severity; apply: on any drift.",
    )


def layers_of(given: Mapping[str, Any]) -> tuple[list["Layer"], list["Layer"]]:
    """The policy layers of the command line: the file below inventory data, the rest above it.

    Raises:
        PolicyError: the file cannot be read as a policy.
    """
    from oakum.layers import Layer, load

    below = [load(given["policy"])] if given.get("policy") else []
    chosen: dict[str, Any] = {
        f"oakum_{key}": list(given[key]) for key in ("only", "skip") if given.get(key)
    }
    if given.get("max_disruption"):
        chosen["oakum_max_disruption"] = given["max_disruption"]
    if given.get("for_engine"):
        chosen["oakum_for_engine"] = given["for_engine"]
    return below, [Layer("command line", chosen)] if chosen else []


def access_of(given: Mapping[str, Any]) -> "Access":
    """How hosts are reached; asks for the sudo password where that is wanted."""
    from oakum.fleet import PARALLEL, Access

    keys = ("ssh_user", "ssh_port", "ssh_key", "ssh_key_password", "ssh_password")
    config: dict[str, Any] = {"SUDO": True} if given["sudo"] or given["sudo_user"] else {}
    if given["sudo_user"]:
        config["SUDO_USER"] = given["sudo_user"]
    if given["same_sudo_password"]:
        password = click.prompt("sudo password", hide_input=True, err=True)
        config |= {"SUDO": True, "SUDO_PASSWORD": password}
    return Access(
        override={key: given[key] for key in keys if given[key]},
        config=config,
        parallel=given["parallel"] or PARALLEL,
    )


def strategy_of(given: Mapping[str, Any]) -> schedule.Strategy:
    """How the change is to go through the fleet."""
    return schedule.Strategy(
        canary=given["canary"],
        batches=given["batch"] or (),
        max_fail=given["max_fail"],
        count_unreachable=given["count_unreachable"],
        spread=given["spread"],
        pause=given["pause"],
        order=schedule.Order(given["order"]),
        window=given["window"],
    )
