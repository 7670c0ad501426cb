"""The scripts that change a host, run for real in a sandbox with a make-believe Docker.

What may hang on a shell's own ways runs under every shell that a host's ``sh`` can be, the rest
under dash; what hangs on who starts it and sees it end, with systemd and without. Busybox prefers
its own applets to tools on PATH, so what needs a make-believe ``unshare`` is not run under it.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from shlex import quote

import pytest
from sandbox import (
    AFTER,
    BEFORE,
    BY,
    DOCKER,
    HOST,
    ID,
    LIVE_FIRST,
    ME,
    NONE,
    OTHER,
    OUTAGE,
    PLAN,
    RELOAD,
    RESTART,
    SERVICE,
    SHELLS,
    Call,
    Sandbox,
    digest,
    words,
)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Sandbox]]:
    made: list[Sandbox] = []

    def sandbox(shell: str, systemd: bool = True) -> Sandbox:
        if not shutil.which(SHELLS[shell][0]):
            pytest.skip(f"no {shell} on this machine")
        found = Sandbox(tmp_path, shell)
        found.build()
        made.append(found)
        if not systemd:
            found.without_systemd()
        return found

    yield sandbox
    for found in made:
        found.close()


@pytest.fixture(params=list(SHELLS))
def sandbox(request: pytest.FixtureRequest, make: Callable[..., Sandbox]) -> Sandbox:
    return make(request.param)


@pytest.fixture
def dash(make: Callable[..., Sandbox]) -> Sandbox:
    """For what hangs on no shell's peculiarities."""
    return make("dash")


@pytest.fixture(
    params=[
        pytest.param(("dash", True), id="systemd"),
        pytest.param(("busybox", False), id="no-systemd-busybox"),
    ]
)
def either(request: pytest.FixtureRequest, make: Callable[..., Sandbox]) -> Sandbox:
    """With systemd, which sees a unit end, and without, where a watcher does."""
    return make(*request.param)


ONLY_THE_OLD_FILE_WORKS = (
    'if grep -q false "{}"; then : >"$WORLD/dead"; else rm -f "$WORLD/dead"; fi'
)


# The way through ---------------------------------------------------------------------------------


def test_swaps_a_file_and_restarts(sandbox):
    sandbox.probes()
    run = sandbox.run(sandbox.file(), RESTART)

    assert (run.code, run.verdict, run.err) == (0, f"verdict confirmed {ID}", "")
    assert run.steps == [
        "stage",
        "arm",
        "swap",
        "restart",
        "settle 0 containers, 0 ports, probe container",
        "confirm",
    ]
    assert sandbox.config.read_bytes() == AFTER
    assert sandbox.config.stat().st_mode & 0o777 == 0o644
    assert sandbox.left_behind == ["etc/daemon.json"]
    assert [call for call in sandbox.calls("systemctl") if " show " not in call] == [
        "systemctl reset-failed docker.service docker.socket",
        "systemctl restart docker.service",
        f"systemctl stop oakum-undo-{ID}.timer",
    ]
    assert not sandbox.locked


def test_the_ledger_says_who_changed_what(sandbox):
    fresh = sandbox.root / "etc" / "a file"
    sandbox.run(sandbox.file(), sandbox.file(b"{}", before=None, path=fresh), NONE)

    assert sandbox.ledger == [
        f"{ID} begin apply {BY} {PLAN} icc,userland-proxy",
        f"{ID} file 1 {digest(BEFORE)} {digest(AFTER)} {sandbox.config}",
        f"{ID} file 2 absent {digest(b'{}')} {fresh}",
        f"{ID} confirmed",
    ]


def test_keeps_the_former_file_and_what_was_put_there(dash):
    dash.run(dash.file(), NONE)

    folder = dash.folder()
    assert (folder / "1.was").read_bytes() == BEFORE
    assert (folder / "1.was").stat().st_mode & 0o777 == 0o640
    assert (folder / "1.new").read_bytes() == AFTER
    assert (folder / "1.path").read_text() == str(dash.config)
    assert (folder / "1.stat").read_text() == f"644 {dash.config.stat().st_uid} " + str(
        dash.config.stat().st_gid
    )
    assert dash.journal() == [
        "step stage",
        "step arm",
        "step swap",
        "step confirm",
        "verdict confirmed",
    ]
    assert dash.state.stat().st_mode & 0o777 == 0o700
    assert not {"transaction.sh", "manifest", "swapping"} & {path.name for path in folder.iterdir()}


def test_a_change_without_systemd(make):
    plain = make("dash", systemd=False)
    run = plain.run(plain.file(), RESTART)

    assert (run.code, run.verdict, run.err) == (0, f"verdict confirmed {ID}", "")
    assert any(step.startswith("arm no boot hook") for step in run.steps)
    assert plain.config.read_bytes() == AFTER
    assert plain.left_behind == ["etc/daemon.json"]
    assert plain.calls("rc-service") == ["rc-service docker restart"]
    assert plain.calls("system") == []
    assert plain.ending() == "confirmed"


def test_restarts_by_service_where_there_is_nothing_else(make):
    plain = make("dash", systemd=False)
    (plain.root / "bin" / "rc-service").unlink()
    plain.tool("service", SERVICE)

    assert plain.run(plain.file(), RESTART).verdict == f"verdict confirmed {ID}"
    assert plain.calls("service") == ["service docker restart"]


# Without systemd, before a first start ------------------------------------------------------------

INSTALL = ("service", "install", "no", "may-stop")
START = ("service", "start", "no", "may-stop")


def held_back(make, debian=False):
    """A host without systemd, on which no dockerd runs; with Debian's scripts or with OpenRC."""
    plain = make("dash", systemd=False)
    (plain.root / "docker.pid").unlink()
    plain.more["RC_POLICY=/usr/sbin"] = f"RC_POLICY={plain.root}"
    for name in ("invoke-rc.d", "update-rc.d"):
        plain.more[f"command -v {name}"] = f"command -v {name}-here"
        if debian:
            plain.tool(f"{name}-here", SERVICE)
    for name in ("rc-update", "update-rc.d", "service"):
        plain.tool(name, SERVICE)
    return plain


def test_a_first_start_that_failed_is_none_at_the_next_boot_either(make):
    plain = held_back(make)
    plain.say("dead", "")
    run = plain.run(plain.file(), START)

    assert run.verdict == f"verdict rolled-back {ID}"
    assert [call for call in plain.calls() if call.startswith("rc-")] == [
        "rc-update add docker default",
        "rc-service docker start",
        "rc-service docker stop",
        "rc-update --all del docker",
    ]
    assert (plain.state / "held").exists()
    assert plain.config.read_bytes() == BEFORE


@pytest.mark.parametrize(
    ("probe", "on_run", "verdict", "said"),
    [
        pytest.param(True, "", "confirmed", "settle probe container", id="it-starts"),
        pytest.param(True, "exit 125", "rolled-back", "no container starts", id="none-starts"),
        pytest.param(
            False, "", "confirmed", "settle no probe container: no docker-init", id="none"
        ),
    ],
)
def test_a_first_start_is_looked_at_as_far_as_it_can_be(make, probe, on_run, verdict, said):
    """A distribution that has no docker-init gets its engine all the same."""
    plain = held_back(make)
    plain.say("on-run", on_run)
    if probe:
        plain.probes()
    # Its first start brings the dockerd of this host.
    pid = plain.heard("main-pid")
    started = (
        f'#!/bin/sh\necho "rc-service $*" >>"$WORLD/calls"\necho {pid} >{plain.root}/docker.pid\n'
    )
    plain.tool("rc-service", f"{started}case $* in *stop) rm {plain.root}/docker.pid ;; esac\n")
    run = plain.run(plain.file(), START)

    assert run.verdict == f"verdict {verdict} {ID}", run
    assert said in run.out + run.err


