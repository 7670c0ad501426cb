"""This very oakum, as a command that a timer or a parent starts."""

import site
import sys
from pathlib import Path
from typing import Final

from oakum.reconcile import Places
from oakum.reconcile.trust import refuse_writers

PROGRAM: Final = (sys.executable, "-P", "-m", "oakum")
"""-P: no module of the folder where it is started counts."""

_ROOT: Final = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """What such a process needs to find oakum, where it is not installed but run from a clone."""
    return {} if str(_ROOT) in site.getsitepackages() else {"PYTHONPATH": str(_ROOT)}


def refuse_untrusted(places: Places) -> None:
    """Raises Untrusted where somebody else than root could change what root is to run."""
    python = Path(sys.executable)
    for path in (python.parent, python, _ROOT / "oakum"):
        refuse_writers(path.resolve(), places)
