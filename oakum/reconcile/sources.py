"""From a source to the bytes of a policy that is known to be the right one."""

import hashlib
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from oakum.reconcile import TEMPORARY, Places
from oakum.reconcile.config import Config, Source
from oakum.reconcile.trust import Untrusted, contents
from oakum.reconcile.web import NoPage, get

MOST: Final = 1 << 20
"""Bytes of a policy or a signature."""
MOST_PACK: Final = 64 << 20
"""Bytes of any file that git may write; a policy has a small repository."""
MOST_MEMORY: Final = 1 << 30
"""Bytes of memory that git may ask for: what inflates without end must not cost a host its own."""
LIMIT: Final = 120
"""Seconds that git may take to fetch."""
NAMESPACE: Final = "oakum-policy"
"""What a detached signature is for: ``ssh-keygen -Y sign -n oakum-policy``."""

_TYPE: Final = (
    r"(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)"
    r"|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com)"
)
_PUBLIC: Final = re.compile(rf"({_TYPE}) ([A-Za-z0-9+/]+=*)(?: .*)?")
_SIGNER: Final = re.compile(rf"[^\s#-]\S*(?: [a-z].*)? {_TYPE} [A-Za-z0-9+/]+=*(?: .*)?")


class Unverified(Exception):
    """There is no policy that could be trusted; the message says why."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A policy that verified: its bytes, and a commit or ``sha256:…`` that names them."""

    content: bytes
    revision: str