@pytest.mark.parametrize(
    ("policy", "mode", "forbids"),
    [
        pytest.param("#!/bin/sh\nexit 101\n", 0o755, True, id="forbidden"),
        pytest.param("#!/bin/sh\nexit 104\n", 0o755, False, id="allowed-by-another-number"),
        pytest.param("#!/bin/sh\nexit 105\n", 0o755, False, id="undefined-which-counts-as-allowed"),
        pytest.param("#!/usr/bin/env python3\nimport sys\n", 0o755, False, id="no-shell-script"),
        pytest.param("#!/bin/sh\nexit 101\n", 0o644, False, id="not-executable-so-nobody-asks-it"),
    ],
)
def test_somebodys_policy_rc_d_counts_as_invoke_rc_d_takes_it(make, policy, mode, forbids):
    plain = held_back(make, debian=True)
    file = plain.root / "policy-rc.d"
    file.write_text(policy)
    file.chmod(mode)
    run = plain.run(("engine", "apt", "-", "no", "docker.io"), INSTALL)

    # There is nothing that could install; so far it comes where Docker is kept from starting.
    assert run.verdict == f"verdict rolled-back {ID}"
    assert ("hold" in run.steps) is forbids
    assert ("lets docker start" in run.err) is not forbids
    assert file.read_text() == policy


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
        "# end",
        "ünïcödé ☃",
        "",
        "",
    ]
).encode()


def test_writes_the_very_bytes_whatever_a_shell_would_take(sandbox):
    assert sandbox.run(sandbox.file(HOSTILE), NONE).code == 0
    assert sandbox.config.read_bytes() == HOSTILE


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"no final newline", id="no-final-newline"),
        pytest.param(b"{\r\n}\r\n", id="crlf"),
        pytest.param(b"", id="empty"),
        pytest.param(b"-n", id="an-option-of-echo"),
    ],
)
def test_writes_the_very_bytes(dash, content):
    assert dash.run(dash.file(content), NONE).code == 0
    assert dash.config.read_bytes() == content


def test_makes_a_file_and_its_folder(dash):
    fresh = dash.root / "etc" / "docker" / "daemon.json"
    run = dash.run(dash.file(b"{}", before=None, path=fresh), NONE)

    assert run.code == 0
    assert fresh.read_bytes() == b"{}"
    assert fresh.parent.stat().st_mode & 0o777 == 0o755


def test_removes_a_file(dash):
    run = dash.run(("remove", str(dash.config), digest(BEFORE)), RESTART)

    assert run.verdict == f"verdict confirmed {ID}"
    assert not dash.config.exists()
    assert f"{ID} file 1 {digest(BEFORE)} absent {dash.config}" in dash.ledger
    assert (dash.folder() / "1.was").read_bytes() == BEFORE


def test_a_folder_of_ours_goes_with_the_last_file_in_it(dash):
    """But one that somebody else made stays, empty or not."""
    ours, theirs = dash.root / "etc" / "ours" / "file", dash.root / "etc" / "theirs" / "file"
    theirs.parent.mkdir()
    files = [dash.file(b"x", before=None, path=path) for path in (ours, theirs)]
    assert dash.run(*files, NONE).code == 0
    gone = [("remove", str(path), digest(b"x")) for path in (ours, theirs)]
    assert dash.run(*gone, NONE, id=OTHER).code == 0

    assert not ours.parent.exists()
    assert [*theirs.parent.iterdir()] == []


def test_nothing_for_the_service_asks_docker_nothing(dash):
    dash.run(dash.file(), NONE)
    assert dash.calls("docker") == []


def test_the_service_alone(dash):
    """What is written has only to become active: no file changes hands."""
    run = dash.run(RESTART)

    assert run.verdict == f"verdict confirmed {ID}"
    assert dash.untouched
    assert dash.restarts == 1


def test_reload_sends_a_hangup_and_never_restarts(sandbox):
    sandbox.dockerd()
    run = sandbox.run(sandbox.file(), RELOAD)

    assert run.verdict == f"verdict confirmed {ID}"
    assert sandbox.hangups(1) == 1
    assert sandbox.restarts == 0


def test_live_restore_comes_on_before_the_restart(dash):
    dash.dockerd(on_reload='echo true >"$WORLD/live-restore"')
    dash.when_restarted('cp "$WORLD/live-restore" "$WORLD/live-restore-at-restart"')
    run = dash.run(dash.file(), LIVE_FIRST)

    assert run.verdict == f"verdict confirmed {ID}"
    assert [step for step in run.steps if step in ("reload", "restart")] == ["reload", "restart"]
    assert dash.heard("live-restore-at-restart") == "true\n"


ON, OFF = b'{"icc": false, "live-restore": true}', b'{"icc": true, "live-restore": false}'


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        pytest.param("file", b'{"icc": true}', id="file"),
        pytest.param("gone", b"", id="gone"),
    ],
)
def test_live_restore_goes_off_last(dash, kind, content):
    """After the restart, by a reload under a file that says so; and only then the last bytes."""
    config = quote(str(dash.config))
    dash.dockerd(on_reload=f'cat {config} >"$WORLD/reloaded"; echo false >"$WORLD/live-restore"')
    (dash.world / "reloading").unlink()
    dash.more["await 10 live_restore_is false"] = "await 500 live_restore_is false"
    dash.when_restarted(f'cat {config} >"$WORLD/restarted"')
    last = ("finally", str(dash.config), OFF.decode(), kind, content.decode())
    run = dash.run(dash.file(ON), last, RESTART)

    assert run.verdict == f"verdict confirmed {ID}"
    assert (dash.heard("restarted"), dash.heard("reloaded")) == (ON.decode(), OFF.decode())
    end = content if kind == "file" else None
    assert (dash.config.read_bytes() if dash.config.exists() else None) == end
    assert f"{ID} file 1 {digest(BEFORE)} {digest(end)} {dash.config}" in dash.ledger
    assert dash.left_behind == (["etc/daemon.json"] if kind == "file" else [])


def test_containers_that_may_stop_are_not_missed(dash):
    dash.say("containers", "aaa\n")
    dash.when_restarted(': >"$WORLD/containers"')

    assert dash.run(dash.file(), OUTAGE).verdict == f"verdict confirmed {ID}"


def test_a_cut_connection_does_not_stop_it(either):
    """Nobody reads what it says any more, and the session is gone."""
    either.of_the_lab()
    session = either.launch(either.text(either.file(), RESTART), crash="swapped:pause")
    either.paused()
    assert session.stdout
    assert session.stderr
    session.stdout.close()
    session.stderr.close()
    session.send_signal(signal.SIGHUP)
    session.wait(10)
    either.go_on()
    either.quiet()

    assert either.ending() == "confirmed"
    assert either.config.read_bytes() == AFTER


def test_follows_from_the_beginning_whoever_comes(either):
    """A second process that attaches late tells the whole of it, and so does one after the end."""
    either.of_the_lab()
    first = either.launch(either.text(either.file(), RESTART), crash="swapped:pause")
    either.paused()
    second = either.launch(f"{either.script('launch.sh')}follow {ID}\n")
    assert second.stdout
    assert second.stderr
    begins = second.stdout.readline()
    either.go_on()
    out, err = second.stdout.read(), second.stderr.read()
    run = either.finished(first)
    either.finished(second)

    assert run.verdict == f"verdict confirmed {ID}"
    assert (second.returncode, begins + out, err) == (0, run.out, "")
    assert either.follow() == run


def test_keeps_what_is_in_force_and_ten_others(sandbox):
    """An apply that was confirmed can be taken back; one that was taken back cannot any more."""
    others = [f"2026010{day}T000000Z-00000000" for day in range(1, 10)]
    others += [f"2026011{day}T000000Z-00000000" for day in range(3)]
    in_force, undone, back = (f"2025120{day}T000000Z-00000000" for day in range(1, 4))
    for name in [*others, in_force, undone, back]:
        sandbox.folder(name).mkdir(parents=True)
    time = "2026-01-01T00:00:00Z"
    (sandbox.state / "ledger").write_text(
        f"{time} {in_force} begin apply {BY} {PLAN} icc\n{time} {in_force} confirmed\n"
        f"{time} {undone} begin apply {BY} {PLAN} icc\n{time} {undone} confirmed\n"
        f"{time} {back} begin rollback {BY} {PLAN} icc\n{time} {back} undoes {undone}\n"
        f"{time} {back} confirmed\n"
    )
    sandbox.run(sandbox.file(), NONE)

    left = {path.name for path in (sandbox.state / "txn").iterdir()}
    assert left == {*others[-10:], in_force, ID}


