"""From what a probe printed to what a host is told beside daemon.json: kernel, systemd, audit."""

import re
from collections.abc import Sequence

from oakum.facts import Read, Reading, attempt
from oakum.parts import Audit
from oakum.reading import Source


def sysctl_locked(text: str) -> str | None:
    """Why nothing can be written, None for ``yes``."""
    if text != "yes" and not text.startswith("no: "):
        raise ValueError(f"{text[:40]!r} is neither yes nor no")
    return None if text == "yes" else text.removeprefix("no: ")


def sysctl_files(rows: Sequence[str]) -> tuple[tuple[str, str, str], ...]:
    """File, name and value of each line such as ``/etc/sysctl.d/a.conf:kernel/panic = 5``."""
    found = []
    for row in rows:
        match = re.fullmatch(r"(/[^:]+):\s*-?\s*kernel[./](panic|panic_on_oops)\s*=\s*(.*)", row)
        if not match:
            raise ValueError(f"{row[:60]!r} sets nothing")
        found.append((match[1], f"kernel.{match[2]}", match[3].strip()))
    return tuple(found)


def audit(source: Source) -> Reading[Audit | None]:
    if source.text("audit.enabled") == Read("absent"):
        return Read(None)
    enabled = source.word("audit.enabled", int)
    loader = source.text("audit.loader")
    watched = source.lines("audit.rules", _watched)
    return attempt(lambda: Audit(enabled.value, loader.value, watched.value))


def _watched(rows: Sequence[str]) -> dict[str, str]:
    """The rights that rules watch, by path. ``auditctl -l`` prints a watch as ``-w PATH -p rwxa``
    or with ``path=`` or ``dir=``; without rights it is all of them. A rule that never records, or
    only for some users or calls, watches nothing in full."""
    found: dict[str, str] = {}
    for row in rows:
        path = re.search(r"(?:-w |(?:-F |\s)(?:path|dir)=)(/\S*)", row)
        if not path:
            raise ValueError(f"{row[:60]!r} watches no path")
        if re.search(r"never|exclude|-C |(uid|gid|pid|exe|success|exit|subj_\w+)[!=<>]", row):
            continue
        if re.search(r"-S (?!all\b)", row):
            continue
        rights = re.search(r"(?:-p |perm=)([rwxa]+)", row)
        name = path[1].rstrip("/") or "/"
        have = found.get(name, "") + (rights[1] if rights else "rwxa")
        found[name] = "".join(right for right in "rwxa" if right in have)
    return found


def audit_paths(rows: Sequence[str]) -> tuple[tuple[str, str], ...]:
    found = []
    for row in rows:
        match = re.fullmatch(r"(program|folder|file) (/[\w./@:+-]*)", row, re.ASCII)
        if not match:
            raise ValueError(f"{row[:60]!r} is no path that an audit rule can hold")
        found.append((match[1], match[2]))
    return tuple(dict.fromkeys(found))
