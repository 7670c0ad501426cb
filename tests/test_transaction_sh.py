"""The script that changes a host, run for real in a sandbox with a make-believe Docker.

Paths of the host are replaced by ones below ``tmp_path`` and waiting by a single look; the rest is
the script as it is sent, run as it is sent: ``sh -c TEXT``. What may hang on a shell's own ways
runs under every shell that a host's ``sh`` can be, the rest under dash.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shlex import join, quote

import pytest

SCRIPT = Path(__file__).parent.parent / "oakum" / "host" / "transaction.sh"
ID = "20260131T120000Z-1a2b3c4d"
ME, US = str(os.getuid()), str(os.getgid())
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}

DOCKER = """#!/bin/sh
echo "docker $*" >>"$WORLD/calls"
case $* in *" ps "*) ;; *) while [ -e "$WORLD/reloading" ]; do sleep 0.02; done ;; esac
[ ! -e "$WORLD/dead" ] || exit 1
case $* in
    *" ps "*) cat "$WORLD/containers" ;;
    *" version "*) echo 20.10.24 ;;
    *" info "*) cat "$WORLD/live-restore" ;;
esac
"""
SERVICE = """#!/bin/sh
echo "${0##*/} $*" >>"$WORLD/calls"
case $* in *restart*) . "$WORLD/on-restart" ;; esac
"""
DOCKERD = """
trap '. "$WORLD/on-reload"; echo HUP >>"$WORLD/calls"; rm -f "$WORLD/reloading"' HUP
echo ready
while :; do sleep 0.02; done
"""


@dataclass
class Run:
    """One run of the script, by what an operator would see of it."""

    code: int
    out: str
    err: str

    @property
    def verdict(self) -> str:
        """The last line of all, which is the contract."""
        return self.out.splitlines()[-1]

    @property
    def steps(self) -> list[str]:
        lines = self.out.splitlines()
        return [line.removeprefix("step ") for line in lines if line.startswith("step ")]


@dataclass
class Sandbox:
    """A make-believe host below ``root``; its Docker is ruled by the files in ``world``."""

    root: Path
    shell: list[str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def world(self) -> Path:
        return self.root / "world"

    @property
    def config(self) -> Path:
        return self.root / "etc" / "daemon.json"

    @property
    def transaction(self) -> Path:
        return self.root / "state" / "txn" / ID

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.root}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PATH": path, "WORLD": str(self.world)}

    def build(self) -> None:
        for name in ("bin", "world", "etc", "systemd"):
            (self.root / name).mkdir()
        self.tool("docker", DOCKER)
        self.tool("systemctl", SERVICE)
        self.tool("journalctl", "#!/bin/sh\necho 'level=info'; echo 'failed: bad option'")
        for name in ("containers", "live-restore", "on-restart", "on-reload", "calls"):
            (self.world / name).write_text("")
        self.config.write_bytes(b'{"icc": true}\n')
        self.config.chmod(0o640)

    def tool(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def when_restarted(self, text: str) -> None:
        """What a restart of dockerd does to the world, as shell text."""
        (self.world / "on-restart").write_text(text)

    def dockerd(self, on_reload: str = "") -> int:
        """A process that takes SIGHUP as dockerd would; its pid lies where dockerd's does. Docker
        answers once it has reloaded, so that no test hangs on who is faster."""
        (self.world / "reloading").write_text("")
        (self.world / "on-reload").write_text(on_reload)
        dockerd = subprocess.Popen(
            ["sh", "-c", DOCKERD], env=self.environment, stdout=subprocess.PIPE, text=True
        )
        self.started.append(dockerd)
        assert dockerd.stdout
        dockerd.stdout.readline()
        (self.root / "docker.pid").write_text(f"{dockerd.pid}\n")
        return dockerd.pid

    def text(self, calls: list[tuple[str, ...]]) -> str:
        text = SCRIPT.read_text()
        for there, here in {
            "STATE=/var/lib/oakum": f"STATE={self.root}/state",
            "/run/systemd/system": f"{self.root}/systemd",
            "/var/run/docker.pid": f"{self.root}/docker.pid",
            "await 60": "await 0",
            "await 10": "await 0",
            "sleep 0.5": "sleep 0.02",
            "    sync\n": "",
            '/pid" ] || sleep 1': '/pid" ] || sleep 0.4',
        }.items():
            assert there in text
            text = text.replace(there, here)
        if ME != "0":
            text = text.replace('"$(id -u)" = 0', '"$(id -u)" != 0')
        return text + "".join(f"{join(call)}\n" for call in calls)

    def command(self, *calls: tuple[str, ...], finish: bool = True) -> list[str]:
        ending = [("finish",)] if finish else []
        return [*self.shell, "-c", self.text([("begin", ID), *calls, *ending])]

    def run(self, *calls: tuple[str, ...], finish: bool = True) -> Run:
        done = subprocess.run(
            self.command(*calls, finish=finish),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=20,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def file(
        self,
        after: str = '{"icc": false}\n',
        *,
        before: bytes | None = b'{"icc": true}\n',
        path: Path | None = None,
        mode: str = "644",
    ) -> tuple[str, ...]:
        """A call of ``file``, as the operations make it."""
        digest = "absent" if before is None else hashlib.sha256(before).hexdigest()
        return ("file", str(path or self.config), mode, ME, US, digest, after)

    def calls(self, first: str) -> list[str]:
        lines = (self.world / "calls").read_text().splitlines()
        return [line for line in lines if line.startswith(first)]

    def hangups(self, at_least: int) -> int:
        """How many SIGHUPs dockerd has taken; it takes them a moment later."""
        for _ in range(100):
            if len(self.calls("HUP")) >= at_least:
                break
            time.sleep(0.02)
        return len(self.calls("HUP"))

    @property
    def left_behind(self) -> list[str]:
        """What lies in the folder of daemon.json besides it."""
        return sorted(path.name for path in self.config.parent.iterdir() if path != self.config)

    @property
    def untouched(self) -> bool:
        same = self.config.read_bytes() == b'{"icc": true}\n'
        mode = self.config.stat().st_mode & 0o777
        return same and mode == 0o640 and not self.left_behind

    @property
    def locked(self) -> bool:
        return (self.root / "state" / "lock").exists()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[str], Sandbox]]:
    made: list[Sandbox] = []

    def sandbox(shell: str) -> Sandbox:
        command = SHELLS[shell]
        if not shutil.which(command[0]):
            pytest.skip(f"no {shell} on this machine")
        found = Sandbox(tmp_path, command)
        found.build()
        made.append(found)
        return found

    yield sandbox
    for found in made:
        for process in found.started:
            process.kill()
            process.wait()
            assert process.stdout
            process.stdout.close()


@pytest.fixture(params=list(SHELLS))
def sandbox(request: pytest.FixtureRequest, make: Callable[[str], Sandbox]) -> Sandbox:
    return make(request.param)


@pytest.fixture
def dash(make: Callable[[str], Sandbox]) -> Sandbox:
    """For what hangs on no shell's peculiarities."""
    return make("dash")