def test_a_rollback_says_what_it_undoes(dash):
    dash.run(dash.file(), NONE)
    about = ("about", "rollback", BY, PLAN, "icc")
    back = dash.file(BEFORE, before=AFTER)
    run = dash.run(about, back, ("undoes", ID), ("undoes", "A"), NONE, id=OTHER)

    assert run.verdict == f"verdict confirmed {OTHER}"
    assert [line for line in dash.ledger if line.startswith(OTHER)] == [
        f"{OTHER} begin rollback {BY} {PLAN} icc",
        f"{OTHER} undoes {ID}",
        f"{OTHER} undoes A",
        f"{OTHER} file 1 {digest(AFTER)} {digest(BEFORE)} {dash.config}",
        f"{OTHER} confirmed",
    ]


def test_leaves_nothing_of_its_own(sandbox):
    sandbox.run(sandbox.file(), RESTART)
    back = sandbox.file(BEFORE, before=AFTER, mode="640")
    run = sandbox.run(back, RESTART, ("leave",), id=OTHER, leaving="leaving")

    assert (run.code, run.verdict, run.err) == (0, f"verdict confirmed {OTHER}", "")
    assert not sandbox.state.exists()
    assert sandbox.untouched


def test_leaves_only_what_was_confirmed(dash):
    """A rollback that failed keeps everything: it is still needed."""
    dash.when_restarted(ONLY_THE_OLD_FILE_WORKS.format(dash.config))
    run = dash.run(dash.file(), RESTART, ("leave",), leaving="leaving")

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert (dash.folder() / "1.was").exists()


def test_a_torn_line_cannot_be_taken_for_anything(sandbox):
    """What a power cut left of a line is marked before the next one is written."""
    sandbox.state.mkdir()
    torn = f"2026-01-31T11:00:00Z {OTHER} confirmed"
    (sandbox.state / "ledger").write_text(torn)
    sandbox.run(sandbox.file(), NONE)

    lines = (sandbox.state / "ledger").read_text().splitlines()
    assert lines[0] == f"{torn} torn"
    assert lines[1].endswith(f" {ID} begin apply {BY} {PLAN} icc,userland-proxy")


# Refused: nothing was changed ---------------------------------------------------------------------


def change_it(sandbox: Sandbox) -> Call:
    return sandbox.file(before=b"another")


def make_it(sandbox: Sandbox) -> Call:
    return sandbox.file(before=None)


def miss_it(sandbox: Sandbox) -> Call:
    return sandbox.file(path=sandbox.root / "etc" / "nothing")


def link(sandbox: Sandbox) -> Call:
    (sandbox.root / "link").symlink_to(sandbox.config)
    return sandbox.file(path=sandbox.root / "link")


def dangling_link(sandbox: Sandbox) -> Call:
    (sandbox.root / "link").symlink_to("nowhere")
    return sandbox.file(path=sandbox.root / "link", before=None)


def folder(sandbox: Sandbox) -> Call:
    (sandbox.root / "folder").mkdir()
    return sandbox.file(path=sandbox.root / "folder", before=None)


def in_proc(sandbox: Sandbox) -> Call:
    return sandbox.file(path=Path("/proc/oakum.json"), before=None)


def below_a_file(sandbox: Sandbox) -> Call:
    return sandbox.file(path=sandbox.config / "x", before=None)


def bad_mode(sandbox: Sandbox) -> Call:
    (sandbox.root / "etc" / "third").mkdir()
    return sandbox.file(path=sandbox.root / "etc" / "third" / "x", before=None, mode="rw")


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
    run = dash.run(dash.file(b"{}", before=None, path=other), dash.file(), bad, RESTART)

    assert (run.code, run.verdict) == (1, f"verdict refused {ID}")
    assert run.err.startswith("refused: ")
    assert reason in run.err
    assert (dash.config.read_bytes(), dash.config.stat().st_mode & 0o777) == (BEFORE, 0o640)
    assert [path for path in dash.left_behind if "third" not in path] == ["etc/daemon.json"]
    assert not other.parent.exists()
    assert dash.calls("docker") == []
    assert not dash.locked
    assert dash.ending() == run.err.strip().replace("refused:", "refused")
    assert not (dash.folder() / "transaction.sh").exists()


def test_refuses_what_has_changed_in_every_shell(sandbox):
    run = sandbox.run(change_it(sandbox), RESTART)

    assert (run.code, run.verdict) == (1, f"verdict refused {ID}")
    assert sandbox.untouched


def test_refuses_when_the_running_containers_cannot_be_listed(dash):
    dash.say("dead", "")
    run = dash.run(dash.file(), RESTART)

    assert (run.code, run.verdict) == (1, f"verdict refused {ID}")
    assert run.err == "refused: cannot list the running containers\n"
    assert dash.untouched
    assert dash.restarts == 0


def test_refuses_an_edit_since_the_check(either):
    """Somebody else wrote while it was tried: theirs stays as it is."""
    either.of_the_lab()
    session = either.launch(either.text(either.file(), RESTART), crash="armed-timer:pause")
    either.paused()
    either.config.write_bytes(b"theirs")
    either.go_on()
    run = either.finished(session)

    assert (run.code, run.verdict) == (1, f"verdict refused {ID}")
    assert run.err == (
        f"refused: stale: {either.config} is no longer what the plan was made from\n"
    )
    assert either.config.read_bytes() == b"theirs"
    assert either.left_behind == ["etc/daemon.json"]
    assert either.restarts == 0


def test_the_second_controller_is_told_who_holds_the_lock(dash):
    dash.of_the_lab()
    first = dash.launch(dash.text(dash.file(), RESTART), crash="swapped:pause")
    dash.paused()
    assert dash.locked
    pid = dash.transaction_pid
    second = dash.launch(dash.text(dash.file(), RESTART, id=OTHER))
    out, err = second.communicate(timeout=20)

    assert (second.returncode, out) == (1, f"verdict refused {OTHER}\n")
    assert re.fullmatch(
        rf"refused: another transaction runs here: {ID} of {BY} since \S+Z \(pid {pid}\)\n", err
    )
    dash.go_on()
    assert dash.finished(first).verdict == f"verdict confirmed {ID}"
    assert not [line for line in dash.ledger if OTHER in line]
    assert not (dash.folder(OTHER) / "transaction.sh").exists()


def test_who_asks_again_under_an_id_is_told_how_it_ended(dash):
    """A run that was cut off is resumed, or a lost worker's host is taken up."""
    dash.run(dash.file(), NONE)
    run = dash.run(dash.file(b"{}", before=AFTER), NONE)

    assert (run.code, run.verdict) == (0, f"verdict confirmed {ID}")
    assert dash.config.read_bytes() == AFTER
    assert len([line for line in dash.ledger if "begin" in line]) == 1


def test_a_folder_without_a_beginning_is_begun_anew(dash):
    """The connection was cut while the files were sent."""
    dash.folder().mkdir(parents=True)
    (dash.folder() / "manifest").write_text("half of")
    run = dash.run(dash.file(), NONE)

    assert (run.code, run.verdict) == (0, f"verdict confirmed {ID}")
    assert dash.config.read_bytes() == AFTER
    assert dash.ending() == "confirmed"


def test_not_root(dash):
    dash.tool("id", f"#!/bin/sh\necho {1000 if ME == '0' else 0}")
    run = dash.run(dash.file(), NONE)

    assert (run.code, run.out, run.err) == (1, f"verdict refused {ID}\n", "refused: not root\n")
    assert not dash.state.exists()


@pytest.mark.parametrize("tool", ["sha256sum", "flock", "awk"])
def test_a_host_without_a_tool(dash, tool):
    few = dash.root / "few"
    few.mkdir()
    for name in {"id", "sha256sum", "flock", "awk"} - {tool}:
        (few / name).symlink_to(shutil.which(name) or "")
    dash.more['PATH="$PATH:/usr/local/sbin'] = f'PATH="{few}"; : "'
    run = dash.run(dash.file(), NONE)

    said = f"refused: no {tool} on this host\n"
    assert (run.code, run.out, run.err) == (1, f"verdict refused {ID}\n", said)
    assert not dash.state.exists()


def test_what_arrives_cut_off_is_not_begun(sandbox):
    text = sandbox.text(sandbox.file(), RESTART).replace("stay\n# end\n", "stay\n")
    run = sandbox.finished(sandbox.launch(text))

    assert (run.code, run.verdict) == (1, f"verdict refused {ID}")
    assert not sandbox.folder().exists()
    assert sandbox.untouched


