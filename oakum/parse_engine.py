"""From what a probe printed to the engine, its processes, its unit and its files."""

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from packaging.version import InvalidVersion

from oakum.engine.document import Document, Malformed, loads
from oakum.engine.flags import parse_flags
from oakum.facts import CannotTell, Read, Reading, Unread, attempt
from oakum.parts import Engine, FileState, Listener, Process
from oakum.reading import Source, assignments, json_object, leading_version

_INFO: Final = {
    "Driver": (str, "text"),
    "DriverStatus": (list, "list"),
    "SecurityOptions": (list, "list of words"),
    "Swarm": (dict, "object"),
    "Warnings": (list, "list"),
    "LiveRestoreEnabled": (bool, "true or false"),
    "LoggingDriver": (str, "text"),
    "RegistryConfig": (dict, "object"),
    "Plugins": (dict, "object"),
    "Runtimes": (dict, "object"),
}
"""What controls read of ``docker info``, and what it is where it is there."""


def info(rows: Sequence[str]) -> dict[str, Any]:
    info = json_object(rows)
    if info.get("ServerErrors"):
        raise ValueError(f"the engine said {info['ServerErrors']!r}")
    if info.get("Driver") is None:
        raise ValueError("it names no storage driver, so it is not Docker's")
    for name, (kind, words) in _INFO.items():
        if info.get(name) is not None and not isinstance(info[name], kind):
            raise ValueError(f"{name} is no {words}")
    registries, plugins = info.get("RegistryConfig") or {}, info.get("Plugins") or {}
    for name, found in {
        "SecurityOptions": info.get("SecurityOptions"),
        "Labels": info.get("Labels"),
        "Authorization": plugins.get("Authorization"),
        "Mirrors": registries.get("Mirrors"),
        "InsecureRegistryCIDRs": registries.get("InsecureRegistryCIDRs"),
    }.items():
        if not isinstance(found or [], list) or not all(isinstance(o, str) for o in found or ()):
            raise ValueError(f"{name} is no list of words")
    indexes, pools = registries.get("IndexConfigs") or {}, info.get("DefaultAddressPools") or []
    if not isinstance(indexes, dict) or not all(isinstance(row, dict) for row in indexes.values()):
        raise ValueError("IndexConfigs is no object of objects")
    if not isinstance(pools, list) or not all(isinstance(pool, dict) for pool in pools):
        raise ValueError("DefaultAddressPools is no list of objects")
    return info


def last_reload(rows: Sequence[str]) -> dict[str, Any] | None:
    return json_object(rows) if rows else None


def engine(source: Source) -> Reading[Engine | None]:
    dockerd, cli = source.text("engine.dockerd"), source.text("engine.cli")
    server = source.lines("engine.version", _server_version)
    if isinstance(server, Unread) and dockerd == Read("absent"):
        # A client alone reaches some other machine's daemon: there is no engine to harden here.
        return Read(None) if isinstance(cli, Read) else cli
    origin = source.text("engine.origin")
    text = server
    if isinstance(text, Unread):
        text = source.word("engine.binary", _binary_version)
    try:
        return Read(
            Engine(
                version=leading_version(text.value),
                text=text.value,
                origin=origin.value if isinstance(origin, Read) else "unknown",
                running=isinstance(server, Read),
            )
        )
    except CannotTell as why:
        return Unread(str(why))
    except (ValueError, InvalidVersion) as error:
        return Unread(f"engine version: {error}")


def _server_version(rows: Sequence[str]) -> str:
    server = json_object(rows).get("Server")
    if not isinstance(server, dict) or not isinstance(server.get("Version"), str):
        raise ValueError("docker version names no server")
    return str(server["Version"])


def _binary_version(line: str) -> str:
    found = re.search(r"version ([0-9][\w.+~-]*)", line)
    if not found:
        raise ValueError(f"dockerd --version said {line[:60]!r}")
    return found[1]


def process(source: Source, name: str) -> Reading[Process | None]:
    if source.text(f"{name}.pid") == Read("none"):
        return Read(None)
    pid = source.word(f"{name}.pid", int)
    limits = source.lines(f"{name}.limits", hard_limits)
    capabilities = source.word(f"{name}.caps", lambda digits: int(digits, 16))
    started = source.word("dockerd.started", int) if name == "dockerd" else Read(0)
    return attempt(lambda: Process(pid.value, started.value, limits.value, capabilities.value))


def first(source: Source) -> Reading[Process]:
    limits = source.lines("init.limits", hard_limits)
    capabilities = source.word("init.caps", lambda digits: int(digits, 16))
    return attempt(lambda: Process(1, hard=limits.value, capabilities=capabilities.value))


