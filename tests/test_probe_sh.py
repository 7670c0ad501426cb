"""The read-only script that every host runs, run for real.

Once as it is, on the machine of the test; and in make-believe hosts, where each path of a host is
replaced by one below a folder and programs come from it. `facts.readings` is the strict judge of
what it prints.
"""

import fcntl
import json
import os
import re
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from oakum import parse_files
from oakum.controls.daemon_key import daemon_file_guards
from oakum.controls.host import file_permissions
from oakum.controls.host.kernel_options import ALWAYS, BY_KERNEL, LEGACY_TABLES, NFTABLES
from oakum.facts import Read
from oakum.parse import parse
from oakum.parts import Guarded
from oakum.probe import script
from oakum.wire import BEGIN, END, Raw, readings

FILE = Path(__file__).parent.parent / "oakum" / "host" / "probe.sh"
SCRIPT = script("probe.sh")
RECORDED = Path(__file__).parent / "probes"
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
AVAILABLE = [name for name in SHELLS if name != "busybox" or shutil.which(name)]
WORDS = """
host.name host.kernel host.arch host.os host.virt host.init host.packages host.uid host.clock
host.zone host.boot host.cgroup host.lsm host.selinux host.apparmor kernel.config sysctl
entropy.hwrng entropy.rdrand entropy.available entropy.daemons entropy.haveged
engine.cli engine.dockerd engine.package engine.origin engine.binary engine.socket
engine.dockerinit
engine.podman
engine.version engine.info
dockerd.pid dockerd.uid dockerd.args dockerd.started dockerd.state dockerd.limits dockerd.caps
dockerd.proxies dockerd.sockets dockerd.reloaded containerd.pid containerd.limits containerd.caps
init.limits init.caps
unit unit.environment user.dockremap group.docker files
file.daemon.path file.daemon.target file.daemon.stat file.daemon.bytes file.daemon.writable
file.subuid.path file.subuid.target file.subuid.stat file.subuid.bytes file.subuid.writable
file.subgid.path file.subgid.target file.subgid.stat file.subgid.bytes file.subgid.writable
file.seccomp.path file.seccomp.target file.seccomp.stat file.seccomp.bytes
file.seccomp.writable
file.sysctl.path file.sysctl.target file.sysctl.stat file.sysctl.bytes file.sysctl.writable
file.slice.path file.slice.target file.slice.stat file.slice.bytes file.slice.writable
file.dropin.path file.dropin.target file.dropin.stat file.dropin.bytes file.dropin.writable
file.audit.path file.audit.target file.audit.stat file.audit.bytes file.audit.writable
unit.slice unit.slices sysctl.writable sysctl.files
audit.enabled audit.loader audit.rules audit.paths
dataroot.path dataroot.fs dataroot.space dataroot.inodes dataroot.dtype dataroot.drivers
containerd.root containerd.space containerd.inodes
images.count images.bytes images.list images.releases images.setuid client.trust
volumes.count containers.count containers containers.processes bridge.icc
kubelet kubelet.dockerd
oakum.state oakum.transaction
"""
NAMES = frozenset(WORDS.split())
ASKED = [
    name
    for name in WORDS.split()
    if re.match("engine.[vi]|images(?!.setuid)|volumes|containers|bridge", name)
]
TOOLS = (
    *(
        "cat",
        "date",
        "df",
        "find",
        "flock",
        "getconf",
        "grep",
        "gzip",
        "head",
        "id",
        "ls",
        "od",
        "readlink",
        "sed",
    ),
    *("sleep", "sort", "stat", "tail", "timeout", "tr", "true", "uname", "zcat"),
)
ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")

VERSION = '{"Client":{},"Server":{"Version":"20.10.24"}}'
INFO = {
    "ID": "X",
    "Containers": 2,
    "Images": 2,
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "xfs"], ["Supports d_type", "true"]],
    "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
    "DockerRootDir": "/var/lib/docker",
    "HttpProxy": "http://me:hunter2@proxy:3128",
    "SecurityOptions": ["name=seccomp,profile=default"],
    "Containerd": {"Namespaces": {"Containers": "moby", "Plugins": "plugins.moby"}},
}
ID = "0123456789abcdef" * 4


@pytest.fixture(params=AVAILABLE)
def shell(request: pytest.FixtureRequest) -> list[str]:
    """Each shell that the `sh` of a host can be."""
    return SHELLS[request.param]


def run(
    shell: list[str],
    text: str = SCRIPT,
    *,
    environment: Mapping[str, str] | None = None,
    before: tuple[str, ...] = (),
) -> str:
    """What the script prints, run as it is sent; it never complains and never fails."""
    done = subprocess.run(
        [*before, *shell, "-c", text],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode("utf-8")


def judged(out: str) -> dict[str, Raw]:
    """The readings, all of them, between the markers and nowhere else."""
    assert out.startswith(f"{BEGIN}\n")
    assert out.endswith(f"\n{END}\n")
    assert len(out) < 4 << 20
    found = readings(out.split("\n"))
    assert found.keys() == NAMES
    assert all(raw.reason is None or raw.reason.strip() for raw in found.values())
    return found


def picture(id: str, size: int, *layers: str, driver: str = "overlay2", more: str = "") -> str:
    """What the client prints of an image: JSON, then the directories of its layers."""
    row = f'{{"id":"sha256:{id}","size":{size},"tags":["a"]{more},"driver":"{driver}"}}\t'
    return row + "".join(f"{layer[:12]} " for layer in layers)


@dataclass
class World:
    """A make-believe host below ``root``; ``programs`` come before the machine's own."""

    root: Path
    tools: tuple[str, ...] = TOOLS
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, path: str, content: str | bytes = "", mode: int = 0o644) -> Path:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)
        return file

    def program(self, name: str, text: str) -> None:
        self.write(f"/bin/{name}", f"#!/bin/sh\n{text}\n", 0o755)

    def docker(self, text: str) -> None:
        """A client, and a socket that it could ask."""
        self.program("docker", text)
        self.listen("/var/run/docker.sock")

    def listen(self, path: str) -> None:
        """A socket, and nobody behind it."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        here = os.open(file.parent, os.O_PATH)  # the whole path may be too long for a socket
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"/proc/self/fd/{here}/{file.name}")
        os.close(here)

    def answers(self, **said: str) -> None:
        """A Docker that answers what a case names over a plain host with two containers."""
        answers = {
            "version": VERSION,
            "info": json.dumps(INFO, separators=(",", ":")),
            "ps": f"{ID}\n{ID}",
            "inspect": '{"id":"a"}\n{"id":"b"}',
            "images": f"sha256:{ID}\nsha256:{ID}\nsha256:{ID[::-1]}",
            "image": f"{picture(ID, 1000)}\n{picture(ID[::-1], 234)}",
            "volume": "one\ntwo words\nthree",
            "network": "true",
            **said,
        }
        for word, answer in answers.items():
            self.write(f"/answers/{word}", f"{answer}\n")
        self.docker(f'while [ "$1" = -H ]; do shift 2; done; cat {self.root}/answers/$1')

    def process(self, pid: int, name: str, *args: str, nested: str = "", **known: str) -> None:
        """A process, as /proc shows it."""
        status = {
            "State": "S (sleeping)",
            "Pid": f"{pid}",
            "PPid": "1",
            "Uid": "0\t0\t0\t0",
            "CapEff": "1ff",
        }
        status |= {"NSpid": f"{pid}{nested}", **known}
        folder = f"/proc/{pid}"
        self.write(f"{folder}/comm", f"{name}\n")
        self.write(f"{folder}/cmdline", "".join(f"{arg}\0" for arg in (args or (name,))))
        rows = "".join(f"{key}:\t{value}\n" for key, value in status.items())
        self.write(f"{folder}/status", rows)
        self.write(f"{folder}/limits", "Max open files            1024      524288      files\n")
        fields = " ".join(str(number) for number in range(4, 22))
        self.write(f"{folder}/stat", f"{pid} ({name} (x) y) S {fields} 12345 7 8 9\n")

    def path(self) -> str:
        """Where programs come from: the world's own, then the few that any host has."""
        (self.root / "tools").mkdir(exist_ok=True)
        for tool in self.tools:
            if not (self.root / "tools" / tool).exists():
                (self.root / "tools" / tool).symlink_to(shutil.which(tool) or "/nonexistent")
        return f"{self.root}/bin:{self.root}/tools"

    def text(self) -> str:
        prefix = r"(?<![\w/}*])/(?=(?:etc|run|var|proc|sys|boot|snap|lib|usr/lib|usr/libexec)\b)"
        return re.sub(prefix, f"{self.root}/", SCRIPT)

    def probe(self, *shells: str, before: tuple[str, ...] = ()) -> dict[str, Raw]:
        """The readings, with the paths that the host would see; the same under each shell."""
        text = self.text()
        known = {"OAKUM_PROBE_PATH": self.path(), "OAKUM_PROBE_LIMIT": "1", **self.environment}

        def one(shell: str) -> dict[str, Raw]:
            out = run(SHELLS[shell], text, environment=known, before=before)
            return judged(out.replace(str(self.root), ""))

        with ThreadPoolExecutor() as pool:
            found = list(pool.map(one, shells or AVAILABLE))
        names = ("host.clock", "dataroot.space", "dataroot.inodes", "containerd.space")
        changing = dict.fromkeys((*names, "containerd.inodes"), Raw())
        for other in found[1:]:
            assert found[0] | changing == other | changing
        return found[0]


def furnished(root: Path) -> World:
    """A host with a kernel and nothing else; another user may look around in it."""
    root.mkdir(exist_ok=True)
    root.chmod(0o755)
    made = World(root)
    made.write("/proc/1/comm", "init\n")
    made.write("/proc/self/comm", "sh\n")
    made.write("/proc/stat", "cpu 1 2 3\nbtime 1700000000\n")
    made.write("/proc/self/mounts", f"dev {root} xfs rw 0 0\n")
    made.write("/proc/sys/kernel/panic", "0\n")
    made.write("/proc/cpuinfo", "flags\t\t: fpu rdrand\n")
    made.write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    made.program("systemd-detect-virt", "echo none; exit 1")
    made.path()
    return made


@pytest.fixture
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="probe-") as folder:
        yield furnished(Path(folder).resolve())


# As it is ------------------------------------------------------------------------------------


def test_this_machine(shell: list[str]) -> None:
    found = judged(run(shell))
    assert found["host.uid"].text == str(os.getuid())
    assert found["host.kernel"].text == os.uname().release
    assert abs(int(found["host.clock"].text or 0) - time.time()) < 5


@ROOT_ONLY
def test_another_user_on_this_machine(shell: list[str]) -> None:
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    found = judged(run(shell, before=nobody))
    assert found["host.uid"].text == "65534"
    assert found["file.daemon.writable"].text == "no: not root"


def test_without_any_program(shell: list[str]) -> None:
    judged(run(shell, environment={"OAKUM_PROBE_PATH": "/nonexistent"}))


def test_shellcheck() -> None:
    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    program = shutil.which("shellcheck", path=here)
    assert program, "shellcheck is missing: it comes with the group dev"
    done = subprocess.run([program, "-s", "sh", FILE], capture_output=True, text=True)
    assert done.stdout == ""


