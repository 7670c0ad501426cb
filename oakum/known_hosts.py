"""known_hosts, read once for a run and found by name: paramiko's own list costs seconds of CPU with
thousands of lines, and knows no markers.

pyinfra's SSH connector asks two functions of its own for host keys and for what to do with unknown
ones; ``indexed`` stands in for both while it is open. How strict to be stays what the inventory and
ssh_config say.
"""

import base64
import binascii
import fnmatch
import functools
import hmac
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from paramiko import HostKeys, MissingHostKeyPolicy, PKey, SSHException
from paramiko.hostkeys import HostKeyEntry
from pyinfra.connectors.sshuserclient import client as pyinfra_client

HASHED: Final = "|1|"
"""How a hashed name begins: ``|1|SALT|HMAC-SHA1``, sshd(8)."""


@dataclass(frozen=True, slots=True)
class Line:
    """The key of a line of known_hosts, as it stands there; decoded only for hosts of the run."""

    kind: str
    key: str


@dataclass(slots=True)
class Index:
    """The lines of known_hosts by the name they are about."""

    plain: dict[str, list[Line]] = field(default_factory=dict)
    hashed: list[tuple[bytes, bytes, Line]] = field(default_factory=list)
    patterns: list[tuple[tuple[str, ...], Line]] = field(default_factory=list)

    def add(self, names: str, line: Line) -> None:
        """Take a line's names, as they stand in its first field."""
        if names.startswith(HASHED):
            salt, _, digest = names.removeprefix(HASHED).partition("|")
            try:
                pair = (
                    base64.b64decode(salt, validate=True),
                    base64.b64decode(digest, validate=True),
                )
            except binascii.Error:
                return
            self.hashed.append((*pair, line))
        elif any(mark in names for mark in "*?!"):
            self.patterns.append((tuple(names.split(",")), line))
        else:
            for name in names.split(","):
                self.plain.setdefault(name, []).append(line)

    def about(self, name: str) -> list[Line]:
        """The lines about a host, named as in known_hosts: ``host`` or ``[host]:port``."""
        word = name.encode()
        return [
            *self.plain.get(name, ()),
            *(
                line
                for salt, digest, line in self.hashed
                if hmac.digest(salt, word, "sha1") == digest
            ),
            *(line for names, line in self.patterns if _matches(name, names)),
        ]


def _matches(name: str, patterns: Sequence[str]) -> bool:
    """As OpenSSH does: a negated pattern that matches overrules all others."""
    if any(one[0:1] == "!" and fnmatch.fnmatchcase(name, one[1:]) for one in patterns):
        return False
    return any(one[0:1] != "!" and fnmatch.fnmatchcase(name, one) for one in patterns)


class KnownHosts(HostKeys):
    """What paramiko asks for host keys, found by name; it never writes.

    A revoked key counts for nothing here, and is refused where a host shows it, whatever is done
    with unknown ones. A certificate authority's key is no host key: paramiko takes part in no
    certificate exchange of hosts.
    """

    def __init__(self, filenames: Sequence[str]) -> None:
        super().__init__()
        self.known, self.revoked, self.authorities = Index(), Index(), Index()
        for filename in filenames:
            self._read(Path(filename))
        self.find = functools.cache(self._find)

    def _read(self, path: Path) -> None:
        indexes = {"@revoked": self.revoked, "@cert-authority": self.authorities}
        try:
            text = path.read_text("utf-8", "replace")
        except OSError:
            return  # no file, no known hosts: ssh's own way
        for row in text.splitlines():
            marker, *words = row.split() if row.startswith("@") else ("", *row.split())
            index = {"": self.known, **indexes}.get(marker)
            if index is not None and len(words) >= 3 and not words[0].startswith("#"):
                index.add(words[0], Line(words[1], words[2]))

    def lookup(self, hostname: str) -> Any:
        """The keys of a host as a mapping of type to key, None where there is none."""
        return self.find(hostname)

    def _find(self, hostname: str) -> Any:
        revoked = self.revoked.about(hostname)
        entries = [
            _entry(hostname, line) for line in self.known.about(hostname) if line not in revoked
        ]
        found = HostKeys()
        found._entries = [entry for entry in entries if entry]  # type: ignore[attr-defined]
        return found.lookup(hostname)

    def learn(self, hostname: str, key: PKey) -> None:
        """Know from now on a key that was accepted, so that a second connection is held to it."""
        self.known.add(hostname, Line(key.get_name(), key.get_base64()))
        self.find.cache_clear()

    def refuse(self, hostname: str, key: PKey) -> None:
        """Raise SSHException where a host shows a key that is revoked."""
        if Line(key.get_name(), key.get_base64()) in self.revoked.about(hostname):
            raise SSHException(f"the host key of {hostname} is revoked in known_hosts")

    def hint(self, hostname: str) -> str:
        """What to do about a host that only a certificate authority vouches for."""
        if not self.authorities.about(hostname):
            return ""
        return "; @cert-authority is there, and host certificates are not supported: add its key"


def _entry(hostname: str, line: Line) -> HostKeyEntry | None:
    """As paramiko reads it; None for a broken line, or a type that it does not know."""
    try:
        return HostKeyEntry.from_line(f"{hostname} {line.kind} {line.key}")
    except Exception:  # paramiko raises whatever a broken key makes it stumble over
        return None


class Unknown(MissingHostKeyPolicy):
    """What pyinfra would do with an unknown key, but never for a revoked one."""

    def __init__(self, inner: MissingHostKeyPolicy) -> None:
        self.inner = inner

    def missing_host_key(self, client: Any, hostname: str, key: PKey) -> None:
        known = client._host_keys
        known.refuse(hostname, key)
        try:
            self.inner.missing_host_key(client, hostname, key)
        except SSHException as error:
            raise SSHException(f"{error}{known.hint(hostname)}") from None
        if isinstance(self.inner, pyinfra_client.AcceptNewPolicy):
            known.learn(hostname, key)


@contextmanager
def indexed() -> Iterator[None]:
    """Let pyinfra's SSH connector find host keys in an index, read once while this is open."""
    keys: Callable[..., Any] = pyinfra_client.get_host_keys
    policy: Callable[..., Any] = pyinfra_client.get_missing_host_key_policy
    pyinfra_client.get_host_keys = functools.cache(KnownHosts)
    pyinfra_client.get_missing_host_key_policy = lambda word: Unknown(policy(word))
    try:
        yield
    finally:
        pyinfra_client.get_host_keys = keys
        pyinfra_client.get_missing_host_key_policy = policy
