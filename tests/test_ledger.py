"""The ledger's lines, and what history.sh prints of a host: read strictly, or refused by name."""

import pytest
from pasts import identity

from oakum.facts import CannotTell
from oakum.ledger import BadLedger, history, parse
from oakum.model import Ending, FileEntry
from oakum.wire import BEGIN, END, BadProbe

ONE, TWO, THREE = map(identity, (1, 2, 3))
WAS, NEW = "a" * 64, "b" * 64
AT = "2026-01-31T12:00:00Z"


def ledger(*lines: str, time: str = AT) -> bytes:
    return "".join(f"{time} {line}\n" for line in lines).encode()


def begin(name: str, command: str = "apply", controls: str = "live-restore,seccomp") -> str:
    return f"{name} begin {command} ops@desk 0123456789abcdef {controls}"


CHANGED = (begin(ONE), f"{ONE} file 1 {WAS} {NEW} /etc/docker/daemon.json", f"{ONE} confirmed")


def test_an_entry_is_all_that_its_lines_say():
    (entry,) = parse(ledger(*CHANGED[:2], f"{ONE} refused stale: no"))
    assert (entry.id, entry.time, entry.command, entry.by) == (ONE, AT, "apply", "ops@desk")
    assert (entry.plan, entry.controls) == ("0123456789abcdef", ("live-restore", "seccomp"))
    assert entry.files == (FileEntry("/etc/docker/daemon.json", WAS, NEW),)
    assert (entry.outcome, entry.reason) == (Ending.REFUSED, "stale: no")


def test_absent_is_no_file_and_a_path_is_the_rest_of_the_line():
    files = (f"{ONE} file 1 absent {NEW} /etc/a b", f"{ONE} file 2 {WAS} absent /é")
    (entry,) = parse(ledger(begin(ONE, controls="-"), *files))
    assert entry.files == (FileEntry("/etc/a b", None, NEW), FileEntry("/é", WAS, None))
    assert (entry.controls, entry.outcome) == ((), None)


@pytest.mark.parametrize(
    ("lines", "standing"),
    [
        pytest.param(CHANGED, [ONE], id="confirmed"),
        pytest.param(CHANGED[:2], [], id="without-verdict"),
        *(
            pytest.param((*CHANGED[:2], f"{ONE} {word}"), [], id=word)
            for word in ("rolled-back", "refused", "broken")
        ),
        pytest.param(
            (*CHANGED, begin(TWO, "rollback"), f"{TWO} undoes {ONE}", f"{TWO} confirmed"),
            [],
            id="taken-back",
        ),
        pytest.param(
            (*CHANGED, begin(TWO, "rollback"), f"{TWO} undoes {ONE}", f"{TWO} rolled-back no"),
            [ONE],
            id="not-taken-back",
        ),
        pytest.param(
            (
                *(*CHANGED, begin(TWO), f"{TWO} confirmed"),
                *(begin(THREE, "rollback"), f"{THREE} undoes {ONE}", f"{THREE} confirmed"),
            ),
            [TWO],
            id="the-other-one",
        ),
    ],
)
def test_what_is_in_force(lines, standing):
    assert [entry.id for entry in parse(ledger(*lines)) if entry.in_force] == standing


@pytest.mark.parametrize("torn", [b"2026", ledger(begin(TWO))[:-1], b"\0\0\0\0"])
def test_a_torn_last_line_is_left_out(torn):
    assert parse(ledger(*CHANGED) + torn) == parse(ledger(*CHANGED))


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([f"{TWO} beg torn"], id="a-word"),
        pytest.param([f"{TWO} begin apply torn", f"{TWO} refused disk full"], id="a-beginning"),
        pytest.param([f"{ONE} brok torn"], id="a-verdict"),
    ],
)
def test_a_line_that_is_marked_as_torn_is_left_out(lines):
    assert parse(ledger(*CHANGED, *lines)) == parse(ledger(*CHANGED))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        pytest.param(["nonsense"], "line 1: is no line of a ledger", id="nonsense"),
        pytest.param(["../../etc begin"], "line 1: is no line", id="no-id"),
        pytest.param([*CHANGED[:1], ""], "line 2: is no line", id="empty"),
        pytest.param([begin(ONE, "destroy")], "does not say who began what", id="command"),
        pytest.param([begin(ONE, controls="A b")], "does not say who", id="controls"),
        pytest.param([CHANGED[1]], "did not begin", id="without-begin"),
        pytest.param([*CHANGED[:1], CHANGED[0]], "line 2: begins twice", id="twice"),
        pytest.param([*CHANGED, CHANGED[1]], "line 4: comes after the verdict", id="after"),
        pytest.param([*CHANGED, f"{ONE} broken"], "line 4: comes after", id="two-verdicts"),
        pytest.param([*CHANGED[:2], CHANGED[1]], "the next file", id="file-number-again"),
        pytest.param(
            [*CHANGED[:2], CHANGED[1].replace("file 1", "file 2")], "a file twice", id="path-again"
        ),
        pytest.param([begin(ONE), f"{ONE} file 1 {WAS} {NEW} etc"], "next file", id="no-path"),
        pytest.param([begin(ONE), f"{ONE} file 1 {WAS} x /etc"], "next file", id="no-digest"),
        pytest.param([begin(ONE), f"{ONE} undoes {TWO}"], "never done", id="undoes-nothing"),
        pytest.param([begin(ONE), f"{ONE} undoes {ONE}"], "never done", id="undoes-itself"),
        pytest.param([begin(ONE), f"{ONE} won"], "line 2: is no line", id="no-verdict"),
    ],
)
def test_a_bad_line_is_named(lines, said):
    with pytest.raises(BadLedger, match=said):
        parse(ledger(*lines))


