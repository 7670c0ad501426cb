"""Reconciling: settings, sources that verify or do not (real git, ssh-keygen, TLS), records,
metrics, and what a run makes of them. The road itself is played; tests/lab has the real one."""

import hashlib
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oakum.cli import oakum
from oakum.reconcile import Places, metrics, prepare, sources, units, write
from oakum.reconcile import run as running
from oakum.reconcile.config import BadConfig, Config, checked, read, seconds, spelled, written
from oakum.reconcile.program import refuse_untrusted
from oakum.reconcile.record import (
    KEPT,
    Damaged,
    Memory,
    Record,
    Result,
    Seen,
    keep,
    load,
    names,
    remember,
    remembered,
)
from oakum.reconcile.run import Busy, Walked, alone, applied, looked, reconcile
from oakum.reconcile.sources import Unverified, fetch, signers
from oakum.reconcile.status import as_json, as_text, look, overdue
from oakum.reconcile.trust import Untrusted

DIGEST = f"sha256:{'0' * 64}"
GOOD = "oakum_profile: baseline\n"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "etc/oakum").mkdir(parents=True, mode=0o755)
    for folder in (tmp_path, tmp_path / "etc"):
        folder.chmod(0o755)
    found = Places(tmp_path, os.geteuid())
    prepare(found)
    return found


# Settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "total"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1d", 86400), ("0s", 0)]
)
def test_times_are_read_as_they_are_written(text: str, total: int) -> None:
    assert seconds(text) == total
    assert seconds(spelled(total)) == total


@pytest.mark.parametrize("text", ["", "10", "h", "1h 30m", "-1h", "1.5h", "m10"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time such as"):
        seconds(text)


@pytest.mark.parametrize(
    "said",
    [
        {"policy": "/etc/oakum/policy.yml"},
        {"policy": "git+https://git.example/fleet.git#web/policy.yml", "key": "/k", "branch": "x"},
        {"policy": "git+ssh://git@git.example/fleet.git#p.yml", "key": "/k"},
        {"policy": "git+file:///srv/fleet.git#p.yml", "key": "/k", "window": "22:00-04:00"},
        {"policy": "https://x.example/p.yml", "digest": DIGEST, "max_disruption": "reload"},
        {"policy": "https://x.example/p.yml", "key": "/k", "every": "30m", "jitter": "30m"},
        {"policy": "http://x.example/p.yml", "digest": DIGEST, "drift_only": True},
        {"policy": "/p.yml", "every": "1d", "drift_only": True, "window": "22:00-04:00"},
        {"policy": "/p2.yml", "every": "2h", "jitter": "0s", "window": "23:00-01:00"},
    ],
    ids=lambda said: said["policy"],
)
def test_settings_that_hold_survive_their_file(said: dict[str, Any], places: Places) -> None:
    config = checked(said, "test")
    places.config.write_text(written(config))
    assert read(places.config) == config


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        pytest.param({}, "policy: Field required", id="nothing"),
        pytest.param(
            {"policy": "/p", "windw": "1"}, "windw: is no setting; nearest: window", id="k"
        ),
        pytest.param({"policy": "policy.yml"}, "neither an absolute path", id="relative"),
        pytest.param({"policy": "ftp://x/p"}, "neither an absolute path", id="ftp"),
        pytest.param({"policy": "file:///p"}, "neither an absolute path", id="file-url"),
        pytest.param({"policy": "git+https://x/r.git", "key": "/k"}, "needs #path", id="no-path"),
        pytest.param({"policy": "git+https://x/r#../p", "key": "/k"}, "needs #path", id="dots"),
        pytest.param({"policy": "git+https://x/r#p"}, "needs the ssh key", id="git-unsigned"),
        pytest.param({"policy": "https://a:b@x/p", "key": "/k"}, "name or password", id="password"),
        pytest.param({"policy": "git+ssh://a:b@x/r#p", "key": "/k"}, "password", id="ssh-password"),
        pytest.param({"policy": "https:///p", "key": "/k"}, "names no host", id="no-host"),
        pytest.param({"policy": "https://x/p"}, "either key", id="url-unpinned"),
        pytest.param({"policy": "http://x/p", "key": "/k"}, "with a digest alone", id="plain-http"),
        pytest.param({"policy": "https://x/p", "digest": "sha256:12"}, "digest", id="short-digest"),
        pytest.param({"policy": "/p", "key": "/k"}, "known by its owner", id="file-with-key"),
        pytest.param({"policy": "/p", "branch": "x"}, "only a git", id="branch-of-a-file"),
        pytest.param({"policy": "/p", "every": "1s"}, "less than 5s", id="too-often"),
        pytest.param({"policy": "/p", "every": "8d"}, "more than 7d", id="too-seldom"),
        pytest.param({"policy": "/p", "every": "1m", "jitter": "2m"}, "jitter: 2m", id="jitter"),
        pytest.param({"policy": "/p", "window": "22:00"}, "no window such as", id="window"),
        pytest.param(
            {"policy": "/p", "window": "23:30-01:30", "every": "2h"},
            "might never meet it; say every: 1h or less",
            id="window-between-two-runs",
        ),
        pytest.param({"policy": "/p", "max_disruption": "some"}, "max_disruption", id="disruption"),
        pytest.param({"policy": "/p", "drift_only": "yes"}, "drift_only", id="no-bool"),
        pytest.param({"policy": "/p", "textfile": "x.prom"}, "textfile", id="textfile"),
        pytest.param({"policy": "/p\n"}, "characters that no address has", id="newline"),
    ],
)
def test_wrong_settings_are_named(said: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadConfig, match=re.escape(problem)):
        checked(said, "test")