def test_a_systemd_that_starts_nothing(dash):
    dash.say("no-systemd-run", "")
    run = dash.run(dash.file(), RESTART)

    assert (run.code, run.verdict) == (1, f"verdict refused {ID}")
    assert run.err == "refused: systemd-run: Failed to connect to bus\n"
    assert not dash.folder().exists()
    assert dash.untouched


def test_nothing_is_swapped_without_the_timer_that_would_undo_it(dash):
    dash.say("no-timer", "")
    run = dash.run(dash.file(), RESTART)

    assert (run.code, run.verdict) == (1, f"verdict refused {ID}")
    assert run.err.startswith("refused: cannot arm the timer")
    assert dash.untouched
    assert dash.restarts == 0


def test_crash_points_are_for_hosts_of_the_lab(dash):
    run = dash.run(dash.file(), RESTART, crash="swapped:kill")

    assert (run.code, run.out) == (1, f"verdict refused {ID}\n")
    assert run.err == "refused: OAKUM_CRASH is for hosts of the lab\n"
    assert not dash.state.exists()
    assert dash.untouched


def test_no_crash_without_the_mark_even_if_it_lies_there(dash):
    dash.lay(dash.file(), NONE)
    (dash.folder() / "crash").write_text("swapped:kill")

    assert dash.verb("run", ID) == 0
    assert dash.ending() == "confirmed"


# Preflight ---------------------------------------------------------------------------------------


@pytest.fixture(params=["dash", "bash"])
def tried(request: pytest.FixtureRequest, make: Callable[..., Sandbox]) -> Sandbox:
    return make(request.param)


SHADOW = ("shadow_files", '{"bad": 12}', '{"icc": true}', '{"valid": 1}')
REQUIRED = ("preflight", "required")
NO_BAD = (
    'if grep -q bad "$config"; then '
    'echo \'time="now" level=error msg="unable to do 12 things"\'; exit 1; fi'
)


def test_tries_the_file_in_a_shadow_boot(tried):
    run = tried.run(REQUIRED, tried.file(), SHADOW, RESTART)

    assert run.verdict == f"verdict confirmed {ID}"
    assert re.fullmatch(r"preflight shadow boot answered after \d+\.\d s", run.steps[1])
    assert tried.heard("shadow-flags").splitlines()[:2] == [
        "--config-file",
        f"{tried.folder()}/shadow.json",
    ]
    assert tried.left_behind == ["etc/daemon.json"]
    assert not [path for path in tried.folder().iterdir() if path.suffix == ".json"]


def test_refuses_what_the_engine_does_not_start_under(tried):
    tried.say("on-boot", NO_BAD)
    run = tried.run(tried.file(), SHADOW, RESTART)

    assert (run.code, run.verdict) == (1, f"verdict refused {ID}")
    assert run.err == "refused: preflight: unable to do 12 things\n"
    assert tried.untouched
    assert tried.restarts == 0


@pytest.mark.parametrize(
    ("former", "verdict"),
    [
        pytest.param("unable to do 7 things", "confirmed", id="alike"),
        pytest.param("unable to do what nobody asked", "refused", id="otherwise"),
    ],
)
def test_what_the_former_file_fails_on_too_is_the_shadow_s_fault(dash, former, verdict):
    dash.say("on-boot", f"{NO_BAD}; echo 'level=error msg=\"{former}\"'; exit 1")
    run = dash.run(dash.file(), SHADOW, RESTART)

    assert run.verdict == f"verdict {verdict} {ID}"
    told = "preflight no shadow boot: unable to do 12 things" in run.steps
    assert told == (verdict == "confirmed")


def never_answers(sandbox: Sandbox) -> str:
    sandbox.say("on-boot", "exec sleep 60")
    return "dockerd did not answer within 0 s"


def no_namespaces(sandbox: Sandbox) -> str:
    sandbox.say("no-unshare", "unshare: unshare failed: Operation not permitted\n")
    return "unshare: unshare failed: Operation not permitted"


def no_mount(sandbox: Sandbox) -> str:
    sandbox.tool("mount", "#!/bin/sh\necho 'mount: permission denied'; exit 32")
    return "mount: permission denied"


def no_unshare(sandbox: Sandbox) -> str:
    sandbox.tool("unshare", "#!/bin/sh\nexit 127")
    return "unshare ended with 127"


@pytest.mark.parametrize("cause", [never_answers, no_namespaces, no_mount, no_unshare])
@pytest.mark.parametrize("wanted", ["available", "required"])
def test_a_host_that_can_try_nothing(dash, cause, wanted):
    reason = cause(dash)
    run = dash.run(("limits", "1", "0", "0"), ("preflight", wanted), dash.file(), SHADOW, RESTART)

    if wanted == "available":
        assert run.verdict == f"verdict confirmed {ID}"
        assert f"preflight no shadow boot: {reason}" in run.steps
    else:
        assert run.verdict == f"verdict refused {ID}"
        assert run.err == (
            f"refused: preflight: no shadow boot here ({reason}), and oakum_preflight is required\n"
        )
        assert dash.untouched


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        pytest.param("20.10.24", "dockerd --config-file", id="before-there-was-an-option"),
        pytest.param("9.0.1", "dockerd --config-file", id="long-before"),
        pytest.param("23.0.0", "dockerd --validate --config-file", id="by-option"),
    ],
)
def test_refuses_what_the_loader_does_not_take(tried, engine, words):
    """And what it is shown is the file for validation, which is gone afterwards."""
    tried.say("engine", engine)
    tried.say(
        "on-validate",
        'cat "$config" >"$WORLD/shown"; echo; echo "unable to configure the Docker daemon '
        'with file $config: the key is bad"; exit 1',
    )
    run = tried.run(tried.file(), SHADOW, RESTART)

    assert (run.code, run.verdict) == (1, f"verdict refused {ID}")
    said = "refused: preflight: unable to configure the Docker daemon the key is bad\n"
    assert run.err == said
    (call,) = tried.calls("setpriv")
    assert call.endswith(f"{words} {tried.root}/run/oakum-{ID}.json")
    assert tried.heard("shown") == '{"valid": 1}'
    assert tried.untouched


def test_the_shadow_is_started_with_the_flags_of_the_real_one(dash):
    """But for those that it sets itself; what it sets takes its value with it."""
    code = "import time; time.sleep(60)"
    flags = ["-H", "fd://", "--data-root=/srv", "--log-level", "debug", "-p", "/x", "--icc=false"]
    dockerd = dash.start(["dockerd", "-c", code, *flags], executable=sys.executable)
    dash.say("main-pid", str(dockerd.pid))
    run = dash.run(dash.file(), SHADOW, RESTART)

    assert run.verdict == f"verdict confirmed {ID}"
    told = dash.heard("shadow-flags").splitlines()
    assert told[-5:] == ["-c", code, "--log-level", "debug", "--icc=false"]
    assert told.count("-H") == 1


def test_what_the_shadow_leaves_in_its_temporary_folder_goes_with_it(dash):
    dash.say("on-boot", 'echo "$TMPDIR" >"$WORLD/temporary"; : >"$TMPDIR/containerd.1.stacks.log"')
    dash.run(dash.file(), SHADOW, RESTART)

    assert dash.heard("temporary") == f"{dash.root}/run/tmp\n"
    assert dash.left_behind == ["etc/daemon.json"]


# Rolled back -------------------------------------------------------------------------------------


def test_waits_for_dockerd_to_answer(dash):
    """It answers at the third look."""
    dash.tool("docker", f'#!/bin/sh\ncase $* in *" version "*) . "$WORLD/look" ;; esac\n{DOCKER}')
    dash.say("look", 'echo x >>"$WORLD/looks"; [ "$(wc -l <"$WORLD/looks")" -ge 3 ] || exit 1')
    run = dash.run(("limits", "900", "0", "2"), dash.file(), RESTART)

    assert run.verdict == f"verdict confirmed {ID}"


def test_rolls_back_when_dockerd_does_not_answer(sandbox):
    sandbox.when_restarted(ONLY_THE_OLD_FILE_WORKS.format(sandbox.config))
    run = sandbox.run(sandbox.file(), RESTART)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert run.err == "failed: dockerd does not answer: failed: bad option\n"
    assert sandbox.untouched
    assert sandbox.restarts == 2
    assert sandbox.ending() == "rolled-back dockerd does not answer: failed: bad option"
    assert not sandbox.locked


