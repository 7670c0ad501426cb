"""Fixtures for scenarios on real hosts: `pytest tests/lab`, as root; see hosts.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from . import simulated
from .desk import Operator, inventory_data
from .hosts import Lab, LabHost, can_run

HERE = Path(__file__).parent

FIGURES = pytest.StashKey[dict[str, str]]()
Inventory = Callable[[Sequence[LabHost]], Path]
Team = Callable[..., Operator]


LONGEST_FIRST = (
    "test_faults.py",
    "test_reconcile.py",
    "test_migrate.py",
    "test_bootstrap.py",
    "test_scenarios.py",
    "test_rollback.py",
    "test_upgrade.py",
    "test_rollout.py",
    "test_cloud_init.py",
    "test_host_settings.py",
)
"""Files that would keep one of several workers at the end; the others follow as they come."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark before `-m "not lab"` selects; and order for workers that take file after file."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.lab)
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if not item.path.is_relative_to(HERE):
        return -1
    name = item.path.name
    return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of xdist hands its figures to the one that prints them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = session.config.stash.get(FIGURES, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    found = getattr(node, "workeroutput", {}).get("figures", {})
    node.config.stash.setdefault(FIGURES, {}).update(found)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A lab that did not run must not look like one that passed."""
    for title, text in terminalreporter.config.stash.get(FIGURES, {}).items():
        terminalreporter.write_sep("=", title)
        terminalreporter.write_line(text)
    skipped = [
        report
        for report in terminalreporter.getreports("skipped")
        if "lab" in report.keywords and report.when == "setup"
    ]
    if skipped and (reason := can_run()):
        terminalreporter.write_sep("=", f"LAB NOT RUN, {len(skipped)} tests skipped: {reason}")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab, or a skip with the reason; where it is required (CI), a failure."""
    if reason := can_run():
        if os.environ.get("CI") or os.environ.get("OAKUM_LAB_REQUIRED") == "1":
            pytest.fail(f"the lab is required here, and {reason}")
        pytest.skip(f"no lab: {reason}")
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="session")
def can_simulate() -> None:
    """Skips a test that simulates hosts, with the reason; where the lab is required, it fails."""
    if reason := simulated.can_run():
        if os.environ.get("CI") or os.environ.get("OAKUM_LAB_REQUIRED") == "1":
            pytest.fail(f"the simulator is required here, and {reason}")
        pytest.skip(f"no simulator: {reason}")


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> dict[str, str]:
    """What was measured: title -> text, printed at the end of the session."""
    return pytestconfig.stash.setdefault(FIGURES, {})


@pytest.fixture
def docker_host(lab: Lab) -> Iterator[LabHost]:
    """A fresh host with Docker 20.10, nothing configured, nothing running."""
    host = lab.host()
    yield host
    host.remove()


@pytest.fixture(scope="module")
def shared_host(lab: Lab) -> Iterator[LabHost]:
    """A host with Docker for tests that leave it as they found it."""
    host = lab.host()
    yield host
    host.remove()


@pytest.fixture
def busy_host(docker_host: LabHost) -> LabHost:
    """A host in production: a tab-indented daemon.json, containers web, db and cron."""
    docker_host.busy()
    return docker_host


@pytest.fixture
def bare_host(lab: Lab) -> Iterator[LabHost]:
    """A fresh host without Docker."""
    host = lab.host(flavour="bare")
    yield host
    host.remove()


@pytest.fixture(scope="module")
def sysv_host(lab: Lab) -> Iterator[LabHost]:
    """A host in production without systemd, where transactions may be stopped."""
    host = lab.host(flavour="sysv")
    host.busy()
    host.write("/etc/oakum-lab-host", "")
    yield host
    host.remove()


@pytest.fixture
def operator(tmp_path: Path) -> Team:
    """``operator(host, …, oakum_key=value)``: someone with an inventory of these hosts."""
    return lambda *hosts, **data: Operator(tmp_path, hosts, **data)


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Writes a pyinfra inventory of some hosts, with which host keys are really verified."""

    def write(hosts: Sequence[LabHost]) -> Path:
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text("".join(f"{host.known_hosts}\n" for host in hosts))
        entries = [(host.name, inventory_data(host, known_hosts)) for host in hosts]
        path = tmp_path / "inventory.py"
        path.write_text("hosts = [\n" + "".join(f"    {entry!r},\n" for entry in entries) + "]\n")
        return path

    return write
