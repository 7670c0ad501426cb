"""Windows hosts are known by what they answer, and refused in words that help."""

import json
from types import SimpleNamespace

import pytest
from pyinfra.connectors.util import CommandOutput, OutputLine

from oakum import probe, windows
from oakum.engine.catalogue import options
from oakum.probe import NoAnswer, read
from oakum.wire import BEGIN

COMMON = {"log-level", "log-driver", "log-opts", "max-concurrent-downloads"}
"""Keys whose flags moby installs on every platform (``daemon/command/config.go``)."""


def mangled(text: str, page: str) -> str:
    """A line as it comes in from a host of another code page."""
    return text.encode(page).decode("utf-8", "replace")


CMD = "'sh' is not recognized as an internal or external command,"
RUSSIAN = '"sh" не является внутренней или внешней командой, исполняемой программой'
JAPANESE = "'sh' は、内部コマンドまたは外部コマンド、"
CHINESE = "'sudo' 不是内部或外部命令"
POWERSHELL = "sh : The term 'sh' is not recognized as the name of a cmdlet, function, script file"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(CMD, id="cmd"),
        pytest.param(f"{CMD}\r", id="cmd-with-its-line-end"),
        pytest.param(POWERSHELL, id="powershell-5"),
        pytest.param("The term 'sh' is not recognized as a name of a cmdlet", id="powershell-7"),
        pytest.param("    + FullyQualifiedErrorId : CommandNotFoundException", id="any-language"),
        pytest.param("The command line is too long.", id="too-long"),
        pytest.param("Microsoft Windows [Version 10.0.20348.2113]", id="banner"),
        pytest.param('Der Befehl "sh" ist entweder falsch geschrieben oder', id="german"),
        pytest.param("Die Befehlszeile ist zu lang.", id="german-too-long"),
        pytest.param(
            mangled("'sh' n'est pas reconnu en tant que commande interne", "cp850"), id="french"
        ),
        pytest.param('"sh" no se reconoce como un comando interno o externo,', id="spanish"),
        pytest.param(
            mangled('"sh" non è riconosciuto come comando interno o esterno,', "cp850"),
            id="italian",
        ),
        pytest.param(mangled(RUSSIAN, "cp866"), id="russian-866"),
        pytest.param(mangled(RUSSIAN, "cp1251"), id="russian-1251"),
        pytest.param(mangled(JAPANESE, "cp932"), id="japanese"),
        pytest.param(mangled(CHINESE, "cp936"), id="chinese"),
        pytest.param(RUSSIAN, id="utf-8"),
    ],
)
def test_told_by_its_words(line):
    assert windows.answered(["", line], "SSH-2.0-x")


@pytest.mark.parametrize(
    "line",
    [
        "bash: sh: command not found",
        "sh: 1: sh: not found",
        "fish: Unknown command: sh",
        "zsh:1: command not found: sh",
        "sudo: a password is required",
        "sudo: Es ist ein Passwort notwendig: 'ß'",
        "This account is currently not available.",
        "% Invalid input detected at '^' marker.",
        "'sh'",
        "Welcome to Windows Subsystem for Linux",
    ],
)
def test_told_apart_from_a_unix(line):
    assert not windows.answered([line], "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3")


def test_told_by_its_server():
    assert windows.answered([], "SSH-2.0-OpenSSH_for_Windows_9.5")


def test_what_would_fit_it():
    """A daemon.json that dockerd takes on Windows, on one line."""
    text = windows.REFUSAL.partition("fit it: ")[2]
    assert json.loads(text) == windows.DAEMON_JSON
    assert windows.DAEMON_JSON.keys() <= COMMON <= options().keys()
    assert "\n" not in windows.REFUSAL


def host_of(banner):
    transport = SimpleNamespace(remote_version=banner)
    client = SimpleNamespace(get_transport=lambda: transport)
    return SimpleNamespace(connector=SimpleNamespace(client=client))


def answering(monkeypatch, *stdout, stderr=()):
    lines = [OutputLine("stdout", line) for line in stdout]
    lines += [OutputLine("stderr", line) for line in stderr]
    monkeypatch.setattr(probe, "run", lambda *args: (False, CommandOutput(lines)))


def test_a_host_that_says_so(monkeypatch):
    answering(monkeypatch, stderr=[CMD, "operable program or batch file."])
    with pytest.raises(NoAnswer) as raised:
        read(host_of("SSH-2.0-other"))
    assert str(raised.value) == windows.REFUSAL
    assert "a daemon.json that would fit it: {" in str(raised.value)


def test_a_host_without_words(monkeypatch):
    answering(monkeypatch)
    with pytest.raises(NoAnswer, match="this is a Windows host"):
        read(host_of("SSH-2.0-OpenSSH_for_Windows_8.1"))


@pytest.mark.parametrize(
    ("banner", "words"),
    [
        ("SSH-2.0-OpenSSH_for_Windows_8.1", "this is a Windows host"),
        ("SSH-2.0-OpenSSH_9.2p1", "the connection failed: Channel closed"),
    ],
)
def test_a_host_that_hangs_up(monkeypatch, banner, words):
    def lost(*args):
        raise NoAnswer("the connection failed: Channel closed", lost=True)

    monkeypatch.setattr(probe, "run", lost)
    with pytest.raises(NoAnswer, match=words) as raised:
        read(host_of(banner))
    assert raised.value.lost


def test_a_unix_without_a_shell(monkeypatch):
    answering(monkeypatch, "This account is currently not available.")
    with pytest.raises(NoAnswer, match="the host's shell answered"):
        read(host_of("SSH-2.0-OpenSSH_9.2p1"))


def test_a_probe_from_a_windows_server_counts(monkeypatch):
    """Where its default shell is a Linux, what answers is that Linux."""
    answering(monkeypatch, BEGIN, "oakum-probe 1 end")
    assert read(host_of("SSH-2.0-OpenSSH_for_Windows_9.5")).engine is not None
