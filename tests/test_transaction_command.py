"""A plan as the one shell text that carries it out, with every byte of it quoted."""

import datetime
import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oakum.controls import controls
from oakum.facts import Container
from oakum.model import Change, Disruption, Kind, Plan
from oakum.operations import MOST_COMMAND, service_action, transaction_command
from oakum.planner import build
from oakum.probe import script

ID = "20260131T120000Z-1a2b3c4d"
PATH = "/etc/docker/daemon.json"
ECHO = "".join(
    f'{name}() {{ printf \'%s\\0\' "$#" {name} "$@"; }}\n'
    for name in ("begin", "file", "bridge", "service", "finish")
)


def calls_of(command: str | None) -> list[list[str]]:
    """The calls behind the script, as a shell that echoes them takes them apart."""
    assert command
    head = script("transaction.sh")
    assert command.startswith(head)
    done = subprocess.run(
        ["sh", "-c", ECHO + command.removeprefix(head)], capture_output=True, check=True
    )
    assert done.stderr == b""
    words = iter(done.stdout.decode().split("\0")[:-1])
    return [[next(words) for _ in range(int(count) + 1)] for count in words]


def change(after: bytes = b"{}\n", **known: Any) -> Change:
    return Change(
        path=PATH, kind=Kind.FILE, after=after, **{"controls": ("userland-proxy",), **known}
    )


def plan(*changes: Change, disruption: Disruption = Disruption.NONE) -> Plan:
    return Plan((), tuple(changes), disruption=disruption)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# The calls ---------------------------------------------------------------------------------------

PACKAGE = Change(path="haveged", kind=Kind.PACKAGE, controls=("entropy",))
SERVICE = Change(
    path="docker", kind=Kind.SERVICE, controls=("live-restore",), disruption=Disruption.RELOAD
)


@pytest.mark.parametrize(
    "clean",
    [pytest.param(plan(), id="nothing"), pytest.param(plan(PACKAGE), id="a-package-alone")],
)
def test_no_command_where_nothing_is_to_do(clean):
    assert transaction_command(clean, ID, 3) is None


def test_a_file_and_a_restart():
    found = transaction_command(
        plan(change(disruption=Disruption.RESTART), disruption=Disruption.RESTART), ID, 0
    )
    assert calls_of(found) == [
        ["begin", ID],
        ["file", PATH, "644", "0", "0", "absent", "{}\n"],
        ["service", "restart", "no", "stay"],
        ["finish"],
    ]


def test_mode_owner_and_the_former_bytes():
    found = transaction_command(plan(change(before=b"", mode="600", owner=3, group=4)), ID, 0)
    assert calls_of(found)[1] == ["file", PATH, "600", "3", "4", digest(b""), "{}\n"]


def test_files_in_the_order_of_the_plan():
    subuid = replace(change(b"x"), path="/etc/subuid")
    found = calls_of(transaction_command(plan(PACKAGE, subuid, change()), ID, 0))
    assert [call[1] for call in found if call[0] == "file"] == ["/etc/subuid", PATH]
    assert found[-2:] == [["service", "none", "no", "stay"], ["finish"]]


def test_the_service_alone():
    found = transaction_command(plan(SERVICE, disruption=Disruption.RELOAD), ID, 1)
    assert calls_of(found) == [["begin", ID], ["service", "reload", "no", "stay"], ["finish"]]


def test_live_restore_first_has_a_way_back():
    """The bridge is the former file with live-restore on, for daemon.json and no other file."""
    both = ("live-restore", "userland-proxy")
    daemon = change(before=b'{"icc": false}', controls=both, disruption=Disruption.RESTART)
    subuid = replace(change(b"x"), path="/etc/subuid")
    found = transaction_command(plan(subuid, daemon, disruption=Disruption.RESTART), ID, 1)
    assert calls_of(found)[3:] == [
        ["bridge", PATH, '{"icc": false,\n  "live-restore": true\n}\n'],
        ["service", "restart", "yes", "stay"],
        ["finish"],
    ]


def test_a_bridge_where_there_was_no_file():
    daemon = change(controls=("live-restore",), disruption=Disruption.RESTART)
    found = transaction_command(plan(daemon, disruption=Disruption.RESTART), ID, 1)
    assert ["bridge", PATH, '{\n  "live-restore": true\n}\n'] in calls_of(found)


