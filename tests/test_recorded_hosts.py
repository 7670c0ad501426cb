"""Every control on every recorded host: 20.10, 26.1 and 28.5 as they ran, 29 as built by hand."""

import datetime
from pathlib import Path

import pytest

from oakum.controls import controls
from oakum.facts import HostFacts
from oakum.model import Status
from oakum.parse import parse
from oakum.planner import build

RECORDED = sorted((Path(__file__).parent / "probes").glob("*.txt"))
DAY = datetime.date(2026, 11, 24)


def facts(path: Path) -> HostFacts:
    return parse(path.read_text("utf-8").splitlines())


@pytest.mark.parametrize("profile", ["baseline", "strict"])
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_what_a_real_reading_answers_is_not_unknown(policy, profile, path):
    found = build(facts(path), policy(profile), controls(), DAY)
    unknown = {one.control: one.reason for one in found.findings if one.status is Status.UNKNOWN}
    if "plain-user" in path.stem:
        assert all(unknown.values()), "who may not read it is told so"
        assert unknown
    else:
        assert not unknown


def test_what_wants_an_answer_of_root_says_why(policy):
    (path,) = (one for one in RECORDED if one.stem == "debian12-20.10.24-plain-user")
    found = build(facts(path), policy(), controls(), DAY)
    reasons = {one.control: one.reason for one in found.findings}
    assert reasons["live-restore"] == "permission denied: /var/run/docker.sock"