def test_size() -> None:
    """It travels as one argument, of which the kernel takes 131,071 bytes; twice quoted at worst.

    It was held below 40,000. Several dockerds, the last transaction, what lies in images and what
    is in force in containers are what a host has to be asked besides.
    """
    assert len(SCRIPT.encode()) < 62_000
    assert len(shlex.quote(shlex.quote(SCRIPT)).encode()) < 110_000
    assert SCRIPT.isascii()


def test_redirections() -> None:
    """Only /dev/null is written to; a here-document would be a file in some shells."""
    lines = [line for line in SCRIPT.splitlines() if not line.lstrip().startswith("#")]
    code = re.sub(r"'[^']*'", "''", "\n".join(lines))
    targets = re.findall(r">+\s*([^\s;)]+)", code)
    assert set(targets) == {"/dev/null", "&1", "&3", "&-"}
    assert "<<" not in code
    assert not re.search(r"\b(tee|mktemp|touch|mkdir|cp|mv|rm|ln|chmod|awk)\b", code)


@pytest.mark.parametrize("file", sorted(RECORDED.glob("*.txt")), ids=lambda file: file.stem)
def test_recorded(file: Path) -> None:
    """What was recorded is what the script of today would print, as far as its form goes."""
    out = file.read_text("utf-8")
    assert judged(out)["host.name"].text == "recorded"
    assert "hunter2" not in out  # the secret of one recorded container


# In make-believe hosts -----------------------------------------------------------------------


def test_nothing_is_written(world: World) -> None:
    def state() -> dict[str, float]:
        return {str(path): path.lstat().st_ctime for path in world.root.rglob("*")}

    world.answers()
    world.write("/etc/docker/daemon.json", "{}")
    before = state()
    world.probe()
    assert state() == before


def test_engine_that_answers(world: World) -> None:
    world.answers()
    found = world.probe()
    assert found["engine.version"].lines == (VERSION,)
    assert found["containers.count"].text == "2"
    assert found["containers"].lines == ('{"id":"a"}', '{"id":"b"}')
    assert (found["images.count"].text, found["images.bytes"].text) == ("2", "1234")
    ids = [json.loads(row)["id"] for row in found["images.list"].lines or ()]
    assert ids == [f"sha256:{ID}", f"sha256:{ID[::-1]}"]
    assert found["volumes.count"].text == "3"
    assert found["bridge.icc"].text == "true"
    assert found["dataroot.path"].text == "/var/lib/docker"
    assert found["dataroot.dtype"].text == "yes"
    assert "hunter2" not in str(found["engine.info"].lines)


def test_client_is_told_where_to_ask(world: World) -> None:
    world.environment = {"DOCKER_HOST": "tcp://elsewhere:2375", "DOCKER_CONTEXT": "elsewhere"}
    world.docker('echo "$* $DOCKER_HOST$DOCKER_CONTEXT $DOCKER_CONFIG" >&2; exit 1')
    asked = (
        f"-H unix:///var/run/docker.sock version --format {{{{json .}}}}  {'/nonexistent/oakum'}"
    )
    assert world.probe()["engine.version"].reason == asked


def test_engine_that_hangs(world: World) -> None:
    """One limit for all: after the first silence nobody is asked again, whatever keeps time."""
    kinds = ["coreutils", "busybox", "none", "later"]
    worlds = dict(zip(kinds, [furnished(world.root / kind) for kind in kinds], strict=True))
    for each in worlds.values():
        each.docker("exec sleep 60")
    worlds["later"].docker(f"case $* in *version*) echo '{VERSION}' ;; *) exec sleep 60 ;; esac")
    for kind in ("busybox", "none"):
        (worlds[kind].root / "tools/timeout").unlink()
    worlds["busybox"].program("timeout", "case $* in *--version*) exit 1 ;; esac; exec sleep 60")
    started = time.monotonic()
    with ThreadPoolExecutor() as pool:
        found = dict(zip(kinds, pool.map(World.probe, worlds.values()), strict=True))
    assert time.monotonic() - started < 5
    silent = "docker version did not answer within 1 s"
    for kind in kinds[:3]:
        assert {found[kind][name].reason for name in ASKED} == {silent}
    assert found["later"]["engine.version"].lines == (VERSION,)
    late = "docker info did not answer within 1 s"
    assert {found["later"][name].reason for name in ASKED[1:]} == {late}


def test_no_timeout_costs_no_time(world: World) -> None:
    """The watchdog lets go at once when the answer is there."""
    world.answers()
    (world.root / "tools/timeout").unlink()
    started = time.monotonic()
    assert world.probe()["containers.count"].text == "2"
    assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    ("client", "reason"),
    [
        pytest.param("echo hello", "docker version printed no JSON", id="garbage"),
        pytest.param(
            r"printf '\033[2J\200\302\205{\001\n\0\033]0;x\007' >&2; exit 1",
            "]0;x",
            id="terminal-escapes",
        ),
        pytest.param(
            "exec head -c 50000000 /dev/zero | tr '\\0' x",
            "docker version printed more than 2 MB",
            id="50-MB",
        ),
        pytest.param(
            "echo 'some warning' >&2; echo 'Cannot connect to it.' >&2; echo >&2; exit 1",
            "Cannot connect to it.",
            id="last-complaint",
        ),
        pytest.param("exit 3", "docker version ended with status 3", id="fails-silently"),
        pytest.param("exit 0", "docker version printed no JSON", id="says-nothing"),
        pytest.param(
            """echo '{"Client":{},"Server":null}'""",
            "docker version names no server",
            id="no-server",
        ),
    ],
)
def test_engine_that_does_not_answer(world: World, client: str, reason: str) -> None:
    world.docker(client)
    found = world.probe()
    assert {found[name].reason for name in ASKED} == {reason}


@pytest.mark.parametrize(
    ("said", "name", "reason"),
    [
        pytest.param(
            {"info": '{"ID":"","ServerErrors":["permission denied while trying"],"X":1}'},
            "engine.info",
            "permission denied while trying",
            id="server-errors",
        ),
        pytest.param(
            {"info": '{"a":"' + "x" * 300_000 + '"}'},
            "engine.info",
            "300009 bytes are too much to send",
            id="info-of-300-kB",
        ),
        pytest.param(
            {"ps": "-x\n--all"}, "containers", "docker ps printed something else than ids", id="ids"
        ),
        pytest.param(
            {"inspect": "oh"}, "containers", "docker inspect printed no JSON", id="inspect"
        ),
        pytest.param(
            {"ps": "\n".join([ID] * 2001)},
            "containers",
            "2001 running containers are more than the 2000 that are read",
            id="2001-containers",
        ),
        pytest.param(
            {"image": "1\n1.5e+09"},
            "images.list",
            "docker image inspect printed something else than images",
            id="images",
        ),
        pytest.param(
            {"image": picture(ID, 5).replace(":5,", ":1.5e+09,")},
            "images.bytes",
            "docker image inspect printed something else than images",
            id="sizes",
        ),
        pytest.param(
            {"network": "perhaps"}, "bridge.icc", "the default bridge does not say", id="bridge"
        ),
        pytest.param(
            {"images": "\n".join(f"{number:064x}" for number in range(1001))},
            "images.bytes",
            "1001 images are more than the 1000 that are measured",
            id="1001-images",
        ),
    ],
)
def test_answers_that_are_refused(
    world: World, said: dict[str, str], name: str, reason: str
) -> None:
    world.answers(**said)
    assert world.probe("dash")[name].reason == reason


BASE, TOP, OTHER = ("b0" * 32, "c0" * 32, "d0" * 32)


def layered(world: World, *images: str, running: str = "", **said: str) -> None:
    """A host whose engine keeps its data below the world's root, with these images."""
    info = {**INFO, "DockerRootDir": f"{world.root}/var/lib/docker", "Images": len(images)}
    ids = "\n".join(re.findall("sha256:[0-9a-f]+", "\n".join(images)))
    rows = "".join(f'{{"imageid":"sha256:{id}"}}\n' for id in running.split())
    (world.root / "var/lib/docker/overlay2").mkdir(parents=True, exist_ok=True)
    world.answers(
        info=json.dumps(info, separators=(",", ":")),
        images=ids,
        image="\n".join(images),
        inspect=rows.rstrip(),
        **said,
    )


def in_layer(world: World, layer: str, path: str, content: str = "", mode: int = 0o644) -> Path:
    return world.write(f"/var/lib/docker/overlay2/{layer}/diff/{path}", content, mode)


def test_what_an_image_is_made_of(world: World) -> None:
    """The uppermost layer with an os-release counts, and there /etc goes before /usr/lib."""
    layered(
        world,
        picture(ID, 1, TOP, BASE),
        picture(ID[::-1], 2, BASE),
        picture(BASE, 3, OTHER),
        picture(TOP, 4),
    )
    in_layer(world, BASE, "usr/lib/os-release", 'NAME="x"\nVERSION_ID="10"\nID=debian\n')
    (in_layer(world, BASE, "etc/x").parent / "os-release").symlink_to("../usr/lib/os-release")
    in_layer(world, TOP, "etc/os-release", "ID='alpine'\nVERSION_ID=3.18.4\n")
    in_layer(world, TOP, "usr/lib/os-release", "ID=ubuntu\n")
    in_layer(world, OTHER, "etc/os-release", "ID=arch\n")
    in_layer(world, "e0" * 32, "etc/os-release", "ID=of-a-container\n")
    assert world.probe()["images.releases"].lines == (
        f"sha256:{ID} alpine 3.18.4",
        f"sha256:{ID[::-1]} debian 10",
        f"sha256:{BASE} arch ",
    )


@pytest.mark.parametrize("way", ["etc", "usr", "usr/lib", "etc/os-release", "fifo", "huge", "odd"])
def test_a_layer_that_leads_astray(world: World, way: str) -> None:
    """An image says where its files lie; no link in it is followed, and nothing long is read."""
    world.write("/secret/os-release", "ID=secret\n")
    world.write("/secret/lib/os-release", "ID=secret\n")
    layered(world, picture(ID, 1, BASE))
    place = in_layer(world, BASE, "x").parent
    match way:
        case "etc" | "usr":
            (place / way).symlink_to(world.root / "secret")
        case "usr/lib":
            (place / "usr").mkdir()
            (place / way).symlink_to(world.root / "secret")
        case "etc/os-release":
            (place / "etc").mkdir()
            (place / way).symlink_to(world.root / "secret/os-release")
        case "fifo":
            (place / "etc").mkdir()
            os.mkfifo(place / "etc/os-release")
        case "huge":
            in_layer(world, BASE, "etc/os-release", "ID=x\n" + "#" * 5000)
        case "odd":
            in_layer(world, BASE, "etc/os-release", 'ID=a b\nID="$(x)"\nID=\x1b[2J\n')
    assert world.probe()["images.releases"].lines == ()


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        pytest.param("", "the images lie in no directories of overlay2", id="containerd-29"),
        pytest.param("overlayfs", "the images lie in no directories of overlay2", id="containerd"),
        pytest.param("overlay2", "there is no /var/lib/docker/overlay2", id="elsewhere"),
    ],
)
def test_layers_that_are_not_there(world: World, driver: str, reason: str) -> None:
    layered(world, picture(ID, 1, driver=driver))
    (world.root / "var/lib/docker/overlay2").rmdir()
    world.environment = {"OAKUM_PROBE_SETUID": "yes"}
    found = world.probe("dash")
    assert {found["images.releases"].reason, found["images.setuid"].reason} == {reason}
    assert len(found["images.list"].lines or ()) == 1


