"""A host's variables in pyinfra's words: how to reach it, how to become root, and its own data.

``ansible_*`` names are those of ansible-core's ssh connection and become plugins; of several that
mean the same the last one that is set wins, as there. What ``pyinfra`` has a key for and the
inventory says in pyinfra's own words stays as it is.
"""

import getopt
import shlex
from collections.abc import Mapping
from typing import Any, Final

from pyinfra.api.exceptions import InventoryError

from oakum.inventory import PLACES
from oakum.inventory.values import ASK_ANSIBLE, Said, kind, unreadable

CONNECTION: Final = "ansible_connection"
"""Key of a host's data: ``local``, ``docker``, ``podman``, or a kind that pyinfra lacks."""

PROXY_COMMAND: Final = "ssh_proxy_command"
"""Key of a host's data: a command in whose stdin and stdout an SSH connection runs."""

_CONNECTIONS: Final = {
    "ssh": ("ssh", "smart", "paramiko", "paramiko_ssh"),
    "local": ("local",),
    "docker": ("docker", "docker_api"),
    "podman": ("podman",),
}
_TEXTS: Final = {
    "ssh_hostname": ("ansible_host", "ansible_ssh_host"),
    "ssh_user": ("ansible_user", "ansible_ssh_user"),
    "ssh_password": ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password"),
    "ssh_key": ("ansible_private_key_file", "ansible_ssh_private_key_file"),
    "ssh_key_password": (
        "ansible_private_key_passphrase",
        "ansible_ssh_private_key_passphrase",
    ),
    "_shell_executable": ("ansible_shell_executable",),
}
_MATTERS: Final = ("oakum_", "ssh_", "_")
"""How the keys begin that oakum or pyinfra itself reads."""


def host_data(name: str, said: Mapping[str, Said]) -> dict[str, Any]:
    """pyinfra's data of a host.

    Values that only Ansible can read are refused where oakum or pyinfra reads them. Elsewhere a
    template stays the text that it is, and a vaulted value is left out.

    Raises:
        InventoryError: a value is refused, or is not of the type that it should have.
    """
    own: dict[str, Any] = {}
    places: dict[str, str] = {}
    for key, row in said.items():
        if key.startswith(_MATTERS):
            own[key] = _plain(key, row).value
        elif not key.startswith("ansible_") and unreadable(row.value) != "vaulted":
            own[key] = row.value
        if key.startswith("oakum_"):
            places[key] = row.place
    if places:
        own[PLACES] = places
    return {**_reached(name, said), **own}


def _reached(name: str, said: Mapping[str, Said]) -> dict[str, Any]:
    word = (_text(said, CONNECTION) or "ssh").rpartition(".")[2]
    means = next((key for key, words in _CONNECTIONS.items() if word in words), word)
    if means == "local":
        return {CONNECTION: means, **_become(said)}
    if means in ("docker", "podman"):
        identifier = _text(said, "ansible_host", f"ansible_{means}_host") or name
        return {CONNECTION: means, "docker_identifier": identifier, **_become(said)}
    if means != "ssh":
        return {CONNECTION: means}
    texts = {key: _text(said, *names) for key, names in _TEXTS.items()}
    found: dict[str, Any] = {key: text for key, text in texts.items() if text}
    if row := _last(said, "ansible_port", "ansible_ssh_port"):
        found["ssh_port"] = _port(*row)
    if _flag(said, "ansible_host_key_checking", "ansible_ssh_host_key_checking") is False:
        found["ssh_strict_host_key_checking"] = "no"
    for args in ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"):
        if row := _last(said, args):
            found = {**_ssh_options(*row), **found}
    return {**found, **_become(said)}


# Values ------------------------------------------------------------------------------------------


def _plain(key: str, row: Said) -> Said:
    if why := unreadable(row.value):
        raise InventoryError(f"{row.place}: {key} is {why}; write the value out, or {ASK_ANSIBLE}")
    return row


def _last(said: Mapping[str, Said], *names: str) -> tuple[str, Said] | None:
    """The last of ``names`` that says anything, and what it says."""
    rows = [(name, said[name]) for name in names if name in said]
    rows = [(name, row) for name, row in rows if row.value not in (None, "")]
    return (rows[-1][0], _plain(*rows[-1])) if rows else None


def _text(said: Mapping[str, Said], *names: str) -> str | None:
    found = _last(said, *names)
    return None if found is None else _as_text(*found)


def _as_text(key: str, row: Said) -> str:
    if isinstance(row.value, bool) or not isinstance(row.value, str | int | float):
        raise _wrong(key, row, "text")
    return str(row.value)


def _port(key: str, row: Said) -> int:
    text = _as_text(key, row)
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise _wrong(key, row, "a port")
    return int(text)


def _flag(said: Mapping[str, Said], *names: str) -> bool | None:
    if not (found := _last(said, *names)):
        return None
    word = str(found[1].value).strip().lower()
    if word in ("true", "yes", "on", "1", "y", "t"):
        return True
    if word in ("false", "no", "off", "0", "n", "f"):
        return False
    raise _wrong(*found, "yes or no")


def _wrong(key: str, row: Said, wanted: str) -> InventoryError:
    shown = repr(row.value) if isinstance(row.value, str | int | float) else kind(row.value)
    return InventoryError(f"{row.place}: {key}: expected {wanted}, found {shown}")


# Becoming root -----------------------------------------------------------------------------------

_PASSWORDLESS: Final = ("doas", "dzdo")
_SUDO_FLAGS: Final = {"-E": "_preserve_sudo_env", "-i": "_use_sudo_login"}
_SUDO_ALWAYS: Final = {"-H", "-S", "-n"}


