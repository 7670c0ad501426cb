"""What one probe says about one host, typed; every reading is a value or the reason why not.

``parse`` is the only door: text in, :class:`HostFacts` out. The text comes from a host and is
untrusted, so it is read strictly: a line that ``host/probe.sh`` could not have written is an
error that names it, never a guess.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from packaging.version import InvalidVersion, Version

from oakum.engine.document import Document, Malformed, loads, plain

T = TypeVar("T")
U = TypeVar("U")

CAP_SYS_RESOURCE: Final = 24
"""Number of the capability that lifts rlimit bounds, ``linux/capability.h``."""


class CannotTell(Exception):
    """A reading is missing; the message is the reason. Caught in exactly one place, ``judge``."""


class BadProbe(Exception):
    """The host's answer is no probe output; the message says what was seen."""


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """A reading that the probe could take."""

    value: T


@dataclass(frozen=True, slots=True)
class Unread:
    """A reading that the probe could not take, and why."""

    reason: str

    @property
    def value(self) -> Any:
        """Raises CannotTell: asking for what was not read is never answered with a guess."""
        raise CannotTell(self.reason)


Reading = Read[T] | Unread


def attempt(make: Callable[[], T]) -> Reading[T]:
    """What ``make`` gives, as a reading; the first reading that it misses becomes the reason."""
    try:
        return Read(make())
    except CannotTell as why:
        return Unread(str(why))


@dataclass(frozen=True, slots=True)
class FileState:
    """A file on the host: where it is, what it holds, and whether it can be replaced.

    ``target`` differs from ``path`` where the path is a symbolic link. ``content`` is None when
    there is no file. ``mode`` is octal text, ``mtime`` epoch seconds. ``locked`` says why the file
    cannot be replaced, None when it can.
    """

    path: str
    target: str
    content: bytes | None = None
    kind: str = "file"
    mode: str = "644"
    owner: int = 0
    group: int = 0
    mtime: int = 0
    locked: str | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """The Docker engine that is installed. ``origin`` is one of the probe's words for its source;
    ``text`` is the version as the engine writes it."""

    version: Version
    text: str
    origin: str = "distro"
    running: bool = True


@dataclass(frozen=True, slots=True)
class Process:
    """A daemon's process: hard limits by ``ulimit`` name (None is unlimited) and capabilities."""

    pid: int
    started: int = 0
    hard: Mapping[str, int | None] = field(default_factory=dict)
    capabilities: int = 0

    @property
    def lifts_limits(self) -> bool:
        """Whether the process may grant more than its own hard limits."""
        return bool(self.capabilities >> CAP_SYS_RESOURCE & 1)


