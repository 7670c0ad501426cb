"""/etc/oakum/reconcile.yml: where the policy comes from, how it is known, when it is applied."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from oakum import schedule
from oakum.layers import load
from oakum.model import Disruption
from oakum.policy import PolicyError, nearest

_UNITS: Final = {"d": 86400, "h": 3600, "m": 60, "s": 1}
LEAST: Final = 5
"""Seconds; a change takes about as long."""
MOST: Final = 7 * 86400


class BadConfig(Exception):
    """The settings are wrong; the message names each fault and what to do."""


def seconds(text: str) -> int:
    """What ``90s``, ``10m``, ``1h30m`` or ``1d`` means. Raises ValueError."""
    found = re.fullmatch(r"(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?", text)
    if not found or not text:
        raise ValueError(f"{text!r} is no time such as 90s, 10m, 1h or 1h30m")
    return sum(
        int(number or 0) * unit
        for number, unit in zip(found.groups(), _UNITS.values(), strict=True)
    )


def spelled(total: int) -> str:
    """A number of seconds as ``seconds`` reads it."""
    words = []
    for letter, unit in _UNITS.items():
        number, total = divmod(total, unit)
        words += [f"{number}{letter}"] if number else []
    return "".join(words) or "0s"


class Source(BaseModel):
    """Where a policy comes from: ``kind`` is file, git, https or http; ``address`` what is opened;
    ``path`` the file in a git repository."""

    model_config = ConfigDict(frozen=True)
    kind: str
    address: str
    path: str = ""


def source(text: str) -> Source:
    """The source that a policy's name means. Raises ValueError."""
    if not re.fullmatch(r"[\x21-\x7e]{1,2000}", text):
        raise ValueError("is empty, too long, or has characters that no address has")
    if text.startswith("/"):
        return Source(kind="file", address=text)
    address, _, path = text.partition("#")
    scheme = address.partition("://")[0]
    if scheme not in ("git+https", "git+ssh", "git+file", "https", "http"):
        raise ValueError(
            f"{text!r} is neither an absolute path, nor git+https://, git+ssh:// or git+file:// "
            "with #path/in/repo.yml, nor https://"
        )
    parts = urlsplit(address)
    if parts.password or (parts.username and scheme != "git+ssh"):
        raise ValueError(
            "has a name or password in it, which every record would show; use git+ssh "
            "with a key, or git+https with /root/.netrc"
        )
    if not parts.hostname and scheme != "git+file":
        raise ValueError(f"{text!r} names no host")
    if not scheme.startswith("git+"):
        return Source(kind=scheme, address=address)
    if not path or path.startswith("/") or {"", ".", ".."} & {*path.split("/")}:
        raise ValueError(f"{text!r} needs #path/in/repo.yml behind it, the file of the policy")
    return Source(kind="git", address=address.removeprefix("git+"), path=path)


class Config(BaseModel):
    """What is in the file; every key but ``policy`` may be left out."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    policy: str
    branch: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._/-]{0,200}$")
    key: str | None = Field(default=None, pattern=r"^/.+")
    digest: str | None = Field(default=None, pattern=r"^sha256:[0-9a-f]{64}$")
    every: str = "1h"
    jitter: str | None = None
    window: str | None = None
    max_disruption: Disruption | None = Field(default=None, strict=False)
    drift_only: bool = False
    textfile: str | None = Field(default=None, pattern=r"^/.+\.prom$")

    @field_validator("policy")
    @classmethod
    def _a_source(cls, value: str) -> str:
        source(value)
        return value

    @field_validator("window")
    @classmethod
    def _a_window(cls, value: str | None) -> str | None:
        if value is not None:
            schedule.window(value)
        return value

    @field_validator("every", "jitter")
    @classmethod
    def _a_time(cls, value: str | None) -> str | None:
        if value is not None and seconds(value) > MOST:
            raise ValueError(f"{value} is more than {spelled(MOST)}")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        kind = self.source.kind
        if self.period < LEAST:
            raise ValueError(f"every: {self.every} is less than {spelled(LEAST)}")
        if self.delay > self.period:
            raise ValueError(f"jitter: {self.jitter} is more than every: {self.every}")
        if self.hours and not self.drift_only and self.period + self.delay > self.hours.seconds:
            raise ValueError(
                f"window: {self.window} is shorter than every and jitter together, so that runs "
                f"might never meet it; say every: {spelled(self.hours.seconds // 2)} or less"
            )
        if self.branch and kind != "git":
            raise ValueError("branch: only a git repository has one")
        if kind == "git" and not self.key:
            raise ValueError("key: a git repository needs the ssh key that signs its commits")
        if self.digest and kind in ("git", "file"):
            raise ValueError(f"digest: is for a URL; a {kind} source is known otherwise")
        if self.key and kind == "file":
            raise ValueError("key: a file is known by its owner; keys are for git and URLs")
        if kind == "https" and bool(self.key) == bool(self.digest):
            raise ValueError("a URL needs either key, which signed URL.sig, or digest")
        if kind == "http" and (self.key or not self.digest):
            raise ValueError("plain http is taken with a digest alone; use https")
        return self

    @property
    def source(self) -> Source:
        return source(self.policy)

    @property
    def named(self) -> str:
        """The source as records show it, with the branch."""
        return f"{self.policy} branch {self.branch}" if self.branch else self.policy

    @property
    def period(self) -> int:
        """Seconds between two runs."""
        return seconds(self.every)

    @property
    def delay(self) -> int:
        """Seconds by which a run may be later than that: by default a sixth."""
        return self.period // 6 if self.jitter is None else seconds(self.jitter)

    @property
    def hours(self) -> schedule.Window | None:
        return schedule.window(self.window) if self.window else None


def checked(data: Mapping[str, Any], place: str) -> Config:
    """The settings that ``data`` holds.

    Raises:
        BadConfig: a wrong key, with the nearest one, or a wrong value.
    """
    known = Config.model_fields
    problems = [
        f"{place}: {key}: is no setting{nearest(str(key), known)}"
        for key in data
        if key not in known
    ]
    if problems:
        raise BadConfig("\n".join(problems))
    try:
        return Config.model_validate(dict(data))
    except ValidationError as error:
        raise BadConfig("\n".join(_sentences(error, place))) from None


def _sentences(error: ValidationError, place: str) -> list[str]:
    rows = []
    for fault in error.errors(include_url=False):
        where = "".join(f"{step}: " for step in fault["loc"])
        seen = f"; seen: {fault['input']!r}" if fault["loc"] and fault["type"] != "missing" else ""
        rows.append(f"{place}: {where}{fault['msg'].removeprefix('Value error, ')}{seen}"[:400])
    return rows


def read(path: Path) -> Config:
    """The settings of a host. Raises BadConfig."""
    try:
        layer = load(path)
    except PolicyError as error:
        raise BadConfig(str(error).replace("oakum_* keys", "settings")) from None
    return checked(layer.data, str(path))


HEAD: Final = "# Written by oakum reconcile install. It may be edited: the next run reads it.\n"


def written(config: Config) -> str:
    """The text of a file that says nothing but what was chosen."""
    chosen = config.model_dump(mode="json", exclude_defaults=True)
    return HEAD + str(yaml.safe_dump(chosen, sort_keys=False, width=1000))
