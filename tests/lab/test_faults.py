"""A host survives every fault at every point: old or new, never between, and nothing left over.

All cases that are selected run at once on a few hosts, when the first of them is asked for; each
then says how it ended, and the table stands at the end of the session.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from . import faults
from .conftest import RESULTS
from .faults import Case, Result
from .hosts import Lab

CASES = list(faults.cases())


@pytest.fixture(scope="session")
def results(
    lab: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[Case, Result]:
    """The results of all cases of this session."""
    wanted = [
        item.callspec.params["case"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.function is test_survives
    ]
    found = faults.run(lab, wanted, tmp_path_factory.mktemp("faults"))
    request.config.stash[RESULTS] = found
    return found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_survives(case: Case, results: dict[Case, Result]) -> None:
    result = results[case]
    assert not result.problems, "\n".join([*result.problems, "", result.said[-3000:]])


def test_there_are_enough_cases() -> None:
    assert len(CASES) == len(set(CASES))
    assert len(faults.POINTS) >= 25
    assert len(CASES) >= 100