NONE = ("service", "none", "no", "stay")
RELOAD = ("service", "reload", "no", "stay")
RESTART = ("service", "restart", "no", "stay")
LIVE_FIRST = ("service", "restart", "yes", "stay")
OUTAGE = ("service", "restart", "no", "may-stop")

ONLY_THE_OLD_FILE_WORKS = (
    'if grep -q false "{}"; then : >"$WORLD/dead"; else rm -f "$WORLD/dead"; fi'
)


# The way through ---------------------------------------------------------------------------------


def test_swaps_a_file_and_restarts(sandbox):
    run = sandbox.run(sandbox.file(), RESTART)

    assert (run.code, run.verdict, run.err) == (0, f"verdict confirmed {ID}", "")
    assert run.steps == [
        "begin",
        f"staged {sandbox.config}",
        "swap",
        "restart",
        "settle",
        "confirmed",
    ]
    assert sandbox.config.read_bytes() == b'{"icc": false}\n'
    assert sandbox.config.stat().st_mode & 0o777 == 0o644
    assert sandbox.left_behind == []
    assert sandbox.calls("systemctl") == [
        "systemctl reset-failed docker.service docker.socket",
        "systemctl restart docker.service",
    ]
    assert not sandbox.locked


def test_keeps_the_former_file_with_its_mode_and_a_journal(sandbox):
    sandbox.run(sandbox.file(), NONE)

    kept = sandbox.transaction / "1.was"
    assert kept.read_bytes() == b'{"icc": true}\n'
    assert kept.stat().st_mode & 0o777 == 0o640
    journal = (sandbox.transaction / "journal").read_text().splitlines()
    assert [line.partition(" ")[2] for line in journal] == [
        "begin",
        f"staged {sandbox.config}",
        "swap",
        "confirmed",
    ]
    assert all(line.partition(" ")[0].isdigit() for line in journal)
    assert (sandbox.root / "state").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(ME != "0", reason="only root gives files away")
