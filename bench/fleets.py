"""What runs on fleets of the simulator cost: oakum, plain ssh, pyinfra, Ansible and Mitogen.

Every figure is a Cost of one command on one fleet. Commands that are compared run in turn in the
same round, on hosts of the same make, and medians of rounds are taken: a ratio of two medians is
all that a shared machine lets one say.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.simulated import Simulator

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).parent
VENV = ROOT / "build" / "bench-venv"
PINNED = ("ansible-core==2.19.14", "mitogen==0.3.54")

PARALLEL = 40
"""Hosts at once, of oakum, pyinfra and plain ssh; Ansible has its 50 forks."""

KEX = "curve25519-sha256"
"""What paramiko negotiates; for all that is OpenSSH, or its default would cost it 75 ms a host."""

POLICY = {"oakum_time_limits": {"answer": 30, "watch": 0}, "oakum_seccomp": "tight"}
"""A tight seccomp profile, so that a file is written beside daemon.json, and no wait at the end:
25 s in which a host is only looked at would be all that a first run shows."""

FAR, FARTHER = 0.2, 1.0
"""Seconds of a round trip to a far host, and to one that is only there to count round trips: so
slow that neither the machine's load nor a timer that waits anyhow can be taken for one."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a command took: seconds, CPU seconds of its process tree, MB of its largest
    process, and per host the connections, execs and sftp channels that sshd counted."""

    wall: float
    cpu: float
    rss: float
    counts: tuple[float, float, float]


@dataclass
class Figures:
    """Costs by what was run, in the order in which it was run."""

    runs: dict[str, list[Cost]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, cost: Cost) -> None:
        self.runs.setdefault(what, []).append(cost)
        counts = "/".join(f"{count:.3g}" for count in cost.counts)
        hosts = f"  RSS {cost.rss:4.0f} MB  {counts}" if cost.rss else ""
        print(f"  {what:38} wall {cost.wall:7.2f} s  CPU {cost.cpu:6.2f} s{hosts}", flush=True)

    def median(self, what: str, of: str) -> float | None:
        """Of ``wall``, ``cpu`` or ``rss``; None where it was not run."""
        found = [getattr(cost, of) for cost in self.runs.get(what, ())]
        return statistics.median(found) if found else None

    def least(self, what: str, of: str) -> float | None:
        found = [getattr(cost, of) for cost in self.runs.get(what, ())]
        return min(found, default=None)

    def counts(self, what: str) -> tuple[float, ...] | None:
        """The counts of the run that had the most execs."""
        found = [cost.counts for cost in self.runs.get(what, ())]
        return max(found, key=lambda counts: counts[1], default=None)


def cost(
    fleet: Simulator,
    argv: Sequence[str],
    *,
    codes: Sequence[int] = (0,),
    env: Mapping[str, str] | None = None,
) -> Cost:
    """Run a command on a fleet.

    Raises:
        RuntimeError: it ended with a code that is none of ``codes``.
    """
    before = fleet.log()
    with tempfile.TemporaryDirectory() as folder:
        result, output = Path(folder, "result"), Path(folder, "output")
        with output.open("wb") as out:
            subprocess.run(
                [sys.executable, str(HERE / "measured.py"), str(result), *argv],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                check=True,
            )
        told = json.loads(result.read_text())
        if told["code"] not in codes:
            said = output.read_text("utf-8", "replace")[-3000:]
            raise RuntimeError(f"{argv[:5]} ended with {told['code']}:\n{said}")
    pairs = list(zip(before, fleet.log(), strict=True))
    counts = [
        sum(getattr(now, kind) - getattr(then, kind) for then, now in pairs) / len(pairs)
        for kind in ("connections", "execs", "sftp")
    ]
    return Cost(told["wall"], told["cpu"], told["rss"], (counts[0], counts[1], counts[2]))


# What is run --------------------------------------------------------------------------------------


def oakum(fleet: Simulator, command: str, codes: Sequence[int] = (0,), before: str = "") -> Cost:
    """``oakum COMMAND``, perhaps after something that a shell does, such as ``ulimit``."""
    words = shlex.join([sys.executable, "-m", "oakum", *command.split(), str(fleet.inventory)])
    words = f"{words} --parallel {PARALLEL}"
    return cost(fleet, ["sh", "-c", f"{before}exec {words}"], codes=codes)


def ssh_options(fleet: Simulator) -> list[str]:
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "KexAlgorithms": KEX,
        "LogLevel": "ERROR",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(fleet.known_hosts),
    }
    return [f"-o{name}={value}" for name, value in options.items()]


def plain_ssh(fleet: Simulator) -> Cost:
    """The anchor B: one ssh process for each host runs oakum's probe and nothing else."""
    addresses = fleet.folder / "addresses"
    addresses.write_text("".join(f"{address}\n" for address in fleet.addresses))
    ssh = ["ssh", "-F", "none", "-i", str(fleet.key), "-p", str(fleet.port), *ssh_options(fleet)]
    probe = (ROOT / "oakum" / "host" / "probe.sh").read_text("utf-8")
    many = ["xargs", "-a", str(addresses), "-P", str(PARALLEL), "-I%HOST%"]
    return cost(fleet, [*many, *ssh, "root@%HOST%", probe])


def pyinfra(fleet: Simulator) -> Cost:
    deploy = HERE / "pyinfra_baseline" / "deploy.py"
    program = Path(sys.executable).parent / "pyinfra"
    words = [str(fleet.inventory), str(deploy), "-y", "--parallel", str(PARALLEL)]
    return cost(fleet, [str(program), *words])


