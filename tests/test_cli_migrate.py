"""oakum migrate says no before it contacts any host."""

import click
import pytest
from click.testing import CliRunner

from oakum import runs
from oakum.cli import oakum

INVENTORY = "inventories/local.py"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        pytest.param(["--yes"], "a yes for each host", id="bare-yes"),
        pytest.param([], "use --yes-for HOST", id="nobody-to-ask"),
        pytest.param(["--yes-for=web-9"], "no such host", id="unknown-host"),
        pytest.param(["--yes-for=@local", "--scratch=big"], "no absolute path", id="scratch"),
        pytest.param(
            ["--yes-for=@local", "--executor=processes:2"], "no --executor", id="executor"
        ),
        pytest.param(["--yes-for=@local", "--policy=none.yml"], "none.yml", id="policy"),
    ],
)
def test_refused(words: list[str], reason: str) -> None:
    done = CliRunner().invoke(oakum, ["migrate", "userns-remap", INVENTORY, *words])
    assert done.exit_code == 2, done.output
    assert reason in done.output


def test_only_two_things_are_migrated() -> None:
    done = CliRunner().invoke(oakum, ["migrate", "icc", INVENTORY])
    assert done.exit_code == 2
    assert "'icc' is not one of 'userns-remap', 'storage-driver'" in done.output


@pytest.mark.parametrize(
    ("answer", "agreed"),
    [("y", True), ("web-1", True), ("", False), ("web-2", False), ("n", False)],
)
def test_a_host_is_agreed_to_by_y_or_its_name(
    monkeypatch: pytest.MonkeyPatch, answer: str, agreed: bool
) -> None:
    monkeypatch.setattr(click, "prompt", lambda *words, **how: answer)
    assert runs._agrees("web-1") is agreed