_ANSWERS: Final = "plain|tls|verified|other|published|swarm|unasked|unclear"
_LISTENER: Final = re.compile(
    rf"(?:\[([\dA-Fa-f:]+)\]|([\d.]+)):(\d{{1,5}}) ({_ANSWERS})(?: (.+))?"
)


def sockets(source: Source) -> Reading[tuple[Listener, ...]]:
    if source.text("dockerd.pid") == Read("none"):
        return Read(())
    return source.lines("dockerd.sockets", lambda rows: tuple(map(_listener, rows)))


def _listener(row: str) -> Listener:
    found = _LISTENER.fullmatch(row)
    if not found or int(found[3]) > 65535:
        raise ValueError(f"{row[:60]!r} is no socket")
    six, four, port, answer, reason = found.groups()
    address = ip_address(six or four)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return Listener(str(mapped or address), int(port), answer, reason)


_LIMITS: Final = {
    "Max open files": "nofile",
    "Max core file size": "core",
    "Max processes": "nproc",
    "Max locked memory": "memlock",
    "Max stack size": "stack",
}
"""Names in /proc/PID/limits and the ulimit names that dockerd takes."""


def hard_limits(rows: Sequence[str]) -> dict[str, int | None]:
    """The hard limits by ``ulimit`` name, from lines of /proc/PID/limits; None is unlimited."""
    hard: dict[str, int | None] = {}
    for row in rows:
        found = re.match(r"(Max [a-z ]+?)\s{2,}(\S+)\s+(\S+)", row)
        if found and found[1] in _LIMITS:
            hard[_LIMITS[found[1]]] = None if found[3] == "unlimited" else int(found[3])
    return hard


def unit_flags(source: Source) -> Reading[Mapping[str, tuple[str, ...]]]:
    unit = source.lines("unit", assignments)
    environment = source.lines("unit.environment", _environment)
    if isinstance(unit, Unread):
        # Without systemd the options files alone say what the next start will be given.
        files = attempt(lambda: [word for text in environment.value.values() for word in text])
        return attempt(lambda: parse_flags(["dockerd", *files.value]))
    found = re.search(r"argv\[\]=(.*?) ;", unit.value.get("ExecStart", ""))
    if not found:
        return Read({})
    argv = found[1].split()

    def expanded() -> list[str]:
        words: list[str] = []
        for word in argv:
            variable = re.fullmatch(r"\$\{?(\w+)\}?", word)
            words += environment.value.get(variable[1], ()) if variable else [word]
        return words

    return attempt(lambda: parse_flags(expanded()))


_NO_BOUND: Final = ("infinity", str(2**64 - 1))
"""How systemd writes that there is none."""


def unit_limits(rows: Sequence[str]) -> dict[str, int | None]:
    unit = assignments(rows)
    asked = {name: unit.get(f"Limit{name.upper()}") for name in _LIMITS.values()}
    told = {name: hard for name, hard in asked.items() if hard}
    return {name: None if hard in _NO_BOUND else int(hard) for name, hard in told.items()}


def _environment(rows: Sequence[str]) -> dict[str, list[str]]:
    variables: dict[str, list[str]] = {}
    for row in rows:
        found = re.match(r"[^:]*:\s*(?:export\s+)?(\w+)=(.*)", row)
        if found:
            variables[found[1]] = found[2].strip().strip("\"'").split()
    return variables


def file(source: Source, name: str) -> Reading[FileState]:
    prefix = f"file.{name}"
    stat = source.word(f"{prefix}.stat", _stat)
    path, target = source.text(f"{prefix}.path"), source.text(f"{prefix}.target")
    writable = source.text(f"{prefix}.writable")
    locked = None if writable == Read("yes") else _locked(writable)
    content = source.data(f"{prefix}.bytes")

    def found() -> FileState:
        seen = stat.value
        if seen is None:
            return FileState(path.value, target.value, locked=locked)
        kind, mode, owner, group, changed = seen
        return FileState(
            path.value, target.value, content.value, kind, mode, owner, group, changed, locked
        )

    return attempt(found)


def _stat(text: str) -> tuple[str, str, int, int, int] | None:
    """Kind, mode, owner, group and time of change; None where there is no file."""
    if text == "absent":
        return None
    kind, mode, owner, group, _size, changed = text.split()
    return kind, mode, int(owner), int(group), int(changed)


def _locked(writable: Reading[str]) -> str:
    said = writable.value if isinstance(writable, Read) else writable.reason
    return str(said).removeprefix("no: ")


def document(file: Reading[FileState]) -> Reading[Document]:
    if isinstance(file, Unread):
        return file
    if file.value.kind != "file":
        return Unread(f"{file.value.path} is a {file.value.kind}, not a file")
    try:
        return Read(loads(file.value.content or b"", empty_ok=True))
    except Malformed as error:
        return Unread(f"{file.value.path}: {error}")