@dataclass(frozen=True, slots=True)
class Container:
    """A running container, as far as a change of its host can touch it.

    ``ports`` are published addresses such as ``0.0.0.0:80`` or ``[::1]:3000``; ``mounts`` are
    sources on the host.
    """

    name: str
    image: str = ""
    pid: int = 0
    privileged: bool = False
    userns: str = ""
    pid_mode: str = ""
    network: str = "default"
    restart: str = "no"
    ports: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    security: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """Everything that a decision about a host may rest on; one probe, nothing remembered.

    ``engine`` is Read(None) where no engine is installed, ``dockerd`` where none runs. ``info``
    is ``docker info``. ``document`` is daemon.json as it lies there; ``flags`` what the running
    dockerd was started with, ``unit_flags`` what the next start will give it, both by flag name
    without dashes. ``reloaded`` is the configuration that dockerd logged at its last reload.
    """

    name: Reading[str] = Read("")
    os: Reading[Mapping[str, str]] = Read({})
    kernel: Reading[Version] = Read(Version("6.1"))
    kernel_text: Reading[str] = Read("6.1.0")
    arch: Reading[str] = Read("x86_64")
    virt: Reading[str] = Read("none")
    init: Reading[str] = Read("systemd")
    packages: Reading[str] = Read("apt")
    uid: Reading[int] = Read(0)
    kernel_config: Reading[Mapping[str, bool]] = Read({})
    sysctl: Reading[Mapping[str, str]] = Read({})
    hwrng: Reading[str] = Read("none")
    rdrand: Reading[bool] = Read(True)
    entropy_daemons: Reading[tuple[str, ...]] = Read(())
    haveged: Reading[bool] = Read(False)
    engine: Reading[Engine | None] = Read(None)
    info: Reading[Mapping[str, Any]] = Read({})
    dockerd: Reading[Process | None] = Read(None)
    containerd: Reading[Process | None] = Read(None)
    flags: Reading[Mapping[str, tuple[str, ...]]] = Read({})
    unit_flags: Reading[Mapping[str, tuple[str, ...]]] = Read({})
    reloaded: Reading[Mapping[str, Any] | None] = Read(None)
    daemon_file: Reading[FileState] = Read(
        FileState("/etc/docker/daemon.json", "/etc/docker/daemon.json")
    )
    document: Reading[Document] = Read(loads(b"{}"))
    subuid: Reading[FileState] = Read(FileState("/etc/subuid", "/etc/subuid", b""))
    subgid: Reading[FileState] = Read(FileState("/etc/subgid", "/etc/subgid", b""))
    seccomp_file: Reading[FileState] = Read(
        FileState("/etc/docker/oakum-seccomp.json", "/etc/docker/oakum-seccomp.json")
    )
    data_root: Reading[str] = Read("/var/lib/docker")
    filesystem: Reading[str] = Read("ext4")
    d_type: Reading[bool] = Read(True)
    drivers_on_disk: Reading[tuple[str, ...]] = Read(())
    images: Reading[int] = Read(0)
    image_bytes: Reading[int] = Read(0)
    volumes: Reading[int] = Read(0)
    container_count: Reading[int] = Read(0)
    containers: Reading[tuple[Container, ...]] = Read(())
    kubelet: Reading[bool] = Read(False)
    oakum_state: Reading[tuple[str, ...]] = Read(())

    @property
    def version(self) -> Version:
        """The engine's version. Raises CannotTell where there is no engine to ask."""
        engine = self.engine.value
        if engine is None:
            raise CannotTell("no Docker engine on this host")
        return engine.version

    def summary(self) -> dict[str, str]:
        """The few facts that head a host in a report; what was not read is left out."""
        rows: dict[str, Reading[Any]] = {
            "docker": attempt(lambda: _engine_text(self.engine.value)),
            "kernel": self.kernel_text,
            "os": attempt(lambda: _os_text(self.os.value)),
            "arch": self.arch,
            "virt": self.virt,
            "init": self.init,
            "containers": attempt(lambda: str(len(self.containers.value))),
        }
        return {name: row.value for name, row in rows.items() if isinstance(row, Read)}


def _engine_text(engine: Engine | None) -> str:
    return "none" if engine is None else engine.text


def _os_text(release: Mapping[str, str]) -> str:
    return f"{release.get('ID', 'linux')} {release.get('VERSION_ID', '')}".strip()


# The wire format ---------------------------------------------------------------------------------

BEGIN: Final = "oakum-probe 1 begin"
END: Final = "oakum-probe 1 end"
_NAME: Final = re.compile(r"[a-z0-9_.]{1,40}\Z")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Raw:
    """One reading as it was sent: text, bytes, lines, or the reason why there is none."""

    text: str | None = None
    data: bytes | None = None
    lines: tuple[str, ...] | None = None
    reason: str | None = None


def readings(output: Sequence[str]) -> dict[str, Raw]:
    """The readings between the markers of a probe's output, by name.

    What a login shell prints before the first marker is none of our business and is left out.

    Raises:
        BadProbe: no markers, cut off, or a line that no probe writes.
    """
    if BEGIN not in output:
        seen = next((line for line in output if line.strip()), "")
        raise BadProbe(f"no probe output; the host's shell answered {seen[:80]!r}")
    found: dict[str, Raw] = {}
    lines = iter(output[list(output).index(BEGIN) + 1 :])
    for line in lines:
        if line == END:
            return found
        kind = line[:1]
        name, _, rest = line[1:].partition(" ")
        if _CONTROL.search(line) or not _NAME.match(name) or name in found:
            raise BadProbe(f"a line that no probe writes: {line[:80]!r}")
        if kind == "=":
            found[name] = Raw(text=rest)
        elif kind == "!":
            found[name] = Raw(reason=rest or "no reason given")
        elif kind == "@":
            found[name] = Raw(data=_unhex(name, rest))
        elif kind == "<":
            found[name] = Raw(lines=_block(name, lines))
        else:
            raise BadProbe(f"a line that no probe writes: {line[:80]!r}")
    last = next(reversed(found), "nothing")
    raise BadProbe(f"the probe's output is cut off after {last}")


