"""A path read as Ansible reads ``-i PATH``: YAML, INI, a program, its output, or a folder of them.

Ansible warns of a source that it cannot read, and goes on without it; here that is an error.
"""

import ast
import os
import re
import shlex
import shutil
import string
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pyinfra.api.exceptions import InventoryError

from oakum.inventory.programs import PATIENCE, output
from oakum.inventory.tree import ResolvedHost, Tree
from oakum.inventory.values import (
    ASK_ANSIBLE,
    Said,
    json_loads,
    kind,
    loads,
    text_of,
    variables,
)

_IGNORED: Final = re.compile(
    r"^\.|^(host_vars|group_vars|vars_plugins)$"
    r"|(\.(pyc|pyo|swp|bak|rpm|md|txt|rst|orig|cfg|retry)|~)$"
)
"""Names in a folder that are no sources."""


def read(name: str, newcomer: tuple[str, str] | None = None) -> list[ResolvedHost]:
    """The hosts of an Ansible inventory, with their groups and variables; the last of them is
    ``newcomer``, a host's name and its group, where that is given.

    Raises:
        InventoryError: nothing there, it cannot be read as an inventory, or has no such group.
    """
    path = _existing(name)
    tree = Tree()
    for source in _sources(path) if path.is_dir() else [path]:
        _read_source(tree, source)
    if newcomer is not None:
        host, group = newcomer
        if group not in tree.groups:
            raise InventoryError(f"{name}: there is no group {group}")
        tree.add_host(host, group, name)
    return list(tree.resolved(path if path.is_dir() else path.parent))


def ask_ansible(name: str) -> list[ResolvedHost]:
    """The same, as ``ansible-inventory`` tells it, with its plugins, configuration and vaults.

    Raises:
        InventoryError: it is not installed, it failed, or what it printed is no inventory.
    """
    program = shutil.which("ansible-inventory")
    if not program:
        raise InventoryError("ansible-inventory is not installed here; write @ansible/PATH instead")
    argv = [program, "--list", "--inventory", str(_existing(name))]
    strict = {"ANSIBLE_INVENTORY_UNPARSED_FAILED": "true"}
    printed = output(argv, time.monotonic() + PATIENCE, strict) or ""
    tree = Tree()
    _read_json(tree, _printed(printed, program), f"{program} {name}", None)
    return list(tree.resolved(None))


def _existing(name: str) -> Path:
    path = Path(name).expanduser()
    if name and path.exists():
        return path
    absolute = Path("/", name)
    hint = f"; an absolute path has two slashes: @ansible/{absolute}" if absolute.exists() else ""
    raise InventoryError(f"{name or '@ansible'}: no such file or folder{hint}")


def _sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if not _IGNORED.search(path.name):
            yield from _sources(path) if path.is_dir() else [path]


def _read_source(tree: Tree, path: Path) -> None:
    if os.access(path, os.X_OK) and _read_program(tree, path):
        return
    text = text_of(path)
    if path.suffix == ".toml":
        raise InventoryError(f"{path}: is TOML; {ASK_ANSIBLE}")
    if path.suffix not in ("", ".yml", ".yaml", ".json"):
        return _read_ini(tree, text, path)
    try:
        data = loads(text, str(path))
        if not isinstance(data, dict):
            raise InventoryError(f"{path}: expected groups by name, found {kind(data)}")
    except InventoryError:
        if path.suffix or text.startswith("---"):
            raise
        return _read_ini(tree, text, path)
    if "plugin" in data:
        plugin = f"{path}: is for Ansible's inventory plugin {data['plugin']!r}"
        raise InventoryError(f"{plugin}, which only Ansible can run; {ASK_ANSIBLE}")
    if "_meta" in data:
        return _read_json(tree, data, str(path), None)
    for name, group in data.items():
        _read_group(tree, name, group, str(path))


# YAML --------------------------------------------------------------------------------------------


def _read_group(tree: Tree, name: Any, data: Any, path: str) -> str:
    group = tree.add_group(name, path)
    place = f"{path}, group {group}"
    for key, part in _mapping(data, place).items():
        rows = _mapping({part: None} if isinstance(part, str) else part, f"{place}, {key}")
        if key == "vars":
            tree.say(group, variables(rows, place))
        elif key == "children":
            for child, inner in rows.items():
                tree.add_child(group, _read_group(tree, child, inner, path), place)
        elif key == "hosts":
            for pattern, said in rows.items():
                at = f"{path}, host {pattern}"
                _add_hosts(tree, pattern, group, at, variables(said or {}, at))
        else:
            raise InventoryError(f"{place}: {key!r} is none of hosts, children and vars")
    return group