def test_setuid_files_only_where_they_are_wanted(world: World) -> None:
    layered(world, picture(ID, 1, BASE), running=ID)
    world.program("find", f": >{world.root}/asked")
    reason = "not asked for: oakum_image_setuid is false"
    assert world.probe("dash")["images.setuid"].reason == reason
    assert not (world.root / "asked").exists()


def test_setuid_files(world: World) -> None:
    """Of images that run, and only what is still there: an upper layer covers and takes away."""
    layered(
        world,
        picture(ID, 1, TOP, BASE),
        picture(ID[::-1], 2, BASE),
        picture(OTHER, 3, OTHER),
        running=f"{ID} {ID[::-1]}",
    )
    for path in ("bin/su", "bin/mount", "bin/odd name", "bin/a*", "opt/x/y"):
        in_layer(world, BASE, path, "", 0o4755)
    in_layer(world, BASE, "bin/wall", "", 0o2755)
    in_layer(world, BASE, "bin/sh", "", 0o755)
    in_layer(world, OTHER, "bin/nobody-runs-it", "", 0o4755)
    in_layer(world, TOP, "bin/su", "", 0o755)
    if os.getuid() == 0:
        os.mknod(in_layer(world, TOP, "x").parent / "opt", 0o600 | stat.S_IFCHR, os.makedev(0, 0))
    world.environment = {"OAKUM_PROBE_SETUID": "yes"}
    rows = world.probe()["images.setuid"].lines or ()
    counts = {row.split()[0]: int(row.split()[1]) for row in rows}
    hidden = 2 if os.getuid() == 0 else 1
    assert counts == {f"sha256:{ID}": 6 - hidden, f"sha256:{ID[::-1]}": 6}
    named = {name for row in rows for name in row.split()[2:]}
    assert named <= {"/bin/su", "/bin/mount", "/bin/wall", "/opt/x/y"}


def test_a_search_that_takes_too_long(world: World) -> None:
    layered(world, picture(ID, 1, BASE), running=ID)
    in_layer(world, BASE, "bin/su", "", 0o4755)
    world.program("find", "exec sleep 60")
    world.environment = {"OAKUM_PROBE_SETUID": "yes"}
    assert world.probe("dash")["images.setuid"].reason == "the search did not end within 3 s"


def test_more_setuid_files_than_anybody_reads(world: World) -> None:
    layered(world, picture(ID, 1, BASE), running=ID)
    in_layer(world, BASE, "bin/su", "", 0o4755)
    world.program("find", "while :; do echo /x; done")
    world.environment = {"OAKUM_PROBE_SETUID": "yes"}
    assert world.probe("dash")["images.setuid"].reason == "more than 5000 setuid files"


@pytest.mark.parametrize(
    ("release", "count"),
    [pytest.param("28.5.2", "1", id="28"), pytest.param("29.0.0", "2", id="29")],
)
def test_images_without_a_name(world: World, release: str, count: str) -> None:
    """From 29.0 the client lists them only when it is asked for them."""
    world.answers(version=f'{{"Client":{{"Version":"{release}"}},"Server":{{"Version":"29.0"}}}}')
    answer = f"cat {world.root}/answers/$3"
    world.program(
        "docker", f"case $* in *dangling=true*) echo sha256:{BASE} ;; *) {answer} ;; esac"
    )
    world.write("/answers/images", f"sha256:{ID}\n")
    assert world.probe()["images.count"].text == count


def test_many_images(world: World) -> None:
    """1000 images of 100 layers each, and each with a distribution."""
    ids = [f"{number:064x}" for number in range(1000)]
    shared = [f"{number:012x}" for number in range(99)]
    layered(world, *(picture(id, 1, *shared, BASE) for id in ids))
    in_layer(world, BASE, "etc/os-release", "ID=debian\nVERSION_ID=12\n")
    found = world.probe("dash")
    assert len(found["images.list"].lines or ()) == 1000
    assert set(found["images.releases"].lines or ()) == {f"sha256:{id} debian 12" for id in ids}


def test_content_trust(world: World) -> None:
    """Whether it is on is told, and nothing else that stands beside it."""
    world.write("/etc/environment", "DOCKER_CONTENT_TRUST='1' hunter2\nDOCKER_HOST=hunter2\n")
    world.write(
        "/etc/profile.d/x.sh",
        "export DOCKER_CONTENT_TRUST_SERVER=https://u:hunter2@own\nX_OPTS=hunter2\n",
    )
    world.write(
        "/etc/default/docker",
        'DOCKER_OPTS="-D --env DOCKER_CONTENT_TRUST=1"\n'
        "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE=hunter2\nDOCKER_CONTENT_TRUST=0\n",
    )
    world.write("/etc/profile", "DOCKER_CONTENT_TRUST_SERVER=https://notary.docker.io\n")
    found = world.probe()
    assert found["client.trust"].lines == (
        "/etc/default/docker 0",
        "/etc/environment '1'",
        "/etc/profile.d/x.sh server",
    )
    assert found["unit.environment"].lines == (
        '/etc/default/docker:DOCKER_OPTS="-D --env DOCKER_CONTENT_TRUST=1"',
    )
    assert "hunter2" not in str(found)


def test_many_containers(world: World) -> None:
    """A big host: 2000 containers of 900 bytes each."""
    row = json.dumps({"id": ID, "mounts": ["x" * 800]})
    world.answers(ps="\n".join([ID] * 2000), inspect="\n".join([row] * 2000))
    found = world.probe()
    assert found["containers"].lines == (row,) * 2000


def test_processes_of_containers(world: World) -> None:
    """What is in force, of those that still run; the pid stands first in each row."""
    rows = ['{"pid":901,"name":"a"}', '{"pid":0,"name":"b"}', '{"pid":902}', '{"pid":9x3,"c":1}']
    world.answers(inspect="\n".join(rows))
    world.process(812, "dockerd")
    world.process(901, "db", NoNewPrivs="1", Seccomp="2", Seccomp_filters="1")
    found = world.probe()
    assert found["containers"].lines == tuple(rows)
    assert found["containers.processes"].lines == (
        "Pid:\t901",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "Max open files  1024  524288  files",
    )


@pytest.mark.parametrize(
    ("inspect", "dockerd", "expected"),
    [
        pytest.param('{"pid":0,"name":"a"}', True, Raw(lines=()), id="none-runs"),
        pytest.param(
            '{"pid":901,"name":"a"}',
            True,
            Raw(reason="the processes of containers could not be read"),
            id="all-are-gone",
        ),
        pytest.param(
            '{"pid":1,"name":"a"}',
            False,
            Raw(reason="the engine is no process of this machine"),
            id="pids-of-elsewhere",
        ),
        pytest.param("oh", True, Raw(reason="docker inspect printed no JSON"), id="no-answer"),
    ],
)
def test_no_processes_of_containers(
    world: World, inspect: str, dockerd: bool, expected: Raw
) -> None:
    world.answers(inspect=inspect)
    world.process(1, "init")
    if dockerd:
        world.process(812, "dockerd")
    assert world.probe()["containers.processes"] == expected


def test_processes_of_many_containers(world: World) -> None:
    """2000 containers: what is printed of their processes stays small."""
    for pid in range(1000, 3000):
        world.process(pid, "sh", NoNewPrivs="0", Seccomp="2")
    world.process(812, "dockerd")
    world.answers(
        ps="\n".join([ID] * 2000),
        inspect="\n".join(f'{{"pid":{pid},"name":"{pid}"}}' for pid in range(1000, 3000)),
    )
    lines = world.probe("dash")["containers.processes"].lines or ()
    assert [line for line in lines if line.startswith("Pid")] == [
        f"Pid:\t{pid}" for pid in range(1000, 3000)
    ]


def test_a_container_that_vanished(world: World) -> None:
    """What was listed may be gone a moment later: the list is asked for once more."""
    world.answers()
    answer = f"cat {world.root}/answers/$3"
    first = f"[ ! -e {world.root}/once ] && : >{world.root}/once"
    gone = f"if {first}; then echo No such object: 1 >&2; exit 1; fi"
    world.program("docker", f"case $3 in inspect) {gone} ;; esac; {answer}")
    assert len(world.probe("dash")["containers"].lines or ()) == 2


@pytest.mark.parametrize(
    "complaint",
    [
        pytest.param("Error: No such network: bridge", id="20.10"),
        pytest.param("Error response from daemon: network bridge not found", id="29"),
    ],
)
def test_no_default_bridge(world: World, complaint: str) -> None:
    """Where daemon.json says that there is none, that is an answer."""
    world.answers()
    missing = f"network) echo '{complaint}' >&2; exit 1 ;;"
    world.program("docker", f"case $3 in {missing} esac; cat {world.root}/answers/$3")
    assert world.probe("dash")["bridge.icc"].text == "none"


@pytest.mark.parametrize("place", ["/bin/docker-init", "/usr/libexec/docker/docker-init"])
def test_where_docker_init_lies(world: World, place: str) -> None:
    (world.root / "usr/libexec").mkdir(parents=True)
    assert world.probe("dash")["engine.dockerinit"].text == "no"
    world.write(place, "", 0o755)
    assert world.probe()["engine.dockerinit"].text == "yes"


def test_no_client(world: World) -> None:
    assert world.probe()["engine.version"].reason == "there is no docker client"


UNITS = """\
LoadState=loaded
ActiveState={service}
ExecStart={{ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS ; pid=0 }}
EnvironmentFiles=/opts (ignore_errors=yes)

LoadState=loaded
ActiveState={socket}
"""


@pytest.mark.parametrize(
    ("service", "socket_unit", "asked"),
    [
        pytest.param("inactive", "active", False, id="asking-would-start-it"),
        pytest.param("inactive", "inactive", True, id="nobody-listens"),
        pytest.param("active", "active", False, id="died-a-moment-ago"),
    ],
)
def test_stopped_daemon(world: World, service: str, socket_unit: str, asked: bool) -> None:
    (world.root / "run/systemd/system").mkdir(parents=True)
    units = world.write("/units", UNITS.format(service=service, socket=socket_unit))
    world.program("systemctl", f"cat {units}")
    world.docker(f": >{world.root}/asked; exit 1")
    found = world.probe("dash")
    assert (world.root / "asked").exists() is asked
    assert found["unit"].lines == tuple(
        UNITS.format(service=service, socket="").split("\n\n")[0].split("\n")
    )


def test_podman_is_not_docker(world: World) -> None:
    world.program("docker", "echo no >&2; exit 1")
    world.listen("/run/podman/podman.sock")
    (world.root / "var/run").mkdir(parents=True)
    (world.root / "var/run/docker.sock").symlink_to(world.root / "run/podman/podman.sock")
    assert world.probe()["engine.version"].reason == "/var/run/docker.sock is podman's"


