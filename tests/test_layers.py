"""Imports point down, planning needs no pyinfra, and --help answers at once."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "oakum"
VERSION = "oakum"

MAY_IMPORT = {
    "model": set(),
    "engine": set(),
    "facts": {"engine", "model", "parts"},
    "parts": set(),
    "wire": set(),
    "reading": {"engine", "facts", "wire"},
    "parse_engine": {"engine", "facts", "parts", "reading"},
    "parse_files": {"facts", "parts"},
    "parse_workload": {"facts", "parse_engine", "parts", "reading"},
    "parse_images": {"facts", "parts", "reading"},
    "parse_settings": {"facts", "parts", "reading"},
    "parse": {
        "engine",
        "facts",
        "ledger",
        "parse_engine",
        "parse_files",
        "parse_images",
        "parse_settings",
        "parse_workload",
        "parts",
        "reading",
        "wire",
    },
    "ledger": {"facts", "model", "parts", "wire"},
    "policy_values": {"engine"},
    "installation": {"engine", "facts", "model", "policy_values"},
    "offers": {"wire"},
    "upgrading": {"controls", "engine", "facts", "model", "offers", "planner", "policy"},
    "bootstrap": {"controls", "facts", "installation", "model", "planner", "policy"},
    "policy": {"model", "policy_values"},
    "layers": {"engine", "model", "policy"},
    "waivers": {"policy", "report"},
    "render": set(),
    "controls": {"engine", "facts", "model", "parts", "policy", "policy_values", "render"},
    "planner": {"controls", "engine", "facts", "model", "parts", "policy", "render"},
    "threeway": {"controls", "engine", "facts", "ledger", "model", "parts"},
    "undo": {
        "controls",
        "engine",
        "facts",
        "ledger",
        "model",
        "parts",
        "planner",
        "policy",
        "threeway",
    },
    "report": {"model", "render", VERSION},
    "exit_codes": {"model", "report"},
    "inventory": set(),
    "windows": set(),
    "probe": {"facts", "parse", "windows", "wire"},
    "history": {"facts", "ledger", "model", "probe"},
    "manifest": {"engine", "facts", "model", "policy"},
    "operations": {"facts", "manifest", "model", "policy", "probe", "wire"},
    "deploy": {
        "bootstrap",
        "controls",
        "engine",
        "facts",
        "history",
        "inventory",
        "layers",
        "manifest",
        "model",
        "offers",
        "operations",
        "planner",
        "policy",
        "probe",
        "undo",
        "upgrading",
    },
    "migration": {
        "controls",
        "engine",
        "facts",
        "ledger",
        "model",
        "planner",
        "policy",
        "survey",
        "undo",
    },
    "survey": {"ledger", "wire"},
    "migrating": {
        "deploy",
        "facts",
        "history",
        "manifest",
        "migration",
        "model",
        "operations",
        "policy",
        "probe",
        "survey",
        "undo",
    },
    "selection": {"policy"},
    "errand": {"facts", "policy", "probe"},
    "swarm": {"errand", "facts"},
    "kubernetes": {"errand", "policy"},
    "neighbours": {"errand", "facts", "kubernetes", "model", "policy", "swarm"},
    "schedule": {"model"},
    "events": {"model", "report", "schedule"},
    "visit": {
        "deploy",
        "facts",
        "history",
        "model",
        "neighbours",
        "operations",
        "planner",
        "policy",
        "probe",
        "schedule",
    },
    "known_hosts": set(),
    "fleet": {
        "deploy",
        "known_hosts",
        "layers",
        "model",
        "policy",
        "probe",
        "schedule",
        "selection",
        "visit",
    },
    "rollout": {"deploy", "events", "fleet", "model", "schedule", "visit"},
    "crew": {"fleet", "model", "visit"},
    "worker": {"crew", "fleet", "model", "visit"},
    "options": {"fleet", "layers", "model", "policy", "schedule"},
    "live": {"model", "report"},
    "screen": {"exit_codes", "model", "report"},
    "runs": {
        "crew",
        "deploy",
        "events",
        "exit_codes",
        "fleet",
        "layers",
        "live",
        "migrating",
        "migration",
        "model",
        "options",
        "policy",
        "report",
        "rollout",
        "schedule",
        "screen",
        "selection",
        "visit",
        "waivers",
    },
    "cloud": {
        "bootstrap",
        "controls",
        "engine",
        "facts",
        "installation",
        "manifest",
        "model",
        "parts",
        "policy",
    },
    "cloud_config": {"policy"},
    "userdata": {
        "cloud",
        "cloud_config",
        "controls",
        "deploy",
        "exit_codes",
        "inventory",
        "options",
        "policy",
        "probe",
        "runs",
        "screen",
        "selection",
        VERSION,
    },
    "cli_nodes": {
        "deploy",
        "engine",
        "migration",
        "model",
        "options",
        "runs",
        "screen",
        "upgrading",
        "userdata",
    },
    "reconcile": {
        "controls",
        "exit_codes",
        "layers",
        "model",
        "policy",
        "render",
        "report",
        "schedule",
    },
    "cli_reconcile": {"exit_codes", "model", "options", "reconcile", "report", "screen"},
    "cli": {
        "cli_nodes",
        "cli_reconcile",
        "controls",
        "deploy",
        "exit_codes",
        "layers",
        "ledger",
        "model",
        "options",
        "policy",
        "render",
        "report",
        "runs",
        "screen",
        "undo",
        "worker",
        VERSION,
    },
    "__main__": {"cli"},
}
"""design.md, section 3: who may import whom; each also its own neighbours."""

PURE = (
    "model",
    "parts",
    "facts",
    "wire",
    "parse",
    "parse_engine",
    "parse_files",
    "parse_workload",
    "parse_images",
    "parse_settings",
    "reading",
    "ledger",
    "engine",
    "policy",
    "layers",
    "waivers",
    "controls",
    "planner",
    "manifest",
    "installation",
    "bootstrap",
    "cloud",
    "cloud_config",
    "migration",
    "survey",
    "threeway",
    "undo",
    "offers",
    "upgrading",
    "render",
    "report",
)
FORBIDDEN = {"pyinfra", "pyinfra_cli", "gevent", "paramiko", "rich", "click"}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module's dotted name below ``oakum`` and its file."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


def imports(path: Path) -> Iterator[str]:
    """The absolute names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: a relative import"
            if node.module == "oakum":
                yield from (f"oakum.{alias.name}" for alias in node.names)
            elif node.module:
                yield node.module


