"""Which keys an OpenPGP public key block holds, by fingerprint; no signature is checked here."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from typing import Final

_BLOCK: Final = re.compile(
    r"\s*-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[A-Za-z]+: [^\n]*\n)*\s*\n"
    r"([A-Za-z0-9+/=\s]+?)(?:\n=[A-Za-z0-9+/]{4})?\s*\n-----END PGP PUBLIC KEY BLOCK-----\s*"
)
_PUBLIC_KEY: Final = 6
"""The tag of a primary key's packet (RFC 9580, 5): whoever trusts the block trusts each of them."""


def fingerprints(armored: str) -> tuple[str, ...]:
    """The fingerprint of every primary key in an armored block, 40 upper-case hexadecimal digits.

    Raises:
        ValueError: it is no armored block of version 4 public keys, or more than one.
    """
    found = _BLOCK.fullmatch(armored)
    if not found:
        raise ValueError("no armored OpenPGP public key (-----BEGIN PGP PUBLIC KEY BLOCK-----)")
    try:
        data = base64.b64decode("".join(found[1].split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"the armored key is damaged: {error}") from None
    keys = [body for tag, body in _packets(data) if tag == _PUBLIC_KEY]
    if not keys or any(not body or body[0] != 4 for body in keys):
        raise ValueError("only keys of version 4 are known here")
    return tuple(_fingerprint(body) for body in keys)


def _fingerprint(body: bytes) -> str:
    """RFC 9580, 5.5.4.2."""
    framed = b"\x99" + len(body).to_bytes(2, "big") + body
    return hashlib.sha1(framed, usedforsecurity=False).hexdigest().upper()


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and body of each packet (RFC 9580, 4.2). Raises ValueError."""
    at = 0
    while at < len(data):
        first = data[at]
        if not first & 0x80:
            raise ValueError("the armored key holds something else than packets")
        if first & 0x40:
            tag, (start, length) = first & 0x3F, _new_length(data, at + 1)
        else:
            tag, width = first >> 2 & 0x0F, 1 << (first & 3)
            if width == 8:
                raise ValueError("a packet of the armored key has no length")
            start = at + 1 + width
            length = int.from_bytes(data[at + 1 : start], "big")
        if start + length > len(data):
            raise ValueError("the armored key ends in the middle of a packet")
        yield tag, data[start : start + length]
        at = start + length


def _new_length(data: bytes, at: int) -> tuple[int, int]:
    """Where a packet of the new format begins, and its length."""
    first = data[at] if at < len(data) else 255
    if first < 192:
        return at + 1, first
    if first < 224:
        return at + 2, (first - 192 << 8) + int.from_bytes(data[at + 1 : at + 2], "big") + 192
    if first < 255:
        raise ValueError("a packet of the armored key comes in parts")
    return at + 5, int.from_bytes(data[at + 1 : at + 5], "big")
