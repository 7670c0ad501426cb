"""What holds for every control, whoever adds it."""

import importlib
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from oakum.controls import controls
from oakum.controls.base import Control, Observed
from oakum.engine.catalogue import NEWEST, options, refusal
from oakum.policy import Policy
from oakum.render import render

FOLDER = Path(__file__).parent
SOURCES = FOLDER.parent.parent / "oakum" / "controls"
REFS = {
    "cis-1.6": r"\d+\.\d+(\.\d+)?(, \d+\.\d+(\.\d+)?)*",
    "cis-1.7": r"\d+\.\d+(\.\d+)?(, \d+\.\d+(\.\d+)?)*",
    "cis-1.8": r"\d+\.\d+(\.\d+)?(, \d+\.\d+(\.\d+)?)*",
    "seed": r"[a-z]+(-[a-z]+)*",
}
"""The benchmarks that a control may refer to, and how their numbers look."""

DRIFTS = {
    "cgroup-namespaces": ({"info": {"SecurityOptions": []}}, {}),
    "default-address-pools": ({}, {"address_pools": [{"base": "10.200.0.0/16", "size": 24}]}),
    "experimental": ({"config": {"experimental": True}, "info": {"ExperimentalBuild": True}}, {}),
    "init-process": ({}, {"init": "on"}),
    "iptables": ({"config": {"iptables": False}}, {}),
    "log-level": ({"config": {"log-level": "debug"}}, {}),
    "resource-isolation": ({"info": {"CgroupDriver": "systemd"}}, {}),
    "selinux-enabled": ({"selinux": "enforcing"}, {"selinux": "enforce"}),
    "shutdown-timeout": ({"config": {"shutdown-timeout": 5}}, {}),
    "storage-driver": ({"info": {"Driver": "vfs"}}, {}),
}
"""What a plain host, or the strict policy, lacks for a control to find something to write."""

each_control = pytest.mark.parametrize("control", controls(), ids=lambda control: control.id)


def test_the_folder_is_the_registry():
    files = {path.relative_to(SOURCES) for path in SOURCES.glob("*/*.py")}
    files = {path for path in files if path.name != "__init__.py"}
    assert {file_of(control) for control in controls()} == files
    assert [control.id for control in controls()] == sorted(control.id for control in controls())


def file_of(control: Control) -> Path:
    return Path(control.area, f"{control.id.replace('-', '_')}.py")


def module_of(control: Control) -> ModuleType:
    name = ".".join(file_of(control).with_suffix("").parts)
    return importlib.import_module(f"oakum.controls.{name}")


@each_control
def test_its_name_is_its_files(control):
    assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", control.id)
    assert module_of(control).CONTROL is control


@each_control
def test_it_has_its_own_table_of_tests(control):
    path = FOLDER / file_of(control).parent / f"test_{file_of(control).name}"
    assert path.is_file()
    text = path.read_text("utf-8")
    for status in statuses(control):
        assert f"Status.{status}" in text, f"no row is {status}"


def statuses(control: Control) -> Iterator[str]:
    yield from ("OK", "NOT_APPLICABLE", "UNKNOWN")
    if not isinstance(control.setting, Observed):
        yield "DRIFT"
    if control.guards or control.setting.keys or isinstance(control.setting, Observed):
        yield "HELD"


@each_control
def test_its_sentences(control):
    """A title is a heading, the rest are sentences; the module says why it exists."""
    assert control.title[0].isupper()
    assert not control.title.endswith(".")
    assert len(control.title) <= 72
    for text in (control.why, control.cost, control.undo):
        assert text[0].isalpha(), text
        assert text.endswith("."), text
        assert "  " not in text, text
    assert (module_of(control).__doc__ or "").strip().endswith(".")


@each_control
def test_its_references_and_sources(control):
    assert control.refs
    for name, number in control.refs.items():
        assert name in REFS, f"{name}: an unknown benchmark"
        assert re.fullmatch(REFS[name], number), f"{name}: {number}"
    assert "seed" in control.refs
    assert control.sources
    assert all(source and not source.endswith(".") for source in control.sources)


def test_no_two_controls_want_the_same():
    labels = Counter(control.setting.label for control in controls())
    assert not [label for label, times in labels.items() if times > 1]
    ids = Counter(control.id for control in controls())
    assert max(ids.values()) == 1
    numbers = Counter(
        (name, number)
        for control in controls()
        for name, numbers in control.refs.items()
        if name != "seed"
        for number in numbers.split(", ")
    )
    assert not [pair for pair, times in numbers.items() if times > 1]


@each_control
def test_its_guards_say_why_they_are_there(control):
    for guard in control.guards:
        text = inspect.getdoc(guard)
        assert text, f"{guard.__name__} has no docstring"
        assert text.endswith("."), guard.__name__
        assert list(inspect.signature(guard).parameters) == ["facts", "policy"], guard.__name__


@each_control
def test_its_parameter_is_a_setting_of_the_policy(control):
    assert control.parameter is None or control.parameter in Policy.model_fields


def test_every_parameter_of_the_policy_has_its_control():
    general = {
        "profile",
        "profiles",
        "only",
        "skip",
        "waivers",
        "max_disruption",
        "time_limits",
        "preflight",
        "engine",
    }
    neighbours = {"before", "after", "swarm", "swarm_limit", "swarm_manager", "kubernetes"}
    beside = {"slice"}  # the figures of resource_isolation, which is a word
    assert {control.parameter for control in controls() if control.parameter} == (
        Policy.model_fields.keys() - general - neighbours - beside
    )


@each_control
def test_the_catalogue_knows_its_key(control):
    for key in control.setting.keys:
        option = options()[key]
        assert option.effective
        assert option.since
        assert option.gone is None, "a key that newer engines refuse"
        assert option.flags, "nothing would tell a conflict with its flag"


@each_control
def test_what_it_writes_suits_the_newest_engine(control, host, policy, written):
    if not control.setting.keys:
        return
    known, settings = DRIFTS.get(control.id, ({}, {}))
    wanted = policy("strict", max_disruption="outage", **settings)
    found = written(control, host(engine=str(NEWEST), **known), wanted)
    for key, value in found.items():
        assert key in control.setting.keys
        assert refusal(key, value, NEWEST) is None


@each_control
def test_it_can_be_explained(control):
    page = render("control.md.j2", control=control)
    assert page.startswith(f"## {control.id}\n")
    assert control.why in page
    for guard in control.guards:
        assert " ".join((guard.__doc__ or "").split()) in " ".join(page.split())
