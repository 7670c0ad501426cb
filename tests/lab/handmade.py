"""Plans that the planner would never make: keys of daemon.json as somebody might wish them.

They take the road of every plan: the same manifest, the same script, over SSH.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Mapping
from typing import Any

from oakum.controls import controls
from oakum.engine.document import loads, merge
from oakum.facts import HostFacts
from oakum.layers import Layer, resolve
from oakum.manifest import About
from oakum.model import Change, Disruption, Kind, Plan
from oakum.operations import transaction_command
from oakum.parse import parse
from oakum.probe import script

from .desk import Ran
from .guest import DAEMON_JSON
from .hosts import LabHost


def facts_of(host: LabHost) -> HostFacts:
    return parse(host.ssh(script("probe.sh")).stdout.splitlines())


def plan_of(before: bytes | None, settings: Mapping[str, Any], *, stay: bool = True) -> Plan:
    """daemon.json with these settings; ``stay`` says that no container may stop for it."""
    change = Change(
        path=DAEMON_JSON,
        kind=Kind.FILE,
        controls=("live-restore",) if "live-restore" in settings else ("storage-driver",),
        before=before,
        after=merge(loads(before or b"", empty_ok=True), settings),
        disruption=Disruption.RESTART if stay else Disruption.OUTAGE,
    )
    return Plan((), changes=(change,), disruption=change.disruption)


def command_for(
    host: LabHost, settings: Mapping[str, Any], *, stay: bool = True, **policy: Any
) -> str:
    """The shell text that gives a host these settings of daemon.json, as a transaction."""
    facts = facts_of(host)
    there = host.run(f"test -e {DAEMON_JSON}", check=False).returncode == 0
    plan = plan_of(host.read(DAEMON_JSON) if there else None, settings, stay=stay)
    layer = Layer("test", {f"oakum_{key}": value for key, value in policy.items()})
    wanted = resolve([layer], [control.id for control in controls()])
    ident = f"20260131T120000Z-{secrets.token_hex(4)}"
    text = transaction_command(plan, facts, wanted, About(ident, "somebody@test"))
    assert text is not None
    return text


def carry_out(
    host: LabHost,
    settings: Mapping[str, Any],
    *,
    crash: str | None = None,
    stay: bool = True,
    **policy: Any,
) -> Ran:
    """Give a host these settings, whatever a planner would say, and wait for the verdict."""
    text = command_for(host, settings, stay=stay, **policy)
    if crash:
        text = f"export OAKUM_CRASH={shlex.quote(crash)}\n{text}"
    done = host.ssh(text, check=False, timeout=180)
    return Ran(done.returncode, done.stdout, done.stderr)