# Keys --------------------------------------------------------------------------------------------

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3m"


def test_public_keys_become_allowed_signers() -> None:
    line = f'oakum-policy namespaces="git,oakum-policy" {KEY}\n'
    assert signers(f"# ours\n\n{KEY} team@desk\n") == line
    own = f'team@example valid-before="20300101" {KEY}'
    assert signers(own) == f"{own}\n"


@pytest.mark.parametrize(
    "text", ["", "# none\n", "-----BEGIN OPENSSH PRIVATE KEY-----\n", "ssh-ed25519\n", f"*\n{KEY}"]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"has no key|is neither a public ssh key"):
        signers(text)


# Files -------------------------------------------------------------------------------------------


def test_a_file_is_taken_as_it_is(places: Places) -> None:
    policy = places.root / "etc/policy.yml"
    policy.write_text(GOOD)
    policy.chmod(0o644)
    found = fetch(Config(policy=str(policy)), places)
    assert found.content == GOOD.encode()
    assert found.revision == f"sha256:{hashlib.sha256(GOOD.encode()).hexdigest()}"


def _writable_file(path: Path) -> None:
    path.chmod(0o664)


def _writable_folder(path: Path) -> None:
    path.parent.chmod(0o757)


def _sticky_folder(path: Path) -> None:
    path.parent.chmod(0o1777)


def _link(path: Path) -> None:
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def _linked_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_suffix(".real"))
    path.parent.symlink_to(path.parent.with_suffix(".real"))


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o644)


def _large(path: Path) -> None:
    path.write_bytes(b"#" * ((1 << 20) + 1))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_writable_file, "mode 664 lets others write it"),
        (_writable_folder, "mode 757 lets others write it"),
        (_sticky_folder, "mode 1777 lets others write it"),
        (_link, "is a symbolic link"),
        (_linked_folder, "is a symbolic link"),
        (_pipe, "is no regular file"),
        (_large, "is larger than"),
        (Path.unlink, "No such file"),
    ],
)
def test_a_file_that_others_may_change_is_refused(
    places: Places, spoil: Callable[[Path], None], why: str
) -> None:
    policy = places.root / "etc/oakum/policy.yml"
    policy.write_text(GOOD)
    policy.chmod(0o644)
    spoil(policy)
    with pytest.raises(Unverified, match=why):
        fetch(Config(policy=str(policy)), places)


def test_a_file_of_somebody_else_is_refused(places: Places) -> None:
    policy = places.root / "etc/policy.yml"
    policy.write_text(GOOD)
    other = replace(places, owner=places.owner + 1)
    with pytest.raises(Unverified, match="not to root; chown root it"):
        fetch(Config(policy=str(policy)), other)


def test_a_path_is_plain(places: Places) -> None:
    with pytest.raises(Unverified, match="plain absolute path"):
        fetch(Config(policy="/etc/../etc/policy.yml"), places)


# Git ---------------------------------------------------------------------------------------------


class Team:
    """A repository, a signing key, and a stranger's key."""

    def __init__(self, folder: Path, places: Places) -> None:
        self.folder, self.places = folder / "work", places
        for name in ("team", "stranger"):
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(words, check=True)
        self.team, self.stranger = folder / "team", folder / "stranger"
        key = places.signers
        key.write_text(signers(self.team.with_suffix(".pub").read_text()))
        key.chmod(0o644)
        self.folder.mkdir()
        self.git("init", "-q", "-b", "main")
        self.config = Config(policy=f"git+file://{self.folder}#a/p.yml", key=str(key))

    def git(self, *words: str) -> str:
        names = ("-c", "user.name=team", "-c", "user.email=t@example", "-c", "gpg.format=ssh")
        env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null"}
        argv = ["git", "-C", str(self.folder), *names, *words]
        return subprocess.run(
            argv, env=env, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, text: str = GOOD, key: Path | None = None, *, signed: bool = True) -> str:
        (self.folder / "a").mkdir(exist_ok=True)
        (self.folder / "a/p.yml").write_text(text)
        self.git("add", "a")
        sign = f"-S{key or self.team}" if signed else "--no-gpg-sign"
        self.git("commit", "-q", "--allow-empty", "-m", "policy", sign)
        return self.git("rev-parse", "HEAD")

    def fetch(self, last: str | None = None, **changed: Any) -> Any:
        return fetch(self.config.model_copy(update=changed), self.places, last)


@pytest.fixture
def team(tmp_path: Path, places: Places) -> Team:
    return Team(tmp_path, places)


def test_a_signed_commit_is_taken_and_only_forwards(team: Team) -> None:
    first = team.commit()
    assert team.fetch().revision == first
    second = team.commit("oakum_profile: strict\n")
    found = team.fetch(first)
    assert (found.revision, found.content) == (second, b"oakum_profile: strict\n")
    assert team.fetch(second) == found
    team.git("reset", "-q", "--hard", first)
    with pytest.raises(Unverified, match=f"commit {first[:12]} is behind {second[:12]}"):
        team.fetch(second)
    beside = team.commit("oakum_profile: baseline # beside\n")
    with pytest.raises(Unverified, match=f"commit {beside[:12]} is behind {second[:12]}"):
        team.fetch(second)
    assert not list(team.places.folder.iterdir()), "no repository is left behind"


