"""A swarm of two real nodes: tasks leave before a change, and the node is back afterwards.

One story, in the order of the file, since a swarm takes its time to begin.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .conftest import Team
from .desk import ROOT, Operator
from .guest import DAEMON_JSON, IMAGE
from .hosts import Lab, LabHost

MARK = "/var/lib/oakum/away"
SERVICE = ("--name=web", "--replicas=2", "--stop-grace-period=1s", IMAGE, "sleep", "inf")


@dataclass
class Swarm:
    """A manager, a worker, and a service with one task on each."""

    manager: LabHost
    worker: LabHost

    def node(self, host: LabHost) -> tuple[str, str]:
        """Its availability, and our label on it."""
        form = '{{.Spec.Availability}}|{{index .Spec.Labels "oakum.away"}}'
        shown = self.manager.docker("node", "inspect", f"--format={form}", host.name)
        availability, _, mark = shown.partition("|")
        return availability, mark

    def running(self) -> list[str]:
        """The nodes of the tasks that run, by the managers' word."""
        form = "--format={{.CurrentState}}|{{.Node}}"
        rows = self.manager.docker("service", "ps", form, "web").splitlines()
        return sorted(row.partition("|")[2] for row in rows if row.startswith("Running "))

    def settled(self) -> None:
        """Until both replicas run and both nodes are ready."""
        deadline = time.monotonic() + 60
        while len(self.running()) != 2 or self.manager.docker(
            "node", "ls", "--format={{.Status}}"
        ).split() != ["Ready", "Ready"]:
            assert time.monotonic() < deadline, self.manager.docker("service", "ps", "web")
            time.sleep(0.5)

    def is_back(self, host: LabHost) -> bool:
        """Active, without our label on the node, without our mark on the host."""
        marked = host.run(f"test -e {MARK}", check=False).returncode == 0
        return self.node(host) == ("active", "") and not marked


@pytest.fixture(scope="module")
def swarm(lab: Lab) -> Iterator[Swarm]:
    hosts = [lab.host(name=f"node-{number}", wait=False) for number in (1, 2)]
    for host in hosts:
        host.wait()
        host.import_image()
        host.write("/etc/oakum-lab-host", "")
    manager, worker = hosts
    manager.docker("swarm", "init", "--advertise-addr=eth0")
    token = manager.docker("swarm", "join-token", "--quiet", "worker")
    address = manager.docker("info", "--format={{.Swarm.NodeAddr}}")
    worker.docker("swarm", "join", f"--token={token}", f"{address}:2377")
    manager.docker("service", "create", "--quiet", "--no-resolve-image", *SERVICE)
    found = Swarm(manager, worker)
    found.settled()
    assert found.running() == ["node-1", "node-2"]
    yield found
    for host in hosts:
        host.remove()


@pytest.fixture
def me(swarm: Swarm, operator: Team) -> Operator:
    return operator(swarm.manager, swarm.worker, oakum_swarm="drain", oakum_swarm_limit=60)


@dataclass
class Watch:
    """What the manager says while something else goes on: (availability, nodes of the tasks)."""

    swarm: Swarm
    host: LabHost
    seen: list[tuple[str, list[str]]] = field(default_factory=list)

    def __enter__(self) -> Watch:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.5):
            now = (self.swarm.node(self.host)[0], self.swarm.running())
            if self.seen[-1:] != [now]:
                self.seen.append(now)


def only(host: LabHost) -> tuple[str, str]:
    return "--limit", host.name


def steps(row: dict[str, Any]) -> list[str]:
    return [f"{step['name']} {step['detail']}".strip() for step in row["steps"]]


def test_without_a_drain_a_busy_node_is_held(swarm: Swarm, operator: Team) -> None:
    row = operator(swarm.worker).plan().host()
    held = {one["control"]: one["reason"] for one in row["findings"] if one["status"] == "held"}
    assert held["userland-proxy"] == "would cost: outage; oakum_max_disruption is restart"
    assert row["changes"] == []