def test_gives_the_file_its_owner(dash):
    call = dash.file(mode="600")
    run = dash.run((*call[:3], "1234", "4321", *call[5:]), NONE)

    assert run.code == 0
    found = dash.config.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1234, 4321, 0o600)


HOSTILE = "\n".join(
    [
        'it\'s "quoted" $HOME ${PATH} $(touch pwned) `touch pwned`',
        "back\\slash \\n \\\\ %s %d %% ! # ; & | < > * ? [a] ~ {} \t tab",
        "-e -n",
        "ünïcödé ☃",
        "",
        "",
    ]
)


def test_writes_the_very_bytes_whatever_a_shell_would_take(sandbox):
    assert sandbox.run(sandbox.file(HOSTILE), NONE).code == 0
    assert sandbox.config.read_bytes() == HOSTILE.encode()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("no final newline", id="no-final-newline"),
        pytest.param("{\r\n}\r\n", id="crlf"),
        pytest.param("", id="empty"),
        pytest.param("-n", id="an-option-of-echo"),
    ],
)
def test_writes_the_very_bytes(dash, content):
    assert dash.run(dash.file(content), NONE).code == 0
    assert dash.config.read_bytes() == content.encode()


def test_makes_a_file_and_its_folder(dash):
    fresh = dash.root / "etc" / "docker" / "daemon.json"
    run = dash.run(dash.file("{}", before=None, path=fresh), NONE)

    assert run.code == 0
    assert fresh.read_text() == "{}"
    assert fresh.parent.stat().st_mode & 0o777 == 0o755


def test_holds_the_lock_in_its_own_name(dash):
    """Its pid lies there while it works, so that another one knows that it lives."""
    pid = quote(str(dash.root / "state" / "lock" / "pid"))
    dash.when_restarted(f'cat {pid} >"$WORLD/holder"')
    process = subprocess.Popen(
        dash.command(dash.file(), RESTART), env=dash.environment, stdout=subprocess.DEVNULL
    )

    assert process.wait(20) == 0
    assert (dash.world / "holder").read_text() == f"{process.pid}\n"


def test_nothing_for_the_service_asks_docker_nothing(dash):
    dash.run(dash.file(), NONE)
    assert dash.calls("") == []


def test_the_service_alone(dash):
    """What is written has only to become active: no file changes hands."""
    run = dash.run(RESTART)

    assert run.verdict == f"verdict confirmed {ID}"
    assert dash.untouched
    assert "systemctl restart docker.service" in dash.calls("systemctl")


def test_reload_sends_a_hangup_and_never_restarts(sandbox):
    sandbox.dockerd()
    run = sandbox.run(sandbox.file(), RELOAD)

    assert run.verdict == f"verdict confirmed {ID}"
    assert sandbox.hangups(1) == 1
    assert sandbox.calls("systemctl") == []


def test_live_restore_comes_on_before_the_restart(sandbox):
    sandbox.dockerd(on_reload='echo true >"$WORLD/live-restore"')
    sandbox.when_restarted('cp "$WORLD/live-restore" "$WORLD/live-restore-at-restart"')
    run = sandbox.run(sandbox.file(), LIVE_FIRST)

    assert run.verdict == f"verdict confirmed {ID}"
    assert [step for step in run.steps if step in ("reload", "restart")] == ["reload", "restart"]
    assert (sandbox.world / "live-restore-at-restart").read_text() == "true\n"


def test_containers_that_may_stop_are_not_missed(dash):
    (dash.world / "containers").write_text("aaa\n")
    dash.when_restarted(': >"$WORLD/containers"')

    assert dash.run(dash.file(), OUTAGE).verdict == f"verdict confirmed {ID}"


