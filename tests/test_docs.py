"""The docs cannot lie: generated pages are current, and what a page names exists."""

import ast
import enum
import importlib.util
import inspect
import itertools
import pkgutil
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
import yaml

from oakum.cli import oakum
from oakum.controls import controls
from oakum.exit_codes import ExitCode
from oakum.fleet import Fleet
from oakum.layers import Layer, resolve
from oakum.model import Area, Disruption, Outcome, Severity, Status

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
CAVEATS = [
    "Compose in production, and CI with Docker Hub",
    "Untrusted images",
    "Content-addressable images",
    "Kernel panic in a shared kernel",
    "Redundancy of every resource",
    "Monitoring",
    "Swarm rescheduling on node failure",
    "Kubernetes reconciliation loop",
    "Resource isolation",
    "Control groups",
    "Entropy depletion",
    "User namespaces",
    "Seccomp",
    "AppArmor and SELinux",
    "Other security additions",
    "Userland proxy and hairpin NAT",
    "Docker's defaults",
    "Choice of copy-on-write file system",
    "Containers and virtual machines",
    "Virtualised Docker on Windows and macOS",
    "Windows Server",
    "WSL",
    "Alpine",
    "Bloated images",
    "Scalable apps, pods, composites, autopilot",
    "Docker as magic",
]
"""The caveats that oakum was asked for, one by one."""

CONTROLS = [control.id for control in controls()]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
}
BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def spans(text: str) -> list[str]:
    """What stands between backticks in running text."""
    return re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))


def commands(tool: str) -> Iterator[list[str]]:
    """The command lines of ``tool`` that any page shows, in a block or between backticks.

    ``a|b`` is two of them; what a block holds after ``#`` is talk.
    """
    for text in PAGES.values():
        lines = [line.strip() for block in BLOCK.findall(text) for line in block.splitlines()]
        for found in (*lines, *spans(text)):
            if found.startswith(f"{tool} ") and "…" not in found and "[" not in found:
                choices = (word.split("|") for word in shlex.split(found, comments=True))
                yield from map(list, itertools.product(*choices))


def once(found: Iterable[list[str]]) -> list[list[str]]:
    return [list(words) for words in dict.fromkeys(map(tuple, found))]


# Generated pages ---------------------------------------------------------------------------------


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs", ROOT / "tools" / "docs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["controls.md", "cli.md"])
def test_generated_pages_are_current(page: str) -> None:
    assert generator().PAGES[page]() == PAGES[f"docs/{page}"], "run: make docs"


def test_every_caveat_is_answered_by_a_control_or_says_why_not() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", PAGES["docs/caveats.md"], re.MULTILINE)[1:]
    assert [caveat for caveat, _ in rows] == CAVEATS
    linked = set()
    for caveat, answer in rows:
        names = re.findall(r"\[([a-z-]+)\]\(controls\.md#\1\)", answer)
        assert names or answer.startswith(("Nothing to do", "Not supported", "`oakum explain`")), (
            caveat
        )
        linked |= {*names}
    beyond = PAGES["docs/caveats.md"].split("\n## Beyond the list\n")[1]
    linked |= {*re.findall(r"\[([a-z-]+)\]\(controls\.md#\1\)", beyond)}
    assert sorted(linked) == CONTROLS


def test_every_control_has_its_page() -> None:
    assert re.findall(r"^## ([a-z-]+)$", PAGES["docs/controls.md"], re.MULTILINE) == CONTROLS


def test_safety_has_the_table_that_the_fault_suite_holds() -> None:
    # Not sooner: the lab's own conftest has to be loaded by pytest.
    from lab import faults

    assert f"```\n{faults.promised()}\n```" in PAGES["docs/safety.md"]
    script = (ROOT / "oakum/host/transaction.sh").read_text("utf-8")
    assert set(re.findall(r"\bpoint ([a-z]\S*)$", script, re.MULTILINE)) == {
        *faults.POINTS,
        *faults.FIRST,
    }


# Commands ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", once(commands("oakum")), ids=" ".join)
def test_oakum_commands_parse(words: list[str]) -> None:
    """A bare name only has to exist; with words behind it, it has to be whole."""
    _, name, *args = words
    assert name in oakum.commands
    command = oakum.commands[name]
    if args and isinstance(command, click.Group):
        name, *args = args
        assert name in command.commands
        command = command.commands[name]
    if args:
        redirected = args.index(">") if ">" in args else None
        command.make_context(name, args[:redirected])


def leaves(group: click.Group) -> Iterator[click.Command]:
    """The commands of a group, and of the groups in it."""
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from leaves(command)
        else:
            yield command