def test_a_branch_is_followed(team: Team) -> None:
    first = team.commit()
    team.git("checkout", "-q", "-b", "next")
    second = team.commit("oakum_profile: strict\n")
    team.git("checkout", "-q", "main")
    assert team.fetch().revision == first
    assert team.fetch(branch="next").revision == second


def test_the_last_commit_itself_is_signed(team: Team) -> None:
    team.commit()
    team.commit(signed=False)
    with pytest.raises(Unverified, match="is not signed by the pinned key: it has no signature"):
        team.fetch()


def test_a_strangers_signature_is_none(team: Team) -> None:
    team.commit(key=team.stranger)
    with pytest.raises(Unverified, match="is not signed by the pinned key"):
        team.fetch()


def test_a_changed_commit_with_an_old_signature_is_refused(team: Team) -> None:
    """As one who holds the repository, but no key, could make it: the signature on other bytes."""
    team.commit()
    raw = team.git("cat-file", "commit", "HEAD") + "\n"
    (team.folder / "raw").write_text(raw.replace("policy", "malice"))
    forged = team.git("hash-object", "-t", "commit", "-w", str(team.folder / "raw"))
    team.git("reset", "-q", "--hard", forged)
    with pytest.raises(Unverified, match="is not signed by the pinned key"):
        team.fetch()


def test_a_signature_of_another_kind_is_not_asked(team: Team, tmp_path: Path) -> None:
    """A root whose own keyring trusts somebody does not thereby trust their policies."""
    team.commit(signed=False)
    raw = team.git("cat-file", "commit", "HEAD").split("\n\n")
    block = "-----BEGIN PGP SIGNATURE-----\n \n iQ\n -----END PGP SIGNATURE-----"
    (team.folder / "raw").write_text(f"{raw[0]}\ngpgsig {block}\n\n{raw[1]}\n")
    forged = team.git("hash-object", "-t", "commit", "-w", str(team.folder / "raw"))
    team.git("reset", "-q", "--hard", forged)
    tools = tmp_path / "bin"
    tools.mkdir()
    # @fake: a gpg that says yes to all
    (tools / "gpg").write_text(
        "#!/bin/sh\ncat >/dev/null; echo; echo '[GNUPG:] GOODSIG 0123456789ABCDEF x'\n"
        "echo '[GNUPG:] VALIDSIG 0 0 0 0 0 0 0 0 0 0'; echo '[GNUPG:] TRUST_ULTIMATE'\n"
    )
    (tools / "gpg").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
        assert subprocess.run(["git", "-C", team.folder, "verify-commit", "HEAD"]).returncode == 0
        with pytest.raises(Unverified, match="is not signed by the pinned key"):
            team.fetch()


@pytest.mark.parametrize("path", ["b/p.yml", "a", "a/link"])
def test_only_a_file_of_the_commit_is_a_policy(team: Team, path: str) -> None:
    (team.folder / "a").mkdir()
    (team.folder / "a/link").symlink_to("/etc/passwd")
    team.commit()
    with pytest.raises(Unverified, match="no such file in commit"):
        team.fetch(policy=f"git+file://{team.folder}#{path}")


def test_a_repository_that_is_gone_is_said(team: Team) -> None:
    with pytest.raises(Unverified, match=r"git fetch file:///nosuch\.git: "):
        team.fetch(policy="git+file:///nosuch.git#p.yml")


def test_a_failed_fetch_says_why_and_not_what_git_advises(team: Team) -> None:
    """Advice comes last, and is the same whatever went wrong."""
    with pytest.raises(Unverified, match="does not appear to be a git repository") as gone:
        team.fetch(policy=f"git+file://{team.folder}/nosuch.git#p.yml")
    assert "access rights" not in str(gone.value)
    team.commit()
    with pytest.raises(Unverified, match="couldn't find remote ref refs/heads/nosuch"):
        team.fetch(branch="nosuch")
    with pytest.raises(Unverified, match="Connection refused"):
        team.fetch(policy="git+ssh://127.0.0.1:9/r.git#p.yml")


