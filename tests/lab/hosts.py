"""Disposable Docker hosts on this machine: a Lab starts them, a LabHost is one of them.

    with Lab() as lab:
        host = lab.host()
        host.busy()
        print(host.port, host.key, host.known_hosts)

A host is a privileged-enough container that boots systemd, with sshd on a port of 127.0.0.1.
What a test does to a host through `run`, `read`, `write` and `docker` goes around SSH, so that the
counts of SSH sessions belong to the program under test alone.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import random
import secrets
import shlex
import shutil
import socket
import subprocess
from collections.abc import Container, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from .engine import Engine, LabError, can_run, execute
from .guest import Guest

__all__ = ["Lab", "LabError", "LabHost", "can_run"]

Flavour = Literal["docker", "bare", "sysv", "bare-sysv"]

LABEL = "oakum-lab"
SSHD_LOG = "/var/log/sshd.log"

# Root of a host may do all that root of a machine may, but raise a hard limit beyond what it was
# given: some real hosts are like that (guests of LXC, this lab's own machines), and a limit that
# dockerd cannot grant is the sharpest mistake a policy can make.
HARD_NOFILE = 20000
POWERS: tuple[str, ...] = (
    f"--ulimit=nofile={HARD_NOFILE}",
    "--cgroupns=private",
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    # Or containers of a host with userns-remap cannot mount /proc.
    "--security-opt=systempaths=unconfined",
    "--device-cgroup-rule=a *:* rwm",
)

# A host without systemd is the one with Docker, whose first process is another before lab-init
# hands over: an init that reads /etc/inittab and starts services by their scripts in /etc/init.d.
# Docker's asks for higher limits than this host may grant, and would end there.
SYSV = r"""
set -eu
if [ ! -e /etc/inittab ]; then
    rm -f /bin/systemctl /usr/bin/systemd-run /usr/bin/journalctl /lib/systemd/systemd
    ln -sf /bin/busybox /sbin/init
    [ ! -e /etc/init.d/docker ] || sed -i 's/^\([[:space:]]*\)ulimit /\1: &/' /etc/init.d/docker
    for service in ssh docker; do
        [ ! -e /etc/init.d/$service ] || echo "::wait:/usr/sbin/service $service start"
    done >/etc/inittab
fi
exec /usr/local/sbin/lab-init
"""

SYSV_BOOTED = """
for _ in $(seq 300); do
    if [ -e /run/sshd.pid ]; then
        [ -e /etc/init.d/docker ] || exit 0
        ! docker version >/dev/null 2>&1 || exit 0
    fi
    sleep 0.1
done
tail -n 20 /var/log/docker.log
exit 1
"""

# At first systemd is not there to be asked; then `--wait` returns when the boot is over.
BOOTED = """
for _ in $(seq 300); do
    state=$(systemctl is-system-running --wait 2>/dev/null)
    case $state in
        running) exit 0 ;;
        degraded) systemctl list-units --failed --plain; exit 1 ;;
    esac
    sleep 0.1
done
echo "not up: $state"
exit 1
"""


def directory() -> Path:
    """Where the lab keeps its engine, its images and its key between sessions."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("OAKUM_LAB_DIR") or cache / "oakum-lab").absolute()


