"""A busy host that many faults happen to, one after the other, and what must be true after each."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .desk import Operator, Ran
from .guest import BUSY_DAEMON_JSON, DAEMON_JSON, IMAGE
from .hosts import HARD_NOFILE, LabHost
from .warm import Running, Warm

LIMITS = {"answer": 20, "watch": 1, "shadow": 10}
POINT = "/run/oakum-point"
LEDGER = "/var/lib/oakum/ledger"
OLD = BUSY_DAEMON_JSON.encode()
EDIT = f"sed -i s/rack=12/rack=13/ {DAEMON_JSON}"
VERDICTS = ("confirmed", "rolled-back", "refused", "broken")

# The lab's engine writes /etc/hosts anew when a host boots; small disks are put over two folders.
# What a host has that an unfinished or untidy transaction would add to or take from; each line is
# compared with what the same host said before its first transaction. Sent on standard input: in a
# command line it would find itself.
PICTURE = r"""
export LC_ALL=C
say() { echo "== $1"; }
say files
find /etc /etc/docker -xdev ! -path /etc/docker/daemon.json -printf '%p %y %m %U:%G %l\n' | sort -u
say contents
find /etc /etc/docker -xdev -type f ! -path /etc/docker/daemon.json ! -path /etc/hosts \
    -exec sha256sum {} + | sort -u
say strays
find / /run /tmp /dev/shm /var/lib/docker -xdev -path /var/lib/oakum -prune -o \
    -name '*oakum*' -print | sort
say temporary
ls -A /tmp /var/tmp /root
say units
systemctl list-units --all --plain --no-legend 'oakum*'
systemctl list-timers --all --no-legend 'oakum*'
systemctl list-unit-files --no-legend 'oakum*'
systemctl list-units --failed --plain --no-legend
say mounts
cut -d ' ' -f 2 /proc/mounts |
    grep -v -e '^/var/lib/docker/overlay2/' -e '^/var/lib/docker/containers/' \
        -e '^/run/docker/netns/' -e '^/run/credentials/' -e '^/var/lib/oakum$' -e '^/etc/docker$' |
    sort
say links
ls /sys/class/net | grep -v '^veth'
say processes
pgrep -x dockerd | wc -l
pgrep -x containerd | wc -l
ps -eo args | grep '[o]akum'
exit 0
"""

# The state that a case is about: one line of JSON would need a JSON tool on the host.
NOW = r"""
say() { echo "== $1"; }
say file
base64 -w 0 /etc/docker/daemon.json; echo
stat -c '%a %u:%g' /etc/docker/daemon.json
say limit
timeout 20 docker run --rm --network none IMAGE sh -c 'ulimit -n'
say proxies
pgrep -x docker-proxy | wc -l
say page
timeout 5 busybox wget -q -O - http://127.0.0.1:8080/index.html
say namespaces
for kind in net pid; do readlink /proc/[0-9]*/ns/$kind | sort -u | wc -l; done
say ledger
cat /var/lib/oakum/ledger
say open
ls /var/lib/oakum/txn/*/manifest /var/lib/oakum/txn/*/transaction.sh 2>/dev/null
say foreign
grep -rl rack=13 /var/lib/oakum/txn
""".replace("IMAGE", IMAGE)

# Everything as it was at first. Containers stay where that can be had: under live-restore until the
# former file is in force, and it goes off by a reload.
RESET = r"""
set -e
for full in /var/lib/oakum /etc/docker; do
    ! mountpoint -q $full || umount $full
done
rm -rf /var/lib/oakum /run/oakum-point
systemctl reset-failed docker.service docker.socket
cd /etc/docker
cat >/run/old.json <<'X'
OLD
X
live_restore() { docker info --format '{{.LiveRestoreEnabled}}'; }
if ! cmp -s /run/old.json daemon.json || [ "$(live_restore)" = true ]; then
    sed '1s/{/{"live-restore": true,/' /run/old.json >daemon.json
    systemctl restart docker.service
    sed '1s/{/{"live-restore": false,/' /run/old.json >daemon.json
    kill -HUP "$(cat /run/docker.pid)"
    until [ "$(live_restore)" = false ]; do sleep 0.1; done
    cat /run/old.json >daemon.json