def test_a_server_may_cost_a_host_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pack of a megabyte inflates to gigabytes, and git prints what a server says."""
    monkeypatch.setattr(sources, "MOST_MEMORY", 1 << 28)
    done = sources._run(sys.executable, "-c", "bytearray(1 << 29)")
    assert (done.code, done.words.rpartition("; ")[2]) == (1, "MemoryError")
    monkeypatch.setattr(sources, "MOST_PACK", 1 << 16)
    done = sources._run("sh", "-c", "while :; do echo remote: no >&2; done", limit=60)
    assert done.code < 0
    assert "remote: no" in done.words
    assert len(done.words) <= 400


def test_roots_own_git_settings_do_not_count(team: Team, tmp_path: Path) -> None:
    team.commit(key=team.stranger)
    trusting = tmp_path / "trusting"
    trusting.write_text(signers(team.stranger.with_suffix(".pub").read_text()))
    (tmp_path / ".gitconfig").write_text(
        f'[gpg]\nformat = ssh\n[gpg "ssh"]\nallowedSignersFile = {trusting}\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path))
        patch.setenv("GIT_CONFIG_COUNT", "1")
        patch.setenv("GIT_CONFIG_KEY_0", "gpg.ssh.allowedSignersFile")
        patch.setenv("GIT_CONFIG_VALUE_0", str(trusting))
        with pytest.raises(Unverified, match="is not signed by the pinned key"):
            team.fetch()


def test_a_key_that_others_may_change_is_refused(team: Team) -> None:
    team.commit()
    team.places.signers.chmod(0o666)
    with pytest.raises(Unverified, match="lets others write it"):
        team.fetch()


# Pages -------------------------------------------------------------------------------------------


@dataclass
class Site:
    """A server of pages by TLS and without; a page is its bytes, or where it sends one."""

    pages: dict[str, bytes | str] = field(default_factory=dict)
    https: str = ""
    http: str = ""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    openssl = ["openssl", "req", "-x509", "-nodes", "-days", "1", "-newkey", "ec"]
    openssl += ["-pkeyopt", "ec_paramgen_curve:P-256"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(tmp_path / "tls.key"), "-out", str(tmp_path / "tls.pem")]
    subprocess.run([*openssl, *names, *files], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "tls.pem"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    made = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = made.pages.get(self.path)
            self.send_response(404 if page is None else 302 if isinstance(page, str) else 200)
            if isinstance(page, str):
                self.send_header("Location", page)
            self.end_headers()
            if isinstance(page, bytes):
                self.wfile.write(page)

        def log_message(self, *_: Any) -> None: ...

    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.pem", tmp_path / "tls.key")
    servers[0].socket = context.wrap_socket(servers[0].socket, server_side=True)
    made.https = f"https://localhost:{servers[0].server_port}"
    made.http = f"http://localhost:{servers[1].server_port}"
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    yield made
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        server.server_close()
        thread.join()


def pinned(url: str, content: bytes = GOOD.encode()) -> Config:
    return Config(policy=url, digest=f"sha256:{hashlib.sha256(content).hexdigest()}")


def test_a_page_with_its_digest_is_taken(site: Site, places: Places) -> None:
    site.pages = {
        "/p.yml": GOOD.encode(),
        "/moved": f"{site.https}/p.yml",
        "/down": f"{site.http}/p.yml",
    }
    for url in (f"{site.https}/p.yml", f"{site.http}/p.yml", f"{site.https}/moved"):
        assert fetch(pinned(url), places).content == GOOD.encode()
    with pytest.raises(Unverified, match="digest mismatch: it is sha256:"):
        fetch(pinned(f"{site.https}/p.yml", b"other"), places)


@pytest.mark.parametrize(
    ("page", "why"),
    [
        pytest.param("/down", "redirects to http, which is refused", id="to-plain-http"),
        pytest.param(
            "/file", "Redirection to url 'file:///etc/passwd' is not allowed", id="to-a-file"
        ),
        pytest.param("/round", "redirect", id="in-a-circle"),
        pytest.param("/large", "has more than 1048576 bytes", id="too-large"),
        pytest.param("/none", "404", id="not-there"),
    ],
)
def test_a_page_that_may_not_be_had(site: Site, places: Places, page: str, why: str) -> None:
    site.pages = {
        "/down": f"{site.http}/p.yml",
        "/p.yml": GOOD.encode(),
        "/file": "file:///etc/passwd",
        "/round": f"{site.https}/round",
        "/large": b"#" * ((1 << 20) + 1),
    }
    with pytest.raises(Unverified, match=why):
        fetch(pinned(f"{site.https}{page}"), places)


def test_a_certificate_is_verified(
    site: Site, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pages = {"/p.yml": GOOD.encode()}
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Unverified, match="certificate verify failed"):
        fetch(pinned(f"{site.https}/p.yml"), places)
    other = site.https.replace("localhost", "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(places.root / "tls.pem"))
    with pytest.raises(Unverified, match="certificate"):
        fetch(pinned(f"{other}/p.yml"), places)


def test_a_page_that_never_ends_is_left(
    site: Site, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a server that accepts, and says nothing; the limit is played as half a second."""
    import socket

    monkeypatch.setattr("oakum.reconcile.web.SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/p.yml"
        with pytest.raises(Unverified, match="took longer than"):
            fetch(pinned(url), places)


def test_a_detached_signature(site: Site, places: Places, team: Team) -> None:
    def sign(key: Path, namespace: str = "oakum-policy") -> bytes:
        words = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace]
        return subprocess.run(words, input=GOOD.encode(), capture_output=True, check=True).stdout

    config = Config(policy=f"{site.https}/p.yml?v=1", key=str(places.signers))
    site.pages = {"/p.yml?v=1": GOOD.encode(), "/p.yml.sig?v=1": sign(team.team)}
    assert fetch(config, places).content == GOOD.encode()
    for bad in (sign(team.stranger), sign(team.team, "git"), sign(team.team, "file"), b"x"):
        site.pages["/p.yml.sig?v=1"] = bad
        with pytest.raises(Unverified, match="is no signature of it by the pinned key"):
            fetch(config, places)
    site.pages |= {"/p.yml.sig?v=1": sign(team.team), "/p.yml?v=1": b"oakum_profile: strict\n"}
    with pytest.raises(Unverified, match="is no signature of it by the pinned key"):
        fetch(config, places)
    del site.pages["/p.yml.sig?v=1"]
    with pytest.raises(Unverified, match=r"sig\?v=1: 404"):
        fetch(config, places)


# Records -----------------------------------------------------------------------------------------


def a_record(hour: int = 0, **changed: Any) -> Record:
    time = f"2026-03-01T{hour % 24:02}:00:00Z"
    made = Record(
        started=time,
        finished=time,
        outcome=Result.UNCHANGED,
        exit=0,
        reason=None,
        source="/p",
        revision="r",
        report=None,
    )
    return replace(made, **changed)