def test_rolls_back_without_systemd(make):
    plain = make("dash", systemd=False)
    (plain.root / "docker.log").write_text('level=error msg="an error of its own"\nlevel=info x\n')
    plain.when_restarted(ONLY_THE_OLD_FILE_WORKS.format(plain.config))
    run = plain.run(plain.file(), RESTART)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert run.err == "failed: dockerd does not answer: an error of its own\n"
    assert plain.untouched
    assert plain.restarts == 2


def test_rolls_back_when_the_restart_fails(dash):
    dash.when_restarted(f"! grep -q false {quote(str(dash.config))} || exit 1")
    run = dash.run(dash.file(), RESTART)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert run.err == "failed: dockerd did not restart: failed: bad option\n"
    assert dash.untouched


def test_rolls_back_when_a_container_is_missing(dash):
    dash.say("containers", "aaa\nbbb\n")
    config = quote(str(dash.config))
    dash.when_restarted(
        f'if grep -q false {config}; then echo aaa; else printf "aaa\\nbbb\\n"; fi '
        '>"$WORLD/containers"'
    )
    run = dash.run(dash.file(), RESTART)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert run.err == "failed: a container that ran before does not run now\n"
    assert dash.untouched


def test_a_container_that_does_not_come_back_is_broken(dash):
    dash.say("containers", "aaa\n")
    dash.when_restarted(': >"$WORLD/containers"')
    run = dash.run(dash.file(), RESTART)

    assert (run.code, run.verdict) == (3, f"verdict broken {ID}")
    assert run.err == 2 * "failed: a container that ran before does not run now\n"
    assert dash.untouched


def test_a_container_more_is_no_fault(dash):
    dash.say("containers", "aaa\n")
    dash.when_restarted('echo zzz >>"$WORLD/containers"')

    assert dash.run(dash.file(), RESTART).verdict == f"verdict confirmed {ID}"


PORTS = "10.0.0.2 80/tcp 0.0.0.0 8080\n10.0.0.3 90/tcp 192.0.2.1 9090\n10.0.0.4 53/udp  \n"


@pytest.mark.parametrize(
    ("afterwards", "verdict"),
    [
        pytest.param("10.0.0.2 80\n127.0.0.1 8080\n", "confirmed", id="answers"),
        pytest.param("10.0.0.2 80\n", "rolled-back", id="silent"),
        pytest.param("127.0.0.1 8080\n", "confirmed", id="answers-for-a-closed-door"),
        pytest.param("", "confirmed", id="the-container-itself-does-not-listen"),
    ],
)
def test_published_ports_that_answered_still_do(dash, afterwards, verdict):
    """Only those that did before: nobody listens at the second."""
    dash.tool("bash", '#!/bin/sh\ngrep -qx "$3 $4" "$WORLD/open"')
    dash.say("containers", "aaa\n")
    dash.say("published", PORTS)
    dash.say("open", "10.0.0.2 80\n127.0.0.1 8080\n")
    dash.say("afterwards", afterwards)
    dash.when_restarted('cp "$WORLD/afterwards" "$WORLD/open"')
    run = dash.run(dash.file(), RESTART)

    assert run.verdict == f"verdict {verdict} {ID}"
    if verdict == "confirmed":
        assert "settle 1 containers, 1 ports" in run.steps
    else:
        said = "failed: the published port 127.0.0.1:8080 does not answer any more\n"
        assert run.err == said
        assert dash.untouched


BAD_START = "echo 'docker: Error: cannot start.'; echo 'See docker run --help'; exit 125"


def test_a_probe_container_that_started_before_has_to_start_afterwards(dash):
    dash.probes()
    dash.when_restarted(f'echo "{BAD_START}" >"$WORLD/on-run"')
    run = dash.run(dash.file(), RESTART)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert run.err == "failed: no container starts any more: docker: Error: cannot start.\n"
    assert dash.untouched
    assert dash.calls("docker")[-1].endswith("ps -q --no-trunc")
    assert [call for call in dash.calls("docker") if " rmi " in call]
    assert not (dash.folder() / "probe").exists()


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        pytest.param("run", "docker: Error: cannot start.", id="does-not-start-before"),
        pytest.param("init", "no docker-init on this host", id="no-docker-init"),
    ],
)
def test_a_probe_container_that_never_started_says_nothing(dash, cause, reason):
    if cause == "run":
        dash.probes()
        dash.say("on-run", BAD_START)
    run = dash.run(dash.file(), RESTART)

    assert run.verdict == f"verdict confirmed {ID}"
    assert f"preflight no probe container: {reason}" in run.steps
    assert "settle 0 containers, 0 ports" in run.steps


def test_dockerd_has_to_say_what_the_plan_wants(dash):
    dash.say("info", "json-file\n")
    expect = ("expect", "{{.LoggingDriver}}", "local")
    run = dash.run(dash.file(), expect, RESTART)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert run.err == (
        "failed: dockerd says 'json-file' for {{.LoggingDriver}}, and the plan wants 'local'\n"
    )


def test_dockerd_says_what_the_plan_wants(dash):
    dash.say("info", "local\n")
    run = dash.run(dash.file(), ("expect", "{{.LoggingDriver}}", "local"), RESTART)

    assert run.verdict == f"verdict confirmed {ID}"
    assert [call for call in dash.calls("docker") if "{{.LoggingDriver}}" in call]


@pytest.mark.parametrize("then", [pytest.param("0", id="ended"), pytest.param("1", id="another")])
def test_a_dockerd_that_dies_late(dash, then):
    """It answers, and is gone or another one while it is watched."""
    config, alive = quote(str(dash.config)), dash.heard("main-pid")
    dash.when_restarted(
        f"if grep -q false {config}; then "
        f'(sleep 0.5; echo {then} >"$WORLD/main-pid") & else echo {alive} >"$WORLD/main-pid"; fi'
    )
    run = dash.run(("limits", "1", "9", "2"), dash.file(), RESTART)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert re.match(r"failed: dockerd died \d s after it had begun to answer: ", run.err)
    assert dash.untouched


def test_takes_away_what_it_made(dash):
    """Two files in a folder that was not there: file, file and folder go."""
    folder = dash.root / "etc" / "docker"
    dash.when_restarted(
        f'if [ -e {quote(str(folder))} ]; then : >"$WORLD/dead"; else rm -f "$WORLD/dead"; fi'
    )
    run = dash.run(
        dash.file(b"{}", before=None, path=folder / "profile.json"),
        dash.file(b"{}", before=None, path=folder / "daemon.json"),
        RESTART,
    )

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert not folder.exists()


def test_leaves_a_folder_that_someone_else_uses_by_now(dash):
    folder = dash.root / "etc" / "docker"
    dash.when_restarted(f': >"$WORLD/dead"; : >{quote(str(folder))}/theirs')
    dash.run(dash.file(b"{}", before=None, path=folder / "daemon.json"), RESTART)

    assert [path.name for path in folder.iterdir()] == ["theirs"]


def test_takes_back_a_removal(dash):
    dash.when_restarted(
        f'if [ -e {quote(str(dash.config))} ]; then rm -f "$WORLD/dead"; else : >"$WORLD/dead"; fi'
    )
    run = dash.run(("remove", str(dash.config), digest(BEFORE)), RESTART)

    assert run.verdict == f"verdict rolled-back {ID}"
    assert dash.untouched


def test_takes_back_a_mode_alone(dash):
    """The bytes are the same before and after, so what tells them apart is who may read them."""
    dash.when_restarted(f'[ "$(stat -c %a {quote(str(dash.config))})" = 640 ] || exit 1')
    run = dash.run(dash.file(BEFORE, mode="600"), RESTART)

    assert run.verdict == f"verdict rolled-back {ID}"
    assert dash.untouched


@pytest.mark.parametrize("was_there", [False, True], ids=["made", "was-there"])
def test_takes_back_the_user_that_dockerd_made(dash, was_there):
    """A start with userns-remap makes it; one that was there before is somebody's."""
    passwd = dash.root / "passwd"
    line = "dockremap:x:110:110::/home/dockremap:/bin/false\n"
    passwd.write_text(line if was_there else "")
    dash.when_restarted(f'echo {quote(line.strip())} >"$WORLD/../passwd"; exit 1')
    run = dash.run(dash.file(), SHADOW, RESTART)

    assert run.verdict == f"verdict rolled-back {ID}"
    assert dash.calls("userdel") == ([] if was_there else ["userdel dockremap"])
    assert dash.untouched


