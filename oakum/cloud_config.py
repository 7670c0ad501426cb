"""The user-data around the script of ``oakum.cloud``, and what keeps it short enough."""

import gzip
import re
from typing import Any, Final

import yaml

from oakum.policy import Policy

LIMIT: Final = 16384
"""Bytes of user-data that Amazon EC2 takes, the least of the big clouds."""

SCRIPT: Final = "/var/lib/oakum/first-boot.sh"
HOOK: Final = "/var/lib/cloud/scripts/per-boot/oakum"
"""What cloud-init runs at every boot, when the network is up, until the script removes it: a module
that is run once counts as run when the host was switched off in its middle."""


def user_data(text: str, head: str = "") -> str:
    """``text`` as a ``#cloud-config`` that runs it until it is done."""

    class Dumper(yaml.SafeDumper):
        pass

    def literal(dumper: Any, value: str) -> Any:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, literal)
    files = [
        {"path": SCRIPT, "permissions": "0700", "owner": "root:root", "content": text},
        {
            "path": HOOK,
            "permissions": "0755",
            "owner": "root:root",
            # A rollback of all of oakum's takes the script away, and this is not in its ledger.
            "content": f'#!/bin/sh\n[ -e {SCRIPT} ] || exec rm "$0"\nexec sh {SCRIPT}\n',
        },
    ]
    comments = "".join(f"# {' '.join(line.split())}\n" for line in head.splitlines())
    body = yaml.dump({"write_files": files}, Dumper=Dumper, sort_keys=False, allow_unicode=True)
    return f"#cloud-config\n{comments}{body}"


SPARED: Final = (
    *("published", "choose_dialer", "dial", "silent_port", "ports_answer"),
    *("calm", "read_upgrade", "leave_upgrade"),
    *("soak", "all_fine"),
    *("reload", "finally", "put_finally", "at_last", "bridge", "reset", "reset_dockerd"),
    *("put_spare", "hang_up", "live_restore_is", "all_running"),
    *("remove", "undoes", "leave", "load_audit_rules"),
)
"""Functions that only a host with containers, a change, an upgrade, a rollback or a later look
calls: without them the baseline fits into the shortest user-data."""

SPARED_UNPINNED: Final = ("versions", "of_release")
"""Those that look for a release, which only some policies want."""


def dense(code: str, policy: Policy) -> str:
    """What a first start needs of a text in ``oakum/host``, without indentation and empty lines."""
    return re.sub(r"\n\s+", "\n", spared(code, policy))


def spared(code: str, policy: Policy) -> str:
    """A text in ``oakum/host`` without the functions that a first start never calls."""
    names = "|".join((*SPARED, *(() if policy.engine.release else SPARED_UNPINNED)))
    return re.sub(rf"^(?:{names})\(\) \{{(?: [^\n]*|\n.*?^)\}}\n", "", code, flags=re.M | re.S)


def packed(text: str) -> bytes:
    """As cloud-init takes it too; the same bytes for the same text."""
    return gzip.compress(text.encode(), mtime=0)
