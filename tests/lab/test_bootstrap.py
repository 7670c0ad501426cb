"""A new host gets a Docker whose first dockerd, ever, is a hardened one: by real apt, over SSH.

One host serves all cases: what is installed goes again between them, and its packages stay in
apt's cache. Every start of Docker's unit is witnessed there by a drop-in that notes under which
daemon.json it happens; beside it a watcher outside looks for a dockerd that is no unit's.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .aptmirror import RELEASE, URL, Key, Mirror
from .desk import NEVER_MET, Operator, Ran, warm
from .faults import heard
from .guest import DAEMON_JSON
from .hosts import Lab, LabHost

STRICT = {"oakum_profile": "strict", "oakum_userns_remap": "enforce"}
HELD = "/var/lib/oakum/held"
DROPIN = "/etc/systemd/system/docker.service.d/oakum-held.conf"

WITNESS = f"""
mkdir -p /etc/systemd/system/docker.service.d
cat >/etc/systemd/system/docker.service.d/witness.conf <<'X'
[Service]
ExecStartPre=/bin/sh -c 'if grep -qs live-restore {DAEMON_JSON}; \
then echo hardened; else echo bare; fi >>/var/witness'
X
rm -f /var/witness
systemctl daemon-reload
"""

CLEAN = """
exec >/dev/null 2>&1
systemctl stop docker.socket docker.service containerd.service
systemctl reset-failed
umount -l /var/lib/oakum /var/cache/apt/archives /usr/sbin /mnt/small
sysctl -q net.ipv4.tcp_syn_retries=6
[ -e /etc/apt/sources.list ] || mv /srv/sources.list /etc/apt
dpkg --configure -a --force-depends
apt-mark unhold docker.io docker-ce docker-ce-cli containerd.io
dpkg --purge --force-all docker.io docker-ce docker-ce-cli containerd.io containerd runc \
    docker-engine