def test_a_cut_connection_does_not_stop_it(sandbox):
    """Nobody reads what it says any more, and its terminal has hung up."""
    sandbox.when_restarted("sleep 0.1")
    process = subprocess.Popen(
        sandbox.command(sandbox.file(), RESTART),
        env=sandbox.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    process.stderr.close()
    process.send_signal(signal.SIGHUP)

    assert process.wait(20) == 0
    assert sandbox.config.read_bytes() == b'{"icc": false}\n'
    assert not sandbox.locked


@pytest.mark.parametrize(
    ("tool", "call"),
    [
        pytest.param("rc-service", "rc-service docker restart", id="openrc"),
        pytest.param("service", "service docker restart", id="sysvinit"),
    ],
)
def test_restarts_without_systemd(dash, tool, call):
    (dash.root / "systemd").rmdir()
    dash.tool(tool, SERVICE)

    assert dash.run(dash.file(), RESTART).verdict == f"verdict confirmed {ID}"
    assert dash.calls(tool) == [call]


def test_keeps_the_last_ten(sandbox):
    kept = [f"2026010{day}T000000Z-00000000" for day in range(1, 10)]
    kept += [f"2026011{day}T000000Z-00000000" for day in range(3)]
    for name in kept:
        (sandbox.root / "state" / "txn" / name).mkdir(parents=True)
        (sandbox.root / "state" / "txn" / name / "journal").write_text("")
    sandbox.run(sandbox.file(), NONE)

    left = sorted(path.name for path in (sandbox.root / "state" / "txn").iterdir())
    assert left == sorted([*kept, ID])[-10:]


# Refused: nothing was changed ---------------------------------------------------------------------


def change_it(sandbox: Sandbox) -> tuple[str, ...]:
    return sandbox.file(before=b"another")


def make_it(sandbox: Sandbox) -> tuple[str, ...]:
    return sandbox.file(before=None)


def miss_it(sandbox: Sandbox) -> tuple[str, ...]:
    return sandbox.file(path=sandbox.root / "etc" / "nothing")


def link(sandbox: Sandbox) -> tuple[str, ...]:
    (sandbox.root / "link").symlink_to(sandbox.config)
    return sandbox.file(path=sandbox.root / "link")


def dangling_link(sandbox: Sandbox) -> tuple[str, ...]:
    (sandbox.root / "link").symlink_to("nowhere")
    return sandbox.file(path=sandbox.root / "link", before=None)


def folder(sandbox: Sandbox) -> tuple[str, ...]:
    (sandbox.root / "folder").mkdir()
    return sandbox.file(path=sandbox.root / "folder", before=None)


def in_proc(sandbox: Sandbox) -> tuple[str, ...]:
    return sandbox.file(path=Path("/proc/oakum.json"), before=None)


def below_a_file(sandbox: Sandbox) -> tuple[str, ...]:
    return sandbox.file(path=sandbox.config / "x", before=None)


def bad_mode(sandbox: Sandbox) -> tuple[str, ...]:
    return sandbox.file(mode="rw")


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        pytest.param(change_it, "is no longer what the plan was made from", id="changed"),
        pytest.param(make_it, "is no longer what the plan was made from", id="appeared"),
        pytest.param(miss_it, "is no longer what the plan was made from", id="gone"),
        pytest.param(link, "is no regular file", id="symbolic-link"),
        pytest.param(dangling_link, "is no regular file", id="dangling-link"),
        pytest.param(folder, "is no regular file", id="folder"),
        pytest.param(in_proc, "cannot write beside /proc/oakum.json", id="read-only-folder"),
        pytest.param(below_a_file, "cannot make", id="no-folder-possible"),
        pytest.param(bad_mode, "cannot own", id="mode"),
    ],
)
def test_refuses_and_leaves_no_trace(dash, call, reason):
    """The refused file is the last of three; those staged before it must not stay either."""
    other = dash.root / "new" / "other"
    bad = call(dash)
    run = dash.run(dash.file("{}", before=None, path=other), dash.file(), bad, RESTART)

    assert (run.code, run.verdict) == (1, f"verdict refused {ID}")
    assert reason in next(line for line in run.err.splitlines() if line.startswith("refused: "))
    assert dash.untouched
    assert not other.parent.exists()
    assert dash.calls("") == []
    assert not dash.locked
    assert "refused: " in (dash.transaction / "journal").read_text()


def test_refuses_what_has_changed_in_every_shell(sandbox):
    run = sandbox.run(change_it(sandbox), RESTART)

    assert (run.code, run.verdict) == (1, f"verdict refused {ID}")
    assert sandbox.untouched


def test_refuses_when_the_running_containers_cannot_be_listed(dash):
    (dash.world / "dead").write_text("")
    run = dash.run(dash.file(), RESTART)

    assert (run.code, run.verdict) == (1, f"verdict refused {ID}")
    assert run.err == "refused: cannot list the running containers\n"
    assert dash.untouched
    assert dash.calls("systemctl") == []


