"""Compare oakum's reading of Ansible inventories with Ansible's own; record it, or run it live.

ANSIBLE is a Python that has ansible-core. ``record`` writes expected.json beside each inventory in
tests/inventories_ansible, generated ones anew; ``compare`` reads COUNT generated ones with both.

tools/ansible_inventories.py record ANSIBLE
tools/ansible_inventories.py compare ANSIBLE COUNT [SEED]
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from oakum.inventory.sources import read
from oakum.inventory.tree import ResolvedHost
from oakum.inventory.values import json_loads

RECORDED = Path(__file__).parents[1] / "tests" / "inventories_ansible"
GENERATED = 8

DRIVER = """
import io, json, os, sys
from contextlib import redirect_stdout
from ansible import __version__
from ansible.cli.inventory import InventoryCLI

print(__version__, flush=True)
for path in sys.argv[1:]:
    told, tell = os.pipe()
    if not os.fork():
        os.dup2(tell, 1), os.close(told)
        args = ["ansible-inventory", "--list", "--inventory", path]
        InventoryCLI.cli_executor(args)
    os.close(tell)
    with os.fdopen(told) as output:
        text = output.read()
    os.wait()
    print(json.dumps(text), flush=True)
"""
"""One start of Ansible for many inventories: each is listed in a child of its own."""


def listed(ansible: str, paths: Sequence[Path]) -> tuple[str, list[str]]:
    """ansible-core's version, and what ``ansible-inventory --list`` prints for each path.

    It runs in an empty folder: Ansible also reads group_vars where it is started.
    """
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(
            [ansible, "-c", DRIVER, *(str(path.absolute()) for path in paths)],
            cwd=empty,
            env={"PATH": "/usr/bin:/bin", "HOME": empty, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
    version, *rows = done.stdout.splitlines()
    return version, [json.loads(row) for row in rows]


def ours(hosts: Sequence[ResolvedHost]) -> dict[str, Any]:
    """Hosts by name: their groups and variables, as ``theirs`` gives them."""
    return {
        host.name: {
            "groups": sorted(host.groups),
            "vars": json.loads(
                json.dumps({key: row.value for key, row in host.said.items()}, default=str)
            ),
        }
        for host in hosts
    }


def theirs(text: str) -> dict[str, Any]:
    """The same out of the output of ``ansible-inventory --list``."""
    data = json_loads(text)
    hostvars = data.pop("_meta")["hostvars"]

    def members(group: str) -> set[str]:
        row = data.get(group, {})
        return set(row.get("hosts", ())).union(*(members(name) for name in row.get("children", ())))

    groups: dict[str, set[str]] = {}
    for name in data.keys() - {"all"}:
        for host in members(name):
            groups.setdefault(host, set()).add(name)
    names = sorted({*hostvars, *groups})
    return {
        name: {"groups": sorted(groups.get(name, ())), "vars": hostvars.get(name, {})}
        for name in names
    }


# Generated inventories ---------------------------------------------------------------------------


def write(folder: Path, chance: random.Random) -> Path:
    """A new inventory in ``folder``, one file or a folder of up to three; the path to read."""
    groups = chance.sample(["web", "db", "eu", "us", "prod", "canary", "a", "zz"], 6)
    edges = [
        (parent, child)
        for place, parent in enumerate(groups)
        for child in groups[place + 1 :]
        if chance.random() < 0.3
    ]
    patterns = ["h[2:4]", "n[01:05:2].x", "[a:c]-host", "p1:2222", "10.0.0.[8:11]", "::1"]
    hosts = ["h1", *chance.sample(patterns, chance.randint(0, 4))]
    places = {host: chance.sample(groups, chance.randint(0, 3)) for host in hosts}
    several = chance.random() < 0.4
    inventory = folder / "inventory" if several else folder
    inventory.mkdir(parents=True)
    kinds = [chance.choice([_yaml, _ini, _program]) for _ in range(3 if several else 1)]
    for number, kind in enumerate(kinds):
        kind(inventory / f"{number}-hosts", groups, edges, places, chance)
    for group in ("all", "ungrouped", *groups):
        _vars(inventory / "group_vars" / group, chance)
    for host in ("h1", "h2", "n03.x", "p1"):
        _vars(inventory / "host_vars" / host, chance)
    if several:
        return inventory
    (file,) = (path for path in inventory.iterdir() if path.is_file())
    return file


def _said(chance: random.Random) -> dict[str, Any]:
    values = [
        1,
        2.5,
        True,
        None,
        "yes",
        "a b",
        "#no",
        "x=y",
        [1, "two"],
        {"k": {"n": 1}},
        "007",
        "",
    ]
    names = chance.sample("stuvwxyz", chance.randint(0, 5))
    return {name: chance.choice([*values, chance.randint(0, 999)]) for name in names}


def _group_said(chance: random.Random) -> dict[str, Any]:
    priority = {"ansible_group_priority": chance.randint(0, 12)} if chance.random() < 0.4 else {}
    return {**_said(chance), **priority}


Edges = Sequence[tuple[str, str]]
Places = Mapping[str, Sequence[str]]


def _yaml(path: Path, groups: list[str], edges: Edges, places: Places, chance: Any) -> None:
    rows: dict[str, Any] = {}
    for group in groups:
        row: dict[str, Any] = {"vars": _group_said(chance)} if chance.random() < 0.7 else {}
        row["hosts"] = {host: _said(chance) or None for host, own in places.items() if group in own}
        row["children"] = {child: None for parent, child in edges if parent == group}
        rows[group] = row if chance.random() < 0.9 else None
    loose = {host: _said(chance) for host, own in places.items() if not own}
    rows["all"] = {"vars": _said(chance), "hosts": loose}
    suffix = chance.choice(["", ".yml", ".yaml"])
    path.with_name(path.name + suffix).write_text(yaml.safe_dump(rows, sort_keys=False))


def _ini(path: Path, groups: list[str], edges: Edges, places: Places, chance: Any) -> None:
    def assigned(said: Mapping[str, Any]) -> list[str]:
        return [
            f"{key}={value}" if " " not in f"{value}" else f"{key}={value!r}"
            for key, value in said.items()
        ]

    lines = ["# generated", *(host for host, own in places.items() if not own)]
    for group in chance.sample(groups, len(groups)):
        lines += ["", f"[{group}]"]
        for host in (host for host, own in places.items() if group in own):
            words = [
                word for word in assigned(_said(chance)) if "[" not in word and "{" not in word
            ]
            lines.append(" ".join([host, *words]))
        if chance.random() < 0.6:
            lines += [f"[{group}:vars]", *assigned(_group_said(chance))]
        lines += [f"[{group}:children]"] if chance.random() < 0.8 else []
        lines += [child for parent, child in edges if parent == group and "children" in lines[-1]]
    lines += ["[all:vars]", *assigned(_said(chance))]
    suffix = chance.choice(["", ".ini", ".example"])
    path.with_name(path.name + suffix).write_text("\n".join(lines) + "\n")


def _program(path: Path, groups: list[str], edges: Edges, places: Places, chance: Any) -> None:
    plain = {host: own for host, own in places.items() if "[" not in host and "]" not in host}
    rows: dict[str, Any] = {
        group: {
            "hosts": [host for host, own in plain.items() if group in own],
            "vars": _group_said(chance),
            "children": [child for parent, child in edges if parent == group],
        }
        for group in groups
    }
    rows["all"] = {"vars": _said(chance), "hosts": list(plain)}
    rows["_meta"] = {"hostvars": {host: _said(chance) for host in plain}}
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(rows, indent=1)}\nEND\n")
    path.chmod(0o755)


def _vars(path: Path, chance: random.Random) -> None:
    if chance.random() < 0.5:
        return
    form = chance.choice(["", ".yml", ".yaml", ".json", "/", "/"])
    text = json.dumps if form == ".json" else yaml.safe_dump
    path.parent.mkdir(exist_ok=True)
    if form != "/":
        path.with_name(path.name + form).write_text(text(_said(chance)))
        return
    path.mkdir()
    for name in ("b.yml", "a", "c.txt", ".hidden.yml", "old.yml~"):
        (path / name).write_text(yaml.safe_dump(_said(chance)))


# Commands ----------------------------------------------------------------------------------------


def record(ansible: str) -> None:
    """Write expected.json of every recorded inventory, and the generated ones anew."""
    for seed in range(GENERATED):
        folder = RECORDED / f"generated-{seed:02}"
        shutil.rmtree(folder, ignore_errors=True)
        path = write(folder, random.Random(seed))
        if path != folder:
            (folder / "source").write_text(str(path.relative_to(folder)))
    folders = sorted(path for path in RECORDED.iterdir() if path.is_dir())
    version, outputs = listed(ansible, [source(folder) for folder in folders])
    for folder, text in zip(folders, outputs, strict=True):
        row = {"recorded": f"ansible-core {version}", "hosts": theirs(text)}
        if not row["hosts"]:
            sys.exit(f"{folder}: Ansible finds no hosts there")
        (folder / "expected.json").write_text(json.dumps(row, indent=1, sort_keys=True) + "\n")
    print(f"recorded {len(folders)} inventories with ansible-core {version}")


def source(folder: Path) -> Path:
    """The path to read in a recorded inventory's folder."""
    return folder / (folder / "source").read_text().strip()


def compare(ansible: str, count: int, seed: int = 0) -> int:
    """Read generated inventories with both; the number of those that differ."""
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / f"{seed + number}" for number in range(count)]
        paths = [write(folder, random.Random(folder.name)) for folder in folders]
        version, outputs = listed(ansible, paths)
        differ = 0
        for path, folder, text in zip(paths, folders, outputs, strict=True):
            expected, found = theirs(text), ours(read(str(path)))
            if found != expected:
                differ += 1
                print(f"seed {folder.name}: {path.name}\n  ours   {found}\n  theirs {expected}")
    hosts = sum(len(theirs(text)) for text in outputs)
    print(f"{count} inventories, {hosts} hosts, ansible-core {version}: {differ} differ")
    return differ


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["record", ansible]:
            record(ansible)
        case ["compare", ansible, count, *seed]:
            sys.exit(compare(ansible, int(count), *map(int, seed)) > 0)
        case _:
            sys.exit(__doc__)