def _become(said: Mapping[str, Said]) -> dict[str, Any]:
    """pyinfra's keys for ``ansible_become*``; whom and how also where a command line says when."""
    method = (_text(said, "ansible_become_method") or "sudo").rpartition(".")[2]
    become = _flag(said, "ansible_become")
    user = _text(said, "ansible_become_user", f"ansible_{method}_user")
    password = _last(
        said, "ansible_become_password", "ansible_become_pass", f"ansible_{method}_pass"
    )
    flags = _last(said, "ansible_become_flags", f"ansible_{method}_flags")
    if method == "sudo":
        found: dict[str, Any] = {} if become is None else {"_sudo": become}
        found |= {"_sudo_user": user} if user else {}
        found |= {"_sudo_password": _as_text(*password)} if password else {}
        words = _as_text(*flags).split() if flags else []
        if flags and not {*words} <= _SUDO_FLAGS.keys() | _SUDO_ALWAYS:
            raise _wrong(*flags, "some of -H -S -n -E -i")
        return found | {_SUDO_FLAGS[word]: True for word in words if word in _SUDO_FLAGS}
    if not become:
        return {}
    if flags:
        raise _wrong(*flags, f"none for {method}, since pyinfra has no such key")
    if method == "su":
        found = {"_su_user": user or "root"}
        return found | ({"_su_password": _as_text(*password)} if password else {})
    if method not in _PASSWORDLESS:
        raise _wrong(
            "ansible_become_method", said["ansible_become_method"], "sudo, su, doas or dzdo"
        )
    if password:
        key, row = password
        raise InventoryError(f"{row.place}: {key}: pyinfra's {method} takes no password")
    return {f"_{method}": True} | ({f"_{method}_user": user} if user else {})


# Arguments of ssh --------------------------------------------------------------------------------

_LETTERS: Final = "46AaCfGgKkMNnqsTtVvXxYyB:b:c:D:E:e:F:I:i:J:L:l:m:O:o:P:p:Q:R:S:W:w:"
_AS_OPTION: Final = {
    "-A": "forwardagent",
    "-a": "noforwardagent",
    "-F": "configfile",
    "-i": "identityfile",
    "-J": "proxyjump",
    "-l": "user",
    "-p": "port",
}
_OPTIONS: Final = {
    "configfile": "ssh_config_file",
    "identityfile": "ssh_key",
    "user": "ssh_user",
    "hostname": "ssh_hostname",
    "port": "ssh_port",
    "stricthostkeychecking": "ssh_strict_host_key_checking",
    "userknownhostsfile": "ssh_known_hosts_file",
    "forwardagent": "ssh_forward_agent",
    "proxyjump": PROXY_COMMAND,
    "proxycommand": PROXY_COMMAND,
}
_TUNING: Final = {
    *("-4", "-6", "-C", "-n", "-q", "-T", "-t", "-v", "-x", "noforwardagent"),
    *("batchmode", "compression", "connectionattempts", "connecttimeout", "controlmaster"),
    *("controlpath", "controlpersist", "gssapiauthentication", "identitiesonly", "ipqos"),
    *("loglevel", "numberofpasswordprompts", "passwordauthentication"),
    *("preferredauthentications", "pubkeyauthentication", "requesttty", "serveralivecountmax"),
    *("serveraliveinterval", "tcpkeepalive", "updatehostkeys", "visualhostkey"),
}
"""What says neither whom to reach nor whom to trust; pyinfra does without."""


def _ssh_options(key: str, row: Said) -> dict[str, Any]:
    """pyinfra's keys for arguments of ``ssh``; of an option given twice the first one counts."""
    try:
        pairs, rest = getopt.getopt(shlex.split(_as_text(key, row)), _LETTERS)
    except (getopt.GetoptError, ValueError) as error:
        raise InventoryError(f"{row.place}: {key}: no arguments of ssh: {error}") from None
    if rest:
        raise InventoryError(f"{row.place}: {key}: {rest[0]!r} is no option of ssh")
    found: dict[str, Any] = {}
    for letter, value in pairs:
        option, text = _AS_OPTION.get(letter, letter), value
        if letter == "-o":
            option, _, text = value.replace("=", " ", 1).strip().partition(" ")
            option, text = option.lower(), text.strip()
        if option in _TUNING:
            continue
        if option not in _OPTIONS:
            raise InventoryError(
                f"{row.place}: {key}: pyinfra has no key for {f'{letter} {value}'.strip()!r}; "
                "say it in ~/.ssh/config, which pyinfra reads"
            )
        found.setdefault(_OPTIONS[option], _option(option, text, key, row))
    return {name: value for name, value in found.items() if value is not None}


def _option(option: str, text: str, key: str, row: Said) -> Any:
    if option == "forwardagent":
        return text.lower() in ("", "yes")
    if option == "port":
        return _port(key, Said(text, row.place))
    if option == "userknownhostsfile":
        return text.split()[0]
    if option == "stricthostkeychecking":
        return text.lower()
    if option in ("proxyjump", "proxycommand") and text.lower() == "none":
        return None
    if option == "proxyjump":
        return _jump(text)
    if option == "proxycommand" and set(text) & set("|<>&;$`"):
        raise _wrong(key, Said(text, row.place), "a ProxyCommand that needs no shell")
    return text


def _jump(text: str) -> str:
    """What ``ssh -J`` runs for the last of the hosts in ``text``, through those before it."""
    *before, last = (hop.strip() for hop in text.split(","))
    through = ["-J", ",".join(before)] if before else []
    uri = last if last.startswith("ssh://") or ":" not in last else f"ssh://{last}"
    return shlex.join(["ssh", "-o", "BatchMode=yes", *through, "-W", "[%h]:%p", "--", uri])