@pytest.mark.parametrize(
    ("disruption", "names", "containers", "action", "containers_word"),
    [
        pytest.param(Disruption.NONE, ("live-restore",), 1, ("none", "no"), "stay", id="none"),
        pytest.param(
            Disruption.RELOAD, ("live-restore",), 1, ("reload", "no"), "stay", id="reload"
        ),
        pytest.param(
            Disruption.RESTART, ("live-restore",), 1, ("restart", "yes"), "stay", id="restart"
        ),
        pytest.param(
            Disruption.RESTART, ("live-restore",), 0, ("restart", "no"), "stay", id="nobody-runs"
        ),
        pytest.param(
            Disruption.RESTART, ("seccomp",), 1, ("restart", "no"), "stay", id="already-on"
        ),
        pytest.param(
            Disruption.OUTAGE, ("live-restore",), 1, ("restart", "no"), "may-stop", id="outage"
        ),
        pytest.param(
            Disruption.MIGRATION, ("seccomp",), 1, ("restart", "no"), "may-stop", id="migration"
        ),
    ],
)
def test_what_the_service_is_told(disruption, names, containers, action, containers_word):
    wanted = plan(change(controls=names), disruption=disruption)
    assert service_action(wanted, containers) == action
    (told,) = (
        call for call in calls_of(transaction_command(wanted, ID, containers)) if "service" in call
    )
    assert told == ["service", *action, containers_word]


@pytest.mark.parametrize(
    ("known", "action"),
    [
        pytest.param({}, ["restart", "no", "stay"], id="fresh"),
        pytest.param(
            {"containers": (Container("web"),)}, ["restart", "yes", "stay"], id="live-restore-first"
        ),
        pytest.param({"running": False}, ["none", "no", "stay"], id="not-running"),
        pytest.param(
            {"containers": (Container("web"),), "info": {"Swarm": {"LocalNodeState": "active"}}},
            ["restart", "no", "may-stop"],
            id="outage",
        ),
    ],
)
def test_from_a_host_to_its_command(host, policy, known, action):
    """The planner's own plans, not only hand-made ones."""
    facts = host(config=b'{\n\t"icc": true\n}\n', **known)
    day = datetime.date(2026, 1, 31)
    found = build(facts, policy(max_disruption="outage"), controls(), day)
    calls = calls_of(transaction_command(found, ID, len(facts.containers.value)))
    assert ["service", *action] in calls
    (file,) = (call for call in calls if call[0] == "file")
    assert file[5] == digest(b'{\n\t"icc": true\n}\n')
    assert file[6].encode() == found.changes[0].after


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
    pytest.param("finish\nservice restart no stay\n", id="words-of-the-script"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_content_and_path_arrive_as_they_are(text):
    wanted = replace(change(text.encode()), path=f"/etc/{text}")
    command = transaction_command(plan(wanted), ID, 0)
    assert calls_of(command)[1] == ["file", f"/etc/{text}", "644", "0", "0", "absent", text]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.lists(
        st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"))
        | st.text("'\"\\\n$`"),
        min_size=1,
        max_size=5,
    )
)
def test_any_text_arrives_as_it_is(texts: Sequence[str]):
    command = transaction_command(plan(*(change(text.encode()) for text in texts)), ID, 0)
    assert [call[6] for call in calls_of(command) if call[0] == "file"] == texts


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_the_whole_text_is_a_script(shell):
    if not shutil.which(shell.split()[0]):
        pytest.skip(f"no {shell} on this machine")
    command = transaction_command(plan(change(HOSTILE[3].values[0].encode())), ID, 0)
    assert command
    subprocess.run([*shell.split(), "-n", "-c", command], check=True)


# What cannot be sent -----------------------------------------------------------------------------


def refusal_of(command: str | None) -> str:
    """What the host says to a refusal, which fails this host and no other."""
    assert command
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"x" * MOST_COMMAND, id="long"),
        pytest.param(b"'" * (MOST_COMMAND // 4), id="short-but-long-when-quoted"),
    ],
)
def test_too_much_for_one_command(content):
    said = refusal_of(transaction_command(plan(change(content)), ID, 0))
    assert said == f"too much to send in one command: {PATH}\n"


def test_what_fits_is_sent():
    command = transaction_command(plan(change(b"x" * 90_000)), ID, 0)
    assert command
    assert len(command) < 131_072


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
    said = refusal_of(transaction_command(plan(subuid, change()), ID, 0))
    assert said == "cannot be sent in a command, for it is no text: /etc/sub'uid\n"