def test_takes_back_a_reload_by_a_reload(dash):
    """A container stopped meanwhile: the reload is undone, and nothing else is stopped for it."""
    dash.say("containers", "aaa\n")
    config = quote(str(dash.config))
    dash.dockerd(
        on_reload=f'if grep -q false {config}; then : ; else echo aaa; fi >"$WORLD/containers"'
    )
    run = dash.run(dash.file(), RELOAD)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert dash.untouched
    assert dash.hangups(2) == 2
    assert dash.restarts == 0


def test_starts_a_dockerd_that_a_reload_killed(dash):
    dash.dockerd(on_reload=': >"$WORLD/dead"')
    dash.when_restarted('rm -f "$WORLD/dead"')
    run = dash.run(dash.file(), RELOAD)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert dash.untouched
    assert dash.restarts == 1


def test_no_restart_when_live_restore_does_not_come_on(dash):
    """A restart now, even to roll back, would stop the containers that live-restore was for."""
    dash.say("containers", "aaa\n")
    dash.dockerd(on_reload='echo false >"$WORLD/live-restore"')
    run = dash.run(dash.file(), LIVE_FIRST)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert "live-restore did not come on by reload" in run.err
    assert dash.restarts == 0
    assert dash.hangups(2) == 2
    assert dash.untouched


def test_live_restore_is_taken_back_by_a_file_that_says_so(dash):
    """A reload keeps what a key has set when the key is gone: so it is said aloud before."""
    config = quote(str(dash.config))
    dash.dockerd(
        on_reload=f'cat {config} >>"$WORLD/reloads"; echo >>"$WORLD/reloads"; '
        f'! grep -q \'restore": false\' {config} || echo false >"$WORLD/live-restore"; '
        f'! grep -q \'icc": true, "live-restore": true\' {config} || '
        'echo true >"$WORLD/live-restore"'
    )
    calls = [("bridge", str(dash.config), BRIDGE), ("reset", OFF.decode()), LIVE_FIRST]
    run = dash.run(dash.file(ON), *calls)
    dash.hangups(4)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    reloads = [line for line in dash.heard("reloads").splitlines() if line]
    # The bridge comes first: the reload that is taken back may yet kill dockerd.
    assert reloads == [ON.decode(), BRIDGE.strip(), OFF.decode(), BEFORE.decode().strip()]
    assert dash.restarts == 0
    assert dash.untouched


def test_no_restart_when_dockerd_cannot_be_told_to_reload(dash):
    dash.say("main-pid", "0")
    run = dash.run(dash.file(), LIVE_FIRST)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert "dockerd has no pid" in run.err
    assert dash.restarts == 0
    assert dash.untouched


def test_a_stale_pid_file_s_stranger_gets_no_signal(make):
    plain = make("dash", systemd=False)
    stranger = plain.start(["sleep", "1000"])
    (plain.root / "docker.pid").write_text(f"{stranger.pid}\n")
    run = plain.run(plain.file(), RELOAD)

    assert run.verdict == f"verdict rolled-back {ID}"
    assert "dockerd has no pid" in run.err
    assert stranger.poll() is None


IMMUTABLE = """#!/bin/sh
for last; do :; done
case $last in "$(cat "$WORLD/immutable")") echo 'mv: Operation not permitted' >&2; exit 1 ;; esac
exec /bin/mv "$@"
"""


def test_no_restart_when_the_swap_itself_fails(dash):
    """The first file is put back, the second could not be replaced; dockerd was told nothing."""
    second = dash.root / "etc" / "second"
    dash.tool("mv", IMMUTABLE)
    dash.say("immutable", str(second))
    second.write_bytes(BEFORE)
    run = dash.run(dash.file(), dash.file(path=second), RESTART)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert run.err == f"failed: cannot replace {second}\n"
    assert dash.restarts == 0
    assert dash.calls("HUP") == []
    assert second.read_bytes() == BEFORE
    second.unlink()
    assert dash.untouched


def test_never_says_rolled_back_when_the_file_could_not_be(dash):
    """It has become immutable in the meantime."""
    dash.tool("mv", IMMUTABLE)
    dash.say("immutable", "")
    dash.when_restarted(f'echo {quote(str(dash.config))} >"$WORLD/immutable"; exit 1')
    run = dash.run(dash.file(), RESTART)

    assert (run.code, run.verdict) == (3, f"verdict broken {ID}")
    kept = dash.folder() / "1.was"
    assert f"failed: cannot put {dash.config} back; its copy is {kept}\n" in run.err
    assert kept.read_bytes() == BEFORE
    assert dash.left_behind == ["etc/daemon.json"]


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
    other = sandbox.file(b"{}", before=None, path=sandbox.root / "etc" / "other")
    bridge = ("bridge", str(sandbox.config), BRIDGE)
    run = sandbox.run(sandbox.file(), other, bridge, LIVE_FIRST)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    starts = [line for line in sandbox.heard("starts").split("\n") if line]
    assert starts == [AFTER.decode().strip(), BRIDGE]
    assert sandbox.hangups(2) == 2
    assert sandbox.untouched
    assert not (sandbox.folder() / "1.foreign").exists()


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
    assert dash.restarts == 3
    assert dash.untouched


def test_says_when_dockerd_is_not_well_after_all(dash):
    dash.when_restarted(': >"$WORLD/dead"')
    run = dash.run(dash.file(), RESTART)

    assert (run.code, run.verdict) == (3, f"verdict broken {ID}")
    assert dash.ending().startswith("broken dockerd does not answer")
    assert dash.untouched
    assert not dash.locked


def test_an_edit_of_somebody_else_is_kept_and_said(either):
    """dockerd must not be told to read what nobody has checked."""
    either.of_the_lab()
    session = either.launch(either.text(either.file(), RESTART), crash="swapped:pause")
    either.paused()
    either.config.write_bytes(b"theirs")
    either.go_on()
    run = either.finished(session)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    kept = either.folder() / "1.foreign"
    assert run.err == (
        f"failed: somebody else wrote {either.config} meanwhile\n"
        f"failed: somebody else's {either.config} is kept in {kept}\n"
    )
    assert kept.read_bytes() == b"theirs"
    assert either.restarts == 0
    assert either.untouched


def test_what_it_says_is_printable_and_bounded(sandbox):
    words = "printf 'error: \\033[31mred\\007\\tx %400s\\n' end"
    sandbox.tool("journalctl", f"#!/bin/sh\n{words}")
    sandbox.when_restarted("exit 1")
    run = sandbox.run(sandbox.file(), RESTART)

    assert run.err.startswith("failed: dockerd did not restart: error: [31mred x")
    for text in (run.err, *sandbox.ledger, *sandbox.journal()):
        assert text.strip().isprintable(), text
        assert len(text) < 350
    assert "did not restart: error: [31mred x" in sandbox.ending()


def test_a_silent_client_does_not_stretch_the_wait(dash):
    """Seconds are counted by the clock, not by the tries, each of which may take ten."""
    dash.more["/proc/uptime"] = f"{dash.world}/uptime"
    dash.say("uptime", "100.00 0\n")
    later = 'echo "$((100 + $(wc -l <"$WORLD/calls"))).00 0" >"$WORLD/uptime"'
    tick = f'case $* in *" version "*) {later} ;; esac'
    dash.tool("docker", f"{DOCKER}\n{tick}\n".replace("|| exit 1", f"|| {{ {tick}; exit 1; }}"))
    dash.when_restarted(': >"$WORLD/dead"')
    run = dash.run(("limits", "900", "0", "2"), dash.file(), RESTART)

    assert run.code == 3
    looks = [call for call in dash.calls("docker") if " version " in call]
    assert 4 <= len(looks) <= 20


# Values of the kernel, and who has to be told -----------------------------------------------------

SYSTEMD, AUDIT = ("load", "systemd"), ("load", "audit")
SAYS = """#!/bin/sh
echo "${0##*/} $*" >>"$WORLD/calls"
. "$WORLD/on-${0##*/}"
"""


def with_audit(sandbox: Sandbox) -> None:
    for name in ("auditctl", "augenrules"):
        sandbox.tool(name, SAYS)
        sandbox.say(f"on-{name}", "")


