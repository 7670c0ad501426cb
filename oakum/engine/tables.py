"""Tables that come with oakum, as YAML."""

from importlib.resources import files
from typing import Any

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader in C, where PyYAML has it: it is nine times as fast, and every start waits for it."""


def table(name: str, package: str = "oakum.engine") -> Any:
    """What stands in a file of the package."""
    return yaml.load(files(package).joinpath(name).read_text("utf-8"), Loader=LOADER)
