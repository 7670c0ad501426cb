"""The docs cannot lie: generated pages are current, and what README shows exists."""

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from oakum.cli import oakum
from oakum.controls import controls
from oakum.exit_codes import ExitCode
from oakum.policy import Layer, resolve

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs", ROOT / "tools" / "docs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["controls.md", "cli.md"])
def test_generated_pages_are_current(page: str) -> None:
    assert generator().PAGES[page]() == (ROOT / "docs" / page).read_text("utf-8"), "run: make docs"


def commands(tool: str) -> list[list[str]]:
    """The command lines of README's blocks that start with ``tool``."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith(f"{tool} ")]


@pytest.mark.parametrize("words", commands("oakum"), ids=" ".join)
def test_readme_commands_parse(words: list[str]) -> None:
    oakum.commands[words[1]].make_context(words[1], words[2:])


@pytest.mark.parametrize("words", commands("make"), ids=" ".join)
def test_readme_targets_exist(words: list[str]) -> None:
    assert f"\n{words[1]}: " in (ROOT / "Makefile").read_text("utf-8")


@pytest.mark.parametrize("words", commands("pyinfra"), ids=" ".join)
def test_readme_pyinfra_files_exist(words: list[str]) -> None:
    for word in words[1:3]:
        if "/" in word:
            assert (ROOT / word).is_file()


def test_readme_lists_every_control_and_exit_code() -> None:
    for control in controls():
        assert f"| `{control.id}` |" in README
    for code in ExitCode:
        assert f"\n| {code.value} | " in README


def test_readme_policy_is_valid() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    resolve([Layer("README", yaml.safe_load(text))], [control.id for control in controls()])


@pytest.mark.parametrize("path", sorted(ROOT.glob("inventories/group_data/*.py")), ids=str)
def test_example_group_data_is_valid(path: Path) -> None:
    data: dict[str, object] = {}
    exec(path.read_text("utf-8"), data)
    keys = {key: value for key, value in data.items() if key.startswith("oakum_")}
    assert keys
    resolve([Layer(path.stem, keys)], [control.id for control in controls()])


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")], ids=str
)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
