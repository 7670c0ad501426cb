"""Where ``templates/`` lives, and the one jinja2 environment that renders what is there."""

import functools
import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import Version

if TYPE_CHECKING:
    from jinja2 import Environment


def templates() -> Path:
    """The folder of templates: inside the installed package, or at the root of a checkout."""
    package = Path(str(files("oakum")))
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"


@functools.cache
def environment() -> "Environment":
    """Undefined names are errors; nothing is escaped but what a template's filters escape."""
    # Here, for most plans render nothing, and it costs them a twentieth of their start.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(templates()),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    made.filters["json"] = functools.partial(json.dumps, indent=2, ensure_ascii=False)
    made.filters["tojson"] = json.dumps
    made.globals["V"] = Version
    return made


def render(template: str, **values: Any) -> str:
    """The text of one template.

    Raises:
        jinja2.TemplateError: no such template, or a name that it asks for is missing.
    """
    return environment().get_template(template).render(**values)
