"""From what a probe printed to facts: ``parse`` is the only door.

The text comes from a host and is untrusted, so it is read strictly: what ``host/probe.sh`` could
not have written is an error that names it, never a guess.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final, TypeVar

from packaging.version import InvalidVersion, Version

from oakum.engine.document import Document, Malformed, loads, plain
from oakum.engine.flags import parse_flags
from oakum.facts import (
    CannotTell,
    Container,
    Engine,
    FileState,
    HostFacts,
    Process,
    Read,
    Reading,
    Transaction,
    Unread,
    attempt,
)
from oakum.ledger import ID
from oakum.wire import Raw, readings

T = TypeVar("T")
U = TypeVar("U")


class _Source:
    """The readings of one probe, asked for by name and type."""

    def __init__(self, raw: Mapping[str, Raw]) -> None:
        self.raw = raw

    def text(self, name: str) -> Reading[str]:
        return self._typed(name, lambda raw: raw.text, str)

    def word(self, name: str, convert: Callable[[str], T]) -> Reading[T]:
        return self._typed(name, lambda raw: raw.text, convert)

    def lines(self, name: str, convert: Callable[[tuple[str, ...]], T]) -> Reading[T]:
        return self._typed(name, lambda raw: raw.lines, convert)

    def data(self, name: str) -> Reading[bytes]:
        return self._typed(name, lambda raw: raw.data, lambda value: value)

    def _typed(
        self, name: str, part: Callable[[Raw], U | None], convert: Callable[[U], T]
    ) -> Reading[T]:
        raw = self.raw.get(name)
        if raw is None:
            return Unread(f"the probe did not read {name}")
        if raw.reason is not None:
            return Unread(raw.reason)
        value = part(raw)
        if value is None:
            return Unread(f"{name} came in another form than expected")
        try:
            return Read(convert(value))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return Unread(f"{name} is unreadable: {error}"[:200])


def parse(output: Sequence[str]) -> HostFacts:
    """The facts of one host, from the lines that ``host/probe.sh`` printed there.

    Raises:
        BadProbe: the lines are no complete probe output.
    """
    source = _Source(readings(output))
    args = source.lines("dockerd.args", tuple)
    daemon_file = _file(source, "daemon")
    return HostFacts(
        name=source.text("host.name"),
        os=source.lines("host.os", _assignments),
        kernel=source.word("host.kernel", leading_version),
        kernel_text=source.text("host.kernel"),
        arch=source.text("host.arch"),
        virt=source.text("host.virt"),
        init=source.text("host.init"),
        packages=source.text("host.packages"),
        uid=source.word("host.uid", int),
        clock=_clock(source),
        kernel_config=source.lines("kernel.config", _kernel_config),
        sysctl=source.lines("sysctl", _assignments),
        hwrng=source.text("entropy.hwrng"),
        rdrand=source.word("entropy.rdrand", _yes_no),
        entropy_daemons=source.word("entropy.daemons", _words),
        haveged=source.word("entropy.haveged", lambda word: word == "installed"),
        engine=_engine(source),
        info=source.lines("engine.info", _info),
        first=_first(source),
        dockerd=_process(source, "dockerd"),
        containerd=_process(source, "containerd"),
        flags=attempt(lambda: parse_flags(args.value)),
        unit_flags=_unit_flags(source),
        unit_limits=source.lines("unit", _unit_limits),
        reloaded=source.lines("dockerd.reloaded", _last_reload),
        daemon_file=daemon_file,
        document=_document(daemon_file),
        subuid=_file(source, "subuid"),
        subgid=_file(source, "subgid"),
        seccomp_file=_file(source, "seccomp"),
        data_root=source.text("dataroot.path"),
        filesystem=source.text("dataroot.fs"),
        d_type=source.word("dataroot.dtype", _yes_no),
        drivers_on_disk=source.word("dataroot.drivers", _words),
        images=source.word("images.count", int),
        image_bytes=source.word("images.bytes", int),
        volumes=source.word("volumes.count", int),
        container_count=source.word("containers.count", int),
        containers=_containers(source),
        kubelet=source.word("kubelet", _yes_no),
        oakum_state=source.lines("oakum.state", tuple),
        transaction=source.word("oakum.transaction", _transaction),
    )


def _clock(source: _Source) -> Reading[datetime]:
    seconds, zone = source.word("host.clock", int), source.word("host.zone", _zone)
    return attempt(lambda: datetime.fromtimestamp(seconds.value, zone.value))


def _zone(text: str) -> timezone:
    """The zone that ``date +%z`` writes, such as ``-0330``."""
    found = re.fullmatch(r"([+-])(\d\d)(\d\d)", text)
    if not found:
        raise ValueError(f"no zone: {text[:20]!r}")
    ahead = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(ahead if found[1] == "+" else -ahead)


def leading_version(text: str) -> Version:
    """The dotted number at the start of a version, such as 6.1.0 of ``6.1.0-30-amd64``.

    Raises:
        ValueError: the text starts with no number.
    """
    found = re.match(r"\d+(\.\d+)*", text)
    if not found:
        raise ValueError(f"no version number: {text[:40]!r}")
    return Version(found[0])


def _assignments(rows: Sequence[str]) -> dict[str, str]:
    pairs = (row.partition("=") for row in rows)
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs if name.strip()}


def _kernel_config(rows: Sequence[str]) -> dict[str, bool]:
    names = (re.match(r"(?:# )?CONFIG_(\w+)(=[ym])?", row) for row in rows)
    return {found[1]: bool(found[2]) for found in names if found}


def _yes_no(word: str) -> bool:
    if word not in ("yes", "no"):
        raise ValueError(f"{word!r} is neither yes nor no")
    return word == "yes"


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split() if word != "none")


def _json_object(rows: Sequence[str]) -> dict[str, Any]:
    return plain("\n".join(rows))


_INFO: Final = {
    "Driver": (str, "text"),
    "DriverStatus": (list, "list"),
    "SecurityOptions": (list, "list of words"),
    "Swarm": (dict, "object"),
    "LiveRestoreEnabled": (bool, "true or false"),
}
"""What controls read of ``docker info``, and what it is where it is there."""


def _info(rows: Sequence[str]) -> dict[str, Any]:
    info = _json_object(rows)
    if info.get("ServerErrors"):
        raise ValueError(f"the engine said {info['ServerErrors']!r}")
    if info.get("Driver") is None:
        raise ValueError("it names no storage driver, so it is not Docker's")
    for name, (kind, words) in _INFO.items():
        if info.get(name) is not None and not isinstance(info[name], kind):
            raise ValueError(f"{name} is no {words}")
    if not all(isinstance(option, str) for option in info.get("SecurityOptions") or ()):
        raise ValueError("SecurityOptions is no list of words")
    return info


def _last_reload(rows: Sequence[str]) -> dict[str, Any] | None:
    return _json_object(rows) if rows else None


def _engine(source: _Source) -> Reading[Engine | None]:
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
    server = _json_object(rows).get("Server")
    if not isinstance(server, dict) or not isinstance(server.get("Version"), str):
        raise ValueError("docker version names no server")
    return str(server["Version"])


def _binary_version(line: str) -> str:
    found = re.search(r"version ([0-9][\w.+~-]*)", line)
    if not found:
        raise ValueError(f"dockerd --version said {line[:60]!r}")
    return found[1]


def _process(source: _Source, name: str) -> Reading[Process | None]:
    if source.text(f"{name}.pid") == Read("none"):
        return Read(None)
    pid = source.word(f"{name}.pid", int)
    limits = source.lines(f"{name}.limits", _hard_limits)
    capabilities = source.word(f"{name}.caps", lambda digits: int(digits, 16))
    started = source.word("dockerd.started", int) if name == "dockerd" else Read(0)
    return attempt(lambda: Process(pid.value, started.value, limits.value, capabilities.value))


def _first(source: _Source) -> Reading[Process]:
    limits = source.lines("init.limits", _hard_limits)
    capabilities = source.word("init.caps", lambda digits: int(digits, 16))
    return attempt(lambda: Process(1, hard=limits.value, capabilities=capabilities.value))


_LIMITS: Final = {
    "Max open files": "nofile",
    "Max core file size": "core",
    "Max processes": "nproc",
    "Max locked memory": "memlock",
    "Max stack size": "stack",
}
"""Names in /proc/PID/limits and the ulimit names that dockerd takes."""


def _hard_limits(rows: Sequence[str]) -> dict[str, int | None]:
    hard: dict[str, int | None] = {}
    for row in rows:
        found = re.match(r"(Max [a-z ]+?)\s{2,}(\S+)\s+(\S+)", row)
        if found and found[1] in _LIMITS:
            hard[_LIMITS[found[1]]] = None if found[3] == "unlimited" else int(found[3])
    return hard


def _unit_flags(source: _Source) -> Reading[Mapping[str, tuple[str, ...]]]:
    unit = source.lines("unit", _assignments)
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


def _unit_limits(rows: Sequence[str]) -> dict[str, int | None]:
    unit = _assignments(rows)
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


def _file(source: _Source, name: str) -> Reading[FileState]:
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


def _document(file: Reading[FileState]) -> Reading[Document]:
    if isinstance(file, Unread):
        return file
    if file.value.kind != "file":
        return Unread(f"{file.value.path} is a {file.value.kind}, not a file")
    try:
        return Read(loads(file.value.content or b"", empty_ok=True))
    except Malformed as error:
        return Unread(f"{file.value.path}: {error}")


def _containers(source: _Source) -> Reading[tuple[Container, ...]]:
    if source.text("dockerd.pid") == Read("none"):
        return Read(())  # without dockerd nothing answers, and nothing that it manages runs
    return source.lines("containers", lambda rows: tuple(map(_container, rows)))


def _container(row: str) -> Container:
    known = _json_object([row])
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


_STATE: Final = "running|unfinished|confirmed|rolled-back|refused|broken"


def _transaction(text: str) -> Transaction | None:
    if text == "none":
        return None
    found = re.fullmatch(rf"({ID}) ({_STATE})(?: (.+))?", text)
    if not found:
        raise ValueError(f"{text[:60]!r} is no transaction")
    return Transaction(*found.groups())