def test_refuses_beside_a_living_transaction(sandbox):
    lock = sandbox.root / "state" / "lock"
    lock.mkdir(parents=True)
    (lock / "pid").write_text(f"{os.getpid()}\n")
    run = sandbox.run(sandbox.file(), RESTART)

    assert (run.code, run.verdict) == (1, f"verdict refused {ID}")
    assert f"another oakum transaction runs here (pid {os.getpid()})" in run.err
    assert sandbox.untouched
    assert (lock / "pid").read_text() == f"{os.getpid()}\n"
    assert not sandbox.transaction.exists()


def test_waits_for_the_pid_of_a_lock_that_is_just_being_taken(dash):
    lock = dash.root / "state" / "lock"
    lock.mkdir(parents=True)
    later = f"sleep 0.1; echo {os.getpid()} >{quote(str(lock))}/pid"
    writer = subprocess.Popen(["sh", "-c", later])
    run = dash.run(dash.file(), RESTART)
    writer.wait()

    assert (run.code, run.verdict) == (1, f"verdict refused {ID}")
    assert dash.untouched


@pytest.mark.parametrize("holder", ["dead", "none"])
def test_takes_over_a_stale_lock(dash, holder):
    lock = dash.root / "state" / "lock"
    lock.mkdir(parents=True)
    if holder == "dead":
        gone = subprocess.Popen(["true"])
        gone.wait()
        (lock / "pid").write_text(f"{gone.pid}\n")

    assert dash.run(dash.file(), NONE).verdict == f"verdict confirmed {ID}"
    assert not dash.locked


