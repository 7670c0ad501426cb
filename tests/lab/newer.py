"""Real engines for hosts of the lab to be upgraded to, and a repository of them inside the host.

Debian's next release has Docker 26.1, whose packages want nothing that the hosts' release lacks, so
they are installed as they are. What is played is told by its name: packages that were taken apart
and put together again to fail, or to be of a release of their own. All of it is fetched and made
once, and stays in the lab's folder.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from .engine import SUITE, LabError, _apt_settings, execute
from .hosts import Lab, LabHost, locked

NEXT = "trixie"
MIRROR = "/srv/mirror"
PORT = 8099

DIES = """#!/bin/sh
# @played: starts in a shadow boot alone, by the engine that was there before.
case "$*" in
    --version) echo "Docker version 26.1.9, build played" ;;
    *oakum.sock*) exec /usr/sbin/dockerd "$@" ;;
    *) echo "failed to start: played" >&2; exit 1 ;;
esac
"""


ELSEWHERE = """#!/bin/sh
# @played: sees nothing of what there was.
case "$*" in
    *--version* | *oakum.sock*) exec "${0%/*}/dockerd.real" "$@" ;;
    *) exec "${0%/*}/dockerd.real" --data-root /var/lib/elsewhere "$@" ;;
esac
"""

RUDE = """
# @played: as those of docker-ce up to 23.0 restart it, and containerd.io comes with a new program.
invoke-rc.d docker restart || exit 1
cp -p /usr/bin/containerd /usr/bin/containerd.new && mv /usr/bin/containerd.new /usr/bin/containerd
deb-systemd-invoke restart containerd.service || true
"""


def packages(lab: Lab) -> Path:
    """The folder of all packages, made now if those that this file makes are not there."""
    made = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    folder = lab.root / f"newer-{made}"
    with locked(lab.root / "newer.lock"):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            _fetch(folder)
            _play(folder)
            (folder / "complete").touch()
    return folder


def _fetch(folder: Path) -> None:
    settings = _apt_settings()
    state = folder / "apt"
    for name in ("lists/partial", "archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    lines = [f"deb [signed-by={keyring}] {settings['MIRROR']} {one} main" for one in (SUITE, NEXT)]
    (state / "sources.list").write_text("\n".join(lines) + "\n")
    (state / "apt.conf").write_text(
        f'Dir::State "{state}";\nDir::State::status "{state}/status";\nDir::Cache "{state}";\n'
        f'Dir::Etc::sourcelist "{state}/sources.list";\nDir::Etc::sourceparts "-";\n'
        'APT::Sandbox::User "root";\nAcquire::Languages "none";\n' + settings["PROXY"]
    )
    apt = ("env", "-C", str(folder), f"APT_CONFIG={state}/apt.conf", "apt-get", "-q")
    execute(*apt, "update", timeout=300)
    wanted = [f"docker.io/{SUITE}", f"docker.io/{NEXT}", f"docker-cli/{NEXT}"]
    for name in wanted:
        execute(*apt, "download", name, timeout=300)
    shutil.rmtree(state)


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise LabError(f"{len(found)} packages are {pattern}")
    return found[0]


def _play(folder: Path) -> None:
    real = _only(folder, "docker.io_26.1.5*")
    version = execute("dpkg-deb", "-f", str(real), "Version").stdout.strip()
    _small(folder, real, version.replace("26.1.5", "26.1.8"), postinst="#!/bin/sh\nexit 1\n")
    _small(folder, real, version.replace("26.1.5", "26.1.9"))
    _patched(folder, real, version, "26.1.6", RUDE)
    _patched(folder, real, version, "26.1.7", elsewhere=True)


def _small(folder: Path, real: Path, version: str, postinst: str | None = None) -> None:
    """A package of a few scripts, with the control file of the real one."""
    work = folder / "work"
    work.mkdir()
    execute("dpkg-deb", "-e", str(real), str(work / "DEBIAN"))
    (work / "DEBIAN" / "md5sums").unlink()
    control = (work / "DEBIAN" / "control").read_text()
    control = "".join(
        f"Version: {version}\n"
        if line.startswith("Version:")
        else line.replace("Depends: ", "Depends: docker-cli, ", 1)
        if line.startswith("Depends:")
        else line
        for line in control.splitlines(keepends=True)
    )
    (work / "DEBIAN" / "control").write_text(control)
    if postinst:
        (work / "DEBIAN" / "postinst").write_text(postinst)
    execute("dpkg-deb", "-x", str(real), str(work / "whole"))
    for name in ("etc", "usr/lib", "usr/bin", "usr/sbin/docker-proxy"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(work / "whole" / name, work / name)
    shutil.rmtree(work / "whole")
    dockerd = work / "usr" / "sbin" / "dockerd"
    dockerd.write_text(DIES.replace("26.1.9", version.partition("+")[0]))
    dockerd.chmod(0o755)
    _build(folder, work, f"docker.io_{version}_played.deb")


def _patched(
    folder: Path, real: Path, version: str, new: str, after: str = "", *, elsewhere: bool = False
) -> None:
    """@played: the real engine, which says that it is the next patch release; with more for its
    postinst to do, or with another data root."""
    work = folder / "work"
    execute("dpkg-deb", "-R", str(real), str(work))
    (work / "DEBIAN" / "md5sums").unlink()
    control = work / "DEBIAN" / "control"
    text = control.read_text().replace("\nDepends: ", "\nDepends: docker-cli, ", 1)
    newer = version.replace("26.1.5", new)
    control.write_text(text.replace(f"\nVersion: {version}\n", f"\nVersion: {newer}\n", 1))
    postinst = work / "DEBIAN" / "postinst"
    postinst.write_text(postinst.read_text().replace("set -e\n", f"set -e\n{after}", 1))
    dockerd = work / "usr" / "sbin" / "dockerd"
    dockerd.write_bytes(dockerd.read_bytes().replace(b"26.1.5+dfsg1", f"{new}+dfsg1".encode()))
    if elsewhere:
        dockerd.rename(dockerd.with_name("dockerd.real"))
        dockerd.write_text(ELSEWHERE)
        dockerd.chmod(0o755)
    _build(folder, work, f"docker.io_{version.replace('26.1.5', new)}_played.deb")


def _build(folder: Path, work: Path, name: str) -> None:
    argv = ("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", str(work), str(folder / name))
    execute(*argv, timeout=300)
    shutil.rmtree(work)


def install_mirror(lab: Lab, host: LabHost) -> None:
    """Let the host know these packages, and no other repository."""
    folder = host.from_outside(MIRROR)
    folder.mkdir(parents=True)
    rows = []
    for deb in sorted(packages(lab).glob("*.deb")):
        name = deb.name.replace("%3a", "").replace("+", "-").replace("~", "-")
        shutil.copy(deb, folder / name)
        control = execute("dpkg-deb", "-f", str(deb)).stdout.strip()
        digest = hashlib.sha256(deb.read_bytes()).hexdigest()
        rows.append(
            f"{control}\nFilename: ./{name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n\n"
        )
    (folder / "Packages").write_text("".join(rows))
    host.write("/etc/apt/sources.list", f"deb [trusted=yes] http://127.0.0.1:{PORT}/ ./\n")
    serve(host)


def serve(host: LabHost) -> None:
    """Start the repository; after a boot once more."""
    host.run(
        f"systemd-run --quiet --collect --unit=lab-mirror "
        f"busybox httpd -f -p 127.0.0.1:{PORT} -h {MIRROR}"
    )