apt-get -y -f install
rm -rf /var/lib/oakum /etc/docker /var/lib/containerd /etc/systemd/system/docker.s*.d /run/docker*
rm -rf /etc/apt/sources.list.d/* /etc/apt/keyrings/oakum* /usr/bin/podman /usr/bin/docker /snap
rm -rf /var/lib/docker/* /etc/systemd/system/multi-user.target.wants/docker.service
userdel dockremap; groupdel dockremap
sed -i /dockremap/d /etc/subuid /etc/subgid
systemctl daemon-reload
true
"""


class Watcher:
    """Notes every dockerd of the host's own namespaces that runs under no hardened file.

    The shadow boot has namespaces of its own; a validation and a version are no daemon.
    """

    def __init__(self, host: LabHost) -> None:
        self.host = host
        self.seen: set[str] = set()
        self.bare: set[str] = set()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Watcher:
        self._ended.clear()
        root = self.host.from_outside("/")
        self._thread = threading.Thread(target=self._watch, args=(root,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join()

    def _watch(self, root: Path) -> None:
        mine = _namespaces(root.parent)
        while not self._ended.wait(0.1):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    if (process / "comm").read_text() != "dockerd\n":
                        continue
                    words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    # One that is ending has let go of its words. Nothing is lost with it: it was
                    # seen while it ran, and the witness tells of a unit's however short it lived.
                    if not words.strip():
                        continue
                    if "--validate" in words or "--version" in words or "oakum-" in words:
                        continue
                    if _namespaces(process) != mine:
                        continue
                    file = root / DAEMON_JSON.lstrip("/")
                    hardened = file.exists() and "live-restore" in file.read_text()
                except OSError:  # it has ended meanwhile
                    continue
                self.seen.add(words)
                # A host that is switched off in this moment shows no file any more.
                if not hardened and (root / "etc/passwd").exists():
                    self.bare.add(words)


def _namespaces(process: Path) -> tuple[str, ...]:
    return tuple(os.readlink(process / "ns" / name) for name in ("mnt", "pid"))


class NewHost:
    """The one host, as it is before each case: no Docker, no trace of oakum."""

    def __init__(self, host: LabHost, folder: Path) -> None:
        self.host, self.folder = host, folder
        self.watcher: Watcher | None = None

    def watch(self) -> None:
        self.watcher = Watcher(self.host)
        self.watcher.__enter__()

    def over(self) -> None:
        """No dockerd ran here that was not hardened; from now on one may, for it is asked for."""
        if self.watcher is None:
            return
        self.watcher.__exit__()
        bare, self.watcher = self.watcher.bare, None
        starts = self.starts()
        assert not bare, starts
        assert "bare" not in starts

    def clean(self) -> None:
        self.host.run(CLEAN, timeout=120)
        self.host.run(WITNESS)

    def operator(self, **data: Any) -> Operator:
        return Operator(self.folder, [self.host], **STRICT, **data)

    def starts(self) -> list[str]:
        """Under what each start of Docker's unit happened."""
        return self.host.run("cat /var/witness", check=False).stdout.split()

    def kept(self) -> None:
        """Nothing starts Docker here, be it that somebody tries."""
        tried = "systemctl start docker.service; systemctl start docker.socket; docker ps; true"
        self.host.run(tried, timeout=60)
        assert self.host.run("pgrep -x dockerd", check=False).stdout == "", self.host.run(
            "ps -eo args | grep dockerd; ls -la /var/lib/oakum; systemctl cat docker.service"
        ).stdout
        assert "bare" not in self.starts()

    def done(self, ran: Ran) -> None:
        """A bootstrap came to its end, and the host says so, too."""
        assert ran.code == 0, heard(ran)
        assert ran.host()["outcome"] == "applied", heard(ran)
        self.hardened()

    def hardened(self) -> None:
        assert "name=userns" in self.host.docker("info", "--format={{.SecurityOptions}}")
        assert set(self.starts()) == {"hardened"}
        left = f"ls {HELD} /var/lib/oakum/installed {DROPIN} 2>/dev/null; true"
        assert self.host.run(left).stdout == ""
        assert self.host.run("systemctl is-enabled docker").stdout.strip() == "enabled"


@pytest.fixture(scope="module")
def one_host(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewHost]:
    host = lab.host(flavour="bare", name="new")
    host.write("/etc/oakum-lab-host", "")
    host.write("/etc/apt/apt.conf.d/98local", 'Acquire::http::Proxy::127.0.0.1 "DIRECT";\n')
    # What waits for the disk waits for the one of the machine that all hosts share.
    host.write("/etc/dpkg/dpkg.cfg.d/lab", "force-unsafe-io\n")
    yield NewHost(host, tmp_path_factory.mktemp("desk"))
    host.remove()


@pytest.fixture
def new(one_host: NewHost) -> Iterator[NewHost]:
    """A new host; at the end no dockerd ran there that was not hardened."""
    one_host.clean()
    one_host.watch()
    yield one_host
    one_host.over()


# The road ----------------------------------------------------------------------------------------


def test_first_dockerd_is_hardened_and_the_second_run_idle(one_host: NewHost) -> None:
    """Without the witness: on a host as it comes, by its journal alone."""
    host = one_host.host
    me = one_host.operator()
    shown = me.oakum("bootstrap", "--dry-run")
    assert (shown.code, shown.host()["outcome"]) == (1, None), heard(shown)
    assert [row["path"] for row in shown.host()["changes"]] == ["docker.io"]
    assert host.run("command -v dockerd; ls /var/lib/oakum", check=False).stdout == ""
    done = me.oakum("bootstrap", "--yes")
    assert (done.code, done.host()["outcome"]) == (0, "applied"), heard(done)
    assert "name=userns" in host.docker("info", "--format={{.SecurityOptions}}")
    changed = float(host.run(f"stat -c %.9Y {DAEMON_JSON}").stdout)
    first = host.run(
        "journalctl -u docker -o short-unix -q --no-pager | grep -E 'Starting|Starting up'"
    ).stdout.split("\n")[0]
    assert float(first.split()[0]) >= changed, "a dockerd was there before its file"
    starting = host.run("journalctl -u docker -q --no-pager | grep -c 'Starting up'").stdout
    assert int(starting) == 1
    assert host.run("apt-mark showhold").stdout.split() == ["docker.io"]

    execs = host.ssh_execs()
    again = me.oakum("bootstrap", "--yes")
    assert (again.code, again.host()["outcome"]) == (0, "unchanged"), heard(again)
    assert host.ssh_execs() - execs == 1
    assert me.plan().code == 0

    back = me.oakum("rollback", "--all", "--yes")
    assert back.code == 0, heard(back)
    assert host.run("systemctl is-active docker").stdout == "active\n"
    assert "userns" not in host.docker("info", "--format={{.SecurityOptions}}")
    left = "find /etc /var/lib /run /usr -xdev -name '*oakum*' ! -name oakum-lab-host; true"
    assert host.run(left).stdout == ""
    assert host.run("apt-mark showhold; grep dockremap /etc/passwd /etc/subuid; true").stdout == ""
    assert not host.run(f"ls {DAEMON_JSON} 2>/dev/null; true").stdout


# Cut off -----------------------------------------------------------------------------------------

UNPACKING = "while dpkg unpacks"
ARRIVING = ("begun", "hold", UNPACKING, "installing", "installed", "confirm")
STARTING = (
    *("staged", "shadowed", "armed-timer", "swapped", "released", "started", "answered"),
    *("read-back", "probed-after", "watched", "confirm"),
)
POINTS = [*ARRIVING, *STARTING]

# A dockerd that does not start, and that no preflight can know of: its unit does not let it.
REFUSE = "/etc/systemd/system/docker.service.d/refuse.conf"
SPOIL = f"printf '[Service]\\nExecStartPre=/bin/false\\n' >{REFUSE}; systemctl daemon-reload"
MEND = f"rm {REFUSE}; systemctl daemon-reload"


def killed(me: Operator, point: str) -> Ran:
    me.crash(f"{point}:kill")
    ran = me.oakum("bootstrap", "--yes")
    me.crash(None)
    return ran


STRIKE = """
timeout 200 sh -c 'until [ -e /usr/sbin/dockerd.dpkg-new ]; do sleep 0.02; done' &&
    systemctl kill --signal=KILL 'oakum-2*.service' && echo struck
"""


def struck(new: NewHost, me: Operator) -> Ran:
    """A bootstrap all of whose processes are killed while the engine's package is half there."""
    said: list[str] = []
    blow = threading.Thread(
        target=lambda: said.append(new.host.run(STRIKE, check=False, timeout=220).stdout)
    )
    blow.start()
    ran = me.oakum("bootstrap", "--yes")
    blow.join()
    assert said == ["struck\n"]
    return ran


def test_killed_at_every_point(new: NewHost) -> None:
    """Each run is killed further on; so each has to finish what the former one left."""
    me = new.operator()
    for number, point in enumerate(POINTS, 1):
        ran = struck(new, me) if point == UNPACKING else killed(me, point)
        assert ran.code == 4, f"{point}: {heard(ran)}"
        assert "ended" in ran.host()["error"], f"{point}: {heard(ran)}"
        new.kept()
        if number == len(ARRIVING):
            assert new.starts() == []
    new.host.run(SPOIL)
    ran = killed(me, "undo")
    assert ran.code == 4, heard(ran)
    new.kept()
    ran = me.oakum("bootstrap", "--yes")
    assert (ran.code, ran.host()["outcome"]) == (4, "rolled-back"), heard(ran)
    assert "dockerd did not start" in ran.host()["error"]
    new.kept()
    new.host.run(MEND)
    new.done(me.oakum("bootstrap", "--yes"))


def test_power_cuts(new: NewHost) -> None:
    """Each boot finds Docker kept from starting, and each run goes on to the next cut."""
    me = new.operator()
    for point in ("installing", "installed", "released", "started"):
        me.crash(f"{point}:pause")
        running = warm().start("bootstrap", str(me.inventory), "--format", "json", "--yes")
        try:
            paused = "until [ -e /run/oakum-point ]; do sleep 0.1; done"
            new.host.run(f"timeout 200 sh -c '{paused}'", timeout=210)
            new.host.stop()
            new.host.start()
        finally:
            ran = running.wait()
        me.crash(None)
        assert ran.code == 4, f"{point}: {heard(ran)}"
        new.over()  # its processes are others now
        new.watch()
        new.kept()
    new.done(me.oakum("bootstrap", "--yes"))


def test_refused_before_its_first_start(new: NewHost) -> None:
    """The file of whoever made the machine's image, with a key that no engine takes.

    Given up; begun again, and then ended, by pyinfra's own command.
    """
    me = new.operator()
    new.host.write(DAEMON_JSON, '{"log-opts": {"max-seize": "1m"}}')
    ran = me.oakum("bootstrap", "--yes")
    assert ran.code == 4, heard(ran)
    assert "preflight: " in ran.host()["error"], heard(ran)
    assert "max-seize" in ran.host()["error"]
    new.kept()
    assert new.starts() == []
    given_up = me.oakum("rollback", "--all", "--yes")
    assert given_up.code == 0, heard(given_up)
    left = f"ls -d /var/lib/oakum {DROPIN} 2>/dev/null; apt-mark showhold"
    assert new.host.run(left).stdout == ""
    assert new.starts() == []

    by_pyinfra = me.pyinfra("deploys/bootstrap.py", "-y")
    assert by_pyinfra.code != 0
    assert "max-seize" in by_pyinfra.out + by_pyinfra.err
    assert new.starts() == []
    new.host.write(DAEMON_JSON, "{}")
    by_pyinfra = me.pyinfra("deploys/bootstrap.py", "-y")
    assert by_pyinfra.code == 0, by_pyinfra.out + by_pyinfra.err
    assert new.starts() == ["hardened"]
    new.hardened()


# From a mirror -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Key, Key]]:
    """The key that signs the mirror, and somebody else's."""
    folder = tmp_path_factory.mktemp("keys")
    found = Key(folder, "mirror"), Key(folder, "stranger")
    yield found
    for key in found:
        key.close()


@pytest.fixture(scope="module")
def built(one_host: NewHost) -> Mirror:
    return Mirror(one_host.host)


@pytest.fixture
def mirror(new: NewHost, built: Mirror, keys: tuple[Key, Key]) -> Mirror:
    built.sign(keys[0])
    return built


def source(key: Key, url: str = URL, **more: str) -> dict[str, str]:
    """oakum_engine of a mirror."""
    return {"source": url, "key": key.armored, "fingerprint": key.fingerprint, **more}


def test_from_a_signed_mirror(new: NewHost, mirror: Mirror, keys: tuple[Key, Key]) -> None:
    me = new.operator(oakum_engine=source(keys[0], release=RELEASE))
    new.done(me.oakum("bootstrap", "--yes"))
    installed = new.host.run("dpkg-query -W -f '${Package} ${Version}\\n' docker-ce").stdout
    assert installed.split()[1] == "5:20.10.24-1~debian.12~bookworm"
    held = ["containerd.io", "docker-ce", "docker-ce-cli"]
    assert new.host.run("apt-mark showhold").stdout.split() == held
    again = me.oakum("bootstrap", "--yes")
    assert (again.code, again.host()["outcome"]) == (0, "unchanged")

    new.over()
    back = me.oakum("rollback", "--all", "--yes")
    assert back.code == 0, heard(back)
    left = "apt-mark showhold; ls /etc/apt/sources.list.d; ls /etc/apt/keyrings; ls /var/lib/oakum"
    assert new.host.run(f"({left}) 2>/dev/null; true").stdout == ""


def test_wrong_fingerprint_is_seen_before_any_host_is(new: NewHost, keys: tuple[Key, Key]) -> None:
    wanted = {**source(keys[0]), "fingerprint": keys[1].fingerprint}
    before = new.host.ssh_connections()
    ran = new.operator(oakum_engine=wanted).oakum("bootstrap", "--yes")
    assert ran.code == 2
    assert keys[0].fingerprint in ran.err
    assert keys[1].fingerprint in ran.err
    assert new.host.ssh_connections() == before


NOTHING = "http://127.0.0.1:9/linux/debian"
DISTS = "/srv/mirror/linux/debian/dists/bookworm"
DEB = f"{DISTS}/pool/stable/amd64/containerd.io_1.6.20-1_amd64.deb"
ARCHIVES = "/var/cache/apt/archives"

# Nothing answers there. The kernel gives up after 3 s; apt, which does after 20, would take most of
# this file's time.
BLACK_HOLE = """
iptables -I INPUT -p tcp --dport 9 -j DROP
sysctl -q net.ipv4.tcp_syn_retries=1
"""
LIGHT = "iptables -D INPUT -p tcp --dport 9 -j DROP"

PORTAL = f"echo '<html><body>Please log in</body></html>' >{DISTS}/InRelease"

# A disk that runs full in the middle of a package, and has room again.
SMALL = """
mkdir -p /mnt/small && mount -t tmpfs -o size=20m tmpfs /mnt/small
mkdir /mnt/small/up /mnt/small/work
mount -t overlay -o lowerdir=/usr/sbin,upperdir=/mnt/small/up,workdir=/mnt/small/work none /usr/sbin
"""
LARGE = "mount -o remount,size=1g /mnt/small"


@dataclass(frozen=True)
class Fault:
    """What is wrong with the mirror or the disk; the words that the operator hears of it."""

    name: str
    words: str
    spoil: str = "true"
    mend: str = "true"
    url: str = URL
    key: int = 0
    release: str = RELEASE

    def __str__(self) -> str:
        return self.name


FAULTS = [
    Fault("no-route", "Could not connect to 127.0.0.1:9", url=NOTHING),
    Fault("black-hole", "onnection timed out", BLACK_HOLE, LIGHT, url=NOTHING),
    Fault("other-key", "NO_PUBKEY", key=1),
    Fault("portal", "Clearsigned file isn't valid", PORTAL),
    Fault("release-cut", "bookworm InRelease: Splitting up", f"truncate -s 300 {DISTS}/InRelease"),
    Fault(
        "packages-cut",
        "Packages  File has unexpected size (300",
        f"truncate -s 300 {DISTS}/stable/binary-amd64/Packages",
    ),
    Fault(
        "deb-cut",
        "containerd.io_1.6.20-1_amd64.deb  File has unexpected size (3000",
        f"cp {DEB} /srv/good && truncate -s 3000 {DEB}",
        f"mv /srv/good {DEB}",
    ),
    Fault("no-release", "no docker-ce of release 99.1 here", release="99.1"),
    Fault(
        "full-cache",
        f"enough free space in {ARCHIVES}",
        f"mount -t tmpfs -o size=1m tmpfs {ARCHIVES} && mkdir {ARCHIVES}/partial",
        f"umount -l {ARCHIVES}",
    ),
    Fault(
        "full-state",
        "cannot write /var/lib/oakum",
        "mkdir -p /var/lib/oakum && mount -t tmpfs -o size=4k tmpfs /var/lib/oakum",
        "umount -l /var/lib/oakum",
    ),
    Fault("full-usr", "(No space left on device)", SMALL, LARGE),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_cannot_be_had(new: NewHost, mirror: Mirror, keys: tuple[Key, Key], fault: Fault) -> None:
    """Each is told, leaves Docker kept from starting, and a second run comes to its end."""
    mirror.sign(keys[fault.key])
    me = new.operator(oakum_engine=source(keys[0], fault.url, release=fault.release))
    # Without Debian's, which would be asked four times a case.
    new.host.run("mv /etc/apt/sources.list /srv; apt-get clean; rm -rf /var/lib/apt/lists/127*")
    new.host.run(fault.spoil)
    ran = me.oakum("bootstrap", "--yes")
    new.host.run(fault.mend)
    assert ran.code == 4, heard(ran)
    assert fault.words in ran.host()["error"], heard(ran)
    new.kept()
    assert new.starts() == []

    mirror.sign(keys[0])
    me.set(oakum_engine=source(keys[0], release=RELEASE))
    new.done(me.oakum("bootstrap", "--yes"))
    assert new.starts() == ["hardened"]


# What is no new host -----------------------------------------------------------------------------

SHIM = """
printf '#!/bin/sh\\nexec /usr/bin/podman "$@"\\n' >/usr/bin/docker
printf '#!/bin/sh\\necho podman version 4.3.1\\n' >/usr/bin/podman
chmod 755 /usr/bin/docker /usr/bin/podman
"""
SNAP = """
mkdir -p /snap/docker/2915/bin && ln -s 2915 /snap/docker/current
cd /snap/docker/current/bin
printf '#!/bin/sh\\necho "Docker version 24.0.5, build a61e2b4"\\n' >dockerd
cp dockerd docker
chmod 755 *
"""
ENGINE_2016 = """
mkdir -p /tmp/old/DEBIAN /tmp/old/usr/bin
printf '#!/bin/sh\\necho "Docker version 17.05.0-ce, build 89658be"\\n' >/tmp/old/usr/bin/dockerd
cp /tmp/old/usr/bin/dockerd /tmp/old/usr/bin/docker
chmod 755 /tmp/old/usr/bin/*
printf '%s\\n' 'Package: docker-engine' 'Version: 17.05.0~ce-0~debian' 'Architecture: amd64' \\
    'Maintainer: nobody <nobody@example.org>' 'Description: played' >/tmp/old/DEBIAN/control
dpkg-deb -Znone -b /tmp/old /tmp/old.deb && dpkg -i /tmp/old.deb
"""
STOPPED = """
mkdir -p /var/lib/docker/overlay2/0123456789abcdef
"""


@pytest.mark.parametrize(
    ("played", "words"),
    [
        pytest.param(SHIM, "podman-docker", id="podman"),
        pytest.param(SNAP, "snap remove docker", id="snap"),
        pytest.param(ENGINE_2016, "docker-engine", id="docker-engine"),
        pytest.param(STOPPED, "of a former one: move it away", id="data-of-a-former-engine"),
    ],
)
def test_refused_with_the_way_out(new: NewHost, played: str, words: str) -> None:
    new.host.run(played)
    ran = new.operator().oakum("bootstrap", "--yes")
    assert ran.code in (3, 4), heard(ran)
    assert words in ran.host()["error"], heard(ran)
    assert new.host.run("ls /var/lib/oakum", check=False).stdout == ""


def test_unpacked_only_is_finished_and_one_with_data_left_alone(new: NewHost) -> None:
    """What dpkg was killed on leaves a package that nothing it needs is there for."""
    new.host.run(
        "cd /tmp && apt-get -q update && apt-get -q download docker.io && "
        "dpkg --force-depends --unpack docker.io_*.deb",
        timeout=180,
    )
    me = new.operator()
    new.done(me.oakum("bootstrap", "--yes"))

    new.over()
    assert me.oakum("rollback", "--all", "--yes").code == 0
    new.host.import_image()
    new.host.run("systemctl stop docker.socket docker.service; rm -f /var/witness")
    ran = me.oakum("bootstrap", "--yes")
    assert ran.code in (3, 4), heard(ran)
    assert "holds data of overlay2: start it yourself" in ran.host()["error"]
    assert new.host.run("pgrep -x dockerd", check=False).stdout == ""


# Without systemd ---------------------------------------------------------------------------------

MENDED = """
cd /tmp && apt-get -q update && apt-get -q download docker.io && dpkg-deb -x docker.io_*.deb x
sed 's/^\\([[:space:]]*\\)ulimit /\\1: &/' x/etc/init.d/docker >/etc/init.d/docker
chmod 755 /etc/init.d/docker
rm -rf x
"""


def test_without_systemd(lab: Lab, tmp_path: Path) -> None:
    """policy-rc.d keeps the package's own start away. Played: the init, and a start script without
    the limits that a host of the lab may not grant, which the package leaves as it is."""
    host = lab.host(flavour="bare-sysv")
    try:
        host.write("/etc/oakum-lab-host", "")
        host.run(MENDED, timeout=180)
        # What limits a dockerd may grant that no systemd starts is known once it runs: by an apply.
        skip = [*NEVER_MET, "default-ulimits"]
        me = Operator(tmp_path, [host], **STRICT, oakum_skip=skip)
        with Watcher(host) as watcher:
            ran = killed(me, "installed")
            assert ran.code == 4, heard(ran)
            settled = "until ! ls /var/lib/oakum/txn/*/transaction.sh; do sleep 0.2; done"
            host.run(f"timeout 60 sh -c '{settled}' >/dev/null 2>&1", timeout=70)
            tried = host.run("invoke-rc.d docker start; ls /etc/rc2.d", check=False)
            assert "policy-rc.d denied" in tried.stderr
            assert "K01docker" in tried.stdout
            assert watcher.seen == set()
            ran = me.oakum("bootstrap", "--yes")
            assert (ran.code, ran.host()["outcome"]) == (0, "applied"), heard(ran)
        assert watcher.seen
        assert not watcher.bare
        assert "name=userns" in host.docker("info", "--format={{.SecurityOptions}}")
        left = f"ls /usr/sbin/policy-rc.d {HELD} /var/lib/oakum/installed 2>/dev/null; true"
        assert host.run(left).stdout == ""
        assert "S01docker" in host.run("ls /etc/rc2.d").stdout
    finally:
        host.remove()
