"""What ``install`` lays down on a host and ``remove`` takes away, and what systemd says of it."""

import json
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from oakum.reconcile import Places
from oakum.reconcile.config import Config, written
from oakum.reconcile.program import PROGRAM, environment
from oakum.render import render

TIMER: Final = "oakum-reconcile.timer"
SERVICE: Final = "oakum-reconcile.service"


class NoSystemd(Exception):
    """systemctl failed; the message is its own."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to be on the host, and its mode."""

    path: Path
    content: bytes
    mode: int = 0o644

    @property
    def stands(self) -> bool:
        """Whether it is there just so."""
        try:
            mode = self.path.stat().st_mode & 0o7777
            return mode == self.mode and self.path.read_bytes() == self.content
        except OSError:
            return False


def files(config: Config, keys: str | None, places: Places, *, timer: bool) -> list[File]:
    """All files of an installation, the timer last."""
    found = [File(places.config, written(config).encode(), 0o600)]
    if keys is not None:
        found.insert(0, File(places.signers, keys.encode()))
    if timer:
        found += units(config, places)
    return found


def units(config: Config, places: Places) -> list[File]:
    service = render(
        "oakum-reconcile.service.j2",
        program=" ".join(map(_quoted, (*PROGRAM, "reconcile", "run"))),
        environment=[_quoted(f"{key}={text}") for key, text in environment().items()],
        config=places.config,
    )
    values = {"period": config.period, "delay": config.delay, "first": min(config.period, 300)}
    timer = render("oakum-reconcile.timer.j2", **values)
    return [File(places.service, service.encode()), File(places.timer, timer.encode())]


def _quoted(word: str) -> str:
    """A word of a unit file, systemd.syntax(7) and systemd.service(5)."""
    if re.fullmatch(r"[\w./:=+-]+", word):
        return word
    text = json.dumps(word, ensure_ascii=False)
    return text.replace("%", "%%").replace("$", "$$")


def crontab(config: Config) -> str:
    """The line of root's crontab that does the same as the timer, as nearly as cron can."""
    minutes = max(1, config.period // 60)
    if minutes < 60:
        when = f"*/{minutes} * * * *"
    elif minutes < 1440:
        when = f"17 */{minutes // 60} * * *"
    else:
        when = "17 3 * * *"
    words = [f"{key}='{text}'" for key, text in environment().items()]
    command = " ".join([*words, *PROGRAM, "reconcile", "run"])
    return f"{when} sleep $(shuf -i 0-{min(config.delay, 3000)} -n 1); {command} >/dev/null"


# systemd -----------------------------------------------------------------------------------------


def systemctl(*words: str) -> str:
    """What systemctl prints. Raises NoSystemd."""
    try:
        done = subprocess.run(
            ["systemctl", *words], capture_output=True, text=True, timeout=90, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoSystemd(f"systemctl {words[0]}: {error}") from None
    if done.returncode != 0:
        raise NoSystemd(f"systemctl {words[0]}: {done.stderr.strip()[-300:] or done.returncode}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Timer:
    """What systemd says of the timer; ``outdated`` that its file was changed since it was read;
    ``next`` is UTC, None where it is not known, as while a run is under way."""

    enabled: bool
    active: bool
    outdated: bool
    next: datetime | None

    @property
    def runs(self) -> bool:
        """Whether it does what its file says, now and after a boot."""
        return self.enabled and self.active and not self.outdated


def timer() -> Timer:
    """Raises NoSystemd."""
    properties = "UnitFileState,ActiveState,NeedDaemonReload,NextElapseUSecMonotonic"
    lines = systemctl("show", TIMER, f"--property={properties}").splitlines()
    found = dict(line.partition("=")[::2] for line in lines)
    return Timer(
        found.get("UnitFileState") == "enabled",
        found.get("ActiveState") == "active",
        found.get("NeedDaemonReload") == "yes",
        _time(found, time.clock_gettime(time.CLOCK_MONOTONIC)),
    )


_SPAN: Final = {
    "y": 31557600,
    "month": 2629800,
    "w": 604800,
    "d": 86400,
    "h": 3600,
    "min": 60,
    "s": 1,
    "ms": 1e-3,
    "us": 1e-6,
}


def _time(found: Mapping[str, str], since_boot: float) -> datetime | None:
    """A span since the boot, as systemd writes it: ``1h 2min 3.5s``."""
    words = found.get("NextElapseUSecMonotonic", "").split()
    parts = [re.fullmatch(r"([0-9.]+)([a-z]+)", word) for word in words]
    if not parts or any(part is None or part[2] not in _SPAN for part in parts):
        return None
    total = sum(float(part[1]) * _SPAN[part[2]] for part in parts if part)
    return datetime.now(UTC) + timedelta(seconds=total - since_boot)


def enable() -> None:
    """Raises NoSystemd."""
    systemctl("daemon-reload")
    systemctl("enable", TIMER)
    systemctl("restart", TIMER)


def disable() -> None:
    """Whatever is there of the timer stops. Raises NoSystemd."""
    systemctl("disable", "--now", TIMER)


def forget(words: Sequence[str] = (SERVICE, TIMER)) -> None:
    """After the unit files went."""
    systemctl("daemon-reload")
    for word in words:
        try:
            systemctl("reset-failed", word)
        except NoSystemd:
            continue  # there was no failure to forget