def test_a_value_is_written_in_place(sandbox):
    """No other file can take its place there, nor can anything lie beside it."""
    there = sandbox.panic.stat()
    run = sandbox.run(sandbox.value("10"), NONE)

    assert (run.code, run.verdict, run.err) == (0, f"verdict confirmed {ID}", "")
    assert sandbox.panic.read_bytes() == b"10\n"
    now = sandbox.panic.stat()
    assert (now.st_ino, now.st_mode) == (there.st_ino, there.st_mode)
    was, new = digest(b"0\n"), digest(b"10\n")
    assert sandbox.ledger[1] == f"{ID} file 1 {was} {new} {sandbox.panic}"
    folder = sandbox.folder()
    assert (folder / "1.was").read_bytes() == b"0\n"
    assert (folder / "1.was").stat().st_mode & 0o777 == 0o644
    assert not (folder / "1.staged").exists()
    assert sandbox.left_behind == ["etc/daemon.json"]


def test_a_value_that_changed_is_stale(sandbox):
    run = sandbox.run(sandbox.file(), sandbox.value("10", before="5"), RESTART)

    assert run.verdict == f"verdict refused {ID}"
    assert run.err == f"refused: stale: {sandbox.panic} is no longer what the plan was made from\n"
    assert sandbox.untouched


def test_a_value_is_put_back(sandbox):
    there = sandbox.panic.stat()
    sandbox.when_restarted(ONLY_THE_OLD_FILE_WORKS.format(sandbox.config))
    run = sandbox.run(sandbox.value("10"), sandbox.file(), RESTART)

    assert run.verdict == f"verdict rolled-back {ID}"
    assert sandbox.panic.stat().st_ino == there.st_ino
    assert sandbox.untouched


@pytest.mark.parametrize(
    "instead",
    [
        pytest.param("echo 7", id="it-takes-another"),
        pytest.param("false", id="it-takes-none"),
    ],
)
def test_a_value_that_the_kernel_does_not_take(dash, instead):
    dash.more['cat "$staged" >"$path"'] = f'{instead} >"$path"'
    run = dash.run(dash.file(), dash.value("10"), RESTART)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert run.err.startswith(f"failed: the kernel does not take {dash.panic}\n")
    assert dash.restarts == 0
    assert dash.untouched


def test_somebody_else_s_value_is_kept_and_said(dash):
    dash.of_the_lab()
    session = dash.launch(dash.text(dash.value("10"), dash.file(), RESTART), crash="swapped:pause")
    dash.paused()
    dash.panic.write_bytes(b"30\n")
    dash.go_on()
    run = dash.finished(session)

    assert run.verdict == f"verdict rolled-back {ID}"
    assert f"failed: somebody else wrote {dash.panic} meanwhile\n" in run.err
    assert (dash.folder() / "1.foreign").read_bytes() == b"30\n"
    assert dash.untouched


def test_a_value_is_taken_back_by_a_rollback(dash):
    dash.run(dash.value("10"), NONE)
    back = dash.value("0", before="10")
    run = dash.run(("about", "rollback", BY, PLAN, "icc"), back, ("undoes", ID), NONE, id=OTHER)

    assert run.verdict == f"verdict confirmed {OTHER}"
    assert dash.untouched


def test_who_reads_a_file_is_told_before_dockerd(sandbox):
    with_audit(sandbox)
    config = quote(str(sandbox.config))
    sandbox.say("on-augenrules", f'cat {config} >"$WORLD/read"')
    run = sandbox.run(sandbox.file(), SYSTEMD, AUDIT, RESTART)

    assert run.verdict == f"verdict confirmed {ID}"
    told = ("systemctl daemon-reload", "auditctl", "augenrules", "systemctl restart")
    assert [call for call in sandbox.calls() if call.startswith(told)] == [
        "systemctl daemon-reload",
        "auditctl -D -k oakum-docker",
        "augenrules --load",
        "systemctl restart docker.service",
    ]
    assert sandbox.heard("read") == AFTER.decode()


@pytest.mark.parametrize(
    ("word", "tool", "said"),
    [
        pytest.param("audit", "augenrules", "Error in line 3", id="audit"),
        pytest.param("audit", "auditctl", "Operation not permitted", id="audit-first"),
        pytest.param("luck", None, "nobody here knows it", id="unknown-word"),
    ],
)
def test_what_cannot_be_loaded_is_put_back(sandbox, word, tool, said):
    """Those that could be told before are told again, of the former files."""
    with_audit(sandbox)
    if tool:
        sandbox.say(f"on-{tool}", f'echo first; echo "{said}" >&2; exit 1')
    run = sandbox.run(sandbox.file(), SYSTEMD, ("load", word), RESTART)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    reason = f"failed: what changed could not be loaded into {word}: {said}\n"
    assert run.err == reason * 2, "and so it is said of the way back"
    assert sandbox.restarts == 0
    assert len(sandbox.calls("systemctl daemon-reload")) == 2
    assert sandbox.untouched


def test_who_reads_a_file_is_told_when_it_is_put_back(sandbox):
    with_audit(sandbox)
    config = quote(str(sandbox.config))
    sandbox.say("on-augenrules", f'cat {config} >"$WORLD/read"')
    sandbox.when_restarted(ONLY_THE_OLD_FILE_WORKS.format(sandbox.config))
    run = sandbox.run(sandbox.file(), AUDIT, RESTART)

    assert run.verdict == f"verdict rolled-back {ID}"
    assert len(sandbox.calls("augenrules --load")) == 2
    assert sandbox.heard("read") == BEFORE.decode()
    assert sandbox.untouched


def test_nobody_is_told_of_a_change_that_was_refused(dash):
    with_audit(dash)
    run = dash.run(dash.file(before=b"other"), SYSTEMD, AUDIT, RESTART)

    assert run.verdict == f"verdict refused {ID}"
    assert dash.calls("augenrules") + dash.calls("systemctl daemon-reload") == []


def test_without_systemd_nobody_has_to_be_told_of_units(make):
    plain = make("dash", systemd=False)
    assert plain.run(plain.file(), SYSTEMD, NONE).verdict == f"verdict confirmed {ID}"
    assert plain.calls("systemctl") == []


# Ended on the way --------------------------------------------------------------------------------

CANDIDATE = b'{"icc": false, "live-restore": true}'
POINTS = {
    "refused": "begun locked recorded checked armed-boot kept staged validated shadowed counted"
    " probed armed-timer swap-begins",
    "rolled-back": "swap-1 swapped live-reload live-reloaded restart restarted answered read-back"
    " containers ports probed-after watched confirm",
    "confirmed": "confirmed disarmed pruned",
}
BACK = ["undo", "bridged", "restored", "undone"]


def full(sandbox: Sandbox) -> list[Call]:
    """A transaction that passes every point, on a host whose live-restore obeys the file."""
    config = quote(str(sandbox.config))
    sandbox.dockerd(
        on_reload=f"if grep -q 'restore\": true' {config}; then echo true; else echo false; fi "
        '>"$WORLD/live-restore"'
    )
    sandbox.of_the_lab()
    return [
        sandbox.file(CANDIDATE),
        sandbox.value("10"),
        ("load", "systemd"),
        SHADOW,
        ("bridge", str(sandbox.config), BRIDGE),
        ("reset", OFF.decode()),
        LIVE_FIRST,
    ]


def test_every_point_is_tried():
    text = (HOST / "transaction.sh").read_text()
    there = set(re.findall(r"\bpoint ([a-z0-9-]+)", text))
    first = {"hold", "installing", "installed", "released", "started"}  # lab/test_bootstrap.py
    assert there == {*" ".join(POINTS.values()).split(), *BACK, *first}


@pytest.mark.parametrize(
    ("point", "word"),
    [(point, word) for word, points in POINTS.items() for point in points.split()],
)
def test_recovers_from_everywhere(dash, point, word):
    """The verdict line is the commit: before it everything leads back, after it nothing does."""
    dash.lay(*full(dash), crash=f"{point}:kill")
    assert dash.verb("run", ID) == -signal.SIGKILL
    assert dash.verb("recover", ID) == 0

    assert dash.ending().split()[0] == word
    assert dash.journal()[-1] == f"verdict {word}"
    if word == "confirmed":
        assert (dash.config.read_bytes(), dash.panic.read_bytes()) == (CANDIDATE, b"10\n")
        assert dash.left_behind == ["etc/daemon.json"]
    else:
        assert dash.untouched
    left = {"transaction.sh", "manifest", "swapping"}
    assert not left & {path.name for path in dash.folder().iterdir()}


