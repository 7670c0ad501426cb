"""Variables as files say them, each with its place; YAML and JSON as Ansible reads them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from pyinfra.api.exceptions import InventoryError

LARGEST: Final = 64 * 1024 * 1024
"""Bytes that a file, or the output of a program, may have."""

ENCRYPTED: Final = "$ANSIBLE_VAULT;"
ASK_ANSIBLE: Final = "let Ansible read it: @ansible-inventory/PATH"


class Said(NamedTuple):
    """The value of a variable, and where it was said: a file, and a line, host or group in it."""

    value: Any
    place: str


class Vaulted(str):
    """The ciphertext of a value."""

    __slots__ = ()


class Unsafe(str):
    """Text that Ansible never takes for a template, whatever is in it."""

    __slots__ = ()


def unreadable(value: Any) -> str | None:
    """Why only Ansible can read a value, ``vaulted`` or ``a template``; None for a plain one."""
    texts = list(_texts(value, set()))
    if any(isinstance(text, Vaulted) or text.startswith(ENCRYPTED) for text in texts):
        return "vaulted"
    marked = (text for text in texts if any(mark in text for mark in ("{{", "{%", "{#")))
    return None if all(isinstance(text, Unsafe) for text in marked) else "a template"


def _texts(value: Any, seen: set[int]) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list) and id(value) not in seen:
        seen.add(id(value))  # an alias of YAML may stand in a value many times, or in itself
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part, seen)


def text_of(path: Path) -> str:
    """The text of a file.

    Raises:
        InventoryError: unreadable, too large, no UTF-8, or encrypted.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise InventoryError(f"{path}: {error.strerror}") from None
    if len(raw) > LARGEST:
        raise InventoryError(f"{path}: is larger than {LARGEST} bytes")
    if raw.startswith(ENCRYPTED.encode()):
        raise InventoryError(
            f"{path}: is a vaulted file; keep what oakum needs in a plain one, or {ASK_ANSIBLE}"
        )
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise InventoryError(f"{path}: is not UTF-8: {error}") from None


def loads(text: str, place: str) -> Any:
    """What JSON or YAML says, vaulted and unsafe values marked; None for an empty text.

    Raises:
        InventoryError: neither of the two.
    """
    try:
        return json_loads(text)
    except ValueError:
        pass
    except RecursionError:
        raise InventoryError(f"{place}: is nested too deeply") from None
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise InventoryError(f"{place}: is no YAML: {' '.join(str(error).split())}") from None
    except (ValueError, RecursionError) as error:  # a date such as 2026-13-01
        raise InventoryError(f"{place}: is no YAML: {error}") from None


def json_loads(text: str) -> Any:
    """What JSON says, vaulted and unsafe values marked.

    Raises:
        ValueError: no JSON.
    """
    return json.loads(text, object_hook=_marked)


def _marked(row: dict[str, Any]) -> Any:
    match row:
        case {"__ansible_vault": str(text)}:
            return Vaulted(text)
        case {"__ansible_unsafe": str(text)}:
            return Unsafe(text)
    return row


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader, in C where it has one, with Ansible's tags."""


def _vault(loader: Any, node: Any) -> Vaulted:
    return Vaulted(loader.construct_scalar(node))


def _unsafe(loader: Any, node: Any) -> Unsafe:
    return Unsafe(loader.construct_scalar(node))


_Loader.add_constructor("!vault", _vault)
_Loader.add_constructor("!vault-encrypted", _vault)
_Loader.add_constructor("!unsafe", _unsafe)


def variables(data: Any, place: str) -> Mapping[str, Said]:
    """A mapping of variables, each with its place.

    Raises:
        InventoryError: no mapping, or a name that is no text.
    """
    if not isinstance(data, dict):
        raise InventoryError(f"{place}: expected variables by name, found {kind(data)}")
    for name in data:
        if not isinstance(name, str):
            raise InventoryError(f"{place}: {name!r} is no name of a variable; quote it")
    return {name: Said(value, place) for name, value in data.items()}


def kind(value: Any) -> str:
    """What a value is, for an error."""
    names = {dict: "a mapping", list: "a list", str: "text", bool: "a yes or no", int: "a number"}
    return "nothing" if value is None else names.get(type(value), f"a {type(value).__name__}")


# group_vars and host_vars ------------------------------------------------------------------------

_SUFFIXES: Final = ("", ".yml", ".yaml", ".json")


def beside(folder: Path, name: str) -> dict[str, Said]:
    """What ``folder/name``, or the first of its forms with a suffix, says; {} without any.

    Raises:
        InventoryError: a file is unreadable, encrypted, or no mapping.
    """
    found: dict[str, Said] = {}
    if name.startswith("/"):  # as hosts are called that are chroots
        return found
    paths = (folder / f"{name}{suffix}" for suffix in _SUFFIXES)
    for path in next(([path] for path in paths if path.exists()), []):
        for file in _files(path) if path.is_dir() else [path]:
            data = loads(text_of(file), str(file))
            if data:
                found |= variables(data, str(file))
    return found


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if path.is_dir() and not path.suffix:
            yield from _files(path)
        elif path.is_file() and path.suffix in _SUFFIXES:
            yield path