def test_refuses_an_id_that_was_used(dash):
    dash.run(dash.file(), NONE)
    run = dash.run(dash.file("{}", before=b'{"icc": false}\n'), NONE)

    assert (run.code, run.verdict) == (1, f"verdict refused {ID}")
    assert dash.config.read_bytes() == b'{"icc": false}\n'
    assert not dash.locked


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        pytest.param("id", "refused: not root", id="not-root"),
        pytest.param("sha256sum", "refused: no sha256sum here", id="no-sha256sum"),
    ],
)
def test_turned_away_before_anything(dash, tool, reason):
    if tool == "id":
        dash.tool("id", f"#!/bin/sh\necho {1000 if ME == '0' else 0}")
    else:
        (dash.root / "bin" / "id").symlink_to(shutil.which("id") or "/usr/bin/id")
    command = dash.command(dash.file(), NONE)
    if tool == "sha256sum":
        command[-1] = command[-1].replace("PATH=", f'PATH="{dash.root}/bin"; : PATH=')
    done = subprocess.run(command, env=dash.environment, capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == reason
    assert done.stdout == f"verdict refused {ID}\n"
    assert not (dash.root / "state").exists()


# Rolled back -------------------------------------------------------------------------------------


def test_waits_for_dockerd_to_answer(dash):
    """It answers at the third look."""
    dash.tool("docker", f'{DOCKER}\ncase $* in *" version "*) sh "$WORLD/look" ;; esac\n')
    look = 'echo x >>"$WORLD/looks"; [ "$(wc -l <"$WORLD/looks")" -ge 3 ]'
    (dash.world / "look").write_text(look)
    command = dash.command(dash.file(), RESTART)
    command[-1] = command[-1].replace("await 0 answers", "await 60 answers")
    done = subprocess.run(command, env=dash.environment, capture_output=True, text=True)

    assert done.stdout.endswith(f"verdict confirmed {ID}\n")
    assert len((dash.world / "looks").read_text()) == 6


def test_rolls_back_when_dockerd_does_not_answer(sandbox):
    sandbox.when_restarted(ONLY_THE_OLD_FILE_WORKS.format(sandbox.config))
    run = sandbox.run(sandbox.file(), RESTART)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert run.err == "failed: dockerd does not answer: failed: bad option\n"
    assert sandbox.untouched
    assert len(sandbox.calls("systemctl restart")) == 2
    assert run.steps[-2:] == ["undo", "rolled-back"]
    journal = (sandbox.transaction / "journal").read_text()
    assert "failed: dockerd does not answer" in journal
    assert not sandbox.locked


def test_rolls_back_when_the_restart_fails(dash):
    dash.when_restarted(f"! grep -q false {quote(str(dash.config))} || exit 1")
    run = dash.run(dash.file(), RESTART)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert run.err == "failed: dockerd did not restart: failed: bad option\n"
    assert dash.untouched


def test_rolls_back_when_a_container_is_missing(sandbox):
    (sandbox.world / "containers").write_text("aaa\nbbb\n")
    sandbox.when_restarted('echo aaa >"$WORLD/containers"')
    run = sandbox.run(sandbox.file(), RESTART)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert run.err == "failed: a container that ran before does not run now\n"
    assert sandbox.untouched


def test_a_container_more_is_no_fault(dash):
    (dash.world / "containers").write_text("aaa\n")
    dash.when_restarted('echo zzz >>"$WORLD/containers"')

    assert dash.run(dash.file(), RESTART).verdict == f"verdict confirmed {ID}"


def test_takes_away_what_it_made(sandbox):
    """Two files in a folder that was not there: file, file and folder go."""
    folder = sandbox.root / "etc" / "docker"
    sandbox.when_restarted(
        f'if [ -e {quote(str(folder))} ]; then : >"$WORLD/dead"; else rm -f "$WORLD/dead"; fi'
    )
    run = sandbox.run(
        sandbox.file("{}", before=None, path=folder / "profile.json"),
        sandbox.file("{}", before=None, path=folder / "daemon.json"),
        RESTART,
    )

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert not folder.exists()


def test_leaves_a_folder_that_someone_else_uses_by_now(dash):
    folder = dash.root / "etc" / "docker"
    dash.when_restarted(f': >"$WORLD/dead"; : >{quote(str(folder))}/theirs')
    dash.run(dash.file("{}", before=None, path=folder / "daemon.json"), RESTART)

    assert [path.name for path in folder.iterdir()] == ["theirs"]


def test_takes_back_a_reload_by_a_reload(sandbox):
    """A container stopped meanwhile: the reload is undone, and nothing else is stopped for it."""
    (sandbox.world / "containers").write_text("aaa\n")
    sandbox.dockerd(on_reload=': >"$WORLD/containers"')
    run = sandbox.run(sandbox.file(), RELOAD)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert sandbox.untouched
    assert sandbox.hangups(2) == 2
    assert sandbox.calls("systemctl restart") == []


def test_starts_a_dockerd_that_a_reload_killed(dash):
    dash.dockerd(on_reload=': >"$WORLD/dead"')
    dash.when_restarted('rm -f "$WORLD/dead"')
    run = dash.run(dash.file(), RELOAD)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert dash.untouched
    assert len(dash.calls("systemctl restart")) == 1


def test_no_restart_when_live_restore_does_not_come_on(sandbox):
    """A restart now, even to roll back, would stop the containers that live-restore was for."""
    (sandbox.world / "containers").write_text("aaa\n")
    sandbox.dockerd(on_reload='echo false >"$WORLD/live-restore"')
    run = sandbox.run(sandbox.file(), LIVE_FIRST)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert "live-restore did not come on by reload" in run.err
    assert sandbox.calls("systemctl restart") == []
    assert sandbox.hangups(2) == 2
    assert sandbox.untouched


def test_no_restart_when_dockerd_cannot_be_told_to_reload(sandbox):
    run = sandbox.run(sandbox.file(), LIVE_FIRST)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert "dockerd has no pid" in run.err
    assert sandbox.calls("systemctl restart") == []
    assert sandbox.untouched


def test_no_restart_when_the_swap_itself_fails(dash):
    """The first file is put back, the second could not be replaced; dockerd was told nothing."""
    second = dash.root / "etc" / "gone" / "file"
    dash.tool("docker", f"{DOCKER}\nrm -rf {quote(str(second.parent))}\n")
    second.parent.mkdir()
    run = dash.run(
        dash.file(), dash.file("{}", before=None, path=second), ("service", *RESTART[1:])
    )

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert "failed: cannot replace file 2" in run.err
    assert dash.calls("systemctl") == []
    assert dash.untouched


BRIDGE = '{"icc": true, "live-restore": true}'


def test_rolls_back_over_a_bridge(sandbox):
    """dockerd comes up once more with live-restore on, and takes the former file by a reload: a
    start under that file would stop the containers."""
    sandbox.dockerd(on_reload='echo true >"$WORLD/live-restore"')
    config = quote(str(sandbox.config))
    sandbox.when_restarted(
        f'cat {config} >>"$WORLD/starts"; echo >>"$WORLD/starts"; '
        f'if grep -q live {config}; then rm -f "$WORLD/dead"; else : >"$WORLD/dead"; fi'
    )
    other = sandbox.file("{}", before=None, path=sandbox.root / "etc" / "other")
    bridge = ("bridge", str(sandbox.config), BRIDGE)
    run = sandbox.run(sandbox.file(), other, bridge, LIVE_FIRST)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert run.steps[-4:] == ["settle", "undo", "bridge", "rolled-back"]
    starts = (sandbox.world / "starts").read_text().split("\n")
    assert [line for line in starts if line] == ['{"icc": false}', BRIDGE]
    assert sandbox.hangups(2) == 2
    assert sandbox.untouched


def test_a_bridge_that_does_not_hold(dash):
    """Then the former file is started under all the same."""
    dash.dockerd(on_reload='echo true >"$WORLD/live-restore"')
    config = quote(str(dash.config))
    dash.when_restarted(
        f'if [ "$(cat {config})" = \'{{"icc": true}}\' ]; then rm -f "$WORLD/dead"; '
        'else : >"$WORLD/dead"; fi'
    )
    run = dash.run(dash.file(), ("bridge", str(dash.config), BRIDGE), LIVE_FIRST)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert len(dash.calls("systemctl restart")) == 3
    assert dash.untouched


def test_no_bridge_for_a_dockerd_that_was_not_restarted(dash):
    run = dash.run(dash.file(), ("bridge", str(dash.config), BRIDGE), LIVE_FIRST)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert dash.calls("systemctl restart") == []
    assert dash.untouched


def test_nothing_staged_stays_when_the_swap_fails(dash):
    """What was staged for the first file is gone, so the second was never swapped."""
    staged = dash.config.parent / f".daemon.json.oakum-{ID}"
    dash.tool("docker", f"{DOCKER}\nrm -f {quote(str(staged))}\n")
    second = dash.config.parent / "profile.json"
    run = dash.run(dash.file(), dash.file("{}", before=None, path=second), RESTART)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert "failed: cannot replace file 1" in run.err
    assert dash.untouched


def test_says_when_dockerd_is_not_well_after_all(dash):
    dash.when_restarted(': >"$WORLD/dead"')
    run = dash.run(dash.file(), RESTART)

    assert (run.code, run.verdict) == (3, f"verdict broken {ID}")
    assert dash.untouched
    assert not dash.locked


def test_never_says_rolled_back_when_the_file_could_not_be(dash):
    kept = dash.transaction / "1.was"
    dash.when_restarted(f"rm -f {quote(str(kept))}; exit 1")
    run = dash.run(dash.file(), RESTART)

    assert (run.code, run.verdict) == (3, f"verdict broken {ID}")
    assert f"cannot put {dash.config} back; its copy is {kept}" in run.err


def test_control_characters_of_the_journal_do_not_get_out(dash):
    dash.tool("journalctl", "#!/bin/sh\nprintf 'error: \\033[31mred\\007\\n'")
    dash.when_restarted("exit 1")
    run = dash.run(dash.file(), RESTART)

    assert "dockerd did not restart: error: [31mred" in run.err


def test_a_silent_client_does_not_stretch_the_wait(dash):
    """Seconds are counted by the clock, not by the tries, each of which may take ten."""
    dash.tool(
        "date", '#!/bin/sh\necho "x" >>"$WORLD/ticks"; echo $(($(wc -l <"$WORLD/ticks") * 9))'
    )
    dash.when_restarted(': >"$WORLD/dead"')
    command = dash.command(dash.file(), RESTART)
    command[-1] = command[-1].replace("await 0 answers", "await 60 answers")
    done = subprocess.run(command, env=dash.environment, capture_output=True, text=True)

    assert done.returncode == 3
    assert len([call for call in dash.calls("docker") if " version " in call]) <= 18


# The text itself ---------------------------------------------------------------------------------


def test_shellcheck_has_nothing_to_say():
    beside = Path(sys.executable).parent / "shellcheck"
    checker = str(beside) if beside.exists() else shutil.which("shellcheck")
    if not checker:
        pytest.skip("no shellcheck on this machine")
    done = subprocess.run([checker, "-s", "sh", str(SCRIPT)], capture_output=True, text=True)
    assert done.stdout + done.stderr == ""
