"""A host that bootstraps itself: by the script alone, and by cloud-init at a real boot."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from .conftest import Team
from .desk import GRANTABLE, Operator, run
from .guest import DAEMON_JSON
from .hosts import LabHost

HOOK = "/var/lib/cloud/scripts/per-boot/oakum"
LOG = "/var/log/cloud-init-output.log"
SEED = "/var/lib/cloud/seed/nocloud"
STRICT = {"oakum_profile": "strict", "oakum_userns_remap": "enforce"}

STARTED = re.compile(r"^([0-9.]+) \S+ dockerd\[(\d+)\]: .*Starting up", re.MULTILINE)
REMAPPED = re.compile(r"^([0-9.]+) \S+ dockerd\[(\d+)\]: .*User namespaces: ID", re.MULTILINE)

# Of all that cloud-init does to a host only what is looked at, or it would give the lab's another
# name, other keys and a locale that they do not have.
MODULES = """
datasource_list: [NoCloud, None]
network: {config: disabled}
cloud_init_modules: [write-files]
cloud_config_modules: []
cloud_final_modules: [scripts-per-boot, scripts-user]
"""


def user_data(me: Operator, host: LabHost, folder: Path, *args: str) -> bytes:
    path = folder / "user-data"
    argv = [sys.executable, "-m", "oakum", "cloud-init", str(me.inventory), host.name]
    done = run([*argv, "-o", str(path), *args])
    assert done.code == 0, done.err
    return path.read_bytes()


def ledger(host: LabHost) -> list[str]:
    """The third word of each line, such as ``begin``."""
    lines = host.run("cat /var/lib/oakum/ledger 2>/dev/null", check=False).stdout.splitlines()
    return [line.split()[2] for line in lines]


def await_file(host: LabHost, path: str) -> None:
    host.run(f"timeout 300 sh -c 'until [ -e {path} ]; do sleep 0.1; done'", timeout=310)


def kept_back(host: LabHost) -> None:
    """Docker is there and does not start, whoever wants it."""
    host.run(f"test ! -e {DAEMON_JSON} && systemctl start docker")
    assert host.run("pgrep dockerd", check=False).stdout == ""


def hardened(host: LabHost, me: Operator, held: Sequence[str] = ()) -> None:
    """Docker runs, never ran otherwise, and nothing is left to do but what is held."""
    written = json.loads(host.read(DAEMON_JSON))
    assert written["userns-remap"] == "default"
    assert "name=userns" in host.docker("info", "--format={{json .SecurityOptions}}")
    # Every dockerd there ever was, and that its configuration lay there before it.
    journal = host.run("journalctl -u docker -o short-unix --no-pager").stdout
    starts = {pid: float(at) for at, pid in STARTED.findall(journal)}
    remapped = {pid for _, pid in REMAPPED.findall(journal)}
    changed = float(host.run(f"stat -c %Y {DAEMON_JSON}").stdout)
    assert starts
    assert starts.keys() == remapped
    assert max(starts.values()) >= changed
    ranges = host.run("cat /etc/subuid").stdout.splitlines()
    spans = sorted((int(line.split(":")[1]), int(line.split(":")[2])) for line in ranges)
    assert any(line.startswith("dockremap:") for line in ranges)
    assert all(start + size <= after for (start, size), (after, _) in pairwise(spans))
    seen = me.plan()
    assert seen.code == (1 if held else 0), seen.out + seen.err
    rows = seen.host()["findings"]
    assert [row["control"] for row in rows if row["status"] == "held"] == [*held]
    assert not seen.host()["changes"]


def test_the_script_alone(bare_host: LabHost, operator: Team, tmp_path: Path) -> None:
    """Refused where it must be, killed in the middle of both halves, and completed."""
    me = operator(bare_host, **STRICT)
    bare_host.write("/root/first", user_data(me, bare_host, tmp_path, "--shell"))
    bare_host.write("/etc/oakum-lab-host", "")
    bare_host.run("useradd -m somebody")

    def first_boot(crash: str = "") -> tuple[int, str]:
        done = bare_host.run(f"OAKUM_CRASH={crash} sh /root/first", check=False, timeout=600)
        return done.returncode, done.stdout + done.stderr

    bare_host.write(DAEMON_JSON, '{"debug": true}\n')
    code, said = first_boot()
    assert code == 1
    assert f"there is a {DAEMON_JSON}, which would be lost" in said
    assert bare_host.read(DAEMON_JSON) == b'{"debug": true}\n'
    assert bare_host.run("ls /var/lib/oakum /usr/bin/dockerd", check=False).stdout == ""
    bare_host.run(f"rm {DAEMON_JSON}")

    # A limit that this host cannot grant: dockerd would run, and no container start.
    me.set(oakum_default_ulimits={"nofile": {"soft": 10**6, "hard": 10**6}})
    bare_host.write("/root/greedy", user_data(me, bare_host, tmp_path, "--shell"))
    me.set(oakum_default_ulimits=GRANTABLE)

    # It is killed itself while its transaction goes on; the next one waits for that.
    begun = (
        "OAKUM_CRASH=installing:pause setsid sh /root/first >/root/said 2>&1 & echo $! >/root/pid"
    )
    bare_host.run(begun)
    await_file(bare_host, "/run/oakum-point")
    bare_host.run("kill -9 -$(cat /root/pid) && rm /run/oakum-point")
    code, said = first_boot("started:kill")
    assert code == 2, said
    assert "verdict confirmed" in said
    assert "verdict rolled-back" in said
    assert ledger(bare_host).count("begin") == 2
    kept_back(bare_host)

    greedy = bare_host.run("sh /root/greedy", check=False, timeout=600)
    assert greedy.returncode == 2, greedy.stdout + greedy.stderr
    assert "no container starts any more" in greedy.stderr
    kept_back(bare_host)

    code, said = first_boot()
    assert code == 0, said
    assert "done: Docker runs here" in said
    assert ledger(bare_host).count("begin") == 4
    hardened(bare_host, me)

    before = bare_host.run("cat /var/lib/oakum/ledger").stdout
    code, said = first_boot()
    assert code == 0
    assert said == "oakum: nothing to do: Docker was hardened here before its first start\n"
    assert bare_host.run("cat /var/lib/oakum/ledger").stdout == before

    told = me.oakum("history").host()["transactions"]
    assert {(row["command"], row["by"]) for row in told} == {("bootstrap", "cloud-init")}
    assert [row["outcome"] for row in told] == ["confirmed", *["rolled-back"] * 2, "confirmed"]
    back = me.oakum("rollback", "--yes")
    assert back.code == 0, back.out + back.err
    assert bare_host.run(f"test -e {DAEMON_JSON}", check=False).returncode == 1
    code, said = first_boot()
    assert code == 1
    assert "Docker runs here already; oakum apply hardens it" in said


def test_flags_that_came_with_the_package_stay(
    bare_host: LabHost, operator: Team, tmp_path: Path
) -> None:
    """As Amazon Linux gives them: the key of such a flag beside it would stop dockerd."""
    me = operator(bare_host, **STRICT)
    bare_host.write("/root/first", user_data(me, bare_host, tmp_path, "--shell"))
    bare_host.write("/etc/default/docker", 'DOCKER_OPTS="--default-ulimit nofile=1024:4096"\n')
    said = bare_host.run("sh /root/first", timeout=600).stdout
    assert "done: Docker runs here, hardened before its first start" in said
    assert "default-ulimits" not in json.loads(bare_host.read(DAEMON_JSON))
    command_line = bare_host.run("tr '\\0' ' ' </proc/$(pgrep -o dockerd)/cmdline").stdout
    assert "--default-ulimit nofile=1024:4096" in command_line
    hardened(bare_host, me, held=["default-ulimits"])


def test_by_cloud_init_with_a_power_cut(bare_host: LabHost, operator: Team, tmp_path: Path) -> None:
    me = operator(bare_host, **STRICT)
    bare_host.run("apt-get -q update", timeout=300)
    apt_get = "DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends"
    bare_host.run(f"{apt_get} install cloud-init", timeout=300)
    data = user_data(me, bare_host, tmp_path)
    schema = "cloud-init schema --config-file /root/user-data"
    bare_host.write("/root/user-data", data.replace(b"  permissions:", b"  permission:"))
    refused = bare_host.run(schema, check=False)
    assert refused.returncode == 1, "without jsonschema everything is valid"
    assert "'permission' was unexpected" in refused.stdout + refused.stderr
    bare_host.write("/root/user-data", data)
    assert "Valid" in bare_host.run(schema).stdout
    bare_host.write(f"{SEED}/user-data", user_data(me, bare_host, tmp_path, "--gzip"))
    bare_host.write(f"{SEED}/meta-data", "instance-id: lab-1\n")
    bare_host.write("/etc/cloud/cloud.cfg.d/99-lab.cfg", MODULES)
    bare_host.write(DAEMON_JSON, "{}\n")

    def status() -> str:
        told = bare_host.run("timeout 300 cloud-init status --wait", check=False, timeout=310)
        return told.stdout.split()[-1]

    bare_host.stop()
    bare_host.start(wait=False)
    assert status() == "error", "of a first boot that was refused"
    assert "which would be lost" in bare_host.run(f"cat {LOG}").stdout
    assert bare_host.run("command -v dockerd", check=False).stdout == ""

    bare_host.run(f"rm {DAEMON_JSON}")
    bare_host.stop()
    bare_host.start(wait=False)
    await_file(bare_host, "/var/lib/oakum/held")
    bare_host.stop()
    bare_host.start(wait=False)
    bare_host.run(f"timeout 300 sh -c 'while [ -e {HOOK} ]; do sleep 0.2; done'", timeout=310)
    assert status() == "done"
    assert "oakum: done: Docker runs here" in bare_host.run(f"cat {LOG}").stdout
    assert "rolled-back" in ledger(bare_host)
    hardened(bare_host, me)
