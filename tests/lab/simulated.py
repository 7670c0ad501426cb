"""A thousand hosts on one machine: real sshd, real scripts of ours, a recorded Docker.

    with Simulator(hosts=1000, faults={7: Fault.HANG}) as fleet:
        subprocess.run([sys.executable, "-m", "oakum", "plan", str(fleet.inventory)])
        print(fleet.log()[0], fleet.ledger(0))

One loopback address is one host: its own host key, sshd.log, hostname and writable tree, entered by
one real `sshd -i` for each connection. Idle hosts are a few small files. `/usr` is this machine's,
read-only; docker, dockerd and systemd are the programs in `stubs/`, which answer what
`tests/probes` recorded of a real host, and take a restart as far as `docker info` tells of it.

**Simulated, and so never to be measured here:** dockerd, containers and reloads. The hosts share
one kernel and the CPUs of this machine with whoever measures. What is real: SSH, every byte that
oakum sends and reads, the probe, and the transaction with its shadow boot in real namespaces.
"""

from __future__ import annotations

import enum
import functools
import json
import os
import re
import selectors
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from oakum.wire import Raw, readings

HERE = Path(__file__).parent
PROBES = HERE.parent / "probes"

RECORDED = "debian12-20.10.24-3-containers.txt"
"""What Docker says; live-restore is on, so that a restart needs no reload before it."""

RECORDED_UNIT = "debian12-systemd-20.10.24.txt"

DAEMON_JSON = '{\n\t"live-restore": true,\n\t"log-driver": "local"\n}\n'

# The former defaults of key exchange, ciphers and so on are the machine's own sshd's.
SSHD_CONFIG = """
AuthorizedKeysFile /etc/ssh/authorized_keys
LogLevel VERBOSE
PasswordAuthentication no
PermitRootLogin prohibit-password
PrintLastLog no
PrintMotd no
StrictModes no
Subsystem sftp internal-sftp
UseDNS no
UsePAM no
"""

PASSWD = """root:*:0:0:root:/root:/bin/sh
op:*:0:0:root by another name:/root:/bin/sh
sshd:*:105:65534::/run/sshd:/usr/sbin/nologin
nobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""

LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max core file size        unlimited            unlimited            bytes
Max processes             96364                96364                processes
Max open files            1048576              1048576              files
"""

STATUS = "State:\tS (sleeping)\nPPid:\t1\nUid:\t0\t0\t0\t0\nNSpid:\t2\nCapEff:\t000001ffffffffff\n"


class Fault(enum.StrEnum):
    """What goes wrong with a connection to a host, or on the host while it lasts."""

    DROP = "drop"
    """It is accepted and reset."""
    HANG = "hang"
    """It is accepted, and nothing ever answers."""
    DROP_PROBE = "drop-probe"
    """It is cut after the first 900 bytes that a command printed."""
    HANG_PROBE = "hang-probe"
    """The login succeeds, and no command ever prints anything or ends."""
    DROP_CHANGE = "drop-change"
    """It is cut when the transaction restarts dockerd."""
    CHANGED_KEY = "changed-key"
    """The host shows another key than the one in known_hosts."""
    SUDO_REFUSED = "sudo-refused"
    """sudo refuses; the user has to be ``op`` with ``_sudo``."""
    DISK_FULL = "disk-full"
    """The disk of /var/lib/oakum is full, and empty but for that."""


Faults = Mapping[int, Fault | Sequence[Fault | None]]
"""By number of host: the fault of every connection, or those of the next ones in turn."""


class SimulatorError(Exception):
    """The simulator could not start; the message says what is missing."""


UNPLAYED = [
    "containers",
    "data-root-filesystem",
    "engine-support",
    "exposure",
    "images",
    "kernel-options",
    "loopback-exposure",
    "mandatory-access-control",
    "metrics-exposed",
    "written-and-active",
]
"""What stubs do not play, or never well: processes of containers, sockets, images, the kernel."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the sshd of one host has seen. What never reached it (DROP, HANG) is not counted."""

    connections: int
    execs: int
    sftp: int


def can_run() -> str | None:
    """Why the simulator cannot run here, or None."""
    if os.getuid() != 0:
        return "hosts with roots of their own need root"
    for program in ("/usr/sbin/sshd", "/usr/bin/unshare", "/usr/bin/setpriv"):
        if not os.access(program, os.X_OK):
            return f"no {program}; sh tests/lab/setup.sh installs it"
    return None