def part(name: str) -> str:
    """The member of the picture that ``oakum.x.y`` belongs to; the version is the package's own."""
    inner = name.removeprefix("oakum.").partition(".")[0]
    return VERSION if inner == "__version__" else inner


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=[name for name, _ in modules()])
def test_imports_point_down(name, path):
    own = part(f"oakum.{name}") or VERSION
    if own in (VERSION, "host"):
        wanted: set[str] = set()
    else:
        assert own in MAY_IMPORT, f"oakum/{path.name} has no place in the picture of design.md"
        wanted = MAY_IMPORT[own] | {own}
    found = {part(imported) for imported in imports(path) if imported.startswith("oakum")}
    assert found <= wanted


def test_the_picture_has_no_circle():
    parts = {name: allowed - {VERSION} for name, allowed in MAY_IMPORT.items()}
    assert [*graphlib.TopologicalSorter(parts).static_order()][-1] == "__main__"


def test_only_the_pyinfra_side_names_pyinfra():
    """What a file says, in functions too; the test below tells what is loaded."""
    for name, path in modules():
        if part(f"oakum.{name}") in PURE:
            named = {imported.partition(".")[0] for imported in imports(path)}
            allowed = {"rich"} if name.startswith("report") else set()
            assert not named & (FORBIDDEN - allowed), name


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after ``code``."""
    tell = "import sys; print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{code}\n{tell}"],
        capture_output=True,
        text=True,
        cwd=ROOT.parent,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def test_planning_loads_no_pyinfra():
    """Ten thousand hosts are planned in a unit test: nothing here may bring an event loop."""
    names = [f"oakum.{name}" for name, _ in modules() if part(f"oakum.{name}") in PURE]
    assert {"oakum.planner", "oakum.controls.daemon.seccomp", "oakum.engine.document"} <= {*names}
    code = f"import {', '.join(names)}\nfrom oakum.controls import controls\ncontrols()"
    assert not loaded_by(code) & {"pyinfra", "pyinfra_cli", "gevent", "paramiko"}


@pytest.mark.parametrize("words", [["--help"], ["apply", "--help"], ["--version"]])
def test_help_answers_at_once(words):
    code = (
        "import sys\n"
        "from oakum.__main__ import main\n"
        f"sys.argv = ['oakum', *{words!r}]\n"
        "try:\n    main()\nexcept SystemExit as done:\n    assert not done.code"
    )
    assert not loaded_by(code) & {"pyinfra", "rich", "jinja2", "yaml", "pydantic"}
