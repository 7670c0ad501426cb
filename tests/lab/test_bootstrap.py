"""A new host gets a Docker whose first dockerd, ever, is a hardened one: by real apt, over SSH.

One host serves all cases: what is installed goes again between them, and its packages stay in
apt's cache. Every start of Docker's unit is witnessed there by a drop-in that notes under which
daemon.json it happens; beside it a watcher outside looks for a dockerd that is no unit's.

In CI a choice of the faults; OAKUM_LAB_BOOTSTRAP=all for all of them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# MIRROR
from .desk import Operator, Ran
from .faults import heard
from .guest import DAEMON_JSON
from .hosts import Lab, LabHost

ALL = os.environ.get("OAKUM_LAB_BOOTSTRAP") == "all"
rare = pytest.mark.skipif(not ALL, reason="OAKUM_LAB_BOOTSTRAP=all runs it")

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
umount -l /var/lib/oakum /var/cache/apt/archives /usr/sbin
dpkg --configure -a --force-depends
apt-mark unhold docker.io docker-ce docker-ce-cli containerd.io
dpkg --purge --force-all docker.io docker-ce docker-ce-cli containerd.io containerd runc docker-engine
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
                    if "--validate" in words or "--version" in words or "oakum-" in words:
                        continue
                    if _namespaces(process) != mine:
                        continue
                    file = root / DAEMON_JSON.lstrip("/")
                    hardened = file.exists() and "live-restore" in file.read_text()
                except OSError:  # it has ended meanwhile
                    continue
                self.seen.add(words)
                if not hardened:
                    self.bare.add(words)


def _namespaces(process: Path) -> tuple[str, ...]:
    return tuple(os.readlink(process / "ns" / name) for name in ("mnt", "pid"))


class NewHost:
    """The one host, as it is before each case: no Docker, no trace of oakum."""

    def __init__(self, host: LabHost, folder: Path) -> None:
        self.host, self.folder = host, folder

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
    yield NewHost(host, tmp_path_factory.mktemp("desk"))
    host.remove()


@pytest.fixture
def new(one_host: NewHost) -> Iterator[NewHost]:
    """A new host; at the end no dockerd ran there that was not hardened."""
    one_host.clean()
    with Watcher(one_host.host) as watcher:
        yield one_host
    assert not watcher.bare
    assert "bare" not in one_host.starts()


# The road ----------------------------------------------------------------------------------------


def test_first_dockerd_is_hardened_and_the_second_run_idle(one_host: NewHost) -> None:
    """Without the witness: on a host as it comes, by its journal alone."""
    host = one_host.host
    me = one_host.operator()
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

ARRIVING = ("begun", "swapped", "hold", "installing", "installed", "confirm")
STARTING = (
    *("shadowed", "swapped", "released", "started", "read-back", "probed-after", "watched"),
    *("confirm", "undo"),
)


def killed(me: Operator, point: str) -> Ran:
    me.crash(f"{point}:kill")
    ran = me.oakum("bootstrap", "--yes")
    me.crash(None)
    return ran


def test_killed_at_every_point(new: NewHost) -> None:
    """Each run is killed further on; so each has to finish what the former one left."""
    me = new.operator()
    for point in ARRIVING:
        ran = killed(me, point)
        assert ran.code == 4, f"{point}: {heard(ran)}"
        assert "ended" in ran.host()["error"], f"{point}: {heard(ran)}"
        new.kept()
    assert "hardened" not in new.starts()
    for point in STARTING:
        if point == "undo":
            me.set(oakum_authorization_plugins=["nobody"], oakum_preflight="available")
        ran = killed(me, point)
        me.set(oakum_authorization_plugins=[])
        assert ran.code == 4, f"{point}: {heard(ran)}"
        new.kept()
    new.done(me.oakum("bootstrap", "--yes"))


UNPACKING = """
for _ in $(seq 100000); do
    [ ! -e /usr/sbin/dockerd.dpkg-new ] || break
done
ls /usr/sbin/dockerd.dpkg-new && systemctl kill --signal=KILL 'oakum-2*.service'
"""


def test_killed_while_dpkg_unpacks(new: NewHost) -> None:
    me = new.operator()
    struck: list[str] = []
    blow = threading.Thread(
        target=lambda: struck.append(new.host.run(UNPACKING, check=False, timeout=120).stdout)
    )
    blow.start()
    ran = me.oakum("bootstrap", "--yes")
    blow.join()
    assert struck and "dpkg-new" in struck[0]
    assert ran.code == 4, heard(ran)
    new.kept()
    new.done(me.oakum("bootstrap", "--yes"))


@pytest.mark.parametrize("point", ["installing", "installed", "released", "started"])
def test_power_cut(new: NewHost, point: str) -> None:
    me = new.operator()
    me.crash(f"{point}:pause")
    from .desk import warm

    running = warm().start("bootstrap", str(me.inventory), "--format", "json", "--yes")
    try:
        new.host.run("timeout 100 sh -c 'until [ -e /run/oakum-point ]; do sleep 0.1; done'", timeout=110)
        new.host.stop()
        new.host.start()
    finally:
        ran = running.wait()
    me.crash(None)
    assert ran.code == 4, heard(ran)
    new.kept()
    with Watcher(new.host) as watcher:
        new.done(me.oakum("bootstrap", "--yes"))
    assert not watcher.bare


def test_refused_before_its_first_start(new: NewHost) -> None:
    me = new.operator(oakum_authorization_plugins=["nobody"])
    ran = me.oakum("bootstrap", "--yes")
    assert ran.code == 4, heard(ran)
    assert "nobody" in ran.host()["error"]
    new.kept()
    me.set(oakum_authorization_plugins=[])
    new.done(me.oakum("bootstrap", "--yes"))
    assert new.starts() == ["hardened"]
