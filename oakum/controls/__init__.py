"""The controls, one file each; the folder is the registry, so a new control touches no list."""

import functools
import importlib
import pkgutil

from oakum.controls.base import Control


@functools.cache
def controls() -> tuple[Control, ...]:
    """Every control, by id."""
    names = (info.name for info in pkgutil.iter_modules(__path__) if info.name != "base")
    modules = (importlib.import_module(f"{__name__}.{name}") for name in names)
    return tuple(sorted((module.CONTROL for module in modules), key=lambda found: found.id))