class Simulator:
    """A fleet that is there inside of its ``with``; its processes, mounts and files end with it,
    and with this process, however that ends.

    ``rtt`` is the round trip in seconds that every host is away. ``data`` is inventory data of all
    hosts, over what reaches them as root.

    Raises:
        SimulatorError: no root, no sshd, or no namespaces here.
    """

    def __init__(
        self,
        hosts: int = 1,
        *,
        faults: Faults | None = None,
        rtt: float = 0,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        self.names = [f"sim-{number:04}" for number in range(hosts)]
        self.addresses = [f"127.77.{n // 250}.{n % 250 + 1}" for n in range(hosts)]
        self.rtt = rtt
        self.data = {"oakum_skip": UNPLAYED, **(data or {})}
        self.port = 0
        self._first_faults = faults or {}
        self._pid = 0

    def __enter__(self) -> Self:
        if reason := can_run():
            raise SimulatorError(reason)
        self.folder = Path(tempfile.mkdtemp(prefix="oakum-simulator-"))
        self.folder.chmod(0o755)
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    # What a test looks at -------------------------------------------------------------------------

    @property
    def inventory(self) -> Path:
        """A pyinfra inventory of all hosts, by which host keys are really verified."""
        return self.folder / "fleet.py"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def key(self) -> Path:
        """The private key that every host accepts."""
        return self.folder / "id_ed25519"

    def root(self, number: int) -> Path:
        """The writable tree of a host, to read and to write around SSH."""
        return Path(f"/proc/{self._pid}/root{self.folder}/hosts/{number}")

    def log(self) -> list[Counts]:
        """What the sshd of each host has seen until now."""
        return [self._counts(number) for number in range(len(self.names))]

    def ledger(self, number: int) -> str:
        """The ledger that oakum keeps on a host, empty where there is none."""
        path = self.root(number) / "var/lib/oakum/ledger"
        return path.read_text("utf-8") if path.exists() else ""

    def restarts(self, number: int) -> int:
        """How often the dockerd of a host was restarted."""
        path = self.root(number) / "run/sim/restarts"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def set_faults(self, faults: Faults) -> None:
        """Instead of all faults until now, for connections from now on."""
        self._tell(
            {
                number: [f"{these}*"] if isinstance(these, Fault) else list(these)
                for number, these in faults.items()
            }
        )

    def write_inventory(self, **data: Any) -> Path:
        """Write the inventory anew, with this data over what all hosts have."""
        rows = []
        for name, address in zip(self.names, self.addresses, strict=True):
            reached = {
                "ssh_hostname": address,
                "ssh_port": self.port,
                "ssh_user": "root",
                "ssh_key": str(self.key),
                "ssh_known_hosts_file": str(self.known_hosts),
                "ssh_strict_host_key_checking": "yes",
            }
            rows.append(f"    {(name, {**reached, **self.data, **data})!r},\n")
        self.inventory.write_text(f"hosts = [\n{''.join(rows)}]\n")
        return self.inventory

    # How it comes and goes ------------------------------------------------------------------------

    def _start(self) -> None:
        furnish(self.folder / "local")
        (self.folder / "hosts").mkdir()
        private, public = make_keys()
        self.key.write_text(private)
        self.key.chmod(0o600)
        (self.folder / "local/lib/sim/authorized_keys").write_text(f"{public}\n")
        other, _ = make_keys()
        pairs = [make_keys() for _ in self.names]
        told = {
            "folder": str(self.folder),
            "rtt": self.rtt,
            "common": files_of_all(other),
            "hosts": [
                {"name": name, "address": address, **files_of_one(name, private)}
                for name, address, (private, _) in zip(
                    self.names, self.addresses, pairs, strict=True
                )
            ],
        }
        self._server = subprocess.Popen(
            [
                *("unshare", "--mount", "--propagation", "slave", "--pid", "--fork"),
                *("--kill-child", sys.executable, "-I", str(HERE / "simulated_server.py")),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        ready = self._tell(told)
        self.port, self._pid = int(ready["port"]), int(ready["pid"])
        self.known_hosts.write_text(
            "".join(
                f"[{address}]:{self.port} {public}\n"
                for address, (_, public) in zip(self.addresses, pairs, strict=True)
            )
        )
        self.write_inventory()
        if self._first_faults:
            self.set_faults(self._first_faults)

    def _tell(self, what: Any, patience: float = 60) -> Any:
        """Send a line to the server, and wait for its answer for ``patience`` seconds."""
        stdin, stdout = self._server.stdin, self._server.stdout
        assert stdin
        assert stdout
        stdin.write(f"{json.dumps(what)}\n")
        stdin.flush()
        with selectors.DefaultSelector() as answers:
            answers.register(stdout, selectors.EVENT_READ)
            line = stdout.readline() if answers.select(patience) else ""
        if not line:
            raise SimulatorError("the simulator's server said nothing; see its complaint above")
        return json.loads(line)

    def _end(self) -> None:
        server = getattr(self, "_server", None)
        if server is not None:
            with suppress(OSError):
                server.stdin.close()
            try:
                server.wait(timeout=30)
            except subprocess.TimeoutExpired:
                server.kill()  # with which unshare ends the namespace, too
                server.wait()
            server.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _counts(self, number: int) -> Counts:
        path = self.root(number) / "var/log/sshd.log"
        text = path.read_text("utf-8", "replace") if path.exists() else ""
        kinds = ("Connection from ", "Starting session: (?:forced-)?command", "Starting session: s")
        return Counts(*(len(re.findall(f"^{kind}", text, re.MULTILINE)) for kind in kinds))


# What hosts are made of ---------------------------------------------------------------------------


def make_keys() -> tuple[str, str]:
    """A fresh ed25519 pair as OpenSSH writes it: the private file, the public line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), public.decode()


def files_of_all(other_key: str) -> dict[str, str]:
    """Files that are the same on every host, by path, and that a host may change."""
    return {
        "etc/passwd": PASSWD,
        "etc/group": "root:x:0:\nnogroup:x:65534:\n",
        "etc/subuid": "op:100000:65536\n",
        "etc/subgid": "op:100000:65536\n",
        "etc/docker/daemon.json": DAEMON_JSON,
        "etc/ssh/other_host_ed25519_key": other_key,
    }


def files_of_one(name: str, host_key: str) -> dict[str, Any]:
    """Files of one host, and which of all are secret."""
    info = _recorded(RECORDED)["engine.info"].lines or ()
    own = "etc/ssh/ssh_host_ed25519_key"
    return {
        "files": {
            own: host_key,
            "etc/hostname": f"{name}\n",
            "run/sim/info.json": "\n".join(info).replace('"recorded"', f'"{name}"') + "\n",
        },
        "secret": [own, "etc/ssh/other_host_ed25519_key"],
    }


def furnish(local: Path) -> None:
    """Make what is /usr/local on every host: the stubs, and what they say."""
    shutil.copytree(HERE / "stubs", local / "bin")
    for name in ("docker-init", "journalctl", "lsattr", "sync"):
        (local / "bin" / name).symlink_to("nothing")
    sim = local / "lib/sim"
    sim.mkdir(parents=True)
    said = _recorded(RECORDED)
    containers = said["containers"].lines or ()
    if Path("/etc/alternatives").is_dir():  # links into the machine's /usr, such as awk
        shutil.copytree("/etc/alternatives", sim / "alternatives", symlinks=True)
    if Path("/etc/ld.so.cache").exists():
        shutil.copy("/etc/ld.so.cache", sim)
    sysctl = dict(line.split("=", 1) for line in said["sysctl"].lines or ())
    static = {
        "sshd_config": SSHD_CONFIG,
        "os-release": _lines(said["host.os"]),
        "kernel-config": _lines(said["kernel.config"]),
        "version.json": _lines(said["engine.version"]),
        "version": "20.10.24+dfsg1\n",
        "dockerd-version": f"{said['engine.binary'].text}\n",
        "unit": f"{_lines(_recorded(RECORDED_UNIT)['unit'])}\nActiveState=active\n",
        "containers": "".join(f"{line}\n" for line in containers),
        "running": "".join(f"{json.loads(line)['id']}\n" for line in containers),
        "images": f"sha256:{'0123456789abcdef' * 4}\n",
        "image-sizes": f"{said['images.bytes'].text}\n",
        "volumes": "keep\n",
        "proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu rdrand hypervisor\n",
        "proc/version": f"Linux version {os.uname().release}\n",
        "proc/1/comm": "systemd\n",
        "proc/dockerd/comm": "dockerd\n",
        "proc/dockerd/cmdline": "/usr/local/bin/dockerd\0-H\0fd://\0",
        "proc/containerd/comm": "containerd\n",
        "proc/containerd/cmdline": "/usr/bin/containerd\0",
        **{f"proc/{name}/limits": LIMITS for name in ("1", "dockerd", "containerd")},
        **{f"proc/{name}/status": STATUS for name in ("1", "dockerd", "containerd")},
        **{f"proc/sys/{name.replace('.', '/')}": f"{now}\n" for name, now in sysctl.items()},
        "proc/sys/kernel/random/boot_id": f"{said['host.boot'].text}\n",
        "proc/sys/kernel/random/entropy_avail": "256\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu io memory pids\n",
        "sys/class/misc/hw_random/rng_current": "virtio_rng.0\n",
        "sys/kernel/security/lsm": "capability,apparmor\n",
    }
    for path, text in static.items():
        (sim / path).parent.mkdir(parents=True, exist_ok=True)
        (sim / path).write_text(text)


@functools.cache
def _recorded(name: str) -> dict[str, Raw]:
    return readings((PROBES / name).read_text("utf-8").split("\n"))


def _lines(raw: Raw) -> str:
    return "".join(f"{line}\n" for line in raw.lines or ())
