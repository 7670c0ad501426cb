"""Fingerprints of OpenPGP keys; gpg said the same of these."""

import base64
import re

import pytest

from oakum.engine import keys
from oakum.engine.openpgp import fingerprints


@pytest.mark.parametrize("fingerprint", [keys.DEB, keys.RPM])
def test_dockers_keys_are_what_their_names_say(fingerprint):
    assert fingerprints(keys.key(fingerprint)) == (fingerprint,)


def packets(armored: str) -> bytes:
    body = armored.split("\n\n", 1)[1].rsplit("\n=", 1)[0]
    return base64.b64decode(body)


def armoured(data: bytes) -> str:
    lines = base64.encodebytes(data).decode()
    return f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{lines}-----END PGP PUBLIC KEY BLOCK-----\n"


def test_every_key_of_a_block_is_told():
    """Whoever trusts the file trusts all of them."""
    both = packets(keys.key(keys.DEB)) + packets(keys.key(keys.RPM))
    assert fingerprints(armoured(both)) == (keys.DEB, keys.RPM)


def test_a_key_in_a_packet_of_the_new_format():
    data = packets(keys.key(keys.RPM))
    length = int.from_bytes(data[1:3], "big")
    new = bytes([0xC6, 255]) + length.to_bytes(4, "big") + data[3:]
    assert fingerprints(armoured(new)) == (keys.RPM,)
    two = bytes([0xC6, (length - 192 >> 8) + 192, length - 192 & 255]) + data[3:]
    assert fingerprints(armoured(two)) == (keys.RPM,)


WHOLE = packets(keys.key(keys.RPM))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "no armored", id="empty"),
        pytest.param("<html>404</html>", "no armored", id="html"),
        pytest.param(keys.key(keys.RPM) * 2, "no armored|damaged", id="two-blocks"),
        pytest.param(armoured(WHOLE[:100]), "in the middle", id="cut-off"),
        pytest.param(armoured(b"hello, world"), "something else", id="no-packets"),
        pytest.param(armoured(b""), "no armored|version 4", id="no-bytes"),
        pytest.param(armoured(bytes([0x9B, 0])), "no length", id="old-format-without-length"),
        pytest.param(armoured(bytes([0xC6, 0xE0, 0])), "in parts", id="partial"),
        pytest.param(armoured(bytes([0xC6, 1, 6])), "version 4", id="version-6"),
        pytest.param(armoured(bytes([0xC6, 0])), "version 4", id="empty-key"),
        pytest.param(armoured(bytes([0xCD, 1, 65])), "version 4", id="no-key"),
        pytest.param(re.sub("E", "!", keys.key(keys.RPM)), "no armored", id="no-base64"),
        pytest.param(keys.key(keys.RPM).replace("AQAB\n", "AQA\n"), "damaged", id="a-letter-gone"),
    ],
)
def test_what_is_no_key_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        fingerprints(text)