@pytest.mark.parametrize("point", BACK)
def test_recovers_from_the_way_back(dash, point):
    dash.lay(*full(dash), crash=f"{point}:kill")
    dash.when_restarted(ONLY_THE_OLD_FILE_WORKS.format(dash.config))
    assert dash.verb("run", ID) == -signal.SIGKILL
    assert dash.verb("recover", ID) == 0

    assert dash.ending().split()[0] == "rolled-back"
    assert dash.untouched


def test_two_that_recover_at_once(sandbox):
    """And one that comes when it is over: one verdict, one way back."""
    sandbox.of_the_lab()
    sandbox.lay(sandbox.file(), RESTART, crash="restarted:kill")
    assert sandbox.verb("run", ID) == -signal.SIGKILL
    script = sandbox.root / "copy.sh"
    shutil.copy(sandbox.folder() / "transaction.sh", script)
    command = [str(sandbox.root / "bin" / "sh"), str(script), "recover", ID]
    both = [sandbox.start(command), sandbox.start(command)]
    assert [process.wait(10) for process in both] == [0, 0]
    journal = sandbox.journal()
    assert sandbox.start(command).wait(10) == 0

    assert sandbox.ending().startswith("rolled-back")
    assert sandbox.restarts == 2
    assert sandbox.journal() == journal
    assert sandbox.untouched


def test_an_id_that_is_unknown_is_nothing_to_recover(dash):
    dash.lay(dash.file(), RESTART)
    script = str(dash.folder() / "transaction.sh")
    done = dash.start([str(dash.root / "bin" / "sh"), script, "recover", OTHER])

    assert done.wait(10) == 0
    assert not dash.folder(OTHER).exists()
    assert not (dash.state / "ledger").exists()


def test_a_killed_transaction_is_undone(either):
    """Whoever sees it end undoes it, and who follows is told."""
    either.of_the_lab()
    session = either.launch(either.text(either.file(), RESTART), crash="restarted:kill")
    run = either.finished(session)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert run.err == "failed: the transaction was ended on its way\n"
    assert run.steps[-1] == "restart"
    assert either.untouched
    assert either.restarts == 2


@pytest.mark.parametrize("systemd", [True, False], ids=["systemd", "no-systemd"])
def test_who_follows_has_it_undone_if_nobody_else_does(make, systemd):
    host = make("dash", systemd=systemd)
    host.of_the_lab()
    host.say("no-stop-post", "")
    session = host.launch(host.text(host.file(), NONE), crash="swapped:pause")
    host.paused()
    if not systemd:
        watcher = [pid for pid in host.processes() if b"watch" in words(pid)]
        assert len(watcher) == 1
        os.kill(watcher[0], signal.SIGKILL)
    os.kill(host.transaction_pid, signal.SIGKILL)
    host.go_on()
    run = host.finished(session)

    assert (run.code, run.verdict) == (2, f"verdict rolled-back {ID}")
    assert host.untouched


def test_what_nobody_finished_is_undone_before_the_next_begins(sandbox):
    sandbox.of_the_lab()
    sandbox.lay(sandbox.file(b"half"), NONE, crash="swapped:kill")
    assert sandbox.verb("run", ID) == -signal.SIGKILL
    assert sandbox.config.read_bytes() == b"half"
    run = sandbox.run(sandbox.file(), NONE, id=OTHER)

    assert (run.verdict, run.err) == (f"verdict confirmed {OTHER}", "")
    assert sandbox.config.read_bytes() == AFTER
    assert [" ".join(line.split()[:2]) for line in sandbox.ledger] == [
        f"{ID} begin",
        f"{ID} file",
        f"{ID} rolled-back",
        f"{OTHER} begin",
        f"{OTHER} file",
        f"{OTHER} confirmed",
    ]


def unit(sandbox: Sandbox) -> str:
    return (sandbox.root / "units" / "oakum-recover.service").read_text()


@pytest.mark.parametrize("wants", ["made", "there"])
def test_the_boot_hook_is_there_only_meanwhile(dash, wants):
    folder = dash.root / "units" / "docker.service.wants"
    if wants == "there":
        folder.mkdir()
    dash.of_the_lab()
    session = dash.launch(dash.text(dash.file(), RESTART), crash="swapped:pause")
    dash.paused()
    (link,) = folder.iterdir()
    text = unit(dash)
    assert link.resolve() == dash.root / "units" / "oakum-recover.service"
    assert "Before=docker.service\n" in text
    assert f"ConditionPathExists={dash.folder()}/transaction.sh\n" in text
    assert (dash.world / "timer").exists()
    dash.go_on()

    assert dash.finished(session).code == 0
    kept = ["units/docker.service.wants"] if wants == "there" else []
    assert dash.left_behind == ["etc/daemon.json", *kept]


def test_after_a_power_cut_files_alone_are_put_back(sandbox):
    """dockerd does not run yet: it starts under the former files, so it is told nothing."""
    sandbox.of_the_lab()
    sandbox.lay(sandbox.file(), RESTART, crash="restarted:kill")
    assert sandbox.verb("run", ID) == -signal.SIGKILL
    sandbox.say("calls", "")
    sandbox.say("dead", "")
    (command,) = re.findall(r"^ExecStart=(.*)$", unit(sandbox), re.MULTILINE)
    done = subprocess.run(command.split(), env=sandbox.environment, timeout=20)

    assert done.returncode == 0
    assert sandbox.ending() == "rolled-back the host was started again on the way"
    assert sandbox.restarts == 0
    assert sandbox.calls("docker") == []
    assert sandbox.untouched


def test_a_host_that_shuts_down_gets_its_files_back(dash):
    """systemd stops the unit, and its ExecStopPost must not start a dockerd again."""
    dash.of_the_lab()
    dash.say("system", "stopping\n")
    run = dash.run(dash.file(), RESTART, crash="restarted:kill")

    assert run.verdict == f"verdict rolled-back {ID}"
    assert dash.ending() == "rolled-back the host was shut down on the way"
    assert dash.restarts == 1
    assert dash.untouched


def test_the_timer_ends_and_undoes_what_takes_too_long(dash):
    dash.of_the_lab()
    session = dash.launch(dash.text(dash.file(), RESTART), crash="restarted:pause")
    dash.paused()
    pid = dash.transaction_pid
    timer = dash.heard("timer").split()
    assert subprocess.run(timer, env=dash.environment, timeout=20).returncode == 0
    run = dash.finished(session)

    assert run.verdict == f"verdict rolled-back {ID}"
    assert f"systemctl kill --signal=KILL oakum-{ID}.service" in dash.calls()
    assert not Path(f"/proc/{pid}").exists()
    (dash.root / "run" / "oakum-point").unlink()
    assert dash.untouched


def test_the_watcher_ends_and_undoes_what_takes_too_long(make):
    plain = make("dash", systemd=False)
    plain.of_the_lab()
    plain.more["+ 300))"] = "- 7))"  # of the 10 s of these limits three looks are left
    run = plain.run(plain.file(), RESTART, crash="swapped:pause")

    assert run.verdict == f"verdict rolled-back {ID}"
    (plain.root / "run" / "oakum-point").unlink()
    assert plain.untouched


def test_a_transaction_that_is_gone_is_unknown(dash):
    run = dash.follow("20250101T000000Z-00000000")

    assert (run.code, run.out) == (3, "verdict unknown 20250101T000000Z-00000000\n")


# The text itself ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["transaction.sh", "launch.sh", "packages.sh", "upgrade.sh"])
def test_shellcheck_has_nothing_to_say(name):
    beside = Path(sys.executable).parent / "shellcheck"
    checker = str(beside) if beside.exists() else shutil.which("shellcheck")
    if not checker:
        pytest.skip("no shellcheck on this machine")
    done = subprocess.run([checker, "-s", "sh", str(HOST / name)], capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("script", sorted(HOST.glob("*.sh")), ids=lambda script: script.name)
def test_templates_do_not_break_within_braces(script):
    """Clients that were built with a Go of before 1.16, as Debian 11's was, refuse such a one."""
    assert re.findall(r"\{\{[^}]*\n.*", script.read_text("utf-8")) == []
