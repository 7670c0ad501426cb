"""From what a probe printed to the containers that run on a host."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from oakum.facts import Read, Reading
from oakum.parse_engine import hard_limits
from oakum.parts import Confinement, Container, Mount
from oakum.reading import Source, json_object

_TOLD: Final = (
    "autoremove",
    "capadd",
    "cpus",
    "cpuset",
    "health",
    "ipcmode",
    "masked",
    "memory",
    "mounts",
    "network",
    "pid",
    "pidmode",
    "pids",
    "ports",
    "privileged",
    "quota",
    "readonly",
    "restart",
    "restarting",
    "restarts",
    "securityopt",
    "started",
    "task",
    "ulimits",
    "userns",
    "utsmode",
)
"""What the probe tells of a container besides its name and image."""

FILTER: Final = 2
"""SECCOMP_MODE_FILTER, linux/seccomp.h."""


def containers(source: Source) -> Reading[tuple[Container, ...]]:
    if source.text("dockerd.pid") == Read("none"):
        return Read(())  # without dockerd nothing answers, and nothing that it manages runs
    return source.lines("containers", lambda rows: tuple(map(_container, rows)))


def _container(row: str) -> Container:
    known = json_object([row])
    return Container(
        name=str(known["name"]).removeprefix("/"),
        image=str(known.get("image") or ""),
        pid=int(known.get("pid") or 0),
        started=_time(known.get("started")),
        privileged=bool(known.get("privileged")),
        userns=str(known.get("userns") or ""),
        pid_mode=str(known.get("pidmode") or ""),
        ipc_mode=str(known.get("ipcmode") or ""),
        uts_mode=str(known.get("utsmode") or ""),
        network=str(known.get("network") or "default"),
        restart=str(known.get("restart") or "no"),
        restarts=int(known.get("restarts") or 0),
        restarting=bool(known.get("restarting")),
        ports=tuple(_ports(known.get("ports") or {})),
        mounts=tuple(map(_mount, known.get("mounts") or ())),
        security=tuple(map(str, known.get("securityopt") or ())),
        masked=known.get("masked") != [],
        capabilities=tuple(map(str, known.get("capadd") or ())),
        limits=tuple(_limits(known)),
        ulimits={str(limit["Name"]): _hard(limit) for limit in known.get("ulimits") or ()},
        read_only=bool(known.get("readonly")),
        health=str(known.get("health") or ""),
        log=str(known.get("log") or ""),
        log_size=str(known.get("logsize") or ""),
        task=bool(known.get("task")),
        one_off=bool(known.get("autoremove")),
        unread=tuple(name for name in _TOLD if name not in known),
        image_id=str(known.get("imageid") or ""),
    )


def _time(text: Any) -> datetime | None:
    """A time as the engine writes it; it is not set before the first start."""
    found = datetime.fromisoformat(text) if text else None
    if found and found.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return found


def _mount(known: Mapping[str, Any]) -> Mount:
    return Mount(str(known.get("source") or ""), known.get("rw") is not False)


def _limits(known: Mapping[str, Any]) -> Iterator[str]:
    """Nought, -1 and null are no limit."""
    for name in ("memory", "pids"):
        if int(known.get(name) or 0) > 0:
            yield name
    if known.get("cpuset") or any(int(known.get(name) or 0) > 0 for name in ("cpus", "quota")):
        yield "cpu"


def _hard(limit: Mapping[str, Any]) -> int | None:
    hard = int(limit["Hard"])
    return None if hard < 0 else hard


def _ports(published: Mapping[str, Any]) -> list[str]:
    addresses = []
    for bindings in published.values():
        for binding in bindings or ():
            address = str(binding.get("HostIp") or "0.0.0.0")
            shown = f"[{address}]" if ":" in address else address
            addresses.append(f"{shown}:{binding.get('HostPort')}")
    return sorted(addresses)


def confinements(source: Source) -> Reading[Mapping[int, Confinement]]:
    if source.text("dockerd.pid") == Read("none"):
        return Read({})
    return source.lines("containers.processes", _confinements)


def _confinements(rows: Sequence[str]) -> dict[int, Confinement]:
    """Each process begins with its ``Pid:``, then come lines of its status and its limits."""
    found: dict[int, list[str]] = {}
    for row in rows:
        if row.startswith("Pid:"):
            pid = int(row[4:])
            found[pid] = []
        elif found:
            found[pid].append(row)
        else:
            raise ValueError(f"{row[:40]!r} is of no process")
    return {pid: _confinement(rows) for pid, rows in found.items()}


def _confinement(rows: Sequence[str]) -> Confinement:
    status = [row.partition(":") for row in rows if not row.startswith("Max ")]
    told = {name: int(value) for name, _, value in status}
    gains, mode = told.get("NoNewPrivs"), told.get("Seccomp")
    return Confinement(
        no_new_privileges=None if gains is None else gains == 1,
        filtered=None if mode is None else mode == FILTER,
        hard=hard_limits(rows),
    )
