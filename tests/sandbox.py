"""A make-believe host for ``oakum/host/launch.sh`` and ``oakum/host/transaction.sh``.

The scripts run for real, as they are sent and as systemd or the watcher would run them. Paths of
the host are replaced by ones below a folder, every wait by a shorter one, and what a host has
(Docker, systemd, namespaces) by tools that do no more than note that they were called and obey the
files in ``world``.
"""

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shlex import join

HOST = Path(__file__).parent.parent / "oakum" / "host"
ID = "20260131T120000Z-1a2b3c4d"
OTHER = "20260131T120500Z-99999999"
BY = "ann@desk"
PLAN = "0123456789abcdef"
ME, US = str(os.getuid()), str(os.getgid())
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
BEFORE = b'{"icc": true}\n'
AFTER = b'{"icc": false}\n'

# A runner under nohup hands SIGHUP down ignored, and no shell could trap it then.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

Call = tuple[str, ...]

DOCKER = """#!/bin/sh
echo "docker $*" >>"$WORLD/calls"
case $* in *oakum.sock*) [ -e "$WORLD/shadow-up" ]; exit ;; esac
case $* in *" version "* | *" info "*)
    while [ -e "$WORLD/reloading" ]; do sleep 0.02; done ;;
esac
[ ! -e "$WORLD/dead" ] || exit 1
case $* in
    *" ps "*) cat "$WORLD/containers" ;;
    *" version "*) echo 20.10.24 ;;
    *LiveRestore*) cat "$WORLD/live-restore" ;;
    *" info "*) cat "$WORLD/info" ;;
    *" inspect "*) cat "$WORLD/published" ;;
    *" import "*) cat >/dev/null ;;
    *" run "*) . "$WORLD/on-run" ;;
esac
"""
# Called without a word of a shadow boot or a validation it is the dockerd of the host, which takes
# SIGHUP; Docker answers once that is done, so that no test hangs on who is faster.
DOCKERD = """#!/bin/sh
case ${1-} in
    --version) echo "Docker version $(cat "$WORLD/engine"), build 0"; exit ;;
    --validate) config=$3; . "$WORLD/on-validate"; exit ;;
    --config-file)
        config=$2
        if [ $# = 2 ]; then . "$WORLD/on-validate"; exit; fi
        printf '%s\\n' "$@" >"$WORLD/shadow-flags"
        echo $$ >"$WORLD/shadow-pid"
        . "$WORLD/on-boot"
        : >"$WORLD/shadow-up"
        exec sleep 60 ;;
esac
trap '. "$WORLD/on-reload"; echo HUP >>"$WORLD/calls"; rm -f "$WORLD/reloading"' HUP
echo ready
while :; do sleep 0.04; done
"""
SERVICE = """#!/bin/sh
echo "${0##*/} $*" >>"$WORLD/calls"
case $* in *restart*) . "$WORLD/on-restart" ;; esac
"""
SYSTEMCTL = f"""{SERVICE}
case $* in
    *MainPID*) echo "MainPID=$(cat "$WORLD/main-pid")" ;;
    "stop "*) rm -f "$WORLD/timer" ;;
    is-system-running) cat "$WORLD/system" ;;
    "kill "*) kill -KILL "-$(cat "$WORLD/${{3%.service}}.pid")" ;;
esac
"""
# As systemd does it: what is left of a unit is ended with its main process, and then ExecStopPost.
SYSTEMD_RUN = """#!/bin/sh
echo "systemd-run $*" >>"$WORLD/calls"
[ ! -e "$WORLD/no-systemd-run" ] || { echo 'Failed to connect to bus' >&2; exit 1; }
after='' stop=''
while :; do
    case $1 in
        --unit=*) unit=${1#--unit=} ;;
        --on-active=*) after=${1#--on-active=} ;;
        -p) shift; case $1 in ExecStopPost=-*) stop=${1#ExecStopPost=-} ;; esac ;;
        --*) ;;
        *) break ;;
    esac
    shift
done
if [ -n "$after" ]; then
    [ ! -e "$WORLD/no-timer" ] || exit 1
    printf '%s\\n' "$*" >"$WORLD/timer"
    exit
fi
(
    setsid "$@" &
    echo $! >"$WORLD/$unit.pid"
    wait $!
    kill -KILL "-$!"
    [ -e "$WORLD/no-stop-post" ] || eval "$stop"
) </dev/null >/dev/null 2>&1 &
"""
# What happens in the namespaces ends with them.
UNSHARE = """#!/bin/sh
echo "unshare $*" >>"$WORLD/calls"
[ ! -e "$WORLD/no-unshare" ] || { cat "$WORLD/no-unshare" >&2; exit 1; }
while :; do case $1 in --propagation) shift 2 ;; --*) shift ;; *) break ;; esac; done
"$@"
code=$?
[ ! -e "$WORLD/shadow-pid" ] || kill "$(cat "$WORLD/shadow-pid")" 2>/dev/null
rm -rf "$WORLD"/../state/txn/*/shadow/* "$WORLD"/../run/* "$WORLD/shadow-pid" "$WORLD/shadow-up"
exit $code
"""
SETPRIV = """#!/bin/sh
echo "setpriv $*" >>"$WORLD/calls"
while :; do case $1 in --*) shift ;; *) break ;; esac; done
exec "$@"
"""
# Of users there is only dockremap, and only its line is looked at.
USERDEL = """#!/bin/sh
echo "userdel $*" >>"$WORLD/calls"
: >"$WORLD/../passwd"
"""
NOTHING = "#!/bin/sh\n"

