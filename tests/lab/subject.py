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
from .hosts import LabHost
from .warm import Running, Warm

LIMITS = {"answer": 20, "watch": 1, "shadow": 10}
POINT = "/run/oakum-point"
LEDGER = "/var/lib/oakum/ledger"
OLD = BUSY_DAEMON_JSON.encode()
EDIT = f"sed -i s/rack=12/rack=13/ {DAEMON_JSON}"
VERDICTS = ("confirmed", "rolled-back", "refused", "broken")

# What a host has that an unfinished or untidy transaction would add to or take from; each line is
# compared with what the same host said before its first transaction. Sent on standard input: in a
# command line it would find itself.
PICTURE = r"""
export LC_ALL=C
say() { echo "== $1"; }
say files
find /etc -xdev ! -path /etc/docker/daemon.json -printf '%p %y %m %U:%G %l\n' | sort
say contents
find /etc -xdev -type f ! -path /etc/docker/daemon.json -exec sha256sum {} + | sort
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
say containers
docker ps --all --format '{{.Names}}' | sort
say images
docker images --all --no-trunc --quiet | sort
say networks
docker network ls --format '{{.Name}}' | sort
say volumes
docker volume ls --quiet | sort
say mounts
cut -d ' ' -f 2 /proc/mounts |
    grep -v -e '^/var/lib/docker/overlay2/' -e '^/var/lib/docker/containers/' \
        -e '^/run/docker/netns/' -e '^/run/credentials/' -e '^/var/lib/oakum$' | sort
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
say live-restore
timeout 10 docker info --format '{{.LiveRestoreEnabled}}'
say running
timeout 10 docker ps --format '{{.Names}}' | while read -r name; do
    docker inspect --format '{{.Name}} {{.State.Pid}}' "$name"
done
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
say transactions
ls /var/lib/oakum/txn/*/ 2>/dev/null
exit 0
""".replace("IMAGE", IMAGE)

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

    def __post_init__(self) -> None:
        self._alive = ExitStack()
        self._warm = self._alive.enter_context(Warm())
        self.folder.mkdir(parents=True)
        self.me = Operator(self.folder, [self.host], oakum_time_limits=LIMITS, **self.data)
        self.host.busy()
        self.host.write("/etc/oakum-lab-host", "")
        self.pids = self.host.running()
        self.first = self.picture()
        self.new = OLD
        done = self.oakum("apply", "--yes")
        self.new = self.host.read(DAEMON_JSON)
        problems = self.wrong() + self.untidy()
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

    def set(self, **data: Any) -> None:
        """Give the host this inventory data for what follows, beside what it has."""
        ((name, known),) = self.me.entries
        self.me.entries = [(name, {**known, **data})]
        self.me.write()

    def crash(self, at: str | None) -> None:
        """Let the next transactions stop at ``POINT:ACTION``; None lets them run."""
        self.set(_env={"OAKUM_CRASH": at} if at else {})

    # On the host ---------------------------------------------------------------------------------

    def sh(self, script: str, *, timeout: float = 60, check: bool = True) -> str:
        """What a script prints that comes on standard input."""
        return self.host.run("sh -s", stdin=script, timeout=timeout, check=check).stdout

    def picture(self) -> dict[str, list[str]]:
        return sections(self.sh(PICTURE))

    def at_point(self, running: Running, *, within: float = 90) -> None:
        """Until the transaction waits at its point."""
        wait = f"for _ in $(seq 40); do [ ! -e {POINT} ] || exit 0; sleep 0.05; done; exit 1"
        end = time.monotonic() + within
        while self.host.run(wait, check=False).returncode != 0:
            if running.ended() or time.monotonic() > end:
                raise AssertionError("the transaction never came to this point")

    def go_on(self) -> None:
        self.host.run(f"rm -f {POINT}")

    def settled(self, seconds: int = 60) -> str:
        """Wait until nobody works on the host; what still does after that time, or nothing."""
        script = SETTLED.replace("SECONDS_GIVEN", str(seconds))
        return self.sh(script, timeout=seconds + 30, check=False).strip()

    def state(self) -> str:
        """Whose bytes daemon.json has: ``old``, ``new``, or ``foreign``."""
        return {OLD: "old", self.new: "new"}.get(self.host.read(DAEMON_JSON), "foreign")

    def reset(self) -> None:
        """Everything as it was at first, with the same containers started anew if need be."""
        self.crash(None)
        self.set(oakum_time_limits=LIMITS)
        self.sh(
            f"""
            set -e
            ! mountpoint -q /var/lib/oakum || umount /var/lib/oakum
            rm -rf /var/lib/oakum {POINT}
            systemctl reset-failed docker.service docker.socket
            """
        )
        if self.host.read(DAEMON_JSON) != OLD:
            self.host.run("systemctl stop docker.socket docker.service")
            self.host.write(DAEMON_JSON, OLD)
            self.host.run("systemctl start docker.service && docker start web db cron >/dev/null")
        else:
            self.host.run("docker start web db cron >/dev/null")
        self.pids = self.host.running()

    # What must be true ---------------------------------------------------------------------------

    def untidy(self) -> list[str]:
        """What the host has more or less than at first."""
        now = self.picture()
        found = []
        for name, before in self.first.items():
            more = [line for line in now[name] if line not in before]
            less = [line for line in before if line not in now[name]]
            found += [f"{name}: {line} is left" for line in more]
            found += [f"{name}: {line} is gone" for line in less]
        return found

    def wrong(self, *, booted: bool = False, foreign: bool = False) -> list[str]:
        """What is not as one of the two states has it, in words.

        ``foreign`` is somebody's EDIT, made while the host was changed; it must be there still.
        """
        now = sections(self.sh(NOW, timeout=120))
        found = []
        content, mode = base64.b64decode(now["file"][0]), now["file"][1]
        if foreign and b"rack=13" not in content and not self._kept_foreign():
            found.append("somebody's edit is lost")
        if content.replace(b"rack=13", b"rack=12" if foreign else b"rack=13") not in (
            OLD,
            self.new,
        ):
            found.append(f"daemon.json is neither the old nor the new one: {content[:400]!r}")
        if mode != "644 0:0":
            found.append(f"daemon.json has mode and owner {mode}")
        wanted = json.loads(content)
        live = "true" if wanted.get("live-restore") else "false"
        if now["live-restore"] != [live]:
            found.append(f"LiveRestoreEnabled is {now['live-restore']}, the file says {live}")
        limits = wanted.get("default-ulimits", {}).get("nofile", {"Soft": 20000})
        if now["limit"] != [str(limits["Soft"])]:
            found.append(f"a new container has nofile {now['limit']}, the file says {limits}")
        if (now["proxies"] == ["0"]) is not (wanted.get("userland-proxy") is False):
            found.append(f"{now['proxies']} docker-proxy run, the file says otherwise")
        rows = (line.split() for line in now["running"])
        running = {name.lstrip("/"): int(pid) for name, pid in rows}
        if booted:
            if sorted(running) != ["cron", "web"]:
                found.append(f"after the boot there run {sorted(running)}")
        elif running != self.pids:
            found.append(f"containers run as {running}, before as {self.pids}")
        if now["page"] != ["ahoy"]:
            found.append("the published port does not answer")
        # One of the host and one of each container; the engine itself makes none.
        spaces = [str(1 + len(running))] * 2
        if now["namespaces"] != spaces:
            found.append(f"network and pid namespaces: {now['namespaces']}, not {spaces}")
        found += self._untrue(now["ledger"], content)
        kept = [line for line in now["transactions"] if line in ("manifest", "transaction.sh")]
        if kept:
            found.append(f"a transaction is over and still has {kept}")
        self.pids = running
        return found

    def _kept_foreign(self) -> bool:
        return bool(self.sh("grep -rl rack=13 /var/lib/oakum/txn", check=False))

    def _untrue(self, ledger: Sequence[str], content: bytes) -> list[str]:
        """What the ledger says wrongly."""
        rows = [line.split(" ") for line in ledger]
        begun = [row[1] for row in rows if row[2] == "begin"]
        verdicts = {row[1]: row[2] for row in rows if row[2] in VERDICTS}
        found = [f"the ledger has no verdict for {name}" for name in begun if name not in verdicts]
        confirmed = "confirmed" in verdicts.values()
        if content in (OLD, self.new) and confirmed is not (content == self.new):
            state = "new" if content == self.new else "old"
            found.append(f"the ledger says {verdicts or 'nothing'}, and daemon.json is the {state}")
        return found
