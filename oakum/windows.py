"""Windows hosts are told by what answers, and refused with what would fit them."""

import json
import re
from collections.abc import Sequence
from typing import Final

DAEMON_JSON: Final = {
    "log-level": "info",
    "log-driver": "json-file",
    "log-opts": {"max-size": "10m", "max-file": "3"},
    "max-concurrent-downloads": 3,
}
"""Of what oakum wants, what the dockerd of Windows takes: its flags are moby's common ones and
fixed-cidr, bridge and group (``daemon/command/config_windows.go``). Any other key stops it."""

REFUSAL: Final = (
    "this is a Windows host, which oakum does not support; a daemon.json that would fit it: "
    + json.dumps(DAEMON_JSON)
)

_SERVER: Final = re.compile(r"for_windows", re.IGNORECASE)
"""How Microsoft's OpenSSH calls itself, OpenSSH_for_Windows_9.5."""

_SAID: Final = re.compile(
    r"is not recognized as (an internal or external command|(the|a) name of a cmdlet)"
    r"|CommandNotFoundException"
    r"|the command line is too long"
    r"|Microsoft Windows \[Version"
    r"|entweder falsch geschrieben"  # German, and so on: only what every code page writes alike
    r"|Befehlszeile ist zu lang"
    r"|en tant que commande interne"
    r"|ligne de commande est trop longue"
    r"|no se reconoce como un comando interno"
    r"|come comando interno o esterno"
    r"|reconhecido como um comando interno"
    r"|herkend als een interne of externe opdracht",
    re.IGNORECASE,
)

_QUOTED_FIRST: Final = re.compile(r"\s*(['\"])(sh|sudo|su|doas|env)\1\W.*[^\x00-\x7f]")
"""cmd.exe names the program in quotes before it complains, in a language and code page of its own;
no shell of a Unix begins so."""


def answered(lines: Sequence[str], banner: str) -> bool:
    """Whether a Windows host spoke, by what it printed instead of a probe, or by its SSH server."""
    if _SERVER.search(banner):
        return True
    return any(_SAID.search(line) or _QUOTED_FIRST.match(line) for line in lines[:50])