def test_with_it_the_plan_says_that_the_tasks_leave(swarm: Swarm, me: Operator) -> None:
    row = me.plan(*only(swarm.worker)).host()
    assert row["disruption"] == "restart"
    (hit,) = row["impact"]
    assert hit["container"].startswith("web.")
    assert (hit["effect"], hit["reason"]) == ("leaves", "its swarm's node is drained first")


def test_a_failing_before_leaves_host_and_node_untouched(swarm: Swarm, me: Operator) -> None:
    me.set(oakum_before=[{"where": "controller", "run": ["sh", "-c", "echo no pool; exit 1"]}])
    done = me.apply(*only(swarm.worker))
    assert (done.code, done.host()["outcome"]) == (4, "failed")
    assert done.host()["error"] == "left alone: before: sh: no pool"
    assert swarm.is_back(swarm.worker)
    assert swarm.running() == ["node-1", "node-2"]
    traces = f"ls -d {DAEMON_JSON} /var/lib/oakum"
    assert swarm.worker.run(traces, check=False).stdout == ""


def test_tasks_leave_and_the_service_keeps_its_replicas(swarm: Swarm, me: Operator) -> None:
    with Watch(swarm, swarm.worker) as watch:
        done = me.apply(*only(swarm.worker))
    assert (done.code, done.host()["outcome"]) == (0, "applied"), done.out + done.err
    said = steps(done.host())
    drained, gone, active = map(
        said.index, ("swarm drained", "swarm no task is left on it", "swarm active again")
    )
    restarted = next(at for at, step in enumerate(said) if step.startswith("restart"))
    assert drained < gone < restarted < active == len(said) - 1
    assert ("drain", ["node-1", "node-1"]) in watch.seen, watch.seen
    assert swarm.is_back(swarm.worker)
    assert swarm.running() == ["node-1", "node-1"]
    assert me.plan(*only(swarm.worker)).code == 0


def test_what_rolls_back_leaves_the_node_active(swarm: Swarm, me: Operator) -> None:
    """Here it is the way back that does not succeed: the host stays as it was applied."""
    me.crash("restarted:kill")
    with Watch(swarm, swarm.worker) as watch:
        done = me.oakum("rollback", "--yes", *only(swarm.worker))
    assert (done.code, done.host()["outcome"]) == (4, "rolled-back"), done.out
    assert "drain" in {availability for availability, _ in watch.seen}
    assert steps(done.host())[-1] == "swarm active again"
    assert swarm.is_back(swarm.worker)
    assert b"userland-proxy" in swarm.worker.read(DAEMON_JSON)


def test_what_a_killed_run_left_the_next_one_puts_back(
    swarm: Swarm, me: Operator, tmp_path: Path
) -> None:
    # It waits here while the node is drained already, and nothing was changed.
    me.set(oakum_kubernetes={"context": "none", "node": "n"})
    slow = tmp_path / "kubectl"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    run = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "oakum",
            "rollback",
            "--yes",
            str(me.inventory),
            *only(swarm.worker),
        ],
        cwd=ROOT,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while swarm.node(swarm.worker)[0] != "drain":
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    run.kill()
    run.wait()
    me.set(oakum_kubernetes=None)
    assert swarm.node(swarm.worker)[0] == "drain"
    seen = me.plan(*only(swarm.worker)).host()
    left = "a former run took this host from its neighbours and did not put it back"
    assert seen["notes"][0] == left
    done = me.apply(*only(swarm.worker))
    assert (done.code, done.host()["outcome"]) == (0, "unchanged"), done.out
    assert steps(done.host()) == ["swarm active again"]
    assert swarm.is_back(swarm.worker)


def test_the_only_manager_drains_itself_and_comes_back(swarm: Swarm, me: Operator) -> None:
    done = me.apply(*only(swarm.manager))
    assert (done.code, done.host()["outcome"]) == (0, "applied"), done.out + done.err
    said = steps(done.host())
    assert said[0] == "swarm its only manager: nothing is scheduled until it is back"
    assert said[-1] == "swarm active again"
    swarm.settled()
    assert swarm.is_back(swarm.manager)
    assert swarm.running() == ["node-2", "node-2"]
