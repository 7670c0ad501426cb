"""Shared fixtures: ``host(**known)`` is a plain host, of which a case names only what matters."""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from gevent import monkey
from packaging.version import Version

from oakum.controls.base import Control
from oakum.controls.host.kernel_options import ALWAYS, NFTABLES
from oakum.engine.document import loads
from oakum.facts import HostFacts, Read, Unread
from oakum.layers import Layer, resolve
from oakum.model import Finding, Plan
from oakum.parts import Container, Engine, FileState, Process
from oakum.planner import build, judge
from oakum.policy import Policy

# Whoever imports pyinfra_cli is patched, and the threads of xdist would not outlive that. What the
# patching is needed for is tried in processes of their own.
monkey.patch_all = lambda: True

DAEMON_JSON = "/etc/docker/daemon.json"
TODAY = datetime.date(2026, 1, 31)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="rewrite the golden files")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with ``tests/golden/NAME``; ``--accept`` rewrites it for review in git."""

    def check(name: str, text: str) -> None:
        path = Path(__file__).parent / "golden" / name
        if request.config.getoption("--accept"):
            path.write_text(text, "utf-8")
        assert text == path.read_text("utf-8")

    return check


def plain_host(**known: Any) -> HostFacts:
    """A Debian host with Docker 20.10.24 as installed, nothing configured, nothing running.

    Shorthands: ``engine="26.1.5"`` (or an Engine; None: none installed), ``config={...}`` or raw
    bytes, ``info={...}`` over a plain one or Unread, ``running=False``, ``flags``/``unit_flags`` by
    name, ``ports`` of one container ``web``. Every field of HostFacts may be given, bare or as a
    reading.
    """
    engine = known.pop("engine", "20.10.24")
    running = known.pop("running", engine is not None)
    config = known.pop("config", None)
    said = known.pop("info", {})
    info = {
        "Driver": "overlay2",
        "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
        "LiveRestoreEnabled": False,
        "LoggingDriver": "json-file",
        "SecurityOptions": ["name=apparmor", "name=seccomp,profile=default"],
        "Swarm": {"LocalNodeState": "inactive"},
        **({} if isinstance(said, Unread) else said),
    }
    if isinstance(said, Unread):
        known["info"] = said
    if ports := known.pop("ports", ()):
        known["containers"] = (Container("web", ports=tuple(ports)),)
    values: dict[str, Any] = {
        "engine": Engine(Version(engine), engine, running=running)
        if isinstance(engine, str)
        else engine,
        "info": info if running else Unread("dockerd does not run"),
        "dockerd": Process(812, 1000) if running else None,
        "flags": {"host": ("fd://",)} if running else Unread("dockerd does not run"),
        "unit_flags": {"host": ("fd://",)},
        "sysctl": {"fs.nr_open": "1048576"},
        "os": {"ID": "debian", "VERSION_ID": "12"},
        "clock": datetime.datetime.combine(TODAY, datetime.time(), datetime.UTC),
        "kernel_config": dict.fromkeys((*ALWAYS, *NFTABLES, "CGROUP_BPF"), True),
        **_config(config),
        **known,
    }
    known_fields = {field.name for field in fields(HostFacts)}
    assert values.keys() <= known_fields, f"no such facts: {values.keys() - known_fields}"
    return HostFacts(
        **{
            name: value if isinstance(value, Read | Unread) else Read(value)
            for name, value in values.items()
        }
    )


def _config(config: Any) -> dict[str, Any]:
    if isinstance(config, Unread):
        return {"daemon_file": config, "document": config}
    if config is None:
        return {"daemon_file": FileState(DAEMON_JSON, DAEMON_JSON), "document": loads(b"{}")}
    if isinstance(config, Mapping):
        import json

        config = json.dumps(config, indent=2).encode() + b"\n"
    return {
        "daemon_file": FileState(DAEMON_JSON, DAEMON_JSON, config, changed=900),
        "document": loads(config, empty_ok=True),
    }


def policy_of(profile: str = "baseline", **settings: Any) -> Policy:
    """A policy with ``oakum_`` keys given without the prefix."""
    from oakum.controls import controls

    data = {f"oakum_{key}": value for key, value in {"profile": profile, **settings}.items()}
    return resolve([Layer("test", data)], [control.id for control in controls()])


@pytest.fixture
def host() -> Callable[..., HostFacts]:
    return plain_host


@pytest.fixture
def policy() -> Callable[..., Policy]:
    return policy_of


@pytest.fixture
def finding() -> Callable[[Control, HostFacts, Policy], Finding]:
    """What one control says about one host."""

    def of(control: Control, facts: HostFacts, policy: Policy) -> Finding:
        return judge(control, facts, policy, TODAY).finding

    return of


@pytest.fixture
def alone() -> Callable[[Control, HostFacts, Policy], Plan]:
    """The plan of a host for which there is only one control."""

    def of(control: Control, facts: HostFacts, policy: Policy) -> Plan:
        return build(facts, policy, [control], TODAY)

    return of


@pytest.fixture
def written() -> Callable[[Control, HostFacts, Policy], dict[str, Any]]:
    """daemon.json as it will be when one control has set itself right."""

    def of(control: Control, facts: HostFacts, policy: Policy) -> dict[str, Any]:
        changes = build(facts, policy, [control], TODAY).changes
        (change,) = (change for change in changes if change.path == DAEMON_JSON)
        return dict(loads(change.after).settings)

    return of
