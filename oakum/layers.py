"""From everything that was said about a host to its policy, checked at this edge.

Layers lie on each other key by key, the last one wins: profile, ``--policy FILE``, group, host,
command line. A wrong key or value is refused by name, with the nearest valid one, before any host
is contacted.
"""

import functools
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from oakum.engine.tables import table
from oakum.model import Area
from oakum.policy import Policy, PolicyError, nearest

PREFIX: Final = "oakum_"


@dataclass(frozen=True, slots=True)
class Layer:
    """Some ``oakum_*`` keys and where they were said, such as ``group web``."""

    source: str
    data: Mapping[str, Any]


Profile = Mapping[str, Any]


@functools.cache
def profiles() -> Mapping[str, Profile]:
    """oakum's own profiles by name, ``extends`` resolved; each has a ``title``."""
    rows: dict[str, Profile] = table("profiles.yml", "oakum")
    return {name: _whole(name, rows) for name in rows}


def _whole(name: str, rows: Mapping[str, Profile]) -> Profile:
    """A profile laid on those that it extends. Raises RecursionError where they go in a circle."""
    row = dict(rows[name])
    base = row.pop("extends", None)
    return {**(_whole(base, rows) if base else {}), **row}


def _own_profiles(given: Any, source: str) -> Mapping[str, Profile]:
    """Those of an organisation beside oakum's, ``extends`` resolved.

    Raises:
        PolicyError: no profile, one of oakum's names, an unknown key or base.
    """
    if not isinstance(given, Mapping):
        raise PolicyError(
            [f"oakum_profiles: expected names of profiles, found {given!r} ({source})"]
        )
    known = {*Policy.model_fields, "title", "extends"} - {"profile", "profiles"}
    problems = []
    for name, row in given.items():
        where = f"oakum_profiles.{name}"
        if name in profiles():
            problems.append(f"{where}: is oakum's own; choose another name, and extends: {name}")
        if not isinstance(row, Mapping):
            problems.append(f"{where}: expected settings, found {row!r}")
            continue
        for key in row.keys() - known:
            problems.append(f"{where}.{key}: is no setting{nearest(str(key), known)}")
        base = row.get("extends", "baseline")
        if base not in (*profiles(), *given):
            near = nearest(str(base), [*profiles(), *map(str, given)])
            problems.append(f"{where}.extends: {base!r} is no profile{near}")
    if problems:
        raise PolicyError([f"{problem} ({source})" for problem in problems])
    rows = {**profiles(), **{name: {"extends": "baseline", **row} for name, row in given.items()}}
    try:
        return {name: _whole(name, rows) for name in rows}
    except RecursionError:
        raise PolicyError(
            [f"oakum_profiles: they extend each other in a circle ({source})"]
        ) from None


def resolve(layers: Sequence[Layer], controls: Collection[str]) -> Policy:
    """The policy that ``layers`` make, lowest first; ``controls`` are the ids that may be named.

    Raises:
        PolicyError: every wrong key, value or control id, each with its layer.
    """
    problems = [problem for layer in layers for problem in _unknown_keys(layer)]
    merged: dict[str, Any] = {}
    source: dict[str, str] = {}
    for layer in layers:
        for key, value in layer.data.items():
            merged[key.removeprefix(PREFIX)] = value
            source[key.removeprefix(PREFIX)] = layer.source
    rows = profiles()
    if "profiles" in merged:
        rows = _own_profiles(merged["profiles"], source["profiles"])
    name = merged.get("profile", "baseline")
    if not isinstance(name, str) or name not in rows:
        said = f"oakum_profile: {name!r} is no profile ({source['profile']})"
        raise PolicyError([*problems, said + nearest(str(name), rows)])
    if problems:
        raise PolicyError(problems)
    base = {key: value for key, value in rows[name].items() if key != "title"}
    try:
        policy = Policy.model_validate({**base, **merged, "profile": name})
    except ValidationError as error:
        raise PolicyError(_sentences(error, source, f"profile {name}")) from None
    if problems := list(_unknown_controls(policy, controls, source)):
        raise PolicyError(problems)
    return policy


def _unknown_keys(layer: Layer) -> list[str]:
    known = {PREFIX + name for name in Policy.model_fields}
    return [
        f"{key}: is no setting ({layer.source}){nearest(key, known)}"
        for key in layer.data
        if key not in known
    ]


def _sentences(error: ValidationError, source: Mapping[str, str], profile: str) -> list[str]:
    rows = []
    for fault in error.errors(include_url=False):
        where = ".".join(str(step) for step in fault["loc"])
        key = str(fault["loc"][0]) if fault["loc"] else "default_ulimits"
        seen = "" if fault["type"] == "value_error" else f"; seen: {fault['input']!r}"
        text = fault["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
        place = source.get(key, profile)
        rows.append(f"{PREFIX}{where}: {text}{seen} ({place})" if where else f"{text} ({place})")
    return rows


def _unknown_controls(
    policy: Policy, controls: Collection[str], source: Mapping[str, str]
) -> list[str]:
    source = {**dict.fromkeys(("only", "skip", "waivers"), f"profile {policy.profile}"), **source}
    named = {
        "only": policy.only,
        "skip": policy.skip,
        "waivers": [waiver.control for waiver in policy.waivers],
    }
    known = {key: {*controls, *(() if key == "waivers" else Area)} for key in named}
    return [
        f"{PREFIX}{key}: {control!r} is no control ({source[key]}){nearest(control, known[key])}"
        for key, found in named.items()
        for control in found
        if control not in known[key]
    ]


class _NoDuplicates(yaml.SafeLoader):
    """A safe loader that refuses a key written twice, which PyYAML lets the last one win."""


def _unique(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if not isinstance(key, Hashable):
            raise yaml.MarkedYAMLError(problem="unhashable key", problem_mark=key_node.start_mark)
        if key in seen:
            raise yaml.MarkedYAMLError(
                problem=f"{key} is written twice", problem_mark=key_node.start_mark
            )
        seen.add(key)
    return dict(loader.construct_pairs(node))


_NoDuplicates.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique)


def load(path: Path) -> Layer:
    """The layer of a ``--policy`` file: YAML, a mapping of ``oakum_*`` keys.

    Raises:
        PolicyError: unreadable, no YAML, no mapping, or a key written twice.
    """
    try:
        # _NoDuplicates is a SafeLoader: no tag of the file makes an object.
        data = yaml.load(path.read_text("utf-8"), Loader=_NoDuplicates)
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: no UTF-8, no such day
        raise PolicyError([f"{path}: {' '.join(str(error).split())}"]) from None
    except RecursionError:
        raise PolicyError([f"{path}: nested too deeply"]) from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise PolicyError([f"{path}: expected oakum_* keys, found a {type(data).__name__}"])
    return Layer(f"file {path}", {str(key): value for key, value in data.items()})


def from_inventory(data: Mapping[str, Any], source: str) -> Layer:
    """The layer of one host's or group's inventory data; keys of other tools are left out."""
    return Layer(source, {key: value for key, value in data.items() if key.startswith(PREFIX)})


def policy_schema() -> dict[str, Any]:
    """The JSON Schema of a ``--policy`` file: every key optional, none other."""
    schema = Policy.model_json_schema()
    schema["properties"] = {f"{PREFIX}{key}": row for key, row in schema["properties"].items()}
    schema.pop("required", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "oakum policy",
    }