def _unhex(name: str, digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise BadProbe(f"{name}: not hexadecimal: {digits[:40]!r}") from None


def _block(name: str, lines: Any) -> tuple[str, ...]:
    block: list[str] = []
    for line in lines:
        if line == f">{name}":
            return tuple(block)
        if not line.startswith("|") or _CONTROL.search(line):
            raise BadProbe(f"{name}: a line that no probe writes: {line[:80]!r}")
        block.append(line[1:])
    raise BadProbe(f"the probe's output is cut off inside {name}")


# From text to types ------------------------------------------------------------------------------


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
        kernel_config=source.lines("kernel.config", _kernel_config),
        sysctl=source.lines("sysctl", _assignments),
        hwrng=source.text("entropy.hwrng"),
        rdrand=source.word("entropy.rdrand", _yes_no),
        entropy_daemons=source.word("entropy.daemons", _words),
        haveged=source.word("entropy.haveged", lambda word: word == "installed"),
        engine=_engine(source),
        info=source.lines("engine.info", _info),
        dockerd=_process(source, "dockerd"),
        containerd=_process(source, "containerd"),
        flags=attempt(lambda: parse_flags(args.value)),
        unit_flags=_unit_flags(source),
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
    )


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


def parse_flags(args: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """dockerd's long options with their values, by name without dashes.

    A boolean flag without a value has the value ``true``; ``-H`` is ``host``, ``-D`` ``debug``,
    ``-g`` ``graph``, ``-s`` ``storage-driver``, ``-l`` ``log-level``, ``-b`` ``bridge``,
    ``-G`` ``group``, ``-p`` ``pidfile``, ``-r`` ``restart`` (``cmd/dockerd/config.go`` of moby).
    """
    flags: dict[str, tuple[str, ...]] = {}
    rest = list(args[1:])
    while rest:
        arg = rest.pop(0)
        short = _SHORT.get(arg[1:2]) if re.match(r"-[A-Za-z]", arg) else None
        if short:
            name, joined = short, arg[2:].removeprefix("=")
            equals = bool(joined)
        elif arg.startswith("--"):
            name, sign, joined = arg[2:].partition("=")
            equals = bool(sign)
        else:
            continue
        if not equals:
            follows = bool(rest) and not rest[0].startswith("-") and name not in _BOOLEAN
            joined = rest.pop(0) if follows else "true"
        flags[name] = (*flags.get(name, ()), joined)
    return flags


_SHORT: Final = {
    "H": "host",
    "D": "debug",
    "g": "graph",
    "s": "storage-driver",
    "l": "log-level",
    "b": "bridge",
    "G": "group",
    "p": "pidfile",
    "r": "restart",
}
_BOOLEAN: Final = frozenset({"debug", "restart", "tls", "tlsverify", "validate"})
"""Flags after which a word that follows is no value; the other booleans never come bare."""


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
        kind, mode, owner, group, mtime = seen
        return FileState(
            path.value, target.value, content.value, kind, mode, owner, group, mtime, locked
        )

    return attempt(found)


def _stat(text: str) -> tuple[str, str, int, int, int] | None:
    """Kind, mode, owner, group and time of change; None where there is no file."""
    if text == "absent":
        return None
    kind, mode, owner, group, _size, mtime = text.split()
    return kind, mode, int(owner), int(group), int(mtime)


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
    )


def _ports(published: Mapping[str, Any]) -> list[str]:
    addresses = []
    for bindings in published.values():
        for binding in bindings or ():
            address = str(binding.get("HostIp") or "0.0.0.0")
            shown = f"[{address}]" if ":" in address else address
            addresses.append(f"{shown}:{binding.get('HostPort')}")
    return sorted(addresses)
