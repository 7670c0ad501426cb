"""From what a probe printed to the containers that run on a host."""

from collections.abc import Mapping
from typing import Any

from oakum.facts import Container, Read, Reading
from oakum.reading import Source, json_object


def containers(source: Source) -> Reading[tuple[Container, ...]]:
    if source.text("dockerd.pid") == Read("none"):
        return Read(())  # without dockerd nothing answers, and nothing that it manages runs
    return source.lines("containers", lambda rows: tuple(map(_container, rows)))


def _container(row: str) -> Container:
    known = json_object([row])
    mounts = known.get("mounts") or []
    return Container(
        name=str(known["name"]).removeprefix("/"),
        image=str(known.get("image") or ""),
        pid=int(known.get("pid") or 0),
        privileged=bool(known.get("privileged")),
        userns=str(known.get("userns") or ""),
        pid_mode=str(known.get("pidmode") or ""),
        network=str(known.get("network") or "default"),
        restart=str(known.get("restart") or "no"),
        ports=tuple(_ports(known.get("ports") or {})),
        mounts=tuple(str(mount.get("source", "")) for mount in mounts),
        security=tuple(map(str, known.get("securityopt") or ())),
        log=str(known.get("log") or ""),
        log_size=str(known.get("logsize") or ""),
        task=bool(known.get("task")),
    )


def _ports(published: Mapping[str, Any]) -> list[str]:
    addresses = []
    for bindings in published.values():
        for binding in bindings or ():
            address = str(binding.get("HostIp") or "0.0.0.0")
            shown = f"[{address}]" if ":" in address else address
            addresses.append(f"{shown}:{binding.get('HostPort')}")
    return sorted(addresses)
