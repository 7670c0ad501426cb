"""The inside of `simulated.Simulator`: the first process of a mount and a process namespace.

    unshare --mount --pid --fork --kill-child python simulated_server.py

It reads what hosts there are as one line of JSON, accepts connections to their addresses, and gives
each to a real `sshd -i` in the root of that host. Further lines change faults. When its standard
input ends, it ends, and with it the kernel ends all other processes and mounts of the namespaces.
Nothing here but the standard library: it forks for every connection.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import shutil
import signal
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096
CLONE_NEWNS, CLONE_NEWUTS = 0x00020000, 0x04000000
SO_BINDTODEVICE = 25
SSHD = "/usr/sbin/sshd"
LOGGED_IN = "SetEnv=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What a connection's sshd is told beside the host's own configuration. The command that was asked
# for is run by hand, so that what happens in its midst can be ruled.
FAULTS: dict[str, tuple[str, ...]] = {
    "drop-probe": (
        '-oForceCommand=eval "$SSH_ORIGINAL_COMMAND" | head -c 900; sleep 0.3; kill -KILL $PPID',
    ),
    "hang-probe": ("-oForceCommand=exec sleep 100000",),
    "drop-change": ('-oForceCommand=echo $PPID >/run/sim/victim; eval "$SSH_ORIGINAL_COMMAND"',),
    "changed-key": ("-h", "/etc/ssh/other_host_ed25519_key"),
    "sudo-refused": (f"-o{LOGGED_IN} SUDO_REFUSES=yes",),
    "disk-full": (),
}

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2).

    Raises:
        OSError: the kernel refused.
    """
    words = [word.encode() or None for word in (source, target, kind, data)]
    if _libc.mount(words[0], words[1], words[2], flags, words[3]):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def unshare(flags: int) -> None:
    if _libc.unshare(flags):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


# The hosts' roots ---------------------------------------------------------------------------------


