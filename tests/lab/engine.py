"""The lab's own Docker engine and the image its hosts are made from.

The engine is this machine's `dockerd` with directories, socket, bridge and containerd namespace of
its own. It leaves iptables to us (`--iptables=false`; a second engine would flush the chains of the
first), so an engine that this machine may run for other purposes notices nothing.
One machine holds one lab: bridge and subnet are fixed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = "oakum-lab"
SUITE = "bookworm"
BRIDGE = "oakum-lab0"
# Not docker's default 172.17.0.0/16, which every host uses inside.
ADDRESS = "10.213.0.1/22"
NEEDED = ("docker", "dockerd", "debootstrap", "iptables", "ip", "setsid", "ssh", "ssh-keygen")


class LabError(RuntimeError):
    """Something in the lab did not do what it was asked to; the message holds its output."""


def can_run() -> str | None:
    """Why the lab cannot run on this machine, or None."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "the lab needs root"
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        return f"not installed: {', '.join(missing)}; run tests/lab/setup.sh"
    trees = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    if not any(tree.startswith("/sys/fs/cgroup") for tree in trees):
        return "no cgroups are mounted under /sys/fs/cgroup"
    return None


def execute(
    *command: str,
    stdin: str | bytes | None = None,
    timeout: float = 60,
    check: bool = True,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command on this machine; a failure is a LabError that shows its output."""
    raw = subprocess.run(
        command,
        input=stdin.encode() if isinstance(stdin, str) else stdin or b"",
        capture_output=True,
        timeout=timeout,
        check=False,
        env=env,
    )
    done = subprocess.CompletedProcess(
        raw.args,
        raw.returncode,
        raw.stdout.decode(errors="replace"),
        raw.stderr.decode(errors="replace"),
    )
    if check and done.returncode != 0:
        raise LabError(f"exit {done.returncode}: {command}\n{done.stdout}{done.stderr}")
    return done


@dataclass(frozen=True)
class Engine:
    """One dockerd, known by the directory that holds everything it writes."""

    root: Path

    @property
    def address(self) -> str:
        return f"unix://{self.root}/docker.sock"

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, with a docker client that knows the lab's engine only."""
        mine = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
        return mine | {"DOCKER_HOST": self.address, "DOCKER_CONFIG": str(self.root / "client")}

    def docker(
        self,
        *args: str,
        stdin: str | bytes | None = None,
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        return execute(
            "docker", *args, stdin=stdin, timeout=timeout, check=check, env=self.environment
        )

    def pid(self) -> int | None:
        """The process id of our engine, if it lives."""
        try:
            pid = int((self.root / "docker.pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if str(self.root / "docker.pid").encode() in command else None

    def start(self) -> None:
        """Bring the engine up, or do nothing if it is."""
        if self.pid() is None:
            _vacate_root_cgroup()
            _raise_bridge()
            self._launch()
        deadline = time.monotonic() + 60
        while self.docker("version", check=False).returncode != 0:
            if self.pid() is None or time.monotonic() > deadline:
                raise LabError(f"the lab's dockerd does not answer:\n{self._last_words()}")
            time.sleep(0.1)

    def _launch(self) -> None:
        (self.root / "daemon.json").write_text("{}\n")
        (self.root / "docker.pid").unlink(missing_ok=True)
        with (self.root / "dockerd.log").open("w") as log:
            # A session of its own: Ctrl-C is for pytest, which then stops the engine in order.
            subprocess.run(
                [
                    "setsid",
                    "--fork",
                    "dockerd",
                    f"--config-file={self.root}/daemon.json",
                    f"--data-root={self.root}/data",
                    f"--exec-root={self.root}/exec",
                    "--pidfile",
                    str(self.root / "docker.pid"),
                    f"--host={self.address}",
                    f"--bridge={BRIDGE}",
                    "--iptables=false",
                    "--ip-masq=false",
                    f"--containerd-namespace={REPOSITORY}",
                    f"--containerd-plugins-namespace={REPOSITORY}-plugins",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                check=True,
            )
        deadline = time.monotonic() + 10
        while self.pid() is None and time.monotonic() < deadline:
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the engine and take down what we set up around it."""
        if (pid := self.pid()) is not None:
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + 30
            while self.pid() is not None:
                if time.monotonic() > deadline:
                    raise LabError(f"the lab's dockerd (pid {pid}) does not stop")
                time.sleep(0.05)
        _lower_bridge()

    def _last_words(self) -> str:
        log = self.root / "dockerd.log"
        return "\n".join(log.read_text().splitlines()[-20:]) if log.exists() else "(no log)"

    def images(self) -> dict[str, str]:
        """The image of each flavour of host, built now if the recipe changed."""
        recipe = _recipe()
        images = {name: f"{REPOSITORY}/{name}:{recipe['TAG']}" for name in ("bare", "docker")}
        if not all(self._has(image) for image in images.values()):
            self._build(recipe)
        return images

    def _has(self, image: str) -> bool:
        return self.docker("image", "inspect", image, check=False).returncode == 0

    def _build(self, recipe: dict[str, str]) -> None:
        work = self.root / "build"
        shutil.rmtree(work, ignore_errors=True)
        execute(
            str(HERE / "image.sh"),
            timeout=1200,
            env=self.environment | recipe | {"REPOSITORY": REPOSITORY, "WORK": str(work)},
        )

    def forget_outdated_images(self) -> None:
        """Remove the images of former recipes."""
        listed = self.docker("image", "ls", "--format={{.Repository}}:{{.Tag}}").stdout.split()
        ours = {image for image in listed if image.startswith(f"{REPOSITORY}/")}
        if outdated := ours - set(self.images().values()):
            self.docker("image", "rm", *outdated, check=False)


def _recipe() -> dict[str, str]:
    """What image.sh builds from; its TAG changes when anything in it or in the files does."""
    recipe = {"SUITE": SUITE, **_apt_settings()}
    parts = [f"{key}={value}".encode() for key, value in sorted(recipe.items())]
    for path in [HERE / "image.sh", *sorted((HERE / "rootfs").rglob("*"))]:
        if path.is_file():
            parts += [str(path.relative_to(HERE)).encode(), path.read_bytes()]
    return recipe | {"TAG": hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]}


def _apt_settings() -> dict[str, str]:
    """The mirror and proxy that this machine's own apt uses; hosts get the same."""
    mirror = os.environ.get("OAKUM_LAB_MIRROR")
    if mirror:
        lines = [f"{mirror} {SUITE} main"]
    else:
        targets = execute(
            "apt-get",
            "indextargets",
            "--format",
            "$(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
        ).stdout
        wanted = {SUITE, f"{SUITE}-updates", f"{SUITE}-security"}
        lines = sorted({line for line in targets.splitlines() if line.split()[1] in wanted})
        lines = [line for line in lines if line.split()[2] == "main"]
        mirror = next((line.split()[0] for line in lines if line.split()[1] == SUITE), None)
    if mirror is None:
        raise LabError(f"this machine's apt knows no {SUITE}: set OAKUM_LAB_MIRROR=URL")
    dump = execute("apt-config", "dump").stdout.splitlines()
    proxy = [line for line in dump if line.startswith("Acquire::http") and "::Proxy " in line]
    return {
        "MIRROR": mirror,
        "SOURCES": "\n".join(f"deb {line}" for line in lines),
        "PROXY": "\n".join(proxy),
    }


def _vacate_root_cgroup() -> None:
    """In a container with cgroup v2, move its processes down from the top of what it sees.

    The kernel hands controllers to the children of a cgroup only when no process is in it. Where
    systemd runs it has seen to that, and the true root of a machine (no cgroup.type) is exempt.
    """
    top = Path("/sys/fs/cgroup")
    if not (top / "cgroup.type").exists() or Path("/run/systemd/system").exists():
        return
    below = top / REPOSITORY
    below.mkdir(exist_ok=True)
    for pid in (top / "cgroup.procs").read_text().split():
        # It may have ended meanwhile.
        with suppress(ProcessLookupError):
            (below / "cgroup.procs").write_text(pid)
    controllers = (top / "cgroup.controllers").read_text().split()
    (top / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))


def _nat_rules() -> list[list[str]]:
    """Hosts reach the Debian mirror through this machine, whatever its FORWARD policy."""
    return [
        ["-t", "nat", "POSTROUTING", "-s", ADDRESS, "!", "-o", BRIDGE, "-j", "MASQUERADE"],
        ["-t", "filter", "FORWARD", "-i", BRIDGE, "-j", "ACCEPT"],
        ["-t", "filter", "FORWARD", "-o", BRIDGE, "-j", "ACCEPT"],
    ]


def _raise_bridge() -> None:
    _lower_bridge()
    # An address of its own: else it takes a port's, and another one's when that host is gone, and
    # the others talk to the old one until their kernels give it up.
    execute("ip", "link", "add", BRIDGE, "address", "02:42:0a:d5:00:01", "type", "bridge")
    execute("ip", "address", "add", ADDRESS, "dev", BRIDGE)
    execute("ip", "link", "set", BRIDGE, "up")
    for option, table, chain, *match in _nat_rules():
        execute("iptables", "-w", option, table, "-I", chain, *match)


def _lower_bridge() -> None:
    for option, table, chain, *match in _nat_rules():
        while (
            execute("iptables", "-w", option, table, "-D", chain, *match, check=False).returncode
            == 0
        ):
            pass
    if Path(f"/sys/class/net/{BRIDGE}").exists():
        execute("ip", "link", "delete", BRIDGE)
