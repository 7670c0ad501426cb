"""Ansible inventories are read as Ansible reads them; see tools/ansible_inventories.py."""

import importlib.util
import json
import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from oakum.inventory.sources import read

ROOT = Path(__file__).parents[1]


def load_tool() -> ModuleType:
    path = ROOT / "tools" / "ansible_inventories.py"
    spec = importlib.util.spec_from_file_location("ansible_inventories", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = load_tool()
FOLDERS = sorted(path for path in tool.RECORDED.iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_as_ansible_inventory_lists_it(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    assert expected["recorded"].startswith("ansible-core 2.")
    assert tool.ours(read(str(tool.source(folder)))) == expected["hosts"]


def test_there_are_enough_recorded_inventories() -> None:
    assert len(FOLDERS) >= 30


ANSIBLE = os.environ.get("OAKUM_ANSIBLE_PYTHON")


@pytest.mark.skipif(not ANSIBLE, reason="OAKUM_ANSIBLE_PYTHON names no Python with ansible-core")
def test_generated_inventories_live(tmp_path: Path) -> None:
    assert shutil.which(str(ANSIBLE))
    assert tool.compare(ANSIBLE, 20, int.from_bytes(os.urandom(4))) == 0