TOOLS = {
    "docker": DOCKER,
    "dockerd": DOCKERD,
    "ip": NOTHING,
    "journalctl": "#!/bin/sh\necho 'level=info'; echo 'failed: bad option'",
    "mount": NOTHING,
    "rc-service": SERVICE,
    "setpriv": SETPRIV,
    "systemctl": SYSTEMCTL,
    "systemd-run": SYSTEMD_RUN,
    "unshare": UNSHARE,
    "userdel": USERDEL,
    "groupdel": NOTHING,
    "delgroup": NOTHING,
    "deluser": NOTHING,
}

NONE = ("service", "none", "no", "stay")
RELOAD = ("service", "reload", "no", "stay")
RESTART = ("service", "restart", "no", "stay")
LIVE_FIRST = ("service", "restart", "yes", "stay")
OUTAGE = ("service", "restart", "no", "may-stop")
LIMITS = ("limits", "1", "0", "2")


def digest(content: bytes | None) -> str:
    return "absent" if content is None else hashlib.sha256(content).hexdigest()


@dataclass
class Run:
    """One run of the launcher, by what an operator would see of it."""

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
    shell: str
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    more: dict[str, str] = field(default_factory=dict)
    """Further replacements in the scripts."""

    # What it is made of --------------------------------------------------------------------------

    def build(self) -> None:
        for name in ("bin", "world", "etc", "run", "systemd", "units", "proc/sys/kernel"):
            (self.root / name).mkdir(parents=True)
        self.panic.write_bytes(b"0\n")
        self.panic.chmod(0o644)
        for name, text in TOOLS.items():
            self.tool(name, text)
        self.tool("sh", f'#!/bin/sh\nexec {join(SHELLS[self.shell])} "$@"\n')
        for name in ("containers", "info", "live-restore", "calls", "published", "system"):
            self.say(name, "")
        for name in ("on-restart", "on-reload", "on-run", "on-boot", "on-validate"):
            self.say(name, "")
        self.say("engine", "20.10.24")
        for name in ("passwd", "group"):
            (self.root / name).write_text("")
        self.config.write_bytes(BEFORE)
        self.config.chmod(0o640)
        sleeper = ["sleep", "1000"]
        self.say("main-pid", str(self.start(sleeper).pid))

    @property
    def world(self) -> Path:
        return self.root / "world"

    @property
    def config(self) -> Path:
        return self.root / "etc" / "daemon.json"

    @property
    def panic(self) -> Path:
        """A value of the kernel."""
        return self.root / "proc" / "sys" / "kernel" / "panic"

    @property
    def state(self) -> Path:
        return self.root / "state"

    def folder(self, name: str = ID) -> Path:
        return self.state / "txn" / name

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.root}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PATH": path, "WORLD": str(self.world)}

    def tool(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def say(self, name: str, text: str) -> None:
        """Rule the world: what a file of it holds from now on."""
        (self.world / name).write_text(text)

    def when_restarted(self, text: str) -> None:
        """What a restart of dockerd does to the world, as shell text."""
        self.say("on-restart", text)

    def heard(self, name: str) -> str:
        return (self.world / name).read_text()

    def without_systemd(self) -> None:
        """Then dockerd is known by its pid file, and by the name of its process."""
        (self.root / "systemd").rmdir()
        self.dockerd()
        (self.world / "reloading").unlink()

    def probes(self) -> None:
        """From now on a probe container can be had, which takes its time."""
        self.tool("docker-init-here", NOTHING)

    def of_the_lab(self) -> None:
        (self.root / "lab-host").write_text("")

    def start(self, command: list[str], **known: str) -> subprocess.Popen[str]:
        """A process of the host; it ends with the test."""
        started = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, text=True, **known
        )
        self.started.append(started)
        return started

    def dockerd(self, on_reload: str = "") -> int:
        """A dockerd that takes SIGHUP in the place of one that only lives."""
        self.say("reloading", "")
        self.say("on-reload", on_reload)
        dockerd = self.start([str(self.root / "bin" / "dockerd")])
        assert dockerd.stdout
        dockerd.stdout.readline()
        self.say("main-pid", str(dockerd.pid))
        (self.root / "docker.pid").write_text(f"{dockerd.pid}\n")
        return dockerd.pid

    # The scripts ---------------------------------------------------------------------------------

    def script(self, name: str) -> str:
        """A script of ours with the paths of this host, and a hundredth of the patience."""
        root = self.root
        replaced = {
            "STATE=/var/lib/oakum": f"STATE={root}/state",
            "/run/systemd/system ]": f"{root}/systemd ]",
            "/etc/oakum-lab-host": f"{root}/lab-host",
        }
        replaced |= {
            "launch.sh": {
                "sleep 0.1 ": "sleep 0.05 ",
                "-ge 100 ]": "-ge 20 ]",
                "/bin/sh ": f"{root}/bin/sh ",
            },
            "transaction.sh": {
                "RUN=/run\n": f"RUN={root}/run\n",
                "BOOT_UNIT=/etc/systemd/system": f"BOOT_UNIT={root}/units",
                "BOOT_LINK=/etc/systemd/system": f"BOOT_LINK={root}/units",
                "in /proc/sys/*)": f"in {root}/proc/sys/*)",
                "/etc/passwd": f"{root}/passwd",
                "/etc/group": f"{root}/group",
                "/var/run/docker.pid": f"{root}/docker.pid",
                "/var/log/docker.log": f"{root}/docker.log",
                'flush() { sync "$@" 2>/dev/null || sync; }': "flush() { :; }",
                "    sync\n": "",
                "sleep 0.2 ": "sleep 0.02 ",
                "sleep 1\n": "sleep 0.2\n",
                "${1}00": "${1}",
                "command -v docker-init": "command -v docker-init-here",
                "/bin/sh ": f"{root}/bin/sh ",
            },
        }[name]
        if ME != "0":
            replaced |= {
                "launch.sh": {'"$(id -u)" = 0': '"$(id -u)" != 0'},
                "transaction.sh": {'chown 65534 "$trial"': ":"},
            }[name]
        text = (HOST / name).read_text()
        for there, here in replaced.items():
            assert there in text, there
            text = text.replace(there, here)
        for there, here in self.more.items():
            text = text.replace(there, here)
        return text

    def text(self, *calls: Call, id: str = ID, ending: str = "start\nfollow {}\n") -> str:
        """What the controller sends, as ``oakum.operations`` puts it together."""
        manifest = "".join(f"{join(call)}\n" for call in self.manifest(*calls))
        files = {"transaction.sh": self.script("transaction.sh"), "manifest": f"{manifest}# end\n"}
        laid = "".join(
            f"cat >\"$dir/{name}\" <<'{id}' || give_up\n{text}{id}\n"
            for name, text in files.items()
        )
        return f"{self.script('launch.sh')}begin {id}\n{laid}{ending.format(id)}"

    @staticmethod
    def manifest(*calls: Call) -> list[Call]:
        """Calls with what every manifest begins with."""
        begins = [("about", "apply", BY, PLAN, "icc,userland-proxy"), LIMITS]
        return [call for call in begins if call[0] not in {call[0] for call in calls}] + [*calls]

    def command(self, text: str) -> list[str]:
        return [str(self.root / "bin" / "sh"), "-c", text]

    def run(self, *calls: Call, id: str = ID, leaving: str = "", crash: str = "") -> Run:
        """Send a transaction and follow it to its end; nothing of it runs any more afterwards."""
        text = self.text(*calls, id=id, ending=f"start\nfollow {{}} {leaving}\n")
        return self.finished(self.launch(text, crash=crash))

    def launch(self, text: str, crash: str = "") -> subprocess.Popen[str]:
        """Begin to send a text, as a session would."""
        environment = {**self.environment, **({"OAKUM_CRASH": crash} if crash else {})}
        return subprocess.Popen(
            self.command(text),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finished(self, session: subprocess.Popen[str]) -> Run:
        out, err = session.communicate(timeout=20)
        self.quiet()
        return Run(session.returncode, out, err)

    def follow(self, id: str = ID) -> Run:
        return self.finished(self.launch(f"{self.script('launch.sh')}follow {id}\n"))

    def lay(self, *calls: Call, id: str = ID, crash: str = "") -> None:
        """Lay a transaction down and do not start it."""
        session = self.launch(self.text(*calls, id=id, ending=""), crash=crash)
        assert self.finished(session).code == 0
        (self.folder(id) / "journal").write_text("")

    def verb(self, *words: str, id: str = ID) -> int:
        """Call a verb of a transaction that was laid down, as systemd would."""
        script = self.folder(id) / "transaction.sh"
        if not script.exists():
            return 0
        done = subprocess.run(
            [str(self.root / "bin" / "sh"), str(script), *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
        )
        return done.returncode

    # What runs -----------------------------------------------------------------------------------

    def processes(self) -> Iterator[int]:
        """What still runs of this host, but for what the test itself started."""
        mine = {process.pid for process in self.started}
        mark = f"WORLD={self.world}".encode()
        for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
            try:
                environ = Path(f"/proc/{pid}/environ").read_bytes()
                if pid not in mine and mark in environ.split(b"\0"):
                    yield pid
            except OSError:
                continue

    def quiet(self) -> None:
        """Wait until nothing of a transaction runs any more.

        Busybox' timeout leaves a process behind that looks once a second; what it limited counts.
        """
        until(lambda: not [pid for pid in self.processes() if words(pid)[:1] != [b"timeout"]])

    def close(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()
            assert process.stdout
            process.stdout.close()
        self.started.clear()
        while left := [*self.processes()]:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.02)

    @property
    def transaction_pid(self) -> int:
        return int((self.state / "lock").read_text().split()[1])

    def paused(self) -> None:
        """Wait for the crash point at which it was told to pause."""
        until((self.root / "run" / "oakum-point").exists)

    def go_on(self) -> None:
        (self.root / "run" / "oakum-point").unlink()

    # What came of it -----------------------------------------------------------------------------

    def file(
        self,
        after: bytes = AFTER,
        *,
        before: bytes | None = BEFORE,
        path: Path | None = None,
        mode: str = "644",
    ) -> Call:
        """A call of ``file``, as the operations make it."""
        path = path or self.config
        return ("file", str(path), mode, ME, US, digest(before), after.decode())

    def value(self, after: str, *, before: str = "0") -> Call:
        """A call of ``file`` for the value of the kernel."""
        former = f"{before}\n".encode()
        return self.file(f"{after}\n".encode(), before=former, path=self.panic)

    def calls(self, first: str = "") -> list[str]:
        return [line for line in self.heard("calls").splitlines() if line.startswith(first)]

    @property
    def restarts(self) -> int:
        return len(self.calls("systemctl restart")) + len(self.calls("rc-service"))

    def hangups(self, at_least: int) -> int:
        """How many SIGHUPs dockerd has taken; it takes them a moment later."""
        with contextlib.suppress(TimeoutError):
            until(lambda: len(self.calls("HUP")) >= at_least, seconds=2)
        return len(self.calls("HUP"))

    @property
    def ledger(self) -> list[str]:
        """The lines of the ledger without their time, whose form is checked."""
        lines = (self.state / "ledger").read_text().split("\n")
        assert lines.pop() == ""
        for line in lines:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line.split(" ")[0]), line
        return [line.partition(" ")[2] for line in lines]

    def ending(self, id: str = ID) -> str:
        """What the ledger says last of a transaction; it says so once."""
        words = "confirmed|rolled-back|refused|broken"
        found = [line for line in self.ledger if re.match(rf"{id} ({words})\b", line)]
        assert len(found) == 1, self.ledger
        return found[0].partition(" ")[2]

    def journal(self, id: str = ID) -> list[str]:
        lines = (self.folder(id) / "journal").read_text().splitlines()
        assert all(line.partition(" ")[0].isdigit() for line in lines)
        return [line.partition(" ")[2] for line in lines]

    @property
    def left_behind(self) -> list[str]:
        """What lies outside of the state's folder and was not there before."""
        places = [self.config.parent, self.root / "units", self.root / "run", self.root / "proc"]
        found = [path for place in places for path in place.rglob("*")]
        found = [path for path in found if path not in (self.panic, *self.panic.parents)]
        timer = [self.world / "timer"] if (self.world / "timer").exists() else []
        return sorted(str(path.relative_to(self.root)) for path in [*found, *timer])

    @property
    def untouched(self) -> bool:
        """Everything as it was, and nothing beside it."""
        if not self.config.exists() or self.left_behind != ["etc/daemon.json"]:
            return False
        same = (self.config.read_bytes(), self.panic.read_bytes()) == (BEFORE, b"0\n")
        return same and self.config.stat().st_mode & 0o777 == 0o640

    @property
    def locked(self) -> bool:
        """Whether somebody holds the lock."""
        lock = self.state / "lock"
        return lock.exists() and subprocess.run(["flock", "-n", lock, "true"]).returncode != 0


def words(pid: int) -> list[bytes]:
    """The command line of a process, empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []


def until(happens: Callable[[], object], seconds: float = 10) -> None:
    """Wait for what has to happen soon."""
    end = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)