def signers(text: str) -> str:
    """Allowed signers, ssh-keygen(1), from such lines or from public keys. Raises ValueError."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if found := _PUBLIC.fullmatch(line):
            rows.append(f'{NAMESPACE} namespaces="git,{NAMESPACE}" {found[1]} {found[2]}')
        elif _SIGNER.fullmatch(line):
            rows.append(line)
        else:
            raise ValueError(
                f"line {number} is neither a public ssh key nor a line of allowed signers: "
                f"{line[:40]!r}"
            )
    if not rows:
        raise ValueError("has no key in it")
    return "".join(f"{row}\n" for row in rows)


def fetch(config: Config, places: Places, last: str | None = None) -> Fetched:
    """The policy of a source, verified.

    ``last`` is the commit behind which a git source must not go back.

    Raises:
        Unverified: it is not there, too large, too slow, or not the one that is trusted.
    """
    source = config.source
    scratch = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=places.folder))
    try:
        if source.kind == "file":
            found = contents(Path(source.address), places, MOST)
            return Fetched(found, _digest(found))
        allowed = scratch / "signers"
        if config.key:
            allowed.write_text(signers(contents(Path(config.key), places, MOST).decode()))
        if source.kind == "git":
            return _Git(scratch, allowed, source).fetch(config.branch, last)
        found = get(source.address, MOST)
        if config.digest:
            _same_digest(config.digest, found)
        else:
            head, mark, query = source.address.partition("?")
            _signed(found, get(f"{head}.sig{mark}{query}", MOST), scratch, allowed)
        return Fetched(found, _digest(found))
    except (Untrusted, NoPage) as error:
        raise Unverified(str(error)) from None
    except (OSError, ValueError) as error:
        name = config.key if isinstance(error, ValueError) else getattr(error, "filename", None)
        words = getattr(error, "strerror", None) or str(error)
        raise Unverified(f"{name or source.address}: {words}") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _same_digest(wanted: str, content: bytes) -> None:
    if _digest(content) != wanted:
        raise Unverified(f"digest mismatch: it is {_digest(content)}, wanted {wanted}")


def _signed(content: bytes, signature: bytes, scratch: Path, allowed: Path) -> None:
    """Whether a pinned key signed it, as git asks the same tool."""
    file = scratch / "policy.sig"
    file.write_bytes(signature)
    known = _run("ssh-keygen", "-Y", "find-principals", "-s", str(file), "-f", str(allowed))
    for name in known.out.decode(errors="replace").split("\n"):
        words = ("-Y", "verify", "-f", str(allowed), "-I", name, "-n", NAMESPACE, "-s", str(file))
        if name and known.code == 0 and _run("ssh-keygen", *words, stdin=content).code == 0:
            return
    raise Unverified("URL.sig is no signature of it by the pinned key")


# Other programs ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Done:
    code: int
    out: bytes
    words: str


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_PACK, MOST_PACK))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def _run(
    *argv: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, limit: float = 30
) -> _Done:
    """Run a program that may neither take long nor need or write much, nor leave children behind.

    Raises:
        Unverified: it is not installed, or took longer than ``limit`` seconds.
    """
    # A file, since a server says through git's stderr as much as it likes; no more than of any.
    with tempfile.TemporaryFile() as said:
        try:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env=env,
                start_new_session=True,
                preexec_fn=_bounded,
            )
        except FileNotFoundError:
            raise Unverified(f"no {argv[0]} on this host; install it") from None
        try:
            out, _ = child.communicate(stdin, limit)
        except subprocess.TimeoutExpired:
            raise Unverified(f"{argv[0]} took longer than {limit:g} s") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        said.seek(max(0, said.seek(0, os.SEEK_END) - 4096))
        words = complaint(said.read().decode(errors="replace"))
    return _Done(child.returncode, out, words)


_ADVICE: Final = (
    "fatal: Could not read from remote repository.",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
)
"""What git says at the end of most failed fetches, behind the reason."""


def complaint(text: str) -> str:
    """The last lines that say why, of what a program printed to stderr."""
    lines = [line.strip() for line in text.splitlines()]
    return "; ".join([line for line in lines if line and line not in _ADVICE][-3:])[:400]


class _Git:
    """A repository of its own for each fetch, so that nothing old or half-written counts."""

    def __init__(self, scratch: Path, allowed: Path, source: Source) -> None:
        self.folder = scratch / "repository"
        self.source = source
        ssh = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=20"
        mine = {key: text for key, text in os.environ.items() if not key.startswith("GIT_")}
        self.env = mine | {
            "LC_ALL": "C",
            "GIT_ALLOW_PROTOCOL": source.address.partition("://")[0],
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_SSH_COMMAND": ssh,
            "GIT_TERMINAL_PROMPT": "0",
        }
        # A commit may bear a signature of any kind; only ssh's is asked, and only of these keys.
        self.settings = {
            "gpg.ssh.allowedSignersFile": str(allowed),
            "gpg.minTrustLevel": "fully",
            "gpg.openpgp.program": "false",
            "gpg.x509.program": "false",
            "http.lowSpeedLimit": "1000",
            "http.lowSpeedTime": "30",
            "gc.auto": "0",
            "pack.threads": "1",  # each one asks for memory
        }

    def fetch(self, branch: str | None, last: str | None) -> Fetched:
        self._must("init", "--quiet", "--bare", "--template=", str(self.folder))
        wanted = f"+refs/heads/{branch}:refs/heads/policy" if branch else "+HEAD:refs/heads/policy"
        words = ("--quiet", "--no-tags", "--no-recurse-submodules", self.source.address, wanted)
        self._must("fetch", *words, limit=LIMIT)
        commit = self._must("rev-parse", "--verify", "refs/heads/policy^{commit}").out.decode()
        commit = commit.strip()
        seen = self._git("verify-commit", commit)
        if seen.code != 0:
            why = f": {seen.words}" if seen.words else ": it has no signature"
            raise Unverified(f"commit {commit[:12]} is not signed by the pinned key{why}")
        if last and self._git("merge-base", "--is-ancestor", last, commit).code != 0:
            raise Unverified(
                f"commit {commit[:12]} is behind {last[:12]}, which was accepted before, or beside "
                "it: an old policy is not taken again"
            )
        return Fetched(self._file(commit), commit)

    def _file(self, commit: str) -> bytes:
        listed = self._must("ls-tree", "-z", commit, "--", self.source.path).out.decode()
        found = re.fullmatch(r"100(?:644|755) blob ([0-9a-f]{40,64})\t[^\0]*\0", listed)
        if not found:
            raise Unverified(f"{self.source.path}: no such file in commit {commit[:12]}")
        if int(self._must("cat-file", "-s", found[1]).out) > MOST:
            raise Unverified(f"{self.source.path}: is larger than {MOST} bytes")
        return self._must("cat-file", "blob", found[1]).out

    def _must(self, *words: str, limit: float = 30) -> _Done:
        done = self._git(*words, limit=limit)
        if done.code != 0:
            raise Unverified(f"git {words[0]} {self.source.address}: {done.words or done.code}")
        return done

    def _git(self, *words: str, limit: float = 30) -> _Done:
        where = () if words[0] == "init" else (f"--git-dir={self.folder}",)
        given = [word for key, text in self.settings.items() for word in ("-c", f"{key}={text}")]
        return _run("git", *where, *given, *words, env=self.env, limit=limit)
