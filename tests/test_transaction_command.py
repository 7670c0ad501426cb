"""A plan as the one shell text that lays it down on a host, with every byte of it whole."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import plain_host, policy_of
from hypothesis import given, settings
from hypothesis import strategies as st

from oakum import manifest
from oakum.manifest import About
from oakum.model import Change, Kind, Plan
from oakum.operations import END, MOST_COMMAND, follow_command, transaction_command
from oakum.probe import script

ID = "20260131T120000Z-1a2b3c4d"
PATH = "/etc/docker/daemon.json"
ABOUT = About(ID, "ann@desk")
ECHO = (
    'begin() { dir=$0; }\ngive_up() { exit 9; }\nstart() { echo start; }\nfollow() { echo "$@"; }\n'
)
READ = "".join(
    f'{name}() {{ printf \'%s\\0\' "$#" {name} "$@"; }}\n'
    for name in ("about", "limits", "preflight", "file", "service", "undoes", "leave")
)


def change(after: bytes = b"{}\n", path: str = "/etc/subuid", **known: Any) -> Change:
    return Change(path=path, kind=Kind.FILE, after=after, controls=("userns-remap",), **known)


def plan(*changes: Change, **known: Any) -> Plan:
    return Plan((), tuple(changes), **known)


def command_of(found: Plan) -> str | None:
    return transaction_command(found, plain_host(), policy_of(), ABOUT)


def sent(command: str | None, folder: Path) -> list[str]:
    """Lays down what a text brings, as its host would; what it calls afterwards."""
    assert command
    head = script("launch.sh")
    assert command.startswith(head)
    done = subprocess.run(
        ["sh", "-c", ECHO + command.removeprefix(head), str(folder)],
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def calls_in(folder: Path) -> list[tuple[str, ...]]:
    """The calls of the manifest, as a shell that echoes them takes them apart."""
    done = subprocess.run(
        ["sh", "-c", f'{READ}. "$0"', str(folder / "manifest")], capture_output=True, check=True
    )
    assert done.stderr == b""
    words = iter(done.stdout.decode().split("\0")[:-1])
    return [tuple(next(words) for _ in range(int(count) + 1)) for count in words]


@pytest.mark.parametrize(
    "idle",
    [
        pytest.param(plan(), id="nothing"),
        pytest.param(
            plan(Change(path="haveged", kind=Kind.PACKAGE, controls=("entropy",))),
            id="a-package-alone",
        ),
    ],
)
def test_no_command_where_nothing_is_to_do(idle):
    assert command_of(idle) is None


def test_lays_down_the_script_and_the_calls_starts_and_follows(tmp_path):
    found = plan(change())
    assert sent(command_of(found), tmp_path) == ["start", ID]
    assert (tmp_path / "transaction.sh").read_text("utf-8") == script("transaction.sh")
    assert calls_in(tmp_path) == manifest.calls(found, plain_host(), policy_of(), ABOUT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest", "transaction.sh"]


def test_both_files_say_where_they_end(tmp_path):
    """What was cut off must not be started: launch.sh looks at the last line."""
    sent(command_of(plan(change())), tmp_path)
    for name in ("transaction.sh", "manifest"):
        assert (tmp_path / name).read_text("utf-8").endswith(f"\n{END}")
    assert script("launch.sh").count(f'= "{END.strip()}" ]') == 2


def test_who_follows_a_rollback_that_leaves_is_told_so(tmp_path):
    assert sent(command_of(plan(change(), leave=True)), tmp_path) == ["start", f"{ID} leaving"]


def test_follows_what_was_begun():
    command = follow_command(ID)
    assert command == f"{script('launch.sh')}follow {ID}\n"


# Quoting -----------------------------------------------------------------------------------------

HOSTILE = [
    pytest.param("it's", id="single-quote"),
    pytest.param("'''''", id="only-quotes"),
    pytest.param('say "yes"', id="double-quotes"),
    pytest.param("$(touch pwned) `touch pwned` $HOME ${HOME}", id="expansions"),
    pytest.param("a\nb\n\n", id="newlines"),
    pytest.param("a\r\nb", id="crlf"),
    pytest.param("back\\slash \\n \\' \\\\", id="backslashes"),
    pytest.param("; rm -rf / & | > < * ? [a] ~ # ! {a,b}", id="words-of-the-shell"),
    pytest.param("%s %d %%", id="formats"),
    pytest.param("-n", id="dash"),
    pytest.param("", id="nothing"),
    pytest.param("☃ \u2028 \x7f \x1b[31m", id="odd-characters"),
    pytest.param("leave\nservice restart no stay\n", id="words-of-the-script"),
    pytest.param("\n# end\nEOF\n", id="ends"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_content_and_path_arrive_as_they_are(text, tmp_path):
    sent(command_of(plan(change(text.encode(), f"/etc/{text}"))), tmp_path)
    (file,) = (call for call in calls_in(tmp_path) if call[0] == "file")
    assert file == ("file", f"/etc/{text}", "644", "0", "0", "absent", text)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.lists(
        st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"))
        | st.text("'\"\\\n$`"),
        min_size=1,
        max_size=5,
    )
)
def test_any_text_arrives_as_it_is(tmp_path_factory: pytest.TempPathFactory, texts: Sequence[str]):
    folder = tmp_path_factory.mktemp("txn")
    sent(command_of(plan(*(change(text.encode()) for text in texts))), folder)
    assert [call[6] for call in calls_in(folder) if call[0] == "file"] == texts


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_the_whole_text_is_a_script(shell):
    if not shutil.which(shell.split()[0]):
        pytest.skip(f"no {shell} on this machine")
    command = command_of(plan(change(HOSTILE[3].values[0].encode())))
    assert command
    done = subprocess.run([*shell.split(), "-n", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# What cannot be sent -----------------------------------------------------------------------------


def refusal_of(command: str | None) -> str:
    """What the host says to a refusal, which fails this host and no other."""
    assert command
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


def room() -> int:
    """The bytes of plain content that fit, beside the scripts and the calls."""
    command = command_of(plan(change(b"")))
    assert command
    return MOST_COMMAND - len(command.encode()) - 4 * command.count("'")


def test_room_for_what_hosts_have():
    """A seccomp profile, daemon.json in its versions and the users' tables, with ease."""
    assert room() > 25_000


@pytest.mark.parametrize(
    ("content", "fits"),
    [
        # An empty word is quoted, and a plain one is not.
        pytest.param(lambda room: b"x" * room, True, id="all-the-room"),
        pytest.param(lambda room: b"x" * (room + 11), False, id="more-than-that"),
        pytest.param(lambda room: b"'" * (room // 4), False, id="short-but-long-when-quoted"),
    ],
)
def test_as_much_as_fits(content, fits):
    command = command_of(plan(change(content(room()))))
    assert command
    if fits:
        assert ID in command
        assert len(command.encode()) < MOST_COMMAND
    else:
        assert refusal_of(command) == "too much to send in one command: /etc/subuid\n"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"m\xfcller:100000:65536\n", id="latin-1"),
        pytest.param(b"a:1:2\n\0\n", id="nul"),
    ],
)
def test_bytes_that_no_command_can_carry(content):
    """/etc/subuid is the operators' own; an exception here would end the run for every host."""
    subuid = replace(change(content), path="/etc/sub'uid")
    said = refusal_of(command_of(plan(subuid, change(path=PATH))))
    assert said == "cannot be sent in a command, for it is no text: /etc/sub'uid\n"
