"""Base64 in its one canonical spelling: standard alphabet, padded, no blanks, no stray bits at the end.

`base64.b64decode` skips foreign characters and accepts several spellings of the same bytes, so it is not used.
"""

from __future__ import annotations

import binascii


class Base64Refused(ValueError):
    """Text that is not the canonical base64 of any bytes."""


def decode(text: str) -> bytes:
    """The bytes of `text`; `Base64Refused` unless encoding them gives exactly `text` again."""
    try:
        encoded = text.encode("ascii")
        raw = binascii.a2b_base64(encoded)
    except ValueError:  # binascii.Error and UnicodeEncodeError are ValueErrors
        raise Base64Refused("no base64") from None
    check_canonical(raw, encoded)
    return raw


def check_canonical(raw: bytes, encoded: bytes) -> None:
    """`encoded` is what encoding `raw` gives: no foreign character was skipped, no bit dropped, nothing follows."""
    if binascii.b2a_base64(raw, newline=False) != encoded:
        raise Base64Refused("not the canonical spelling")