def test_a_bad_time_is_named():
    with pytest.raises(BadLedger, match="ledger line 1: is no line of a ledger: 'yesterday"):
        parse(ledger(begin(ONE), time="yesterday"))


# What history.sh prints --------------------------------------------------------------------------

PATH = "@t1.f1.path " + b"/etc/x".hex()
STORED = (
    *("=stored 1", f"=t1.id {ONE}", "=t1.files 1", PATH),
    *("=t1.f1.was.stat absent", "=t1.f1.new.stat 0644 0 5", "@t1.f1.new.bytes " + b"new".hex()),
)
NOW = ("=now 1", "@n1.path " + b"/etc/x".hex(), "=n1.stat 600 1 2", "@n1.bytes " + b"now".hex())


def told(*lines: str, ledger: str = "@ledger ") -> list[str]:
    return [BEGIN, ledger, *lines, END]


def test_files_are_what_was_sent():
    found = history(told(*STORED, *NOW))
    kept, present = found.kept[ONE]["/etc/x"], found.present("/etc/x")
    assert (kept.was.value.content, kept.new.value.content) == (None, b"new")
    assert (kept.new.value.mode, kept.new.value.group) == ("644", 5)
    rights = (present.mode, present.owner, present.group)
    assert (present.content, *rights) == (b"now", "600", 1, 2)


@pytest.mark.parametrize("kind", ["link", "directory", "other"])
def test_what_is_no_file_is_said(kind):
    assert history(told(*NOW[:2], f"=n1.stat {kind}")).present("/etc/x").kind == kind


def test_what_was_not_sent_has_a_reason():
    found = history(told(*NOW[:3], "!n1.bytes /etc/x has 300000 bytes, too much to send"))
    with pytest.raises(CannotTell, match="300000 bytes"):
        found.present("/etc/x")
    with pytest.raises(CannotTell, match="did not say what /etc/y is"):
        found.present("/etc/y")
    with pytest.raises(CannotTell, match="permission denied"):
        history(told(ledger="!ledger permission denied: /var/lib/oakum"))


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["=now 1"], id="path-missing"),
        pytest.param([NOW[0], "=n1.path /etc/x", *NOW[2:]], id="path-as-text"),
        pytest.param([*NOW[:2], "=n1.stat 9999 0 0", NOW[3]], id="no-mode"),
        pytest.param([*NOW[:2], "=n1.stat file", NOW[3]], id="no-stat"),
        pytest.param([*NOW[:3]], id="bytes-missing"),
        pytest.param(["=now -1"], id="no-number"),
    ],
)
def test_what_the_script_could_not_have_printed_is_refused(lines):
    with pytest.raises(BadProbe):
        history(told(*lines))


@pytest.mark.parametrize("which", ["was", "new"])
def test_a_kept_file_that_the_ledger_does_not_name_is_not_believed(which):
    line = f"{ONE} file 1 absent {'c' * 64} /etc/x"
    if which == "was":
        line = f"{ONE} file 1 {'c' * 64} absent /etc/x"
    text = ledger(begin(ONE), line, f"{ONE} confirmed")
    found = history(told(*STORED, ledger=f"@ledger {text.hex()}"))
    (entry,) = found.in_force
    with pytest.raises(CannotTell, match="is not the one that the ledger names"):
        getattr(found, which)(entry, entry.files[0])


def test_a_folder_that_is_gone_is_said():
    text = ledger(*CHANGED)
    found = history(told(ledger=f"@ledger {text.hex()}"))
    (entry,) = found.in_force
    with pytest.raises(CannotTell, match=f"txn/{ONE} does not have /etc/docker/daemon.json"):
        found.was(entry, entry.files[0])
