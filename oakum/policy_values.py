"""Values of the policy that are more than a word: what they hold, and what is refused of them."""

import enum
import ipaddress
import re
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from oakum.engine.openpgp import fingerprints


class Strict(BaseModel):
    """A value without unknown fields, never changed, never converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _not_a_bool(value: Any) -> Any:
    """YAML 1.1 reads a bare ``off`` as false and ``on`` as true; the words were meant."""
    return {False: "off", True: "on"}.get(value, value) if isinstance(value, bool) else value


Word = BeforeValidator(_not_a_bool)
"""What a field whose values are words is annotated with."""


class Init(enum.StrEnum):
    """Whether containers get an init as process 1."""

    ON = "on"
    OFF = "off"
    KEEP = "keep"


class LogDriver(enum.StrEnum):
    """The log driver of containers; ``keep`` is the one that the host has."""

    KEEP = "keep"
    JSON_FILE = "json-file"
    LOCAL = "local"


class LogRotation(Strict):
    """How containers log. ``max_size`` of one file, such as 10m, and ``max_file`` files bound the
    driver json-file; the driver local is bounded by itself."""

    driver: Annotated[LogDriver, Field(strict=False)] = LogDriver.KEEP
    max_size: str = Field(default="10m", pattern=r"^[1-9][0-9]{0,8}[kmg]$")
    max_file: int = Field(default=3, ge=1, le=1000)


class AddressPool(Strict):
    """A network, such as 10.200.0.0/16, and the length of the prefixes that are cut from it."""

    base: str
    size: int

    @model_validator(mode="after")
    def _can_be_cut(self) -> Self:
        try:
            network = ipaddress.ip_network(self.base)
        except ValueError as error:
            raise ValueError(f"base: {error}") from None
        if str(network) != self.base:
            raise ValueError(f"base {self.base} is written {network}")
        if not network.prefixlen <= self.size <= network.max_prefixlen - 2:
            raise ValueError(f"size {self.size} cuts no networks from {self.base}")
        return self


SOURCES: Final = ("distribution", "docker")
"""Where an engine comes from, besides the URL of a mirror."""

RELEASE: Final = r"^\d{1,2}(\.\d{1,3}){1,2}$"
"""A release of Docker, or a series of them."""


class EngineSource(Strict):
    """Where a new host's engine comes from.

    ``source`` is ``distribution``, ``docker`` (Docker's own repository), or the URL of a mirror
    that is laid out like the folder of one distribution there, such as
    ``https://mirror.example/linux/debian``. ``release`` is the release of Docker, without it the
    newest there. ``hold`` keeps upgrades of the whole host from taking a newer one. ``key`` is the
    armored OpenPGP key of a mirror that signs for itself, ``fingerprint`` what it must have.
    """

    source: str = "distribution"
    release: str | None = Field(default=None, pattern=RELEASE)
    hold: bool = True
    key: str | None = None
    fingerprint: str | None = Field(default=None, pattern=r"^[0-9A-Fa-f ]{40,50}$")

    @model_validator(mode="after")
    def _known_source(self) -> Self:
        if self.source not in SOURCES and not re.fullmatch(
            r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~+-]+)*", self.source
        ):
            raise ValueError(
                f"source {self.source} is neither distribution nor docker, nor the URL of a mirror"
            )
        if self.source in SOURCES and (self.key or self.fingerprint):
            raise ValueError("key and fingerprint are a mirror's; Docker's own are known")
        if (self.key is None) != (self.fingerprint is None):
            raise ValueError(
                "key and fingerprint come together: a key, and the one that it must be"
            )
        if self.key is not None:
            wanted = str(self.fingerprint).replace(" ", "").upper()
            found = fingerprints(self.key)
            if set(found) != {wanted}:
                raise ValueError(
                    f"key has the fingerprint {', '.join(found)}, and {wanted} was wanted"
                )
        return self