class Lab:
    """A session of the lab: starts the engine if need be, and takes away what it started."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or directory()
        self.engine = Engine(self.root)
        self.key = self.root / "id_ed25519"
        self.session = f"{os.getpid()}-{secrets.token_hex(2)}"
        self.directory = self.root / "sessions" / self.session
        self._alive = ExitStack()
        self._powers = POWERS
        self._images: dict[str, str] = {}
        self._count = 0

    def __enter__(self) -> Self:
        if reason := can_run():
            raise LabError(reason)
        self.root.mkdir(parents=True, exist_ok=True)
        with self._turn():
            self.directory.mkdir(parents=True)
            self._alive.enter_context(locked(self.directory / "lock"))
            try:
                make_key(self.key)
                self.engine.start()
                self._images = self.engine.images()
                self._sweep()
                self._powers = self._grantable()
            except BaseException:
                self._leave()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._turn():
            self._leave()

    @property
    def privileged(self) -> bool:
        """Whether this machine's engine refused POWERS, so that hosts may do anything."""
        return self._powers != POWERS

    def host(
        self, *, flavour: Flavour = "docker", name: str | None = None, wait: bool = True
    ) -> LabHost:
        """Boot a fresh host; with `wait`, until all its services are up."""
        self._count += 1
        name = name or f"{flavour}-{self._count}"
        port = self._port()
        identity = self.directory / f"{name}.host_key"
        host = LabHost(
            lab=self,
            name=name,
            flavour=flavour,
            port=port,
            container=f"{LABEL}-{self.session}-{name}",
            known_hosts=f"[127.0.0.1]:{port} {make_key(identity)}",
        )
        create = [
            *("run", "--detach", f"--name={host.container}", f"--hostname={name}"),
            *(f"--label={LABEL}={self.session}", f"--publish=127.0.0.1:{host.port}:22"),
            "--volume=/var/lib/docker",
            *("--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec,mode=1777"),
            *("--env=container=docker", f"--env=LAB_KEY={make_key(self.key)}"),
            f"--env=LAB_HOST_KEY={identity.read_text()}",
        ]
        image = self._images["bare" if flavour.startswith("bare") else "docker"]
        first = ("sh", "-c", SYSV) if flavour.endswith("sysv") else ()
        self.engine.docker(*create, *self._powers, image, *first)
        if wait:
            host.wait()
        return host

    def _port(self) -> int:
        """A free port that no host has had which may come back to it, of whatever session."""
        with self._turn():
            known = {int(path.suffix[1:]) for path in self.root.glob("sessions/*/port.*")}
            port = free_port(known)
            (self.directory / f"port.{port}").touch()
        return port

    def _grantable(self) -> tuple[str, ...]:
        """POWERS, or all there are where this machine's engine cannot give just those."""
        trial = ["run", "--rm", *POWERS, self._images["bare"], "mount", "-t", "tmpfs", "t", "/mnt"]
        granted = self.engine.docker(*trial, check=False).returncode == 0
        return POWERS if granted else ("--privileged", "--cgroupns=private")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One session at a time may start or stop the engine, or build images."""
        with locked(self.root / "lock"):
            yield

    def _sweep(self) -> None:
        """Remove what former sessions left behind, be it that they did not live to clean up."""
        for session in self._others(alive=False):
            self._remove_hosts(session.name)
            shutil.rmtree(session)
        if not self._others(alive=True):
            self.engine.forget_outdated_images()

    def _others(self, *, alive: bool) -> list[Path]:
        """The directories of other sessions, living or dead."""
        found = [path for path in self.root.glob("sessions/*") if path != self.directory]
        return [path for path in found if is_locked(path / "lock") == alive]

    def _leave(self) -> None:
        if self.engine.pid() is not None:
            self._remove_hosts(self.session)
        self._alive.close()
        shutil.rmtree(self.directory)
        if not self._others(alive=True) and os.environ.get("OAKUM_LAB_KEEP") != "1":
            self.engine.stop()

    def _remove_hosts(self, session: str) -> None:
        mine = f"--filter=label={LABEL}={session}"
        if found := self.engine.docker("ps", "--all", "--quiet", mine).stdout.split():
            self.engine.docker("rm", "--force", "--volumes", *found, timeout=300)


@dataclass(frozen=True)
class LabHost(Guest):
    """One host: its power switch, its SSH door, and (from Guest) what is inside."""

    lab: Lab
    name: str
    flavour: Flavour
    port: int
    container: str
    known_hosts: str
    """The line that identifies this host in a known_hosts file."""

    @property
    def key(self) -> Path:
        """The private key that root, op, nopass and plain accept."""
        return self.lab.key

    def run(
        self,
        cmd: str,
        *,
        check: bool = True,
        stdin: str | bytes | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root, around SSH."""
        interactive = [] if stdin is None else ["--interactive"]
        return self.lab.engine.docker(
            *("exec", *interactive, self.container, "sh", "-c", cmd),
            stdin=stdin,
            check=check,
            timeout=timeout,
        )

    def from_outside(self, path: str) -> Path:
        """The same file for this machine, until the host is stopped; at a twentieth of the cost of
        a command there."""
        state = asked(self.lab.engine.socket, f"/containers/{self.container}/json")["State"]
        return Path(f"/proc/{state['Pid']}/root{path}")

    def dockerd(self, what: str) -> Any:
        """What the engine of the host answers to GET, such as ``/info``; without a client, which
        is most of the work there."""
        return asked(self.from_outside("/run/docker.sock"), what)

    def running(self) -> dict[str, int]:
        """The running containers of the host: name -> process id of the first process."""
        names = [one["Id"] for one in self.dockerd("/containers/json")]
        inspected = [self.dockerd(f"/containers/{name}/json") for name in names]
        return {one["Name"].lstrip("/"): one["State"]["Pid"] for one in inspected}

    def ssh_argv(self, user: str = "root") -> list[str]:
        """The OpenSSH command line to this host, with its key verified; add what to run there."""
        known_hosts = self.lab.directory / f"{self.name}.known_hosts"
        known_hosts.write_text(f"{self.known_hosts}\n")
        options = {
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": f'"{known_hosts}"',
        }
        return [
            *("ssh", "-F", "none", "-i", str(self.key), "-p", str(self.port)),
            *(f"-o{name}={value}" for name, value in options.items()),
            f"{user}@127.0.0.1",
        ]

    def ssh(
        self,
        cmd: str,
        user: str = "root",
        *,
        check: bool = True,
        stdin: str | bytes | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as an operator would."""
        argv = [*self.ssh_argv(user), "--", cmd]
        return execute(*argv, check=check, stdin=stdin, timeout=timeout)

    def ssh_connections(self) -> int:
        """How many TCP connections sshd has accepted since the host was created."""
        return self._logged("Connection from ")

    def ssh_execs(self) -> int:
        """How many commands were executed through SSH since the host was created."""
        return self._logged("Starting session: command ")

    def sftp_sessions(self) -> int:
        """How many SFTP sessions were opened since the host was created."""
        return self._logged("Starting session: subsystem 'sftp' ")

    def _logged(self, text: str) -> int:
        return int(self.run(f"grep -c ^{shlex.quote(text)} {SSHD_LOG} || true").stdout)

    def wait(self) -> None:
        """Until init has started everything it wanted to start, Docker included."""
        self.run(SYSV_BOOTED if self.flavour.endswith("sysv") else BOOTED, timeout=120)

    def start(self, *, wait: bool = True) -> None:
        """Press the power button; with `wait`, until all services are up."""
        self.lab.engine.docker("start", self.container)
        if wait:
            self.wait()

    def stop(self) -> None:
        """Pull the plug: nothing on the host gets to say goodbye."""
        self.lab.engine.docker("kill", "--signal=KILL", self.container)
        self.lab.engine.docker("wait", self.container)

    def pause(self) -> None:
        """Freeze every process; connections stay open and nothing answers."""
        self.lab.engine.docker("pause", self.container)

    def unpause(self) -> None:
        self.lab.engine.docker("unpause", self.container)

    def remove(self) -> None:
        """Throw the host away."""
        self.lab.engine.docker("rm", "--force", "--volumes", self.container)


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def asked(engine: Path, what: str) -> Any:
    """The JSON that a Docker engine answers to GET."""
    with closing(_Connection(engine)) as connection:
        connection.request("GET", what)
        answer = connection.getresponse()
        body = answer.read()
    if answer.status != 200:
        raise LabError(f"{what}: {answer.status} {body.decode(errors='replace')}")
    return json.loads(body)


def make_key(path: Path) -> str:
    """The public half of the key at `path`, which is made if need be."""
    if not path.exists():
        execute("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path))
    return path.with_suffix(f"{path.suffix}.pub").read_text().strip()


def free_port(known: Container[int] = ()) -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and none of those ``known``.

    Below those that the kernel gives to clients: a host that is off must find its port free again.
    """
    for port in random.sample(range(20000, 32768), 1000):
        if port in known:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise LabError("no free port on 127.0.0.1")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel releases when this process ends, however it ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock."""
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
