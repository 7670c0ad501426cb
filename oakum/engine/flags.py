"""dockerd's command line, as its process or its unit shows it."""

import re
from collections.abc import Mapping, Sequence
from typing import Final


def parse_flags(args: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """dockerd's long options with their values, by name without dashes.

    A boolean flag without a value has the value ``true``; ``-H`` is ``host``, ``-D`` ``debug``,
    ``-g`` ``graph``, ``-s`` ``storage-driver``, ``-l`` ``log-level``, ``-b`` ``bridge``,
    ``-G`` ``group``, ``-p`` ``pidfile``, ``-r`` ``restart`` (``cmd/dockerd/config.go`` of moby).
    """
    flags: dict[str, tuple[str, ...]] = {}
    rest = list(args[1:])
    while rest:
        arg = rest.pop(0)
        short = _SHORT.get(arg[1:2]) if re.match(r"-[A-Za-z]", arg) else None
        if short:
            name, joined = short, arg[2:].removeprefix("=")
            equals = bool(joined)
        elif arg.startswith("--"):
            name, sign, joined = arg[2:].partition("=")
            equals = bool(sign)
        else:
            continue
        if not equals:
            follows = bool(rest) and not rest[0].startswith("-") and name not in _BOOLEAN
            joined = rest.pop(0) if follows else "true"
        flags[name] = (*flags.get(name, ()), joined)
    return flags


_SHORT: Final = {
    "H": "host",
    "D": "debug",
    "g": "graph",
    "s": "storage-driver",
    "l": "log-level",
    "b": "bridge",
    "G": "group",
    "p": "pidfile",
    "r": "restart",
}
_BOOLEAN: Final = frozenset({"debug", "restart", "tls", "tlsverify", "validate"})
"""Flags after which a word that follows is no value; the other booleans never come bare."""