def ansible(fleet: Simulator, *, mitogen: bool = False) -> Cost:
    hosts = {
        name: {
            "ansible_host": address,
            "ansible_port": fleet.port,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(fleet.key),
            "ansible_ssh_common_args": shlex.join(["-F", "none", *ssh_options(fleet)]),
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        for name, address in zip(fleet.names, fleet.addresses, strict=True)
    }
    inventory = fleet.folder / "ansible.yml"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    env = {
        "ANSIBLE_CONFIG": str(HERE / "ansible" / "ansible.cfg"),
        "ANSIBLE_HOME": str(fleet.folder / "ansible"),
        "LC_ALL": "C.UTF-8",
    }
    if mitogen:
        (found,) = VENV.glob("lib/python*/site-packages/ansible_mitogen/plugins/strategy")
        env |= {"ANSIBLE_STRATEGY_PLUGINS": str(found), "ANSIBLE_STRATEGY": "mitogen_linear"}
    playbook = HERE / "ansible" / "harden.yml"
    words = ["-i", str(inventory), "-e", f"job={HERE / 'job'}", str(playbook)]
    return cost(fleet, [str(VENV / "bin" / "ansible-playbook"), *words], env=env)


def install_ansible() -> None:
    """Into an environment of its own, which git ignores."""
    if not (VENV / "bin" / "ansible-playbook").exists():
        print("installing Ansible and Mitogen in build/bench-venv …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        pip = [str(VENV / "bin" / "pip"), "-q", "install", *PINNED]
        subprocess.run(pip, check=True)


# What is measured ---------------------------------------------------------------------------------


def job(figures: Figures, hosts: int, rounds: int) -> None:
    """First run and no-op of oakum and of ordinary pyinfra, beside B."""
    for _ in range(rounds):
        with Simulator(hosts, data=POLICY) as ours, Simulator(hosts) as theirs:
            figures.add("oakum first run", oakum(ours, "apply --yes"))
            figures.add("pyinfra first run", pyinfra(theirs))
            figures.add("B", plain_ssh(ours))
            figures.add("oakum no-op", oakum(ours, "apply --yes"))
            figures.add("pyinfra no-op", pyinfra(theirs))


def ansibles(figures: Figures, hosts: int) -> None:
    """Ansible and Mitogen, once; oakum and B on as many hosts, between them."""
    install_ansible()
    with ExitStack() as stack:
        one, two = (stack.enter_context(Simulator(hosts)) for _ in range(2))
        ours = stack.enter_context(Simulator(hosts, data=POLICY))
        for run in ("first run", "no-op"):
            figures.add(f"mitogen {run}", ansible(two, mitogen=True))
            figures.add(f"oakum {run}, beside Ansible", oakum(ours, "apply --yes"))
            figures.add("B, beside Ansible", plain_ssh(ours))
            figures.add(f"Ansible {run}", ansible(one))
            figures.add(f"oakum no-op again, after the {run}", oakum(ours, "apply --yes"))


def latency(figures: Figures, rounds: int) -> None:
    """One host, ever farther away; round trips are the slope between the two farthest."""
    for _ in range(rounds):
        for where, rtt in (("near", 0.0), ("far", FAR), ("farther", FARTHER)):
            with Simulator(1, rtt=rtt, data=POLICY) as ours, Simulator(1, rtt=rtt) as theirs:
                figures.add(f"oakum first run, one host, {where}", oakum(ours, "apply --yes"))
                figures.add(f"oakum no-op, one host, {where}", oakum(ours, "apply --yes"))
                figures.add(f"B, one host, {where}", plain_ssh(ours))
                if rtt == FARTHER:  # the other would take minutes
                    continue
                figures.add(f"pyinfra first run, one host, {where}", pyinfra(theirs))
                figures.add(f"pyinfra no-op, one host, {where}", pyinfra(theirs))


def growth(figures: Figures, hosts: int, rounds: int) -> None:
    """Plans of 1, 100 and ``hosts`` hosts; the most of them with 256 open files, and once."""
    with Simulator(1) as one, Simulator(100) as hundred, Simulator(hosts) as thousand:
        for _ in range(rounds):
            figures.add("plan, 1 host", oakum(one, "plan", (1,)))
            figures.add("plan, 100 hosts", oakum(hundred, "plan", (1,)))
        few = "ulimit -n 256; "
        figures.add(f"plan, {hosts} hosts, ulimit -n 256", oakum(thousand, "plan", (1,), few))
        figures.add(f"B, {hosts} hosts", plain_ssh(thousand))


def strangers(count: int, *, hashed: bool) -> Iterator[str]:
    """Lines of known_hosts that are about hosts of somebody else."""
    for number in range(count):
        kind = b"ssh-ed25519"
        blob = b"".join(len(x).to_bytes(4, "big") + x for x in (kind, secrets.token_bytes(32)))
        name = f"host-{number}.example.net"
        if hashed:
            salt = secrets.token_bytes(20)
            digest = hmac.digest(salt, name.encode(), hashlib.sha1)
            name = "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))
        yield f"{name} ssh-ed25519 {base64.b64encode(blob).decode()}\n"


def known_hosts(figures: Figures, hosts: int, rounds: int) -> None:
    """What unrelated lines in known_hosts cost a plan."""
    with Simulator(hosts) as fleet:
        known = fleet.known_hosts.read_text()
        others = {
            "none": "",
            "10000 plain": "".join(strangers(10_000, hashed=False)),
            "1000 hashed": "".join(strangers(1_000, hashed=True)),
        }
        for _ in range(rounds):
            for what, lines in others.items():
                fleet.known_hosts.write_text(lines + known)
                figures.add(f"plan, unrelated keys: {what}", oakum(fleet, "plan", (1,)))