fi
rm /run/old.json
docker start web db cron >/dev/null
docker inspect --format '{{.Name}} {{.State.Pid}}' web db cron
""".replace("OLD\n", BUSY_DAEMON_JSON)

# Nobody works on the host any more: no unit of ours, nothing locked, no transaction open.
SETTLED = r"""
end=$(($(cut -d . -f 1 /proc/uptime) + SECONDS_GIVEN))
while :; do
    busy=
    for lock in /var/lib/oakum/lock; do
        [ ! -e "$lock" ] || flock -n "$lock" true || busy="$busy locked by $(cat "$lock");"
    done
    for left in /var/lib/oakum/txn/*/manifest; do
        [ ! -e "$left" ] || busy="$busy $left without a verdict;"
    done
    units=$(systemctl list-units --all --plain --no-legend 'oakum*')
    [ -z "$units" ] || busy="$busy $units;"
    [ -n "$busy" ] || exit 0
    [ "$(cut -d . -f 1 /proc/uptime)" -lt "$end" ] || { echo "$busy"; exit 1; }
    sleep 0.3
done
"""


def sections(text: str) -> dict[str, list[str]]:
    """``== name`` and the lines behind it."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("== "):
            found[line[3:]] = []
        elif found:
            found[list(found)[-1]].append(line)
    return found


@dataclass
class Subject:
    """One busy host, its operator, and how both looked at first."""

    host: LabHost
    folder: Path
    data: Mapping[str, Any] = field(default_factory=dict)
    me: Operator = field(init=False)
    first: dict[str, list[str]] = field(init=False)
    pids: dict[str, int] = field(init=False)
    new: bytes = field(init=False)
    state: str = field(default="old", init=False)
    """Whose bytes daemon.json had when it was looked at: ``old`` or ``new``."""

    def __post_init__(self) -> None:
        self._alive = ExitStack()
        self._warm = self._alive.enter_context(Warm())
        self.folder.mkdir(parents=True)
        self.me = Operator(self.folder, [self.host], oakum_time_limits=LIMITS, **self.data)
        self.host.busy()
        self.host.write("/etc/oakum-lab-host", "")
        self.pids = self.host.running()
        self.first = sections(self.sh(PICTURE)) | self._kept()
        self.new = OLD
        done = self.oakum("apply", "--yes")
        self.new = self.host.read(DAEMON_JSON)
        problems = self.look()
        assert (done.code, problems) == (0, []), f"without any fault: {problems}\n{done}"

    def close(self) -> None:
        """Throw the host away."""
        self._alive.close()
        self.host.remove()

    # At the desk ---------------------------------------------------------------------------------

    def start(self, *words: str) -> Running:
        command, *rest = words
        return self._warm.start(command, str(self.me.inventory), "--format", "json", *rest)

    def oakum(self, *words: str) -> Ran:
        return self.start(*words).wait()

    # On the host ---------------------------------------------------------------------------------

    def sh(self, script: str, *, timeout: float = 60, check: bool = True) -> str:
        """What a script prints that comes on standard input."""
        return self.host.run("sh -s", stdin=script, timeout=timeout, check=check).stdout

    def at_point(self, running: Running, *, within: float = 90) -> None:
        """Until the transaction waits at its point."""
        point, end = self.host.from_outside(POINT), time.monotonic() + within
        while not point.exists():
            if running.ended(0.05) or time.monotonic() > end:
                raise AssertionError("the transaction never came to this point")

    def go_on(self) -> None:
        self.host.from_outside(POINT).unlink(missing_ok=True)

    def settled(self, seconds: int = 60) -> str:
        """Wait until nobody works on the host; what still does after that time, or nothing."""
        script = SETTLED.replace("SECONDS_GIVEN", str(seconds))
        return self.sh(script, timeout=seconds + 30, check=False).strip()

    def reset(self) -> None:
        """Everything as it was at first, with the same containers started anew if need be."""
        self.me.crash(None)
        self.me.set(oakum_time_limits=LIMITS)
        self.pids = pids_of(self.sh(RESET, timeout=120).splitlines())

    # What must be true ---------------------------------------------------------------------------

    def look(
        self, *, booted: bool = False, foreign: bool = False, unfinished: bool = False
    ) -> list[str]:
        """What is not as one of the two states has it, or is left over, in words.

        ``booted`` since the containers were counted. ``foreign``: somebody's EDIT was made while
        the host was changed, and must be there still. ``unfinished``: the transaction has no
        verdict yet, and files of its own are there.
        """
        live = self.host.dockerd("/info")["LiveRestoreEnabled"]
        pids = self.host.running()
        now = sections(self.sh(NOW + PICTURE, timeout=120)) | self._kept()
        content, mode = base64.b64decode(now["file"][0]), now["file"][1]
        edited = foreign and b"rack=13" in content
        plain = content.replace(b"rack=13", b"rack=12") if edited else content
        self.state = {OLD: "old", self.new: "new"}.get(plain, "?")
        found = []
        if self.state == "?":
            found.append(f"daemon.json is neither the old nor the new one: {content[:400]!r}")
        if foreign and not edited and not now["foreign"]:
            found.append("somebody's edit is lost")
        if mode != "644 0:0":
            found.append(f"daemon.json has mode and owner {mode}")
        found += self._not_obeyed(json.loads(content), now, live)
        found += self._stopped(now, pids, booted=booted)
        if unfinished:
            return found
        found += self._untrue(now["ledger"])
        found += [f"a transaction is over, and {path} is left" for path in now["open"]]
        return found + self._left_over(now)

    def _kept(self) -> dict[str, list[str]]:
        """What dockerd keeps, in the manner of PICTURE."""
        ask = self.host.dockerd
        return {
            "containers": sorted(one["Names"][0] for one in ask("/containers/json?all=1")),
            "images": sorted(one["Id"] for one in ask("/images/json?all=1")),
            "networks": sorted(one["Name"] for one in ask("/networks")),
            "volumes": sorted(one["Name"] for one in ask("/volumes")["Volumes"] or ()),
        }

    def _not_obeyed(
        self, wanted: Mapping[str, Any], now: Mapping[str, list[str]], live: bool
    ) -> list[str]:
        """What dockerd does otherwise than its file says."""
        found = []
        if live is not wanted.get("live-restore", False):
            found.append(f"LiveRestoreEnabled is {live}, the file says otherwise")
        limits = wanted.get("default-ulimits", {}).get("nofile", {"Soft": HARD_NOFILE})
        if now["limit"] != [str(limits["Soft"])]:
            found.append(f"a new container has nofile {now['limit']}, the file says {limits}")
        if (now["proxies"] == ["0"]) is not (wanted.get("userland-proxy") is False):
            found.append(f"{now['proxies']} docker-proxy run, the file says otherwise")
        return found

    def _stopped(
        self, now: Mapping[str, list[str]], pids: dict[str, int], *, booted: bool
    ) -> list[str]:
        """What does not run as it did; what runs now is what must run from now on."""
        before, self.pids = self.pids, pids
        found = []
        if booted:
            if sorted(self.pids) != ["cron", "web"]:
                found.append(f"after the boot there run {sorted(self.pids)}")
        elif self.pids != before:
            found.append(f"containers run as {self.pids}, before as {before}")
        if now["page"] != ["ahoy"]:
            found.append("the published port does not answer")
        # One of the host and one of each container; the engine itself makes none.
        spaces = [str(1 + len(self.pids))] * 2
        if now["namespaces"] != spaces:
            found.append(f"network and pid namespaces: {now['namespaces']}, not {spaces}")
        return found

    def _left_over(self, now: Mapping[str, list[str]]) -> list[str]:
        """What the host has more or less than at first."""
        found = []
        for name, before in self.first.items():
            found += [f"{name}: {line} is left" for line in now[name] if line not in before]
            found += [f"{name}: {line} is gone" for line in before if line not in now[name]]
        return found

    def _untrue(self, ledger: Sequence[str]) -> list[str]:
        """What the ledger says wrongly; nothing was in force when the host was put back."""
        rows = [line.split(" ") for line in ledger]
        begun = [row[1] for row in rows if row[2] == "begin"]
        verdicts = {row[1]: row[2] for row in rows if row[2] in VERDICTS}
        found = [f"the ledger has no verdict for {name}" for name in begun if name not in verdicts]
        if ("confirmed" in verdicts.values()) is not (self.state == "new"):
            found.append(f"the ledger says {verdicts or 'nothing'}, daemon.json is {self.state}")
        return found


def pids_of(lines: Sequence[str]) -> dict[str, int]:
    """``/NAME PID`` in each line."""
    rows = (line.split() for line in lines)
    return {name.lstrip("/"): int(pid) for name, pid in rows}