class Roots:
    """Every host's writable tree, on a tmpfs below ``folder``; all else is shared and read-only."""

    def __init__(self, folder: Path, dockerd: int) -> None:
        self.folder, self.hosts = folder, folder / "hosts"
        self.dockerd = dockerd
        mount("tmpfs", str(self.hosts), "tmpfs", data="mode=755")
        self.shared = self.hosts / "shared"
        for name, source in (("usr", "/usr"), ("local", str(folder / "local"))):
            (self.shared / name).mkdir(parents=True)
            mount(source, str(self.shared / name), flags=MS_BIND)
            mount("", str(self.shared / name), flags=MS_BIND | MS_REMOUNT | MS_RDONLY)
        (self.shared / "proc").mkdir()
        mount("proc", str(self.shared / "proc"), "proc")
        self.real = [name for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32")]

    def of(self, number: int) -> Path:
        return self.hosts / str(number)

    def make(self, number: int, host: dict[str, Any], common: dict[str, str]) -> None:
        root = self.of(number)
        for name in (
            *("etc/docker", "etc/ssh", "etc/systemd/system", "etc/default", "boot", "usr", "dev"),
            *("proc", ".proc", "root", "run/sshd", "run/sim", "run/systemd/system", "home"),
            *("var/lib/docker/overlay2/l", "var/log", "var/tmp"),
        ):
            (root / name).mkdir(parents=True)
        (root / "tmp").mkdir(mode=0o1777)
        (root / "var/run").symlink_to("/run")
        for name in self.real:
            if os.path.islink(f"/{name}"):
                (root / name).symlink_to(os.readlink(f"/{name}"))
            elif os.path.isdir(f"/{name}"):
                (root / name).mkdir()
        sim = "/usr/local/lib/sim"
        for name in ("os-release", "ld.so.cache", "alternatives"):
            (root / "etc" / name).symlink_to(f"{sim}/{name}")
        for name in ("sshd_config", "authorized_keys"):
            (root / "etc/ssh" / name).symlink_to(f"{sim}/{name}")
        (root / f"boot/config-{os.uname().release}").symlink_to(f"{sim}/kernel-config")
        (root / "sys").symlink_to(f"{sim}/sys")
        for path, text in {**common, **host["files"]}.items():
            (root / path).write_text(text)
        for path in host["secret"]:
            (root / path).chmod(0o600)
        self._make_proc(root / "proc", f"{sim}/proc")
        os.mknod(root / "run/docker.sock", 0o660 | stat.S_IFSOCK)
        (root / "run/docker.pid").write_text(f"{self.dockerd}\n")

    def _make_proc(self, proc: Path, static: str) -> None:
        """A /proc of few processes that are always the same; what is no reading is the real one."""
        for name in ("sys", "1", "cpuinfo", "version"):
            (proc / name).symlink_to(f"{static}/{name}")
        for name in ("self", "mounts", "uptime", "meminfo", "stat", "loadavg", "filesystems"):
            (proc / name).symlink_to(f"/.proc/{name}")
        for pid, name in ((self.dockerd, "dockerd"), (self.dockerd + 1, "containerd")):
            (proc / str(pid)).mkdir()
            for file in ("comm", "cmdline", "status", "limits"):
                (proc / str(pid) / file).symlink_to(f"{static}/{name}/{file}")
            ticks = int(float(Path("/proc/uptime").read_text().split()[0]) * 100)
            fields = " ".join(["S", "1", *["0"] * 17, str(ticks)])
            (proc / str(pid) / "stat").write_text(f"{pid} ({name}) {fields}\n")

    def enter(self, number: int, name: str, full: bool) -> None:
        """Make the root of a host that of this process, in namespaces of its own."""
        unshare(CLONE_NEWNS | CLONE_NEWUTS)
        socket.sethostname(name)
        root = str(self.of(number))
        mount(root, root, flags=MS_BIND)
        mount(str(self.shared / "usr"), f"{root}/usr", flags=MS_BIND)
        mount(str(self.shared / "local"), f"{root}/usr/local", flags=MS_BIND)
        mount(str(self.shared / "proc"), f"{root}/.proc", flags=MS_BIND)
        mount("/dev", f"{root}/dev", flags=MS_BIND)
        for at in self.real:
            if os.path.isdir(f"/{at}") and not os.path.islink(f"/{at}"):
                mount(f"/{at}", f"{root}/{at}", flags=MS_BIND)
        if full:
            os.makedirs(f"{root}/var/lib/oakum", exist_ok=True)
            mount("full", f"{root}/var/lib/oakum", "tmpfs", data="size=4k,mode=700")
            Path(root, "var/lib/oakum/.filler").write_bytes(b"\0" * 4096)
        os.chroot(root)
        os.chdir("/")


# The line ----------------------------------------------------------------------------------------


def delayed(client: socket.socket, begin: Callable[[], socket.socket], delay: float) -> None:
    """Pass bytes on in both directions, each ``delay`` seconds late, until both have ended.

    The kernel answers a handshake on loopback at once: what the client says counts as said one
    round trip after that, and the host's end (``begin``) is there half a round trip later.
    """
    time.sleep(2 * delay)
    under_way: list[list[tuple[float, bytes]]] = [[], []]
    ends: list[socket.socket] = [client]
    chosen = selectors.DefaultSelector()
    chosen.register(client, selectors.EVENT_READ, 0)
    opens, open_ends = time.monotonic() + delay, 2
    while open_ends or any(under_way):
        now = time.monotonic()
        if len(ends) == 1 and now >= opens:
            ends.append(begin())
            chosen.register(ends[1], selectors.EVENT_READ, 1)
        due = [opens] if len(ends) == 1 else []
        for side, queue in enumerate(under_way):
            while queue and queue[0][0] <= now and len(ends) == 2:
                _, data = queue.pop(0)
                try:
                    if data:
                        ends[1 - side].sendall(data)
                    else:
                        ends[1 - side].shutdown(socket.SHUT_WR)
                except OSError:
                    return
            due += [queue[0][0]] if queue else []
        for key, _ in chosen.select(max(0.0, min(due) - time.monotonic()) if due else None):
            try:
                data = ends[key.data].recv(65536)
            except OSError:
                data = b""
            under_way[key.data].append((time.monotonic() + delay, data))
            if not data:
                chosen.unregister(ends[key.data])
                open_ends -= 1


# The server --------------------------------------------------------------------------------------


class Server:
    """Accepts, and gives each connection to the sshd of the host that it is meant for."""

    def __init__(self, told: dict[str, Any], dockerd: int) -> None:
        self.names: list[str] = [host["name"] for host in told["hosts"]]
        self.by_address = {host["address"]: n for n, host in enumerate(told["hosts"])}
        self.delay: float = told["rtt"] / 2
        self.faults: dict[int, list[str | None]] = {}
        self.silent: list[socket.socket] = []
        self.roots = Roots(Path(told["folder"]), dockerd)
        for number, host in enumerate(told["hosts"]):
            self.roots.make(number, host, told["common"])
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, b"lo")
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("0.0.0.0", 0))
        self.listener.listen(4096)

    def fault_of(self, number: int) -> str | None:
        """The fault of this connection; one that ends with `*` is that of all further ones."""
        coming = self.faults.get(number)
        if not coming:
            return None
        first = coming[0]
        if first is not None and first.endswith("*"):
            return first[:-1]
        return coming.pop(0)

    def accept(self) -> None:
        client, _ = self.listener.accept()
        number = self.by_address.get(client.getsockname()[0])
        fault = "drop" if number is None else self.fault_of(number)
        if fault == "hang":
            self.silent.append(client)
            return
        if fault == "drop" or number is None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            return
        if os.fork() == 0:
            guarded(lambda: self.serve(client, number, fault))
        client.close()

    def serve(self, client: socket.socket, number: int, fault: str | None) -> None:
        if not self.delay:
            self.become_sshd(client, number, fault)

        def begin() -> socket.socket:
            ours, theirs = socket.socketpair()
            if os.fork() == 0:
                guarded(lambda: self.become_sshd(theirs, number, fault))
            theirs.close()
            return ours

        delayed(client, begin, self.delay)

    def become_sshd(self, client: socket.socket, number: int, fault: str | None) -> NoReturn:
        self.roots.enter(number, self.names[number], fault == "disk-full")
        os.setsid()
        silence = os.open("/dev/null", os.O_WRONLY)
        for theirs, ours in ((client.fileno(), 0), (client.fileno(), 1), (silence, 2)):
            os.dup2(theirs, ours)
        options = FAULTS[fault] if fault else ()
        key = () if "-h" in options else ("-h", "/etc/ssh/ssh_host_ed25519_key")
        config = ("-f", "/etc/ssh/sshd_config", "-E", "/var/log/sshd.log")
        os.execv(SSHD, [SSHD, "-i", *config, *key, *options, f"-o{LOGGED_IN}"])


