"""Waivers: whom they are for, how long they last, and how they are listed."""

import datetime
import json
import subprocess
import sys

import pytest

from oakum.policy import Waiver
from oakum.waivers import Host, as_json, as_text, listed

TODAY = datetime.date(2026, 1, 31)


def waiver(days: int = 10, control: str = "seccomp", **known: object) -> Waiver:
    until = TODAY + datetime.timedelta(days=days)
    said = {"control": control, "reason": "old libc", "owner": "ops", "until": until, **known}
    return Waiver.model_validate(said)


@pytest.mark.parametrize(
    ("narrowed", "meant"),
    [
        ({}, {"web-1", "web-2", "db"}),
        ({"hosts": ["db"]}, {"db"}),
        ({"hosts": ["web-*"]}, {"web-1", "web-2"}),
        ({"groups": ["front"]}, {"web-1", "web-2"}),
        ({"groups": ["front"], "hosts": ["db"]}, {"web-1", "web-2", "db"}),
        ({"hosts": ["nobody"]}, set()),
    ],
)
def test_whom_it_is_for(narrowed, meant):
    one = waiver(**narrowed)
    fleet = {"web-1": ("front",), "web-2": ("front", "eu"), "db": ()}
    assert {name for name, groups in fleet.items() if one.is_for(name, groups)} == meant


def test_each_is_listed_once_the_first_to_end_on_top():
    long, short, ended = waiver(300), waiver(0, "icc"), waiver(-3, "entropy", hosts=["b"])
    rows = listed([Host("a", (), (long, ended)), Host("b", (), (long, short, ended))], TODAY)
    assert [(row.waiver, row.hosts, row.days) for row in rows] == [
        (ended, ("b",), -3),
        (short, ("b",), 0),
        (long, ("a", "b"), 300),
    ]


def test_the_page():
    rows = listed([Host("a", (), (waiver(-1, hosts=["x\x1b[2J"]), waiver(5, "icc")))], TODAY)
    assert as_text(rows) == (
        "seccomp  2026-01-30  ended 1 d ago   no host of this inventory\n"
        "         ops: old libc\n"
        "icc      2026-02-05  5 d left        a\n"
        "         ops: old libc\n"
        "2 waivers · 1 ended\n"
    )
    assert as_text(()) == "0 waivers\n"


def test_a_reason_cannot_reach_the_terminal_raw():
    rows = listed([Host("a", (), (waiver(reason="x\x1b[2J\x9b1m\u202e"),))], TODAY)
    for text in (as_text(rows), as_json(rows)):
        assert not {"\x1b", "\x9b", "\u202e"}.intersection(text)


def test_for_scripts():
    (row,) = json.loads(as_json(listed([Host("a", (), (waiver(),))], TODAY)))["waivers"]
    assert row == {
        "control": "seccomp",
        "reason": "old libc",
        "owner": "ops",
        "until": "2026-02-10",
        "days_left": 10,
        "hosts": ["a"],
    }


INVENTORY = """
hosts = ["web-1", "db-1"]
front = ["web-1"]
"""

GROUP_DATA = """
oakum_waivers = [
    {"control": "seccomp", "reason": "old libc", "owner": "ops", "until": "%s", "groups": ["front"]}
]
"""


@pytest.mark.parametrize(("until", "code"), [("2999-01-01", 0), ("2020-01-01", 1)])
def test_the_command_contacts_nobody(tmp_path, until, code):
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data" / "all.py").write_text(GROUP_DATA % until)
    (tmp_path / "inventory.py").write_text(INVENTORY)
    said = subprocess.run(
        [sys.executable, "-m", "oakum", "waivers", "inventory.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path.cwd()), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stderr) == (code, "")
    assert until in said.stdout
    assert "web-1" in said.stdout
    assert "db-1" not in said.stdout