def test_the_last_thirty_stay_in_the_order_of_their_runs(places: Places) -> None:
    for hour in range(40):  # the clock jumps back a day in between
        keep(a_record(hour, reason=str(hour)), places)
    found = [load(path) for path in names(places)]
    assert [record.reason for record in found] == [str(hour) for hour in range(10, 40)]
    assert len(found) == KEPT
    assert {path.stat().st_mode & 0o777 for path in names(places)} == {0o600}


def test_what_was_accepted_is_not_forgotten_by_accident(places: Places) -> None:
    assert remembered(places) == Memory()
    memory = Memory(source="s", revision="r", read="x", findings=(Seen("icc", "low", "ok"),))
    remember(memory, places)
    assert remembered(places) == memory
    (places.folder / "memory.json").write_text('{"revision": ')
    with pytest.raises(Damaged, match=r"memory.json: is damaged .* look which policy"):
        remembered(places)


def test_a_file_is_there_as_a_whole_or_not_at_all(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = places.folder / "x"
    write(path, b"one")

    def full(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        write(path, b"two")
    assert [one.name for one in places.folder.iterdir()] == ["x"]
    assert path.read_bytes() == b"one"


# Metrics -----------------------------------------------------------------------------------------

LABEL = r'[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\n"])*"'
SAMPLE = re.compile(rf"([a-zA-Z_:][\w:]*)(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9]+)", re.ASCII)


def parsed(text: str) -> dict[str, list[tuple[str, int]]]:
    """The samples of each name; every rule of the text format that our file could break."""
    found: dict[str, list[tuple[str, int]]] = {}
    assert text.endswith("\n")
    helped = current = None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped = line.split()[2]
            assert helped not in found, f"{helped} comes twice"
        elif line.startswith("# TYPE "):
            _, _, current, kind = line.split()
            assert (current, kind) == (helped, "gauge")
            found[current] = []
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample[1] == current, f"{line} is not below its own head"
            found[sample[1]].append((sample[2] or "", int(sample[3])))
    for name, samples in found.items():
        labels = [label for label, _ in samples]
        assert len(labels) == len({*labels}), f"{name} twice with the same labels"
    return found


MEMORY = Memory(
    source='git+https://x/"a\\b"\n#p',
    revision="r",
    applied="2026-03-01T00:00:00Z",
    read="2026-03-01T01:00:00Z",
    findings=(
        Seen("icc", "low", "drift"),
        Seen("seccomp", "high", "held"),
        Seen("entropy", "medium", "unknown"),
        Seen("images", "low", "ok"),
    ),
)


def test_metrics_say_what_was_seen() -> None:
    text = metrics.text(a_record(2, outcome=Result.UNVERIFIED), MEMORY)
    found = parsed(text)
    assert [value for _, value in found["oakum_drift"]] == [1, 0, 0, 0]
    assert [value for _, value in found["oakum_held"]] == [0, 1, 0, 0]
    assert [value for _, value in found["oakum_unknown"]] == [0, 0, 1, 0]
    assert ('control="icc",severity="low"', 1) in found["oakum_drift"]
    start = 1772323200
    assert found["oakum_reconcile_last_apply_timestamp_seconds"] == [("", start)]
    assert found["oakum_reconcile_last_read_timestamp_seconds"] == [("", start + 3600)]
    assert found["oakum_reconcile_last_run_timestamp_seconds"] == [("", start + 7200)]
    outcomes = dict(found["oakum_reconcile_last_outcome"])
    assert {label for label, value in outcomes.items() if value} == {'outcome="unverified"'}
    assert len(outcomes) == len(Result)
    ((policy, _),) = found["oakum_reconcile_policy_info"]
    assert policy == r'source="git+https://x/\"a\\b\"\n#p",revision="r"'


def test_metrics_before_anything_was_seen() -> None:
    found = parsed(metrics.text(a_record(outcome=Result.UNVERIFIED), Memory()))
    assert [name for name, samples in found.items() if samples] == [
        "oakum_reconcile_last_run_timestamp_seconds",
        "oakum_reconcile_last_outcome",
    ]


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool here")
def test_promtool_finds_nothing_wrong() -> None:
    for memory in (MEMORY, Memory()):
        text = metrics.text(a_record(), memory)
        done = subprocess.run(
            ["promtool", "check", "metrics"], input=text, capture_output=True, text=True
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


# Runs --------------------------------------------------------------------------------------------


def row(outcome: str | None = None, *statuses: str, **changed: Any) -> dict[str, Any]:
    findings = [
        {"control": f"c{number}", "severity": "low", "status": status, "reason": "why"}
        for number, status in enumerate(statuses)
    ]
    made = {"outcome": outcome, "error": None, "deferred": [], "findings": findings, "changes": []}
    return {**made, **changed}


def walked(code: int, *rows: dict[str, Any], words: str = "") -> Walked:
    return Walked(code, {"hosts": list(rows)}, words)


@pytest.mark.parametrize(
    ("done", "wanted"),
    [
        (walked(0, row("applied", "ok")), (Result.APPLIED, 0, None)),
        (walked(1, row("applied", "drift")), (Result.APPLIED, 1, None)),
        (walked(0, row("unchanged", "ok", "held")), (Result.UNCHANGED, 0, None)),
        (walked(1, row("unchanged", "drift")), (Result.DRIFT, 1, None)),
        (walked(3, row("unchanged", "unknown")), (Result.UNKNOWN, 3, "c0: why")),
        (walked(4, row("rolled-back", "drift", error="no")), (Result.ROLLED_BACK, 4, "no")),
        (walked(4, row("failed", "drift", error="no")), (Result.FAILED, 4, "no")),
        (walked(3, row(None, error="no answer")), (Result.UNKNOWN, 3, "no answer")),
        (
            walked(3, row("not-reached", error="outside of --window 1")),
            (Result.OUTSIDE_WINDOW, 3, "outside of --window 1"),
        ),
        (walked(3, row("not-reached", error="its clock")), (Result.UNKNOWN, 3, "its clock")),
        (Walked(-9, None, ""), (Result.FAILED, 4, "oakum apply ended with -9")),
        (Walked(1, None, "Traceback"), (Result.FAILED, 4, "Traceback")),
    ],
)
def test_what_came_of_apply(done: Walked, wanted: tuple[Result, int, str | None]) -> None:
    assert applied(done) == wanted


@pytest.mark.parametrize(
    ("done", "wanted"),
    [
        (walked(0, row(None, "ok", "held")), (Result.UNCHANGED, 0, None)),
        (walked(0, row(None, "ok", "drift")), (Result.DRIFT, 1, None)),
        (walked(0, row(None, "ok", deferred=[{}])), (Result.DRIFT, 1, None)),
        (walked(3, row(None, "unknown", "drift")), (Result.UNKNOWN, 3, "c0: why")),
        (Walked(-9, None, ""), (Result.UNKNOWN, 3, "oakum plan ended with -9")),
    ],
)
def test_what_came_of_plan(done: Walked, wanted: tuple[Result, int, str | None]) -> None:
    assert looked(done) == wanted


class Road:
    """@fake: stands for the child ``oakum``; what it was asked, and answers in turn."""

    def __init__(self, *answers: Walked) -> None:
        self.answers = list(answers)
        self.asked: list[list[str]] = []

    def __call__(self, words: Sequence[str], places: Places) -> Walked:
        self.asked.append(list(words))
        return self.answers.pop(0)


def set_up(places: Places, text: str = GOOD, **said: Any) -> None:
    policy = places.root / "etc/policy.yml"
    policy.write_text(text)
    policy.chmod(0o644)
    config = checked({"policy": str(policy), **said}, "test")
    places.config.write_text(written(config))


def hours(ahead: int) -> str:
    """A window of two hours that begins so many hours from now."""
    begin = datetime.now() + timedelta(hours=ahead)
    return f"{begin:%H:%M}-{begin + timedelta(hours=2):%H:%M}"


def test_a_run_applies_the_private_copy_and_keeps_what_came_of_it(places: Places) -> None:
    set_up(places, max_disruption="reload", window=hours(-1))
    road = Road(walked(0, row("applied", "ok")))
    record = reconcile(places, road)
    copy = places.folder / "policy.yml"
    assert road.asked == [
        [
            *("apply", "@local", "--policy", str(copy), "--format", "json"),
            *("--max-disruption", "reload", "--window", hours(-1), "--yes"),
        ]
    ]
    assert copy.read_text() == GOOD
    assert (record.outcome, record.exit) == (Result.APPLIED, 0)
    assert load(names(places)[-1]) == record
    memory = remembered(places)
    assert (memory.revision, memory.applied) == (record.revision, record.finished)
    assert memory.findings == (Seen("c0", "low", "ok"),)
    found = parsed((places.state / "oakum.prom").read_text())
    assert ('outcome="applied"', 1) in found["oakum_reconcile_last_outcome"]
    assert places.mark.exists()


@pytest.mark.parametrize(
    ("policy", "settings", "asked"),
    [("none", "restart", "none"), ("migration", "restart", "restart"), ("none", None, None)],
)
def test_the_stricter_limit_counts(
    places: Places, policy: str, settings: str | None, asked: str | None
) -> None:
    """A fleet that is told to wait waits, whatever a host's settings allow."""
    said = {"max_disruption": settings} if settings else {}
    set_up(places, f"oakum_max_disruption: {policy}\n", **said)
    road = Road(walked(0, row("unchanged", "ok")))
    reconcile(places, road)
    words = road.asked[0]
    given = words[words.index("--max-disruption") + 1] if "--max-disruption" in words else None
    assert given == asked


def test_outside_of_the_window_and_in_drift_only_mode_it_looks(places: Places) -> None:
    for said, outcome in (
        ({"window": hours(3)}, Result.OUTSIDE_WINDOW),
        ({"drift_only": True}, Result.DRIFT),
        ({"drift_only": True, "window": hours(3)}, Result.DRIFT),
    ):
        set_up(places, **said)
        road = Road(walked(0, row(None, "drift")))
        record = reconcile(places, road)
        assert [words[0] for words in road.asked] == ["plan"]
        assert road.asked[0][-2:] == ["--fail-on", "never"]
        assert (record.outcome, record.exit) == (outcome, 1)
        assert remembered(places).findings == (Seen("c0", "low", "drift"),)


def test_a_window_that_closes_meanwhile(places: Places) -> None:
    set_up(places, window=hours(-1))
    late = row("not-reached", error="outside of --window 1: it is later there")
    road = Road(walked(3, late), walked(0, row(None, "drift")))
    assert reconcile(places, road).outcome is Result.OUTSIDE_WINDOW
    assert [words[0] for words in road.asked] == ["apply", "plan"]


def test_a_policy_that_does_not_verify_changes_nothing(places: Places) -> None:
    set_up(places)
    assert reconcile(places, Road(walked(0, row("unchanged", "drift")))).exit == 0
    before = remembered(places)
    for text, why in (
        ("oakum_usernsremap: enforce\n", "nearest: oakum_userns_remap"),
        ("- no\n- mapping\n", "expected oakum_\\* keys"),
        ("oakum_only: [\n", "is no valid policy"),
        ("oakum_only: [nosuch]\n", "is no control"),
        ("", "is empty"),  # as where somebody is just writing it
        ("# nothing yet\n", "is empty"),
    ):
        set_up(places, text)
        record = reconcile(places, Road())
        assert (record.outcome, record.exit) == (Result.UNVERIFIED, 3)
        assert re.search(why, record.reason or "")
        assert str(places.folder) not in (record.reason or ""), "the source is named, not the copy"
        assert remembered(places) == before
    found = parsed((places.state / "oakum.prom").read_text())
    assert ('control="c0",severity="low"', 1) in found["oakum_drift"], "as it was last seen"


def test_there_is_no_way_behind_what_was_accepted(places: Places, team: Team) -> None:
    """Also where the run was killed right after it had begun to apply."""
    first = team.commit()
    places.config.write_text(written(team.config))
    second = team.commit("oakum_profile: strict\n")

    def killed(words: Sequence[str], places: Places) -> Walked:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reconcile(places, killed)
    team.git("reset", "-q", "--hard", first)
    record = reconcile(places, Road())
    assert (record.outcome, record.revision) == (Result.UNVERIFIED, None)
    assert f"is behind {second[:12]}" in (record.reason or "")
    (places.folder / "memory.json").write_text("{")
    assert "is damaged" in (reconcile(places, Road()).reason or "")
    assert (places.folder / "memory.json").read_text() == "{", "what is damaged is not forgotten"


def test_wrong_settings_end_a_run_and_are_kept(places: Places) -> None:
    places.config.write_text("polcy: /p\n")
    record = reconcile(places, Road())
    assert (record.outcome, record.exit) == (Result.FAILED, 2)
    assert "polcy: is no setting; nearest: policy" in (record.reason or "")
    assert load(names(places)[-1]) == record


def test_one_run_at_a_time(places: Places) -> None:
    set_up(places)
    with alone(places), pytest.raises(Busy, match="another run"):
        reconcile(places, Road())
    assert not names(places)


def test_what_a_killed_run_left_goes(places: Places) -> None:
    set_up(places)
    (places.folder / ".oakum-x").mkdir()
    (places.folder / ".oakum-x/pack").write_text("x")
    (places.folder / ".oakum-y").write_text("x")
    reconcile(places, Road(walked(0, row("unchanged", "ok"))))
    assert not list(places.folder.glob(".oakum-*"))


def test_the_child_is_oakum_itself(places: Places) -> None:
    done = running.child(["plan", "nosuch.py", "--format", "json"], places)
    assert (done.code, done.report) == (2, None)
    assert done.words == "oakum: nosuch.py: no such inventory file"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["--policy", "/p"], "add --no-timer, and put this line", id="no-systemd"),
        pytest.param(["--policy", "/p", "--every", "1s"], "less than 5s", id="settings"),
        pytest.param(["--policy", "p.yml"], "neither an absolute path", id="source"),
        pytest.param(["--policy", "git+https://x/r#p", "--key", "no"], "--key no: No such", id="k"),
        pytest.param(
            ["--policy", "/p", "--no-timer", "--textfile", "/nosuch/x.prom"],
            "the folder /nosuch is not there",
            id="textfile",
        ),
    ],
)
def test_install_refuses_before_it_writes(
    places: Places, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    """Of a host without systemd, by the command itself."""
    monkeypatch.setattr("oakum.reconcile.Places", lambda: places)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    done = CliRunner().invoke(oakum, ["reconcile", "install", *words])
    assert (done.exit_code, said in done.stderr) == (2, True), done.output
    assert not places.config.exists()
    assert not names(places)


def test_install_run_status_and_remove_without_a_timer(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oakum.reconcile.Places", lambda: places)
    road = Road(walked(0, row("unchanged", "ok")))
    monkeypatch.setattr("oakum.reconcile.run.child", road)
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def call(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(oakum, ["reconcile", *words])
        return done.exit_code, done.output

    policy = places.root / "etc/policy.yml"
    policy.write_text(GOOD)
    policy.chmod(0o600)
    install = ("install", "--no-timer", "--policy", str(policy))
    code, said = call(*install)
    assert (code, f"+policy: {policy}\n" in said) == (0, True), said
    assert call("status")[0] == 3, "there was no run yet"
    assert call(*install)[1].startswith("nothing to do: the policy verifies as sha256:")
    assert call("run")[0] == 0
    assert call("status")[0] == 0
    policy.chmod(0o666)
    code, said = call("run", "--format", "json")
    assert (code, json.loads(said)["outcome"]) == (3, "unverified")
    assert call("status")[0] == 3
    assert call("run", "--fail-on", "never")[0] == 3, "that is for drift alone"
    policy.chmod(0o600)
    assert (places.state / "oakum.prom").exists()
    code, said = call(*install, "--textfile", f"{places.root}/etc/other.prom")
    assert (code, f"removed {places.state}/oakum.prom" in said) == (0, True), said
    assert not (places.state / "oakum.prom").exists(), "one file says a metric"
    road.answers = [walked(1, row("unchanged", "drift"))] * 2
    assert call("run")[0] == 1
    assert call("run", "--fail-on", "never")[0] == 0
    assert load(names(places)[-1]).exit == 1, "a record says what was"
    assert call("status")[0] == 1
    assert call("remove")[0] == 0
    left = {str(path.relative_to(places.root)) for path in places.root.rglob("*")}
    assert not {path for path in left if path.startswith("etc/oakum") or "prom" in path}
    assert len(names(places)) == 5
    assert call("remove", "--purge")[0] == 0
    assert not places.folder.exists()
    assert call("run")[0] == 2


def test_root_runs_no_python_that_others_may_replace(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A venv's python is a link: what counts is who may write beside it, too."""
    tools = places.root / "venv"
    tools.mkdir(mode=0o755)
    (tools / "python").symlink_to(sys.executable)
    tools.chmod(0o777)
    monkeypatch.setattr(sys, "executable", str(tools / "python"))
    with pytest.raises(Untrusted, match=f"{tools}: mode 777 lets others write it"):
        refuse_untrusted(places)


@pytest.mark.parametrize("where", ["remember", "write"])
def test_what_cannot_be_kept_is_not_done(
    places: Places, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    set_up(places)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(running, where, full)
    road = Road()
    with pytest.raises(OSError, match="No space left"):
        reconcile(places, road)
    assert not road.asked


# Status ------------------------------------------------------------------------------------------


def test_status_says_what_is_wrong(places: Places) -> None:
    seen = look(places)
    assert (seen.exit_code, json.loads(as_json(seen))["installed"]) == (3, False)
    assert "not installed: oakum reconcile install" in as_text(seen)


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (a_record(), 0),
        (a_record(outcome=Result.DRIFT, exit=1), 1),
        (a_record(outcome=Result.OUTSIDE_WINDOW, exit=1), 1),
        (a_record(outcome=Result.UNVERIFIED, exit=3), 3),
        (a_record(outcome=Result.ROLLED_BACK, exit=4), 4),
        (a_record(outcome=Result.FAILED, exit=2), 4),
    ],
)
def test_status_ends_as_the_last_run_did(places: Places, record: Record, code: int) -> None:
    set_up(places)
    keep(a_record(outcome=Result.UNVERIFIED, exit=3), places)
    keep(replace(record, finished=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"), places)
    seen = look(places)
    assert seen.exit_code == code
    told = json.loads(as_json(seen))
    assert [run["exit"] for run in told["runs"]] == [record.exit, 3]
    assert str(record.outcome) in as_text(seen)


def test_a_record_that_cannot_be_read_hides_no_other(places: Places) -> None:
    set_up(places)
    for _ in range(2):
        keep(a_record(finished=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"), places)
    bad = names(places)[0]
    bad.write_text('{"outcome": "of a later release"')
    remember(Memory(source="s", revision="r"), places)
    seen = look(places)
    assert (seen.exit_code, len(seen.runs), seen.memory.revision) == (3, 1, "r")
    assert [problem for problem in seen.problems if str(bad) in problem]


def test_three_periods_without_a_run_are_too_many() -> None:
    config = Config(policy="/p", every="1h", jitter="0s")
    installed = datetime(2026, 3, 1, tzinfo=UTC)
    ago = [a_record(5)]
    for runs, now, words in (
        ([], installed + timedelta(hours=3), []),
        ([], installed + timedelta(hours=3, seconds=1), ["no run for 3h1s; there should be one"]),
        (ago, datetime(2026, 3, 1, 8, tzinfo=UTC), []),
        (ago, datetime(2026, 3, 1, 9, tzinfo=UTC), ["no run for 4h; there should be one every 1h"]),
    ):
        found = list(overdue(config, installed.timestamp(), runs, now))
        assert len(found) == len(words)
        assert all(one.startswith(word) for one, word in zip(found, words, strict=True))
    often, soon = Config(policy="/p", every="5s"), installed + timedelta(minutes=15)
    assert not list(overdue(often, installed.timestamp(), [], soon))
    assert list(overdue(often, installed.timestamp(), [], soon + timedelta(seconds=1)))


# Units -------------------------------------------------------------------------------------------


def test_units_say_when_and_what(places: Places) -> None:
    config = Config(policy="/p", every="30m", jitter="2m")
    service, timer = (file.content.decode() for file in units.units(config, places))
    assert re.search(
        r"^ExecStart=\S+ -P -m oakum reconcile run --fail-on never$", service, re.MULTILINE
    )
    assert "SuccessExitStatus" not in service, "a Python without oakum ends with 1"
    for line in ("OnUnitInactiveSec=1800s", "RandomizedDelaySec=120s", "OnBootSec=300s"):
        assert f"\n{line}\n" in timer


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_finds_nothing_wrong(places: Places, tmp_path: Path) -> None:
    for file in units.units(Config(policy="/p"), places):
        (tmp_path / file.path.name).write_bytes(file.content)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "oakum-reconcile.timer")],
        capture_output=True,
        text=True,
    )
    assert "oakum-reconcile" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("every", "when"),
    [("5s", "*/1 * * * *"), ("30m", "*/30 * * * *"), ("6h", "17 */6 * * *"), ("7d", "17 3 * * *")],
)
def test_cron_does_nearly_the_same(every: str, when: str) -> None:
    line = units.crontab(Config(policy="/p", every=every))
    assert line.startswith(f"{when} sleep $("), "no user: each cron reads root's own crontab"
    assert "-m oakum reconcile run" in line


def test_a_span_of_systemd_is_read() -> None:
    now = datetime.now(UTC)
    found = units._time({"NextElapseUSecMonotonic": "1d 1h 2min 3.500s"}, 90000.0)
    assert found
    assert abs((found - now).total_seconds() - 123.5) < 60
    for text in ("infinity", "", "0", "1 fortnight"):
        assert units._time({"NextElapseUSecMonotonic": text}, 0) is None