@pytest.mark.parametrize("page", PAGES)
def test_options_exist(page: str) -> None:
    params = [param for command in leaves(oakum) for param in command.params]
    known = {name for param in params for name in param.opts}
    named = {span.split()[0] for span in spans(PAGES[page]) if span.startswith("--")}
    assert named <= known


@pytest.mark.parametrize("words", once(commands("make")), ids=" ".join)
def test_make_targets_exist(words: list[str]) -> None:
    assert f"\n{words[1]}: " in (ROOT / "Makefile").read_text("utf-8")


def test_pyinfra_commands_are_whole() -> None:
    """In a process of its own: pyinfra's command patches the whole interpreter."""
    told = [sys.executable, "-m", "pyinfra", "--help"]
    usage = subprocess.run(told, capture_output=True, text=True, check=True).stdout
    shown = once(commands("pyinfra"))
    assert shown
    for _, inventory, deploy, *flags in shown:
        if inventory != "INVENTORY" and not inventory.startswith("@"):
            assert (ROOT / inventory).is_file()
        if deploy.endswith(".py"):
            assert (ROOT / deploy).is_file()
        else:
            found = pkgutil.resolve_name(":".join(deploy.rsplit(".", 1)))
            given = [flags.pop(0).split("=")[0] for flag in list(flags) if "=" in flag]
            assert {*given} <= {*inspect.signature(found).parameters}
        for flag in flags:
            assert re.search(rf"^ +(?:-\w, )?{flag}\b", usage, re.MULTILINE), flag


# What pages say ----------------------------------------------------------------------------------


def test_readme_lists_every_control_and_exit_code() -> None:
    rows = re.findall(rf"^\| (?:{'|'.join(Area)}) \|.*", README, re.MULTILINE)
    assert sorted(name for row in rows for name in spans(row)) == CONTROLS
    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)]
    assert codes == [code.value for code in ExitCode]


def test_readme_policy_is_valid() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    resolve([Layer("README", yaml.safe_load(text))], CONTROLS)


@pytest.mark.parametrize("words", [Status, Severity, Disruption, Outcome])
def test_glossary_knows_the_words(words: type[enum.StrEnum]) -> None:
    assert set(words) <= {*spans(PAGES["docs/glossary.md"])}


def test_architecture_names_every_module_and_folder() -> None:
    page = PAGES["docs/architecture.md"]
    for path in (ROOT / "oakum").iterdir():
        if path.suffix == ".py" and not path.stem.startswith("__"):
            assert re.search(rf"\b{re.escape(path.name)}\b", page), path.name
        elif path.is_dir() and path.name not in ("__pycache__", "templates"):
            assert f"oakum/{path.name}/" in page, path.name
    tracked = ("bench", "deploys", "inventories", "templates", "tests", "tools")
    assert all(re.search(rf"^(\w+/ )*{folder}/ ", page, re.MULTILINE) for folder in tracked)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_paths_exist(page: str) -> None:
    for span in spans(PAGES[page]):
        if re.fullmatch(r"[\w.][\w./-]*/[\w./-]*", span):
            assert (ROOT / span).exists(), span


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGES[page]):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), target


def test_decisions_are_counted_and_say_the_same_four_things() -> None:
    names = [name for name in PAGES if name.startswith("docs/decisions/")]
    assert names
    for number, name in enumerate(names, 1):
        assert Path(name).name.startswith(f"{number:04}-")
        assert PAGES[name].startswith(f"# {number}. ")
        heads = re.findall(r"^\*\*([\w ]+)\.\*\*", PAGES[name], re.MULTILINE)
        assert heads == ["Context", "Decision", "Consequences", "What would change our mind"], name


# Examples ----------------------------------------------------------------------------------------


def group_data() -> dict[str, dict[str, Any]]:
    """What the example groups want, by group."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(ROOT.glob("inventories/group_data/*.py")):
        lines = ast.parse(path.read_text("utf-8")).body
        pairs = [(line.targets[0], line.value) for line in lines if isinstance(line, ast.Assign)]
        found[path.stem] = {ast.unparse(key): ast.literal_eval(value) for key, value in pairs}
    return found


@pytest.mark.parametrize("name", ["local.py", "example.py"])
def test_example_inventories_load_with_their_group_data(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the command line does it; a wrong key or value is refused here."""
    monkeypatch.chdir(ROOT)
    for target in Fleet(f"inventories/{name}").targets.values():
        policy = target.policy.model_dump(mode="json")
        for group in ("all", *target.groups):
            for key, value in group_data().get(group, {}).items():
                assert policy[key.removeprefix("oakum_")] == value


def test_every_example_group_has_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    fleet = Fleet("inventories/example.py")
    groups = {group for found in fleet.targets.values() for group in found.groups}
    assert group_data().keys() <= {"all", *groups}
