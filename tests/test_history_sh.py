"""The script that reads a host's past, run for real below a make-believe /var/lib/oakum."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from pasts import identity

from oakum.facts import CannotTell, Unread
from oakum.ledger import History, history

FILE = Path(__file__).parent.parent / "oakum" / "host" / "history.sh"
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
AVAILABLE = [name for name in SHELLS if name != "busybox" or shutil.which(name)]
ONE, TWO = identity(1), identity(2)
AT = "2026-01-31T12:00:00Z"
LEDGER = f"""\
{AT} {ONE} begin apply ops@desk 0123456789abcdef live-restore
{AT} {ONE} confirmed
"""


@dataclass
class State:
    """A make-believe /var/lib/oakum, read by one of the shells."""

    root: Path
    shell: list[str]

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    def keep(self, name: str, number: int, path: str | bytes, **files: str | bytes) -> None:
        """A file in a transaction's folder, by the ends of its names."""
        folder = self.root / "txn" / name
        folder.mkdir(parents=True, exist_ok=True)
        for end, content in {"path": path, **files}.items():
            data = content if isinstance(content, bytes) else content.encode()
            (folder / f"{number}.{end}").write_bytes(data)

    def tell(self, *call: str) -> str:
        text = FILE.read_text("utf-8").replace("/var/lib/oakum", str(self.root))
        words = " ".join(f"'{word}'" for word in call)
        done = subprocess.run(
            [*self.shell, "-c", f"{text}tell {words}\n"], capture_output=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode("ascii")

    def history(self, *call: str) -> History:
        return history(self.tell(*call).splitlines())


@pytest.fixture(params=AVAILABLE)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> State:
    (tmp_path / "etc").mkdir()
    (tmp_path / "ledger").write_text(LEDGER)
    return State(tmp_path, SHELLS[request.param])


def rights(path: Path) -> tuple[str, int, int]:
    found = path.stat()
    return f"{found.st_mode & 0o7777:o}", found.st_uid, found.st_gid


def test_a_host_without_a_past_has_an_empty_one(state: State) -> None:
    shutil.rmtree(state.root)
    assert state.history("stored") == History()


def test_a_value_of_the_kernel_has_no_size_before_it_is_read(state: State) -> None:
    path = "/proc/sys/kernel/ostype"
    state.keep(ONE, 1, path, was="Minix\n", new="Linux\n", stat="644 0 0")
    now = state.history("stored").now[path]
    assert now.value.content == b"Linux\n"
    assert now.value.mode == rights(Path(path))[0]


def test_the_ledger_alone(state: State) -> None:
    state.keep(ONE, 1, "/etc/x", was="a", new="b", stat="644 0 0")
    assert state.tell("ledger") == (
        f"oakum-probe 1 begin\n@ledger {LEDGER.encode().hex()}\noakum-probe 1 end\n"
    )


def test_what_was_kept_and_what_is_there_now(state: State) -> None:
    odd = b"\x00\xff'\"$(reboot)\\\n\n"
    target = state.etc / "it's $HOME é*"
    target.write_bytes(odd * 2)
    target.chmod(0o640)
    state.keep(ONE, 1, str(target), was=odd, new=b"", stat="600 7 8")
    state.keep(ONE, 2, "/nowhere", absent="", new="b", stat="644 0 0")
    state.keep(ONE, 3, "/etc", was="c", gone="")
    found = state.history("stored")
    assert [*found.kept] == [ONE]
    first, second, third = found.kept[ONE].values()
    was, new = first.was.value, first.new.value
    assert (was.content, new.content) == (odd, b"")
    assert (was.mode, was.owner, was.group) == rights(state.root / "txn" / ONE / "1.was")
    assert (new.mode, new.owner, new.group) == ("600", 7, 8)
    assert (second.was.value.content, second.new.value.content) == (None, b"b")
    assert (third.was.value.content, third.new.value.content) == (b"c", None)
    now = found.present(str(target))
    assert (now.content, now.mode, now.owner, now.group) == (odd * 2, *rights(target))
    assert found.present("/nowhere").content is None
    assert found.present("/etc").kind == "directory"


def test_a_file_of_two_transactions_is_looked_at_once(state: State) -> None:
    with (state.root / "ledger").open("a") as ledger:
        ledger.write(LEDGER.replace(ONE, TWO))
    for name in (ONE, TWO):
        state.keep(name, 1, "/nowhere", was="a", new="b", stat="644 0 0")
    found = state.history("stored")
    assert ([*found.kept], [*found.now]) == ([TWO, ONE], ["/nowhere"])


@pytest.mark.parametrize("word", ["refused", "rolled-back", "broken", "confirm"])
def test_only_what_was_confirmed_is_told(state: State, word: str) -> None:
    (state.root / "ledger").write_text(LEDGER.replace("confirmed", f"{word} confirmed"))
    state.keep(ONE, 1, "/nowhere", was="a", new="b", stat="644 0 0")
    assert "stored 0" in state.tell("stored")


def test_files_by_their_names(state: State) -> None:
    real, link = state.etc / "real", state.etc / "a link"
    real.write_text("x")
    link.symlink_to(real)
    fifo = state.etc / "fifo"
    os.mkfifo(fifo)
    found = state.history("now", *map(str, (real, link, fifo, state.etc / "none")))
    assert [state.value.kind for state in found.now.values()] == ["file", "link", "other", "file"]
    assert [state.value.content for state in found.now.values()] == [b"x", b"", b"", None]


def test_what_is_too_much_has_a_reason(state: State) -> None:
    big = state.etc / "big"
    big.write_bytes(b"x" * 262145)
    found = state.history("now", str(big)).now[str(big)]
    assert found == Unread(f"{big} has 262145 bytes, too much to send")
    fits = [state.etc / f"fits-{number}" for number in range(9)]
    for path in fits:
        path.write_bytes(b"x" * 262144)
    out = state.tell("now", *map(str, fits))
    read = [type(one).__name__ for one in history(out.splitlines()).now.values()]
    assert read == ["Read"] * 7 + ["Unread"] * 2
    assert len(out) < 4_000_000


def test_a_ledger_that_is_too_long_has_a_reason(state: State) -> None:
    with (state.root / "ledger").open("wb") as ledger:
        ledger.truncate(1048577)
    with pytest.raises(CannotTell, match="1048577 bytes, too much to send"):
        state.history("ledger")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_is_told_why(state: State) -> None:
    """Below /tmp itself, for pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        state.root = Path(folder)
        state.shell = ["setpriv", "--reuid=65534", "--clear-groups", *state.shell]
        with pytest.raises(CannotTell, match="permission denied"):
            state.history("stored")


def test_nothing_is_written(state: State) -> None:
    state.keep(ONE, 1, "/nowhere", was="a", new="b", stat="644 0 0")
    before = sorted((path, path.stat().st_mtime_ns) for path in state.root.rglob("*"))
    state.tell("stored")
    assert sorted((path, path.stat().st_mtime_ns) for path in state.root.rglob("*")) == before