def test_processes(world: World) -> None:
    world.process(90, "dockerd", nested="\t1")
    world.process(91, "dockerd", Uid="1000\t1000\t1000\t1000")
    world.process(812, "dockerd", "/x/dockerd", "-H", "unix:///run/other.sock", "--data-root=/data")
    world.process(95, "dockerd", NSpid="95\t4\t1")
    world.process(600, "containerd")
    world.process(820, "containerd", PPid="812", CapEff="0")
    world.process(13, "jitterentropy-r")
    world.process(14, "rngd")
    world.process(15, "rngd")
    world.process(2000, "docker-proxy")
    world.process(2001, "docker-proxy")
    world.process(3, "kubelet")
    found = world.probe()
    said = {name: found[name].text for name in NAMES if found[name].text is not None}
    assert said["dockerd.pid"] == "812"
    assert said["dockerd.started"] == "1700000123"
    assert said["dockerd.state"] == "S"
    assert said["dockerd.caps"] == "1ff"
    assert said["dockerd.proxies"] == "2"
    assert said["containerd.pid"] == "820"
    assert said["containerd.caps"] == "0"
    assert set(str(said["entropy.daemons"]).split()) == {"jitterentropy-rngd", "rngd"}
    assert said["kubelet"] == "yes"
    assert said["engine.socket"] == "/run/other.sock"
    assert said["dataroot.path"] == "/data"
    assert found["dockerd.args"].lines == (
        "/x/dockerd",
        "-H",
        "unix:///run/other.sock",
        "--data-root=/data",
    )
    assert found["dockerd.limits"].lines == (
        "Max open files            1024      524288      files",
    )


SECOND = "dockerds run outside of containers, and nothing tells which is the machine's"
MAIN = "LoadState=loaded\nMainPID={}\n\nActiveState=active\nMainPID=1\n"


@pytest.mark.parametrize(
    ("main", "noted", "chosen"),
    [
        pytest.param("900", "300", "900", id="the-units"),
        pytest.param("0", "900", "900", id="of-the-pidfile"),
        pytest.param("4711", "900", "900", id="the-unit-knows-another-kind"),
        pytest.param(None, "900", "900", id="no-systemd"),
        pytest.param("0", "4711", f"3 {SECOND}: 300 812 900", id="nothing-tells"),
        pytest.param(None, None, f"3 {SECOND}: 300 812 900", id="no-systemd-no-pidfile"),
    ],
)
def test_several_dockerds(world: World, main: str | None, noted: str | None, chosen: str) -> None:
    """Which of them is the machine's is told by its unit or its pidfile, never by its number."""
    world.process(91, "dockerd", Uid="1000\t1000\t1000\t1000")
    for pid in (300, 812, 900):
        world.process(pid, "dockerd", f"/x/{pid}", "--data-root", f"/data/{pid}")
    world.process(301, "containerd", PPid="300")
    world.process(700, "containerd")
    if noted:
        world.write("/run/docker.pid", noted)
    if main:
        (world.root / "run/systemd/system").mkdir(parents=True)
        world.program("systemctl", f"cat {world.write('/units', MAIN.format(main))}")
    found = world.probe()
    if chosen.isdigit():
        assert found["dockerd.pid"].text == chosen
        assert found["dataroot.path"].text == f"/data/{chosen}"
    else:
        names = [name for name in NAMES if name.startswith("dockerd.") and "proxies" not in name]
        assert {found[name].reason for name in names} == {chosen}
    assert found["containerd.pid"].text == "700"


def test_rootless(world: World) -> None:
    world.write("/etc/passwd", "a b:x:1000:100:A B,,,:/home/a:/bin/sh\ndockremap:x:121:131::/:/x\n")
    world.process(91, "dockerd", Uid="1000\t1000\t1000\t1000")
    world.answers()
    found = world.probe()
    assert found["dockerd.pid"].text == "91"
    assert found["engine.socket"].text == "/run/user/1000/docker.sock"
    assert found["file.daemon.path"].text == "/home/a/.config/docker/daemon.json"
    assert found["user.dockremap"].text == "121:131"


def modes(found: Mapping[str, Raw]) -> dict[str, Guarded]:
    rows = found["files"].lines
    assert rows is not None, found["files"].reason
    return {seen.path: seen for seen in parse_files.guarded(rows)}


SHOWN = """
LoadState=loaded
FragmentPath=/lib/systemd/system/docker.service
DropInPaths=/etc/systemd/system/docker.service.d/a.conf /etc/systemd/system/docker.service.d/b.conf

LoadState=loaded
FragmentPath=/lib/systemd/system/docker.socket
""".lstrip()


def test_modes(world: World) -> None:
    """What is there of all that root alone should write, by one stat."""
    paths = [
        "/lib/systemd/system/docker.service",
        "/lib/systemd/system/docker.socket",
        "/etc/systemd/system/docker.service.d/a.conf",
        "/etc/systemd/system/docker.service.d/b.conf",
        "/etc/default/docker",
        "/etc/sysconfig/docker",
        "/etc/docker/certs.d/registry:5000/ca.crt",
        "/etc/docker/certs.d/other/client.key",
        "/var/keys/key",
    ]
    for number, path in enumerate(paths):
        world.write(path, mode=0o600 + number)
    (world.root / "run/systemd/system").mkdir(parents=True)
    units = re.sub(r"(?<![\w/])/", f"{world.root}/", SHOWN)
    world.program("systemctl", f"cat {world.write('/units', units)}")
    config = {"tlskey": f"{world.root}/var/keys/key", "tlscert": "/nonexistent"}
    world.write(JSON, json.dumps(config, indent=1), 0o664)
    world.listen("/var/run/docker.sock")
    world.listen("/run/containerd/containerd.sock")
    found = modes(world.probe())
    for number, path in enumerate(paths):
        assert found[path].mode == 0o100600 + number
    assert found[JSON].mode == 0o100664
    assert (found[JSON].owner, found[JSON].group) == (os.getuid(), os.getgid())
    assert stat.S_ISDIR(found["/etc/docker"].mode)
    assert stat.S_ISSOCK(found["/var/run/docker.sock"].mode)
    assert stat.S_ISSOCK(found["/run/containerd/containerd.sock"].mode)
    assert "/nonexistent" not in found


def test_modes_behind_links(world: World) -> None:
    """What a link leads to counts, and the directory above that one."""
    (world.root / "elsewhere/docker").mkdir(parents=True)
    (world.root / "elsewhere").chmod(0o711)
    (world.root / "var/lib").mkdir(parents=True)
    (world.root / "var/lib/docker").symlink_to(world.root / "elsewhere/docker")
    world.write("/etc/docker/other.json", mode=0o606)
    (world.root / "etc/docker/daemon.json").symlink_to("other.json")
    found = modes(world.probe())
    assert found["/var/lib/docker"].device == os.stat(world.root).st_dev
    assert found["/var/lib/docker/.."].mode == 0o040711
    assert found[JSON].mode == 0o100606


def test_modes_of_too_many(world: World) -> None:
    for number in range(601):
        world.write(f"/etc/docker/certs.d/r/{number}.crt")
    assert "are more than the 600" in str(world.probe()["files"].reason)


@ROOT_ONLY
def test_modes_that_are_hidden(world: World) -> None:
    world.write(JSON)
    (world.root / "etc/docker").chmod(0o700)
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    found = world.probe(before=nobody)
    assert found["files"].reason == "permission denied: /etc/docker"
    assert found["host.selinux"].text == "none"


BINARY = "echo Docker version 28.5.2, build 1"


def audited(found: Mapping[str, Raw]) -> list[str]:
    """Where the engine comes from, whose changes are held, and what is wrong with its files."""
    facts = parse(as_lines(found))
    facts = replace(facts, guarded=Read(tuple(root_owned(facts.guarded.value))))
    origin = re.search("comes from (.*),", next(daemon_file_guards(facts), ""))
    assert origin, "its changes are not held"
    faults = file_permissions.CONTROL.setting.state(facts, None).actual
    assert isinstance(faults, list)
    return [origin[1], *(str(fault).partition(" (")[0] for fault in faults)]


def root_owned(seen: Iterable[Guarded]) -> Iterator[Guarded]:
    """As they would be there: the machine of the test may give them to anyone."""
    return (replace(each, owner=0, group=0) for each in seen)


def test_a_rootless_engine_is_read_where_it_lies(world: World) -> None:
    home = f"{world.root}/var/home/a"  # paths below /home are the machine's own
    world.write("/etc/passwd", f"a:x:1000:100:A:{home}:/bin/sh\n")
    world.write("/var/home/a/.config/docker/daemon.json", "{}")
    world.write("/var/home/a/.config/docker/certs.d/r/ca.crt", mode=0o666)
    world.process(91, "dockerd", Uid="1000\t1000\t1000\t1000")
    world.program("dockerd", BINARY)
    said = INFO | {"DockerRootDir": "/var/home/a/data", "SecurityOptions": ["name=rootless"]}
    world.answers(info=json.dumps(said, separators=(",", ":")))
    world.listen("/run/user/1000/docker.sock")
    found = world.probe()
    assert found["dockerd.uid"].text == "1000"
    assert found["file.daemon.path"].text == "/var/home/a/.config/docker/daemon.json"
    assert found["dataroot.path"].text == "/var/home/a/data"
    seen = modes(found)
    assert seen["/var/home/a/.config/docker/certs.d/r/ca.crt"].mode == 0o100666
    assert "/var/home/a/.config/docker/daemon.json" in seen
    told = audited(found)
    assert told[0] == "rootless"
    assert "/var/home/a/.config/docker/certs.d/r/ca.crt is 666" in told


def test_a_snap_is_read_where_it_lies(world: World) -> None:
    base = "/var/snap/docker/current"
    world.write("/snap/docker/current/bin/dockerd", f"#!/bin/sh\n{BINARY}\n", 0o755)
    world.write(f"{base}/config/daemon.json", '{"log-level": "error"}', 0o640)
    world.write(f"{base}/etc/docker/certs.d/r/ca.crt", mode=0o664)
    found = world.probe()
    assert found["file.daemon.path"].text == f"{base}/config/daemon.json"
    assert found["engine.origin"].text == "snap"
    seen = modes(found)
    assert seen[f"{base}/config/daemon.json"].mode == 0o100640
    assert seen[f"{base}/etc/docker/certs.d/r/ca.crt"].mode == 0o100664
    assert audited(found) == ["snap", f"{base}/etc/docker/certs.d/r/ca.crt is 664"]