def _mapping(data: Any, place: str) -> dict[Any, Any]:
    if data is None or isinstance(data, dict):
        return data or {}
    raise InventoryError(f"{place}: expected a mapping, found {kind(data)}")


# INI ---------------------------------------------------------------------------------------------

_SECTION: Final = re.compile(r"\[(?P<name>[^:\]\s]+)(?::(?P<kind>\w+))?\]\s*(?:#.*)?")
_CHILD: Final = re.compile(r"([^:\]\s]+)\s*(?:#.*)?")


def _read_ini(tree: Tree, text: str, path: Path) -> None:
    known = set(tree.groups)
    awaited: dict[str, str] = {}
    group, section = "ungrouped", "hosts"
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        place = f"{path}:{number}"
        if not line or line[0] in ";#":
            continue
        if found := _SECTION.fullmatch(line):
            group, section = found["name"], found["kind"] or "hosts"
            tree.add_group(group, place)
            if section == "vars":
                awaited.setdefault(group, place)
            else:
                known.add(group)
        elif line.startswith("[") and line.endswith("]"):
            raise InventoryError(f"{place}: {line} is no section; they look like [web:children]")
        elif section == "hosts":
            _read_host_line(tree, line, group, place)
        elif section == "vars":
            name, equals, value = line.partition("=")
            if not equals:
                raise InventoryError(f"{place}: expected name=value, found {line!r}")
            tree.say(group, {name.strip(): Said(_python(value.strip()), place)})
        elif section == "children":
            if not (named := _CHILD.fullmatch(line)):
                raise InventoryError(f"{place}: expected the name of a group, found {line!r}")
            child = tree.add_group(named[1], place)
            awaited.setdefault(child, place)
            tree.add_child(group, child, place)
        else:
            raise InventoryError(
                f"{place}: [{group}:{section}] is none of hosts, children and vars"
            )
    for group, place in awaited.items():
        if group not in known:
            raise InventoryError(f"{place}: there is no group {group}; add a line [{group}]")


def _read_host_line(tree: Tree, line: str, group: str, place: str) -> None:
    try:
        pattern, *words = shlex.split(line, comments=True)
    except ValueError as error:
        raise InventoryError(f"{place}: {error}") from None
    if pattern == "---":
        raise InventoryError(f"{place}: --- begins YAML; call the file *.yml")
    if pattern.endswith(":"):
        raise InventoryError(f"{place}: {pattern} lacks a port after its colon")
    said = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise InventoryError(f"{place}: expected name=value after a host, found {word!r}")
        said[name] = Said(_python(value), place)
    _add_hosts(tree, pattern, group, place, said)


def _python(text: str) -> Any:
    """The literal of Python that a text is, or the text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return _as_data(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text


def _as_data(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_data(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set):
        return [_as_data(part) for part in value]
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    return "..." if value is ... else str(value) if isinstance(value, complex) else value


# Programs, and what they print -------------------------------------------------------------------


def _read_program(tree: Tree, path: Path) -> bool:
    """False where the file may be executed, and is no program."""
    argv = [str(path.absolute()), "--list"]
    deadline = time.monotonic() + PATIENCE
    printed = output(argv, deadline)
    if printed is None:
        return False

    def ask(host: str) -> Any:
        told = output([argv[0], "--host", host], deadline) or ""
        return _printed(told, f"{path} --host {host}") if told.strip() else {}

    _read_json(tree, _printed(printed, f"{path} --list"), str(path), ask)
    return True


def _printed(text: str, place: str) -> Any:
    try:
        return json_loads(text)
    except (ValueError, RecursionError) as error:
        raise InventoryError(f"{place}: printed no JSON: {error}") from None


def _read_json(tree: Tree, data: Any, place: str, ask: Callable[[str], Any] | None) -> None:
    """What ``--list`` prints; ``ask`` for a host's variables where it has no ``_meta``."""
    if not isinstance(data, dict):
        raise InventoryError(f"{place}: expected groups by name, found {kind(data)}")
    hosts: dict[str, None] = {}
    for name, group in data.items():
        if name != "_meta":
            hosts |= dict.fromkeys(_read_json_group(tree, name, group, f"{place}, group {name}"))
    hostvars = None
    if "_meta" in data:
        hostvars = variables(_mapping(data["_meta"], f"{place}, _meta").get("hostvars"), place)
    for host in hosts:
        at = f"{place}, host {host}"
        said = hostvars.get(host, Said({}, at)).value if hostvars is not None else {}
        if hostvars is None and ask:
            said = ask(host)
        tree.say(host, variables(said, at))


