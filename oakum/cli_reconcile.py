"""``oakum reconcile``: a host that keeps itself to its policy. Runs on that host, as root."""

import difflib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from oakum import screen
from oakum.exit_codes import ExitCode
from oakum.model import Disruption
from oakum.options import FORMATS

if TYPE_CHECKING:
    from oakum.reconcile import Places
    from oakum.reconcile.config import Config
    from oakum.reconcile.units import File

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Command(click.Command):
    """A command that knows -h also where it is made without its group, as tests and docs do."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"context_settings": HELP, **kwargs})


class _Group(click.Group):
    """In the order of their use."""

    command_class = _Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["install", "run", "status", "remove"]


@click.group(cls=_Group, context_settings=HELP)
def reconcile() -> None:
    """Let this host bring itself to its policy by a timer. Runs on the host, as root.

    \b
    Examples:
      oakum reconcile install --policy /etc/oakum/policy.yml
      oakum reconcile status
    """


@reconcile.command()
@click.option(
    "--policy",
    required=True,
    metavar="SOURCE",
    help="/a/file, git+https://HOST/REPO.git#PATH (also git+ssh, git+file), or https://…",
)
@click.option("--branch", metavar="NAME", help="Of a git repository.  [default: its HEAD]")
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Public ssh keys, or allowed signers: who signs the commits, or URL.sig.",
)
@click.option("--digest", metavar="SHA256", help="The only content that a URL may have.")
@click.option("--every", default="1h", show_default=True, metavar="TIME", help="90s, 30m, 1h30m.")
@click.option(
    "--jitter", metavar="TIME", help="Up to so much later each time.  [default: a sixth of that]"
)
@click.option(
    "--window", metavar="HH:MM-HH:MM", help="Change nothing outside of these hours; drift is read."
)
@click.option(
    "--max-disruption",
    type=click.Choice([str(word) for word in Disruption]),
    help="Hold what costs more; the policy may hold yet more.",
)
@click.option("--drift-only", is_flag=True, help="Never change anything; read and record drift.")
@click.option("--textfile", metavar="FILE.prom", help="Where node_exporter finds the metrics.")
@click.option("--no-timer", is_flag=True, help="The settings alone, for cron or by hand.")
def install(key: Path | None, digest: str | None, no_timer: bool, **given: Any) -> None:
    """Set this host up to reconcile itself, once its policy has verified.

    Writes /etc/oakum/reconcile.yml and a timer of systemd, and shows what it writes. What is there
    already is left alone, so it may be called again.

    \b
    Examples:
      oakum reconcile install --policy /etc/oakum/policy.yml --window 22:00-04:00
      oakum reconcile install --policy git+https://git.example/fleet.git#web.yml --key team.pub
    """
    from oakum.reconcile import Places, units, write
    from oakum.reconcile.config import BadConfig, checked
    from oakum.reconcile.program import refuse_untrusted
    from oakum.reconcile.trust import Untrusted

    places = Places()
    _as_root()
    keys = _keys(key) if key else None
    if digest and not digest.startswith("sha256:"):
        digest = f"sha256:{digest}"
    said = {**given, "digest": digest, "key": str(places.signers) if key else None}
    said = {name: value for name, value in said.items() if value not in (None, False)}
    try:
        config = checked(said, "oakum reconcile install")
        if no_timer and places.timer.exists():
            screen.refuse(f"{places.timer} is there; oakum reconcile remove takes it away first")
        if not no_timer:
            if not places.systemd.is_dir():
                screen.refuse(_without_systemd(units.crontab(config)))
            refuse_untrusted(places)
    except BadConfig as error:
        screen.refuse(str(error))
    except Untrusted as error:
        screen.refuse(
            f"{error}\nroot would run what others may write; install oakum as root, for example "
            "into a python3 -m venv /opt/oakum"
        )
    folder = places.textfile(config.textfile).parent
    if config.textfile and not folder.is_dir():
        screen.refuse(f"--textfile {config.textfile}: the folder {folder} is not there")
    revision = _verified(config, keys)
    wanted = units.files(config, keys, places, timer=not no_timer)
    changed = [file for file in wanted if not file.stands]
    former = _metrics(places)
    with _failing(units.NoSystemd, OSError):
        for file in changed:
            click.echo(_diff(file), nl=False)
            file.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write(file.path, file.content, file.mode)
        write(places.mark, b"")
        if former != places.textfile(config.textfile) and former.exists():
            # Or node_exporter would be told the same metric by two files, which it refuses.
            former.unlink()
            click.echo(f"removed {former}")
        timer = None if no_timer else units.timer()
        if timer and (changed or not timer.runs):
            units.enable()
            timer = units.timer()
        elif not changed:
            click.echo(f"nothing to do: the policy verifies as {revision}")
            return
    click.echo(f"installed; the policy verifies as {revision}")
    if timer and timer.next:
        click.echo(f"next run {timer.next:%Y-%m-%dT%H:%M:%SZ}, then every {config.every}")


def _keys(path: Path) -> str:
    from oakum.reconcile.sources import signers

    try:
        return signers(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        screen.refuse(f"--key {path}: {getattr(error, 'strerror', None) or error}")


def _verified(config: "Config", keys: str | None) -> str:
    """The revision of a policy that verifies with what is about to be installed."""
    import tempfile

    from oakum.reconcile import TEMPORARY, Places, prepare, write
    from oakum.reconcile.record import Damaged, remembered
    from oakum.reconcile.run import Busy, verified
    from oakum.reconcile.sources import Unverified

    places = Places()
    with _failing(OSError, Busy, Unverified, Damaged):
        prepare(places)
        with _turn(), tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=places.folder) as scratch:
            if keys is not None:
                trial = Path(scratch, "signers")
                write(trial, keys.encode())
                config = config.model_copy(update={"key": str(trial)})
            return verified(config, places, remembered(places)).revision


def _without_systemd(line: str) -> str:
    return (
        "systemd does not run here, so there is no timer to install; add --no-timer, and put this "
        f"line into root's crontab (crontab -e):\n{line}"
    )


def _diff(file: "File") -> str:
    try:
        before = file.path.read_text("utf-8", errors="backslashreplace")
    except OSError:
        before = ""
    old = str(file.path) if before else "/dev/null"
    after = file.content.decode()
    rows = difflib.unified_diff(
        before.splitlines(), after.splitlines(), old, str(file.path), lineterm=""
    )
    from oakum.report import printable

    return "".join(f"{printable(row)}\n" for row in rows) or f"{file.path}: mode {file.mode:o}\n"


@reconcile.command()
@click.option(
    "--fail-on",
    type=click.Choice(["drift", "never"]),
    default="drift",
    show_default=True,
    help="never: exit 0 where drift is left, as the timer's service does.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
def run(fail_on: str, form: str) -> NoReturn:
    """Fetch the policy, verify it, and apply it to this host, as the timer does.

    A policy that does not verify changes nothing. Exit 0 as wanted · 1 drift is left · 3 not
    verified, or could not tell · 4 applying failed.

    \b
    Examples:
      oakum reconcile run
      oakum reconcile run --format json
    """
    from oakum.reconcile import Places
    from oakum.reconcile.record import as_json
    from oakum.reconcile.run import Busy
    from oakum.reconcile.run import reconcile as once

    _as_root()
    places = Places()
    if not places.config.exists():
        screen.refuse(f"{places.config} is not there; oakum reconcile install writes it")
    try:
        with _failing(OSError, Busy):
            record = once(places)
    except KeyboardInterrupt:
        screen.complain("interrupted; a change that has begun finishes alone")
        sys.exit(ExitCode.INTERRUPTED)
    if form == "json":
        click.echo(as_json(record), nl=False)
    else:
        from oakum.report import printable

        for row in [
            f"{record.outcome}  {record.revision or '-'}",
            *(record.reason or "").splitlines(),
        ]:
            click.echo(printable(row))
    sys.exit(ExitCode.OK if (fail_on, record.exit) == ("never", ExitCode.DRIFT) else record.exit)


@reconcile.command()
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
def status(form: str) -> NoReturn:
    """Say how reconciling stands on this host: next run, last runs, drift, what is wrong.

    Exit 0 fine · 1 the last run left drift · 3 it could not tell or verify, or there was none for
    three periods · 4 it failed.

    \b
    Examples:
      oakum reconcile status
      oakum reconcile status --format json
    """
    from oakum.reconcile import Places
    from oakum.reconcile.status import as_json, as_text, look

    _as_root()
    with _failing(OSError):
        seen = look(Places())
    click.echo((as_json if form == "json" else as_text)(seen), nl=False)
    sys.exit(seen.exit_code)


@reconcile.command()
@click.option("--purge", is_flag=True, help="The records, too.")
def remove(purge: bool) -> None:
    """Take the timer and its settings off this host; what was applied stays applied.

    \b
    Examples:
      oakum reconcile remove
      oakum reconcile remove --purge
    """
    from oakum.reconcile import Places, units
    from oakum.reconcile.run import Busy

    _as_root()
    places = Places()
    gone = [_metrics(places), places.service, places.timer, places.signers]
    gone = [path for path in [*gone, places.config, places.mark] if path.exists()]
    with _failing(OSError, Busy, units.NoSystemd):
        if places.timer.exists() and places.systemd.is_dir():
            units.disable()
        with _turn() if places.folder.exists() else nullcontext():
            for path in gone:
                path.unlink()
                click.echo(f"removed {path}")
            if purge and places.folder.exists():
                shutil.rmtree(places.folder)
                click.echo(f"removed {places.folder}")
        if gone and places.systemd.is_dir():
            units.forget()
        _if_empty(places.config.parent)
    if not gone and not purge:
        click.echo("nothing to do")


def _metrics(places: "Places") -> Path:
    """Where the metrics are by the settings of this host, as they are now."""
    from oakum.reconcile.config import BadConfig, read

    textfile = None
    if places.config.exists():
        try:
            textfile = read(places.config).textfile
        except BadConfig as error:
            screen.complain(f"{error}\nits metrics, if they are elsewhere, stay")
    return places.textfile(textfile)


@contextmanager
def _turn(limit: float = 300) -> Iterator[None]:
    """While no run is under way; waits for the end of one. Raises Busy."""
    from oakum.reconcile import Places
    from oakum.reconcile.run import Busy, alone

    deadline = time.monotonic() + limit
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(alone(Places()))
                break
            except Busy:
                if time.monotonic() > deadline:
                    raise Busy("a run is still under way; try again when it is over") from None
                time.sleep(0.5)
        yield


def _if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return  # somebody else's files are in it


def _as_root() -> None:
    if os.geteuid() != 0:
        screen.refuse("oakum reconcile runs on the host itself, as root; use sudo")


@contextmanager
def _failing(*kinds: type[Exception]) -> Iterator[None]:
    """What goes wrong on the host ends the command with its words."""
    try:
        yield
    except kinds as error:
        screen.complain(str(error))
        sys.exit(ExitCode.UNKNOWN)
