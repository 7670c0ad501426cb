"""A host survives every fault at every point: old or new, never between, and nothing left over.

All cases that are selected run at once on a few hosts, when the first of them is asked for; each
then says how it ended, and the table stands at the end of the session.
"""

from __future__ import annotations

import pytest

from . import faults
from .faults import Case, Result
from .hosts import Lab

CASES = list(faults.cases())


@pytest.fixture(scope="module")
def results(
    lab: Lab,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    figures: dict[str, str],
) -> dict[Case, Result]:
    """The results of all cases of this session."""
    selected = {item.name for item in request.session.items}
    wanted = [case for case in CASES if f"test_survives[{case}]" in selected]
    found = faults.run(lab, wanted, tmp_path_factory.mktemp("faults"))
    figures["faults x points"] = faults.came_out(found)
    return found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_survives(case: Case, results: dict[Case, Result]) -> None:
    result = results[case]
    assert not result.problems, "\n".join([*result.problems, "", result.said[-3000:]])


def test_there_are_enough_cases() -> None:
    assert len(CASES) == len(set(CASES))
    assert len(faults.POINTS) >= 25
    assert len(CASES) >= 100