def _read_json_group(tree: Tree, name: str, data: Any, place: str) -> list[Any]:
    """The hosts of a group that ``--list`` prints."""
    tree.add_group(name, place)
    if not isinstance(data, dict):
        data = {"hosts": data}
    elif not data.keys() & {"hosts", "vars", "children"}:  # a host that is a group of its own
        data = {"hosts": [name], "vars": data}
    hosts: Any = data.get("hosts", [])
    children: Any = data.get("children", [])
    for key, part in (("hosts", hosts), ("children", children)):
        if not isinstance(part, list):
            raise InventoryError(f"{place}, {key}: expected a list, found {kind(part)}")
    for host in hosts:
        tree.add_host(host, name, place)
    tree.say(name, variables(data.get("vars", {}), place))
    for child in children:
        tree.add_child(name, tree.add_group(child, place), place)
    return list(hosts)


# Patterns of hosts -------------------------------------------------------------------------------

_MOST: Final = 100_000
"""Hosts that one pattern may mean."""

_RANGE: Final = re.compile(r"\[(\w*):(\w+)(?::(\d+))?\]")
_LABELS: Final = re.compile(r"\w([\w-]*[^\W_])?(\.\w([\w-]*[^\W_])?)*")
_PORT: Final = re.compile(
    r"\[(?P<bracketed>.+)\]:(?P<its>\d+)|(?P<host>(?:[^:\[\]]|\[[^\]]*\])*):(?P<port>\d+)"
)


def _add_hosts(tree: Tree, pattern: Any, group: str, place: str, said: Mapping[str, Said]) -> None:
    """Every host that a pattern such as ``web[01:10:2].example:2222`` means."""
    if not isinstance(pattern, str):
        raise InventoryError(f"{place}: {pattern!r} is no name of a host; quote it")
    port = None
    if found := _PORT.fullmatch(pattern):
        host = found["bracketed"] or found["host"]
        if _is_address(host):
            pattern, port = host, int(found["its"] or found["port"])
    names = list(islice(_expanded(pattern, place), _MOST + 1))
    if len(names) > _MOST:
        raise InventoryError(f"{place}: {pattern} means more than {_MOST} hosts")
    for name in names:
        tree.add_host(name, group, place, port)
        tree.say(name, said)


def _is_address(text: str) -> bool:
    bare = _RANGE.sub("0", text)
    try:
        return bool(_LABELS.fullmatch(bare) or ip_address(bare))
    except ValueError:
        return False


def _expanded(pattern: str, place: str) -> Iterator[str]:
    head, bracket, rest = pattern.partition("[")
    if not bracket:
        yield pattern
        return
    inner, closed, tail = rest.partition("]")
    words = inner.split(":")
    if not closed or len(words) not in (2, 3):
        raise InventoryError(f"{place}: {pattern}: a range looks like [1:9], [01:10:2] or [a:f]")
    first, last, step = words[0] or "0", words[1], words[2] if len(words) == 3 else "1"
    try:
        names = _range(first, last, int(step))
    except ValueError as error:
        raise InventoryError(f"{place}: {pattern}: [{inner}] is no range: {error}") from None
    for name in names:
        yield from _expanded(f"{head}{name}{tail}", place)


def _range(first: str, last: str, step: int) -> Iterator[str]:
    """Raises ValueError: no range."""
    letters = string.ascii_letters
    if len(first) == len(last) == 1 and first in letters and last in letters:
        begin, end = letters.index(first), letters.index(last)
        found = range(begin, end + 1, step)
        names: Iterator[str] = (letters[place] for place in found)
    else:
        padded = len(first) > 1 and first.startswith("0")
        if padded and len(first) != len(last):
            raise ValueError("with a leading zero both ends have as many digits")
        found = range(int(first), int(last) + 1, step)
        names = (str(number).zfill(len(first) if padded else 0) for number in found)
    if not found or step < 1:
        raise ValueError("its end comes before its beginning")
    return names