@pytest.mark.parametrize(
    ("group", "passwd", "args", "expected"),
    [
        pytest.param("docker:x:998:a,b\n", "", (), "docker 998 ,a,b", id="members"),
        pytest.param("docker:!secret:998:\n", "", (), "docker 998 ,", id="no-password-is-shown"),
        pytest.param("docker::998:a\n", "c:x:5:998::/:/x\n", (), "docker 998 ,a,c", id="first"),
        pytest.param("dockers:x:9:a\n", "docker:x:9:9::/:/x\n", (), "none", id="no-group"),
        pytest.param("ops:x:50:z\ndocker:x:9:a\n", "", ("-G", "ops"), "ops 50 ,z", id="flag"),
        pytest.param("docker:x:998:a\n", "", ("--group=x.*",), "docker 998 ,a", id="no-pattern"),
    ],
)
def test_docker_group(
    world: World, group: str, passwd: str, args: tuple[str, ...], expected: str
) -> None:
    world.write("/etc/group", group)
    world.write("/etc/passwd", f"root:x:0:0:root:/root:/bin/sh\n{passwd}")
    world.process(812, "dockerd", "/x/dockerd", *args)
    assert world.probe()["group.docker"].text == expected


def test_no_groups(world: World) -> None:
    assert world.probe()["group.docker"].reason == "no /etc/group"


@pytest.mark.parametrize(
    ("modules", "profiles", "enforce", "apparmor", "selinux"),
    [
        pytest.param(
            "apparmor", "x (enforce)\ndocker-default (enforce)\n", None, "enforce", "none"
        ),
        pytest.param("apparmor", "docker-default (complain)\n", None, "complain", "none"),
        pytest.param("apparmor", "docker-default2 (enforce)\n", None, "none", "none"),
        pytest.param("apparmor", None, None, None, "none"),
        pytest.param("selinux", None, "1", "none", "enforcing"),
        pytest.param("selinux", None, "0", "none", "permissive"),
    ],
)
def test_security_modules(
    world: World,
    modules: str,
    profiles: str | None,
    enforce: str | None,
    apparmor: str | None,
    selinux: str,
) -> None:
    world.write("/sys/kernel/security/lsm", f"capability,{modules}")
    if profiles:
        world.write("/sys/kernel/security/apparmor/profiles", profiles)
    if enforce:
        world.write("/sys/fs/selinux/enforce", enforce)
    found = world.probe()
    if os.getuid() == 0:
        assert found["host.apparmor"].text == apparmor
    assert found["host.selinux"].text == selinux


def test_routes_of_bridges(world: World) -> None:
    for name in ("docker0", "br-0123456789ab", "eth0", "all"):
        world.write(f"/proc/sys/net/ipv4/conf/{name}/route_localnet", "1\n")
    lines = world.probe()["sysctl"].lines or ()
    routes = {line.split(".")[3] for line in lines if line.endswith("route_localnet=1")}
    assert routes == {"docker0", "br-0123456789ab", "all"}


def test_kernel_options(world: World) -> None:
    """All that the control asks for, and nothing beside it."""
    names = {*ALWAYS, *LEGACY_TABLES, *NFTABLES, *(name for name, _, _ in BY_KERNEL)}
    rows = [f"CONFIG_{name}=m" for name in sorted(names)] + ["# CONFIG_USER_NS is not set"]
    other = ["CONFIG_VETHS=y", "CONFIG_NET_NS_X=y", 'CONFIG_CC="x"']
    world.write(f"/boot/config-{os.uname().release}", "\n".join([*rows, *other]))
    assert set(world.probe()["kernel.config"].lines or ()) == set(rows)


def test_space_of_both_stores(world: World) -> None:
    """containerd's own directory counts where the engine keeps its images there."""
    store = {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}
    world.answers(info=json.dumps(INFO | store, separators=(",", ":")))
    world.write("/etc/containerd/config.toml", "version = 3\nroot = '/var/big/containerd' # x\n")
    world.process(700, "containerd")
    world.process(812, "dockerd")
    found = world.probe()
    assert found["containerd.root"].text == "/var/big/containerd"
    # Neither exists yet, so both are measured above; the machine's own disk moves meanwhile.
    for name in ("space", "inodes"):
        own, other = found[f"dataroot.{name}"].text, found[f"containerd.{name}"].text
        assert (own or "").split()[0] == (other or "x").split()[0]
    total, used, free = map(int, (found["dataroot.space"].text or "").split())
    whole = os.statvfs(world.root)
    assert total == whole.f_blocks * whole.f_frsize // 1024
    assert used + free <= total


@pytest.mark.parametrize(
    ("driver", "parent", "root"),
    [
        pytest.param("io.containerd.snapshotter.v1", "1", "/var/lib/containerd", id="containerds"),
        pytest.param("io.containerd.snapshotter.v1", "812", "none", id="dockerds-own-containerd"),
        pytest.param("other", "1", "none", id="graphdriver"),
    ],
)
def test_where_images_lie(world: World, driver: str, parent: str, root: str) -> None:
    said = INFO | {"DriverStatus": [["driver-type", driver]]}
    world.answers(info=json.dumps(said, separators=(",", ":")))
    world.process(812, "dockerd")
    world.process(900, "containerd", PPid=parent)
    found = world.probe()
    assert found["containerd.root"].text == root
    if root == "none":
        assert found["containerd.space"].reason == "images are in the data root"


def test_no_files(world: World) -> None:
    assert world.probe()["files"].lines == ()


def test_no_stat(world: World) -> None:
    """Not even that of busybox, which its own shell finds."""
    (world.root / "tools/stat").unlink()
    world.tools = tuple(tool for tool in TOOLS if tool != "stat")
    found = world.probe("dash", "bash")
    assert found["files"].reason == "stat is missing"
    assert found["dataroot.space"].reason == "stat could not measure /var/lib/docker"
    assert found["dataroot.inodes"].reason == "stat could not measure /var/lib/docker"


def test_podman_in_dockers_place(world: World) -> None:
    world.program("docker", '[ -e /etc/containers/nodocker ]; exec podman "$@"')
    world.program("podman", "exit 1")
    found = world.probe()
    assert found["engine.podman"].text == "yes"
    assert parse(as_lines(found)).engine == Read(None)


def test_podman_beside_docker(world: World) -> None:
    world.answers()
    world.program("podman", "exit 1")
    assert world.probe()["engine.podman"].text == "no"


def test_podmans_socket(world: World) -> None:
    world.answers()
    world.listen("/run/podman/podman.sock")
    (world.root / "var/run/docker.sock").unlink()
    (world.root / "var/run/docker.sock").symlink_to(world.root / "run/podman/podman.sock")
    assert world.probe()["engine.podman"].text == "yes"


def test_a_node_on_this_dockerd(world: World) -> None:
    assert world.probe()["kubelet.dockerd"].text == "no"
    world.process(600, "cri-dockerd")
    found = world.probe()
    assert (found["kubelet"].text, found["kubelet.dockerd"].text) == ("no", "yes")


def as_lines(found: Mapping[str, Raw]) -> list[str]:
    """The readings as a probe prints them, for whoever parses them."""
    lines = [BEGIN]
    for name, raw in found.items():
        if raw.reason is not None:
            lines.append(f"!{name} {raw.reason}")
        elif raw.text is not None:
            lines.append(f"={name} {raw.text}")
        elif raw.data is not None:
            lines.append(f"@{name} {raw.data.hex()}")
        else:
            lines += [f"<{name}", *(f"|{line}" for line in raw.lines or ()), f">{name}"]
    return [*lines, END]


def test_the_first_process(world: World) -> None:
    """A stopped dockerd will inherit from it."""
    world.process(1, "init", CapEff="1ff")
    found = world.probe()
    assert found["init.caps"].text == "1ff"
    assert found["init.limits"].lines == ("Max open files            1024      524288      files",)
    assert found["dockerd.pid"].text == "none"


def test_hidden_processes(world: World) -> None:
    """Not seeing dockerd is no proof that it does not run."""
    (world.root / "proc/1/comm").unlink()
    found = world.probe()
    hidden = "the processes of other users are hidden"
    names = [
        "dockerd.pid",
        "dockerd.proxies",
        "dockerd.args",
        "containerd.pid",
        "kubelet",
        "dockerd.reloaded",
    ]
    assert {found[name].reason for name in [*names, "entropy.daemons"]} == {hidden}


JSON = "/etc/docker/daemon.json"
JOURNAL = r'time="…" level=info msg="Reloaded configuration: {\"mtu\":1500,\"x\":\"a\\\\b\"}"'


@pytest.mark.parametrize(
    ("started", "journal", "expected"),
    [
        pytest.param(
            "1700000000", JOURNAL, Raw(lines=(r'{"mtu":1500,"x":"a\\b"}',)), id="reloaded"
        ),
        pytest.param("1700000000", "something else\n", Raw(lines=()), id="not-yet"),
        pytest.param("4000000000", JOURNAL, Raw(lines=()), id="file-is-older-than-the-start"),
    ],
)
def test_reloaded(world: World, started: str, journal: str, expected: Raw) -> None:
    if os.getuid() != 0:
        pytest.skip("only root reads the journal of dockerd")
    world.process(812, "dockerd", "/x/dockerd")
    world.write("/proc/stat", f"btime {started}\n")
    (world.root / "run/log/journal").mkdir(parents=True)
    world.write(JSON, "{}")
    world.program("journalctl", f"cat {world.write('/journal', journal)}")
    assert world.probe()["dockerd.reloaded"] == expected


def test_no_journal(world: World) -> None:
    world.process(812, "dockerd", "/x/dockerd")
    world.write("/etc/docker/daemon.json", "{}")
    reasons = ("no journal on this host", "not root: the journal of dockerd is hidden")
    assert world.probe()["dockerd.reloaded"].reason in reasons


def linked(world: World) -> None:
    target = world.write("/srv/daemon.json", "{}")
    world.write(f"{JSON}.d")
    (world.root / JSON[1:]).symlink_to(target)


def dangling(world: World) -> None:
    world.write(f"{JSON}.d")
    (world.root / JSON[1:]).symlink_to(world.root / "srv/daemon.json")
    (world.root / "srv").mkdir()


def fifo(world: World) -> None:
    world.write(f"{JSON}.d")
    os.mkfifo(world.root / JSON[1:])


def read_only(world: World) -> None:
    world.write(JSON, "{}")
    mounts = f"dev {world.root} xfs rw 0 0\ndev {world.root}/etc ext4 ro,relatime 0 0\n"
    world.write("/proc/self/mounts", mounts)


def mounted(world: World) -> None:
    world.write(JSON, "{}")
    mounts = f"dev {world.root} xfs rw 0 0\ndev {world.root}{JSON} ext4 rw 0 0\n"
    world.write("/proc/self/mounts", mounts)


