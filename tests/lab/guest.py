"""What tests do inside a host: files, its Docker engine, its containers."""

from __future__ import annotations

import base64
import shlex
import subprocess
from abc import ABC, abstractmethod
from pathlib import PurePosixPath

IMAGE = "lab/busybox:1"
DAEMON_JSON = "/etc/docker/daemon.json"

# As an administrator may have left it: tabs, an inline list, keys that are not ours.
BUSY_DAEMON_JSON = """{
\t"registry-mirrors": ["https://mirror.example"],
\t"runtimes": {
\t\t"nvidia": {
\t\t\t"path": "/usr/bin/nvidia-container-runtime",
\t\t\t"runtimeArgs": []
\t\t}
\t},
\t"labels": ["rack=12", "owner=harbour"]
}
"""

RESTART = """
if [ -d /run/systemd/system ]; then
    systemctl reset-failed docker.service
    systemctl restart docker.service
else
    service docker restart
fi
"""

# An image needs no registry: a static shell, and tini as an init that answers `--version`.
IMPORT_IMAGE = """
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/bin" "$dir/tmp" "$dir/etc" "$dir/www"
for applet in $(busybox --list); do ln -s busybox "$dir/bin/$applet"; done
cp --remove-destination /bin/busybox "$dir/bin/busybox"
cp -L "$(command -v docker-init)" "$dir/init"
echo 'root:x:0:0:root:/:/bin/sh' >"$dir/etc/passwd"
echo ahoy >"$dir/www/index.html"
tar -C "$dir" -c . | docker import - "$1"
"""


class Guest(ABC):
    """A host seen from inside, through whatever `run` runs commands with."""

    @abstractmethod
    def run(
        self,
        cmd: str,
        *,
        check: bool = True,
        stdin: str | bytes | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root."""

    def read(self, path: str) -> bytes:
        """The bytes of a file."""
        return base64.b64decode(self.run(f"base64 {shlex.quote(path)}").stdout)

    def write(self, path: str, content: bytes | str, mode: int = 0o644) -> None:
        """Write a file, and the directories above it."""
        parent = shlex.quote(str(PurePosixPath(path).parent))
        file = shlex.quote(path)
        self.run(f"mkdir -p {parent} && cat >{file} && chmod {mode:o} {file}", stdin=content)

    def docker(self, *args: str, timeout: float = 60) -> str:
        """What the Docker client of the host prints."""
        return self.run(shlex.join(["docker", *args]), timeout=timeout).stdout.rstrip("\n")

    def wait_docker(self) -> None:
        """Until the engine of the host answers."""
        self.run(
            "timeout 60 sh -c 'until docker version >/dev/null 2>&1; do sleep 0.1; done'",
            timeout=70,
        )

    def docker_restart(self) -> None:
        """Restart the engine under whatever its configuration says now."""
        self.run(RESTART, timeout=120)
        self.wait_docker()

    def unit_flags(self, flags: str) -> None:
        """Give dockerd flags in a drop-in of its unit, as many hosts have, and restart it."""
        unit = self.run("cat /lib/systemd/system/docker.service").stdout.splitlines()
        command = next(line for line in unit if line.startswith("ExecStart="))
        self.write(
            "/etc/systemd/system/docker.service.d/flags.conf",
            f"[Service]\nExecStart=\n{command} {flags}\n",
        )
        self.run("systemctl daemon-reload")
        self.docker_restart()

    def import_image(self, name: str = IMAGE) -> str:
        """Make an image of busybox, with /init (tini) and /www/index.html, without a registry."""
        self.run(f"set -- {shlex.quote(name)}\n{IMPORT_IMAGE}")
        return name

    def run_container(
        self, name: str, *args: str, image: str = IMAGE, cmd: tuple[str, ...] = ("sleep", "inf")
    ) -> int:
        """Start a container in the background; the process id of its first process on the host."""
        # As first processes neither sleep nor httpd heeds SIGTERM; do not wait long for that.
        self.docker("run", "--detach", f"--name={name}", "--stop-timeout=1", *args, image, *cmd)
        return self.container_pid(name)

    def container_pid(self, name: str) -> int:
        return int(self.docker("inspect", "--format={{.State.Pid}}", name))

    def container_limits(self, name: str) -> dict[str, tuple[str, str]]:
        """The limits of a container's first process, as the kernel says: name -> (soft, hard)."""
        table = self.run(f"cat /proc/{self.container_pid(name)}/limits").stdout.splitlines()[1:]
        # Fixed columns: the name takes 26 characters, each limit 21.
        return {line[:26].strip(): (line[26:47].strip(), line[47:68].strip()) for line in table}

    def container_status(self, name: str) -> dict[str, str]:
        """/proc/PID/status of a container's first process, e.g. Seccomp, NoNewPrivs, CapBnd."""
        lines = self.run(f"cat /proc/{self.container_pid(name)}/status").stdout.splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def busy(self) -> dict[str, int]:
        """Make this a host in production: a daemon.json full of history, three containers at work.

        `web` publishes port 8080, `db` keeps a named volume, `cron` just runs.
        Returns the process id on the host of each.
        """
        self.write(DAEMON_JSON, BUSY_DAEMON_JSON)
        self.docker_restart()
        self.import_image()
        return {
            "web": self.run_container(
                *("web", "--publish=8080:80", "--restart=always"),
                cmd=("httpd", "-f", "-p", "80", "-h", "/www"),
            ),
            "db": self.run_container(
                *("db", "--volume=db-data:/data"),
                cmd=("sh", "-c", "date >>/data/started && exec sleep inf"),
            ),
            "cron": self.run_container("cron", "--restart=unless-stopped"),
        }