def guarded(work: Callable[[], None]) -> NoReturn:
    """Run the whole of a forked process; what it dies of is told."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        work()
    except BaseException as error:
        os.write(2, f"simulated host: {error!r}\n".encode())
    finally:
        os._exit(0)


def pose_as_dockerd() -> int:
    """One process for all hosts that is there, and takes a reload for nothing."""
    pid = os.fork()
    if pid == 0:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(0, 3)
        while True:
            signal.pause()
    return pid


def reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def main() -> None:
    """Serve until standard input ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # whoever started this ends it, by closing its input
    outside = os.readlink("/proc/self")
    dockerd = pose_as_dockerd()
    told = json.loads(sys.stdin.readline())
    folder = Path(told["folder"])
    try:
        server = Server(told, dockerd)
        woken, wakes = os.pipe2(os.O_NONBLOCK)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        port = server.listener.getsockname()[1]
        print(json.dumps({"port": port, "pid": int(outside)}), flush=True)
        chosen = selectors.DefaultSelector()
        for what in (server.listener, sys.stdin, woken):
            chosen.register(what, selectors.EVENT_READ)
        while True:
            for key, _ in chosen.select():
                if key.fileobj is server.listener:
                    server.accept()
                elif key.fileobj == woken:
                    os.read(woken, 65536)
                    reap()
                else:
                    line = sys.stdin.readline()
                    if not line:
                        return
                    server.faults = {int(n): faults for n, faults in json.loads(line).items()}
                    print("{}", flush=True)
    finally:
        _libc.umount2(str(folder / "hosts").encode(), 2)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
