"""What is installed is whole: the wheel carries templates, scripts and data."""

import configparser
import pkgutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_wheel_carries_what_runs_on_hosts(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    names = set(archive.namelist())
    for template in (ROOT / "templates").iterdir():
        assert f"oakum/templates/{template.name}" in names
    for kind in ("*.sh", "*.yml"):
        for file in (ROOT / "oakum").rglob(kind):
            assert str(file.relative_to(ROOT)) in names
    (listed,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
    found = configparser.ConfigParser()
    found.read_string(archive.read(listed).decode())
    for connector in ("ansible", "ansible-inventory"):
        assert pkgutil.resolve_name(found["pyinfra.connectors"][connector]).handles_execution
    assert not {name for name in names if name.startswith(("tests/", "tools/", "bench/"))}
