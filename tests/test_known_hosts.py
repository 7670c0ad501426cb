"""known_hosts as pyinfra's SSH connector asks for it, against paramiko's own reader and OpenSSH's
rules."""

import base64
import hmac
from pathlib import Path

import paramiko
import pytest
from paramiko import SSHException
from pyinfra.connectors.sshuserclient import client

from oakum.known_hosts import KnownHosts, Unknown, indexed

ONE, TWO = (paramiko.ECDSAKey.generate() for _ in range(2))


def line(names: str, key: paramiko.PKey = ONE, marker: str = "") -> str:
    return f"{marker}{' ' if marker else ''}{names} {key.get_name()} {key.get_base64()} comment\n"


def hashed(name: str) -> str:
    salt = b"12345678901234567890"
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.fixture
def known(tmp_path: Path):
    def read(*lines: str) -> KnownHosts:
        (tmp_path / "known_hosts").write_text("".join(lines))
        return KnownHosts((str(tmp_path / "known_hosts"),))

    return read


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        pytest.param("web-1", "web-1", id="plain"),
        pytest.param("web-1,10.0.0.1", "10.0.0.1", id="second-name"),
        pytest.param("[web-1]:2222", "[web-1]:2222", id="port"),
        pytest.param(hashed("web-1"), "web-1", id="hashed"),
        pytest.param("*.example.net,!db.example.net", "web.example.net", id="pattern"),
    ],
)
def test_key_is_found(known, names: str, asked: str) -> None:
    keys = known("# a comment\n", "\n", "broken\n", line(names)).get(asked)
    assert keys is not None
    assert keys[ONE.get_name()] == ONE


@pytest.mark.parametrize("asked", ["web-2", "db.example.net", "web-1 ", "[web-1]:22"])
def test_nobody_else_is_found(known, asked: str) -> None:
    lines = line("web-1"), line(hashed("x")), line("*.example.net,!db.example.net")
    assert known(*lines).get(asked) is None


def test_same_answers_as_paramiko(known, tmp_path: Path) -> None:
    ours = known(*(line(f"h{n},a{n}") for n in range(20)), line(hashed("h"), TWO))
    theirs = paramiko.HostKeys(str(tmp_path / "known_hosts"))
    for name in ("h3", "a19", "h", "none"):
        mine, other = ours.get(name), theirs.get(name)
        assert (mine and dict(mine)) == (other and dict(other))


def test_broken_key_is_no_key(known) -> None:
    assert known("web-1 ssh-ed25519 AAAA\n", "web-2 ssh-none AAAA\n").get("web-1") is None


class Accepts(paramiko.MissingHostKeyPolicy):
    def missing_host_key(self, client, hostname, key) -> None:
        pass


def shown(known_hosts: KnownHosts, policy: paramiko.MissingHostKeyPolicy, key=ONE) -> None:
    ssh = client.SSHClient()
    ssh._host_keys = known_hosts
    Unknown(policy).missing_host_key(ssh, "web-1", key)


def test_revoked_key_is_refused_by_whom_everything_suits(known) -> None:
    revoked = known(line("web-1"), line("*", ONE, "@revoked"))
    assert revoked.get("web-1") is None
    with pytest.raises(SSHException, match="the host key of web-1 is revoked"):
        shown(revoked, Accepts())
    shown(revoked, Accepts(), TWO)


def test_authority_is_no_host_key_and_the_refusal_says_so(known) -> None:
    vouched = known(line("*", ONE, "@cert-authority"))
    assert vouched.get("web-1") is None
    with pytest.raises(SSHException, match="@cert-authority is there"):
        shown(vouched, client.StrictPolicy())


def test_accepted_key_is_the_one_that_counts_from_then_on(known, tmp_path: Path) -> None:
    fresh = known()
    ssh = client.SSHClient()
    ssh._host_keys, ssh._host_keys_filename = fresh, str(tmp_path / "known_hosts")
    with indexed():
        policy = client.get_missing_host_key_policy("accept-new")
    policy.missing_host_key(ssh, "web-1", ONE)
    assert fresh.get("web-1")[ONE.get_name()] == ONE
    assert KnownHosts((str(tmp_path / "known_hosts"),)).get("web-1")[ONE.get_name()] == ONE


def test_file_is_read_once_and_pyinfra_gets_its_own_back(tmp_path: Path) -> None:
    before = client.get_host_keys
    (tmp_path / "k").write_text(line("web-1"))
    with indexed():
        one = client.get_host_keys((str(tmp_path / "k"),))
        assert client.get_host_keys((str(tmp_path / "k"),)) is one
    assert client.get_host_keys is before


def test_missing_file_is_no_known_hosts(tmp_path: Path) -> None:
    assert KnownHosts((str(tmp_path / "none"),)).get("web-1") is None
