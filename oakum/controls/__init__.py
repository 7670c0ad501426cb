"""The controls, one file each, in a folder for each area; the folders are the registry, so a new
control touches no list."""

import functools
import importlib
import pkgutil

from oakum.controls.base import Control
from oakum.model import Area


@functools.cache
def controls() -> tuple[Control, ...]:
    """Every control, by id."""
    areas = [importlib.import_module(f"{__name__}.{area}") for area in Area]
    modules = [
        importlib.import_module(f"{area.__name__}.{info.name}")
        for area in areas
        for info in pkgutil.iter_modules(area.__path__)
    ]
    return tuple(sorted((module.CONTROL for module in modules), key=lambda found: found.id))