def immutable(world: World) -> None:
    world.write(JSON, "{}")
    world.program("lsattr", f"echo '----i----e-- {world.root}{JSON}'; echo '---- x'; exit 1")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(
            lambda world: None, {"stat": "absent", "bytes": b"", "writable": "yes"}, id="absent"
        ),
        pytest.param(
            lambda world: world.write(JSON, bytes(range(256)) * 5),
            {"bytes": bytes(range(256)) * 5, "target": JSON, "writable": "yes"},
            id="exact-bytes",
        ),
        pytest.param(
            linked, {"path": JSON, "target": "/srv/daemon.json", "bytes": b"{}"}, id="link"
        ),
        pytest.param(
            dangling,
            {"target": "/srv/daemon.json", "stat": "absent", "writable": "yes"},
            id="dangling-link",
        ),
        pytest.param(
            lambda world: world.write(f"{JSON}/x"),
            {"bytes": f"{JSON} is no regular file", "writable": f"no: {JSON} is no regular file"},
            id="directory",
        ),
        pytest.param(fifo, {"bytes": f"{JSON} is no regular file"}, id="fifo"),
        pytest.param(
            lambda world: world.write(JSON, "x" * (1 << 20)),
            {"bytes": b"x" * (1 << 20)},
            id="1-MiB",
        ),
        pytest.param(
            lambda world: world.write(JSON, "x" * ((1 << 20) + 1)),
            {"bytes": f"{JSON} has 1048577 bytes, too much to send"},
            id="more-than-1-MiB",
        ),
        pytest.param(
            read_only,
            {"bytes": b"{}", "writable": "no: read-only file system at /etc"},
            id="read-only",
        ),
        pytest.param(
            mounted, {"writable": f"no: {JSON} is a mount point of its own"}, id="mount-point"
        ),
        pytest.param(immutable, {"writable": "no: immutable by chattr"}, id="immutable"),
    ],
)
def test_files(
    world: World,
    make: Callable[[World], object],
    expected: dict[str, str | bytes],
) -> None:
    make(world)
    found = world.probe("dash")
    if os.getuid() != 0:
        expected = {key: value for key, value in expected.items() if key != "writable"}
    raws = {key: found[f"file.daemon.{key}"] for key in expected}
    assert {key: raw.text or raw.reason or raw.data for key, raw in raws.items()} == expected


def test_when_a_file_came(world: World) -> None:
    """Copied in with the time of its original, as rsync -t does: it came when it came."""
    file = world.write(JSON, "{}")
    os.utime(file, (1_000_000_000, 1_000_000_000))
    *_, changed = str(world.probe()["file.daemon.stat"].text).split()
    assert int(changed) == int(file.stat().st_ctime) > 1_000_000_000


def test_a_file_from_the_future(world: World) -> None:
    os.utime(world.write(JSON, "{}"), (4_000_000_000, 4_000_000_000))
    assert str(world.probe("dash")["file.daemon.stat"].text).endswith(" 4000000000")


def test_four_files_of_one_mebibyte(world: World) -> None:
    """What does not fit is left out with a reason, and the rest is still there."""
    for path in (JSON, "/etc/subuid", "/etc/subgid", "/etc/docker/oakum-seccomp.json"):
        world.write(path, "x" * (1 << 20))
    found = world.probe()
    assert found["file.daemon.bytes"].data == b"x" * (1 << 20)
    assert "too much to send" in (found["file.seccomp.bytes"].reason or "")


@ROOT_ONLY
def test_another_user_in_a_closed_host(world: World) -> None:
    """What another user cannot see is said to be hidden, never to be absent."""
    world.write(JSON, "{}")
    world.write("/etc/default/docker", "DOCKER_OPTS=-D", 0o600)
    world.write("/var/lib/docker/overlay2/l")
    world.write("/var/lib/oakum/ledger")
    for path in ("/etc/docker", "/var/lib/docker", "/var/lib/oakum"):
        (world.root / path[1:]).chmod(0o700)
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    found = world.probe(before=nobody)
    denied = {
        "file.daemon.target": "/etc/docker",
        "file.daemon.stat": "/etc/docker",
        "file.daemon.bytes": "/etc/docker",
        "file.seccomp.stat": "/etc/docker",
        "unit.environment": "/etc/default/docker",
        "client.trust": "/etc/default/docker",
        "dataroot.drivers": "/var/lib/docker",
        "oakum.state": "/var/lib/oakum",
        "oakum.transaction": "/var/lib/oakum",
    }
    assert {name: found[name].reason for name in denied} == {
        name: f"permission denied: {path}" for name, path in denied.items()
    }


OURS = {
    "file.sysctl": "/etc/sysctl.d/60-oakum.conf",
    "file.slice": "/etc/systemd/system/oakum.slice",
    "file.dropin": "/etc/systemd/system/docker.service.d/oakum.conf",
    "file.audit": "/etc/audit/rules.d/oakum-docker.rules",
}


def test_files_of_ours(world: World) -> None:
    """Each with its own bytes, whichever of the others are there."""
    for path in (JSON, "/etc/subgid", *OURS.values()):
        world.write(path, f"{path} \n/ ", 0o640)
    world.write("/etc/subuid", "")
    found = world.probe()
    for name, path in OURS.items():
        assert found[f"{name}.path"].text == path
        assert found[f"{name}.bytes"].data == f"{path} \n/ ".encode()
        assert str(found[f"{name}.stat"].text).startswith(f"file 640 {os.getuid()} ")
    assert found["file.daemon.bytes"].data == f"{JSON} \n/ ".encode()
    assert found["file.subgid.bytes"].data == b"/etc/subgid \n/ "
    assert found["file.subuid.bytes"].data == b""
    assert found["file.seccomp.bytes"].data == b""


def test_files_are_read_by_few_processes(world: World) -> None:
    """One stat for what is read, one for what is guarded, one for the space; one tr, and one od
    for each that is there."""
    for tool in ("stat", "od", "tr"):
        real = shutil.which(tool)
        world.program(tool, f'printf \'%s\\n\' "{tool} $*" >>{world.root}/forks; exec {real} "$@"')
    for path in (JSON, *OURS.values()):
        world.write(path, "x")
    world.probe("dash")
    forks = (world.root / "forks").read_text().split("\n")
    assert len([line for line in forks if line.startswith("stat ")]) == 3
    assert len([line for line in forks if line.startswith("od ")]) == 5
    assert forks.count("tr -d  \\n") == 1


def test_who_sets_the_kernel_at_a_boot(world: World) -> None:
    world.write("/etc/sysctl.conf", "# kernel.panic=1\nkernel.panic=2\n")
    world.write("/etc/sysctl.d/9 x.conf", "\t-kernel/panic_on_oops = 1\nkernel.panic_print=3\n")
    world.write("/usr/lib/sysctl.d/50-a.conf", "vm.x=1\nkernel.panic =5\n")
    world.write("/etc/sysctl.d/z.txt", "kernel.panic=7\n")
    assert world.probe()["sysctl.files"].lines == (
        "/etc/sysctl.conf:kernel.panic=2",
        "/etc/sysctl.d/9 x.conf:\t-kernel/panic_on_oops = 1",
        "/usr/lib/sysctl.d/50-a.conf:kernel.panic =5",
    )


@ROOT_ONLY
def test_a_hidden_file_of_the_kernel(world: World) -> None:
    world.write("/etc/sysctl.d/a.conf", "kernel.panic=7\n", 0o600)
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    found = world.probe("dash", before=nobody)
    assert str(found["sysctl.files"].reason).endswith("/etc/sysctl.d/a.conf")
    assert found["sysctl.writable"].text == "no: not root"


@ROOT_ONLY
@pytest.mark.parametrize(
    ("mount", "said"),
    [
        pytest.param("", "yes", id="yes"),
        pytest.param("/proc/sys proc ro,nosuid", "no: read-only file system at /proc/sys", id="ro"),
        pytest.param("/proc proc rw", "yes", id="a-mount-of-its-own"),
    ],
)
def test_whether_the_kernel_can_be_told(world: World, mount: str, said: str) -> None:
    mounts = f"dev {world.root} xfs rw 0 0\n"
    if mount:
        path, kind, flags = mount.split()
        mounts += f"{kind} {world.root}{path} {kind} {flags} 0 0\n"
    world.write("/proc/self/mounts", mounts)
    assert world.probe()["sysctl.writable"].text == said


def test_the_slice(world: World) -> None:
    (world.root / "run/systemd/system").mkdir(parents=True)
    world.write("/etc/systemd/system/own.slice")
    world.write("/usr/lib/systemd/system/user.slice")
    shown = world.write("/shown", "A=1\n\nActiveState=inactive\n\nTasksMax=9\nActiveState=active\n")
    asked = f"echo $2 $3 $4 $5 >>{world.root}/asked; cat {shown}"
    world.program("systemctl", asked)
    world.docker("exit 1")
    found = world.probe("dash")
    assert (world.root / "asked").read_text() == "show docker.service docker.socket oakum.slice\n"
    assert found["unit"].lines == ("A=1",)
    assert found["unit.slice"].lines == ("TasksMax=9", "ActiveState=active")
    assert found["unit.slices"].lines == ("own.slice", "user.slice")
    assert "asking would start it" not in str(found["engine.version"].reason), "no socket listens"


def test_a_systemctl_that_says_nothing_of_the_slice(world: World) -> None:
    (world.root / "run/systemd/system").mkdir(parents=True)
    world.program("systemctl", "echo A=1")
    assert world.probe()["unit.slice"].reason == "systemctl show said nothing of oakum.slice"


STATUS, RULES = "enabled 1\nfailure 1\npid 0", "No rules"


def auditing(world: World, status: str = STATUS, rules: str = RULES, ended: int = 0) -> None:
    world.write("/status", f"{status}\n")
    world.write("/rules", f"{rules}\n")
    said = f"case $1 in -s) cat {world.root}/status ;; *) cat {world.root}/rules ;; esac"
    world.program("auditctl", f"{said}; exit {ended}")
    world.program("augenrules", "exit 9")


MANY = """\
-w /etc/docker/ -p wa -k secret-name
-a always,exit -S all -F path=/usr/bin/runc -F perm=x -F key=secret-name
-a always,exit -S execve -F key=secret-name
LIST_RULES: exit,always dir=/etc/docker (0xb) perm=wa key=secret-name"""
WATCHES = (
    "-w /etc/docker/ -p wa",
    "-a always,exit -S all -F path=/usr/bin/runc -F perm=x",
    "LIST_RULES: exit,always dir=/etc/docker (0xb) perm=wa",
)


@pytest.mark.parametrize(
    ("known", "enabled", "rules"),
    [
        pytest.param({}, Raw(text="1"), Raw(lines=()), id="no-rules"),
        pytest.param({"rules": MANY}, Raw(text="1"), Raw(lines=WATCHES), id="watches-alone"),
        pytest.param({"status": "enabled 2"}, Raw(text="2"), Raw(lines=()), id="locked"),
        pytest.param(
            {"status": "AUDIT_STATUS: enabled=0 flag=1"}, Raw(text="0"), Raw(lines=()), id="of-old"
        ),
        pytest.param(
            {"status": "", "rules": "You must be root to run this program.", "ended": 4},
            *[Raw(reason="auditctl: You must be root to run this program.")] * 2,
            id="not-root",
        ),
        pytest.param(
            {"rules": "Error sending rule list data request (Operation not permitted)", "ended": 1},
            *[Raw(reason="auditctl: Error sending rule list data request (Operation not "
                  "permitted)")] * 2,
            id="not-permitted",
        ),
        pytest.param(
            {"status": "", "rules": ""},
            *[Raw(reason="auditctl: it said nothing")] * 2,
            id="nothing-said",
        ),
    ],
)  # fmt: skip
def test_audit(world: World, known: dict[str, str], enabled: Raw, rules: Raw) -> None:
    auditing(world, **known)
    found = world.probe()
    assert (found["audit.enabled"], found["audit.rules"]) == (enabled, rules)
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("text", "loader"),
    [
        pytest.param(None, "augenrules", id="no-file-yet"),
        pytest.param("", "augenrules", id="empty"),
        pytest.param(
            "## This file is automatically generated from /etc/audit/rules.d\n-D\n",
            "augenrules",
            id="generated",
        ),
        pytest.param("-D\n-w /etc/passwd\n", "by hand", id="by-hand"),
    ],
)
def test_who_puts_the_rules_together(world: World, text: str | None, loader: str) -> None:
    auditing(world)
    if text is not None:
        world.write("/etc/audit/audit.rules", text)
    assert world.probe()["audit.loader"].text == loader


def test_no_audit(world: World) -> None:
    found = world.probe()
    assert found["audit.enabled"].text == "absent"
    for name in ("loader", "rules", "paths"):
        assert found[f"audit.{name}"].reason == "auditctl is not installed"


def test_what_there_is_to_audit(world: World) -> None:
    auditing(world)
    world.program("dockerd", "echo Docker version 20.10.24, build 1")
    world.program("runc", "")
    world.write("/bin/containerd", "", 0o644)  # no program
    world.write("/etc/default/docker")
    world.write("/lib/systemd/system/docker.service")
    world.write(JSON, "{}")
    world.write("/srv/docker/x")
    (world.root / "var/lib").mkdir(parents=True)
    (world.root / "var/lib/docker").symlink_to(world.root / "srv/docker")
    (world.root / "run/systemd/system").mkdir(parents=True)
    unit = f"FragmentPath={world.root}/lib/systemd/system/docker.service"
    world.program("systemctl", f"printf '{unit}\\n\\nFragmentPath=\\n\\nTasksMax=1\\n'")
    assert world.probe()["audit.paths"].lines == (
        "program /bin/dockerd",
        "program /bin/runc",
        "folder /etc/docker",
        "folder /srv/docker",
        f"file {JSON}",
        "file /etc/default/docker",
        "file /lib/systemd/system/docker.service",
    )


FIRST, LAST = "20260131T110000Z-0a0b0c0d", "20260131T120000Z-1a2b3c4d"
BEGUN = f"""\
2026-01-31T11:00:00Z {FIRST} begin apply ann@desk 0123456789abcdef live-restore
2026-01-31T11:00:01Z {FIRST} confirmed
2026-01-31T12:00:00Z {LAST} begin apply ann@desk 0123456789abcdef userland-proxy
2026-01-31T12:00:01Z {LAST} file 1 absent {"0" * 64} /etc/docker/a  b * {FIRST} confirmed
"""


@pytest.mark.parametrize(
    ("ledger", "said"),
    [
        pytest.param("", "none", id="empty"),
        pytest.param(BEGUN, f"{LAST} unfinished", id="unfinished"),
        pytest.param(f"{BEGUN}x {LAST} confirmed\n", f"{LAST} confirmed", id="confirmed"),
        pytest.param(
            f"{BEGUN}x {LAST} rolled-back dockerd  did *not*\x1b[2J answer\n",
            f"{LAST} rolled-back dockerd  did *not*[2J answer",
            id="rolled-back",
        ),
        pytest.param(f"{BEGUN}x {LAST} refused stale\n", f"{LAST} refused stale", id="refused"),
        pytest.param(f"{BEGUN}x {LAST} broken gone\n", f"{LAST} broken gone", id="broken"),
        pytest.param(f"{BEGUN}x {LAST} confirmed", f"{LAST} unfinished", id="torn-off"),
        pytest.param(f"{BEGUN}x {LAST} conf torn\n", f"{LAST} unfinished", id="marked-as-torn"),
        pytest.param(f"{BEGUN}x {LAST} confirmed torn\n", f"{LAST} unfinished", id="torn-verdict"),
        pytest.param(f"{BEGUN}x {LAST[:9]} torn\n", f"{LAST} unfinished", id="torn-in-its-name"),
        pytest.param(BEGUN[:-9], f"{LAST} unfinished", id="a-torn-file"),
        pytest.param(f"{BEGUN[:60]}", "none", id="the-first-line-is-torn"),
        pytest.param("no ledger at all\n\n", "none", id="anything"),
        pytest.param(
            f"{BEGUN}x {LAST} confirmed\n" * 400, f"{LAST} confirmed", id="only-its-end-counts"
        ),
    ],
)
def test_the_last_transaction(world: World, ledger: str, said: str) -> None:
    world.write("/var/lib/oakum/ledger", ledger)
    world.write("/var/lib/oakum/lock", f"{LAST} 4711\n")
    assert world.probe()["oakum.transaction"].text == said


def test_no_transaction_yet(world: World) -> None:
    assert world.probe()["oakum.transaction"].text == "none"


@pytest.mark.parametrize("held", [True, False], ids=["running", "cut-off"])
def test_a_transaction_without_a_verdict(world: World, held: bool) -> None:
    """The lock tells whether it runs, the journal where it is."""
    world.write("/var/lib/oakum/ledger", BEGUN)
    journal = "1 step begun\n2 step restart docker  *\n3 failed it did not answer\n4 step und"
    world.write(f"/var/lib/oakum/txn/{LAST}/journal", journal)
    lock = world.write("/var/lib/oakum/lock", f"{LAST} 4711\n")
    with lock.open("rb") as file:
        if held:
            fcntl.flock(file, fcntl.LOCK_EX)
        word = "running" if held else "unfinished"
        assert world.probe()["oakum.transaction"].text == f"{LAST} {word} restart docker  *"
    assert lock.read_text() == f"{LAST} 4711\n"


def test_a_lock_that_cannot_be_tried(world: World) -> None:
    world.write("/var/lib/oakum/ledger", BEGUN)
    world.write("/var/lib/oakum/lock", "")
    world.program("flock", "exit 66")
    assert world.probe()["oakum.transaction"].reason == "flock ended with status 66"


def test_text_of_any_kind(world: World) -> None:
    """Control characters go, UTF-8 stays, and what is neither loses its bytes, not its line."""
    world.write(
        "/etc/os-release",
        "A=\u00fc\u20ac\U0001f40b\nB=\x1b[2Jx\x07\n".encode()
        + b"C=caf\xe9 \xc3\xa9\nD=\xc2\x9bm\nE=\xed\xa0\x80\n* /etc/p*\n|>host.os\n\\033\n",
    )
    lines = world.probe()["host.os"].lines
    expected = ("A=\u00fc\u20ac\U0001f40b", "B=[2Jx", "C=caf? ??", "D=??m", "E=???")
    assert lines == (*expected, "* /etc/p*", "|>host.os", r"\033")


@pytest.mark.parametrize(
    ("make", "name", "text"),
    [
        pytest.param({"/run/openrc/x": ""}, "host.init", "openrc", id="openrc"),
        pytest.param({"/run/systemd/system/x": ""}, "host.init", "systemd", id="systemd"),
        pytest.param({"/etc/inittab": ""}, "host.init", "sysvinit", id="sysvinit"),
        pytest.param({"/proc/1/comm": "runit\n"}, "host.init", "runit", id="runit"),
        pytest.param({"/proc/1/comm": "tini\n"}, "host.init", "other", id="other-init"),
        pytest.param({"/sys/fs/cgroup/cgroup.controllers": ""}, "host.cgroup", "v2", id="v2"),
        pytest.param({"/sys/fs/cgroup/memory/cgroup.procs": ""}, "host.cgroup", "v1", id="v1"),
        pytest.param(
            {
                "/sys/fs/cgroup/memory/cgroup.procs": "",
                "/sys/fs/cgroup/unified/cgroup.controllers": "",
            },
            "host.cgroup",
            "hybrid",
            id="hybrid",
        ),
        pytest.param({}, "host.cgroup", "none", id="no-cgroup"),
        pytest.param(
            {"/sys/kernel/security/lsm": "lockdown,apparmor"},
            "host.lsm",
            "lockdown,apparmor",
            id="lsm",
        ),
        pytest.param(
            {"/sys/module/apparmor/parameters/enabled": "Y\n"},
            "host.lsm",
            "apparmor",
            id="apparmor",
        ),
        pytest.param({}, "host.selinux", "none", id="no-selinux"),
        pytest.param(
            {"/sys/fs/selinux/enforce": "1"}, "host.selinux", "enforcing", id="selinux-enforcing"
        ),
        pytest.param(
            {"/sys/fs/selinux/enforce": "0\n"},
            "host.selinux",
            "permissive",
            id="selinux-permissive",
        ),
        pytest.param(
            {"/sys/class/misc/hw_random/rng_current": "tpm-rng-0\n"},
            "entropy.hwrng",
            "tpm-rng-0",
            id="hwrng",
        ),
        pytest.param({}, "entropy.rdrand", "yes", id="rdrand"),
        pytest.param({"/proc/cpuinfo": "flags\t: fpu\n"}, "entropy.rdrand", "no", id="no-rdrand"),
        pytest.param(
            {"/proc/self/mounts": "x / rootfs rw\ny / btrfs rw\n"}, "dataroot.fs", "btrfs", id="fs"
        ),
        pytest.param(
            {"/proc/self/mounts": "y / ext4 rw\n"}, "dataroot.dtype", "yes", id="d-type-of-ext4"
        ),
        pytest.param(
            {"/proc/self/mounts": "y / nfs rw\n"}, "dataroot.dtype", "unknown", id="d-type-of-nfs"
        ),
        pytest.param(
            {"/var/lib/docker/overlay2/.keep": "", "/var/lib/docker/volumes/data/_data/x": ""},
            "dataroot.drivers",
            "overlay2",
            id="volumes-of-a-driver",
        ),
        pytest.param(
            {"/var/lib/docker/volumes/metadata.db": "", "/var/lib/docker/containers/1a/x": ""},
            "dataroot.drivers",
            "containerd",
            id="containers-of-containerds-store",
        ),
        pytest.param(
            {"/var/lib/docker/volumes/metadata.db": ""},
            "dataroot.drivers",
            "none",
            id="never-used",
        ),
        pytest.param(
            {"/var/lib/docker/overlay2/l/x": "", "/var/lib/docker/vfs/.y": ""},
            "dataroot.drivers",
            "overlay2 vfs",
            id="drivers",
        ),
        pytest.param(
            {JSON: '{"data-root" : "/srv/d"}'},
            "dataroot.path",
            "/srv/d",
            id="data-root-of-the-file",
        ),
        pytest.param(
            {JSON: '{"hosts": ["unix:///x.sock"]}'},
            "engine.socket",
            "/x.sock",
            id="socket-of-the-file",
        ),
        pytest.param({"/etc/kubernetes/kubelet.conf": ""}, "kubelet", "yes", id="kubelet"),
        pytest.param(
            {"/etc/default/docker": 'DOCKER_OPTS="-D --config-file /srv/d.json"\n'},
            "file.daemon.path",
            "/srv/d.json",
            id="config-file-of-the-options",
        ),
    ],
)
def test_facts_of_a_host(world: World, make: dict[str, str], name: str, text: str) -> None:
    for path, content in make.items():
        world.write(path, content)
    assert world.probe("dash")[name].text == text


@pytest.mark.parametrize(
    ("hardware", "virt"),
    [
        pytest.param({}, "none", id="none"),
        pytest.param({"/proc/version": "Linux 5.15-microsoft-standard-WSL2\n"}, "wsl", id="wsl"),
        pytest.param({"/sys/class/dmi/id/sys_vendor": "QEMU\n"}, "kvm", id="kvm"),
        pytest.param(
            {"/sys/class/dmi/id/sys_vendor": "Microsoft Corporation\n"}, "microsoft", id="hyper-v"
        ),
        pytest.param({"/sys/hypervisor/type": "xen\n"}, "xen", id="xen"),
        pytest.param({"/.dockerenv": ""}, "docker", id="docker"),
        pytest.param({"/proc/1/environ": "a=b\0container=lxc\0"}, "lxc", id="lxc"),
        pytest.param(
            {"/proc/cpuinfo": "flags : fpu hypervisor rdrand\n"}, "vm-other", id="unknown-vm"
        ),
    ],
)
def test_virtualization_without_systemd(world: World, hardware: dict[str, str], virt: str) -> None:
    world.program("systemd-detect-virt", "exit 127")
    for path, content in hardware.items():
        world.write(path, content)
    text = world.text().replace("[ -e /.dockerenv ]", f"[ -e {world.root}/.dockerenv ]")
    found = judged(run(SHELLS["dash"], text, environment={"OAKUM_PROBE_PATH": world.path()}))
    assert found["host.virt"].text == virt


@pytest.mark.parametrize(
    ("manager", "path", "answer", "package", "origin"),
    [
        pytest.param(
            "dpkg-query",
            "/usr/bin/dockerd",
            "echo 'ii |docker-ce 5:26.1.4-1'; echo 'un |docker.io '; echo 'rc |moby-engine 1'",
            "docker-ce 5:26.1.4-1",
            "docker-ce",
            id="docker-ce",
        ),
        pytest.param(
            "dpkg-query",
            "/usr/bin/dockerd",
            "echo 'ii |docker.io 20.10'",
            "docker.io 20.10",
            "distro",
            id="debian",
        ),
        pytest.param("dpkg-query", "/usr/bin/dockerd", "exit 1", "none", "static", id="static"),
        pytest.param(
            "dpkg-query",
            "/usr/local/bin/dockerd",
            "echo 'ii |docker.io 1'",
            "none",
            "static",
            id="local",
        ),
        pytest.param(
            "rpm",
            "/usr/bin/dockerd",
            "echo 'moby-engine 24.0-1'",
            "moby-engine 24.0-1",
            "distro",
            id="fedora",
        ),
        pytest.param(
            "rpm",
            "/usr/bin/dockerd",
            "echo 'file is not owned'; exit 1",
            "none",
            "static",
            id="rpm-static",
        ),
        pytest.param(
            "apk",
            "/usr/bin/dockerd",
            'echo "$3 is owned by docker-engine-26.1.5-r0"',
            "docker-engine 26.1.5-r0",
            "distro",
            id="alpine",
        ),
        pytest.param(
            "pacman",
            "/usr/bin/dockerd",
            'echo "$2 is owned by docker 1:26.1.4-1"',
            "docker 1:26.1.4-1",
            "distro",
            id="arch",
        ),
    ],
)
def test_packages(
    world: World, manager: str, path: str, answer: str, package: str, origin: str
) -> None:
    """The engine runs from PATH, though it is not on this machine: only its answer counts."""
    families = {"dpkg-query": "apt-get", "rpm": "dnf", "apk": "apk", "pacman": "pacman"}
    world.program(families[manager], answer)
    world.program(manager, answer)
    text = (
        world.text().replace('"$(command -v dockerd)"', path).replace('[ ! -x "$path" ]', "false")
    )
    environment = {"OAKUM_PROBE_PATH": world.path()}
    found = judged(run(SHELLS["dash"], text, environment=environment))
    assert (found["engine.package"].text, found["engine.origin"].text) == (package, origin)


# On TCP ------------------------------------------------------------------------------------------

ROW = " {}: {} {}:0000 {} 00000000:00000000 00:00000000 00000000 0 0 {} 1 0 100 0 0 10 0\n"


def listening(world: World, *args: str, **sockets: int) -> None:
    """A dockerd that listens where /proc/net shows it, by inode; sshd does too, and is not it."""
    world.process(812, "dockerd", "/usr/bin/dockerd", *args)
    rows: dict[int, list[str]] = {8: [], 32: []}
    for address, inode in sockets.items():
        local = address.removeprefix("x").replace("_", ":")
        width = local.index(":")
        rows[width].append(ROW.format(inode, local, "0" * width, "0A", inode))
    (world.root / "proc/812/fd").mkdir()
    for inode in (3, *sockets.values()):
        (world.root / f"proc/812/fd/{inode}").symlink_to(f"socket:[{inode}]")
    for name, width in (("tcp", 8), ("tcp6", 32)):
        text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n"
        text += "".join(rows[width])
        text += ROW.format(8, f"{'0' * width}:0016", "0" * width, "0A", 77)  # sshd's
        text += ROW.format(9, f"{'0' * width}:0947", "1" * width, "01", 3)  # a connection
        world.write(f"/proc/812/net/{name}", text)


CLIENT = """
case $* in
    *unix://*) echo "Cannot connect." >&2; exit 1 ;;
    *'--tls --tlscacert "" '*:2376*) echo 1.41 ;;
    *'--tls --tlscacert "" '*:2377*)
        echo "check your settings: remote error: tls: bad certificate" >&2; exit 1 ;;
    *:2376* | *:2377*) echo; echo "Client sent an HTTP request to an HTTPS server." >&2; exit 1 ;;
    *:2375*) echo 1.41 ;;
    *:2374*) echo "Error response from daemon: authorization denied by plugin opa" >&2; exit 1 ;;
    *:9323*) echo "Error response from daemon: 404 page not found" >&2; exit 1 ;;
    *:4444*) exec sleep 30 ;;
    *) echo "dial $2: connection refused" >&2; exit 1 ;;
esac
"""
EVERYWHERE = "0" * 32


@pytest.mark.parametrize(
    ("sockets", "found"),
    [
        pytest.param({}, [], id="none"),
        pytest.param({"x0100007F_0947": 5}, ["127.0.0.1:2375 plain"], id="plain"),
        pytest.param(
            {f"x{EVERYWHERE}_0948": 5},
            ["[0000:0000:0000:0000:0000:0000:0000:0000]:2376 tls"],
            id="tls-everywhere",
        ),
        pytest.param({"x00000000_0949": 5}, ["0.0.0.0:2377 verified"], id="verified"),
        pytest.param({"x00000000_0946": 5}, ["0.0.0.0:2374 plain"], id="a-plugin-denies"),
        pytest.param({"x0100007F_246B": 5}, ["127.0.0.1:9323 other"], id="metrics"),
        pytest.param(
            {"x0500000A_1000": 5},
            ["10.0.0.5:4096 unclear dial tcp://10.0.0.5:4096: connection refused"],
            id="refused",
        ),
        pytest.param(
            {"x0000000000000000FFFF00000500000A_0947": 5},
            ["[0000:0000:0000:0000:0000:FFFF:0A00:0005]:2375 plain"],
            id="mapped",
        ),
        pytest.param(
            {"x0100007F_115C": 5, "x0100007F_0947": 6, "x0100007F_0948": 7, "x0100007F_1000": 8},
            [
                "127.0.0.1:2375 plain",
                "127.0.0.1:2376 tls",
                "127.0.0.1:4444 unclear no answer within 1 s",
                "127.0.0.1:4096 unasked",
            ],
            id="after-one-that-hangs-no-other-is-asked",
        ),
        pytest.param(
            {f"x0100007F_10{number:02}": 5 + number for number in range(6)},
            [
                f"127.0.0.1:{0x1000 + number} "
                + (
                    f"unclear dial tcp://127.0.0.1:{0x1000 + number}: connection refused"
                    if number < 4
                    else "unasked"
                )
                for number in range(6)
            ],
            id="four-at-most",
        ),
    ],
)
def test_tcp(world: World, sockets: dict[str, int], found: list[str]) -> None:
    world.docker(CLIENT)
    listening(world, **sockets)
    assert world.probe()["dockerd.sockets"].lines == tuple(found)


def test_tcp_that_it_was_told_of_is_asked_first(world: World) -> None:
    world.docker(CLIENT)
    world.write("/etc/docker/daemon.json", '{"hosts": ["tcp://0.0.0.0:4101",\n"fd://"]}')
    ports = {f"x0100007F_10{number:02}": 5 + number for number in range(6)}
    listening(world, "-H", "tcp://127.0.0.1:4100", **ports)
    said = world.probe()["dockerd.sockets"].lines or ()
    assert [line.split()[0] for line in said[:2]] == ["127.0.0.1:4100", "127.0.0.1:4101"]
    assert "unclear" in said[0]
    assert [line.split()[1] for line in said[-2:]] == ["unasked", "unasked"]


def test_ports_of_containers_are_left_alone(world: World) -> None:
    ports = '{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}]}'
    world.answers(inspect=f'{{"id":"a","ports":{ports}}}')
    listening(world, x00000000_1F90=5)
    assert world.probe()["dockerd.sockets"].lines == ("0.0.0.0:8080 published",)


def test_ports_of_a_swarm_are_left_alone(world: World) -> None:
    info = json.dumps(INFO | {"Swarm": {"LocalNodeState": "active"}}, separators=(",", ":"))
    world.answers(info=info)
    listening(world, x00000000_0949=5)
    assert world.probe()["dockerd.sockets"].lines == ("0.0.0.0:2377 swarm",)


def test_tcp_without_a_client(world: World) -> None:
    listening(world, x00000000_0947=5)
    text = "0.0.0.0:2375 unclear there is no docker client"
    assert world.probe()["dockerd.sockets"].lines == (text,)


def test_tcp_of_no_dockerd(world: World) -> None:
    assert world.probe()["dockerd.sockets"].reason == "dockerd is not running"


def test_tcp_that_cannot_be_seen(world: World) -> None:
    world.process(812, "dockerd")
    assert world.probe()["dockerd.sockets"].reason == "/proc/812 could not be read"


def test_more_sockets_than_are_looked_at(world: World) -> None:
    listening(world)
    rows = [ROW.format(n, f"00000000:{n:04X}", "00000000", "0A", n) for n in range(500)]
    world.write("/proc/812/net/tcp", "  sl  local_address\n" + "".join(rows))
    assert world.probe()["dockerd.sockets"].reason == "too many sockets listen on this host"


def test_a_host_without_tcp_sockets_costs_two_processes_more(world: World) -> None:
    """ls and head; the client is not asked once more."""
    world.answers()
    asked = world.root / "asked"
    for tool in ("ls", "head"):
        world.program(tool, f'echo {tool} >> {asked}; exec {shutil.which(tool)} "$@"')
    world.program("docker", f"echo docker >> {asked}; exit 1")
    world.probe("dash")
    before = asked.read_text().split()
    asked.unlink()
    listening(world)
    world.probe("dash")
    after = asked.read_text().split()
    assert sorted(after) == sorted([*before, "ls", "head"])
