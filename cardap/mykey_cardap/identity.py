"""Telling whether the card in the reader is still the same one, without a PIN and without a certificate.

The answer is a hash that never leaves the process; it is no identifier of a person and must not be stored.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from mykey_cardap.common_ap import CommonSession
from mykey_cardap.errors import FileNotFoundOnCardError
from mykey_cardap.jpki import JpkiSession

if TYPE_CHECKING:
    from mykey_cardap.transport import Transport


def card_identity(transport: Transport) -> bytes | None:
    """A hash over what the card tells freely about itself; None for a card that tells nothing.

    The common application's record is on every My Number Card; a phone has none, so there the serial number
    in the token information serves. The authentication certificate is not read: with tap-without-PIN off it
    must not be (card reference §22). Leaves another application selected: SELECT before you go on.
    Raises `CardError` when the card has the application and does not answer as it should.
    """
    for read in (_common_record, _token_serial):
        try:
            return hashlib.sha256(read(transport)).digest()
        except FileNotFoundOnCardError:
            continue
    return None


def _common_record(transport: Transport) -> bytes:
    return CommonSession(transport).read_record()


def _token_serial(transport: Transport) -> bytes:
    info = JpkiSession(transport).token_info()
    return f"{info.label}/{info.manufacturer}/{info.model}/{info.serial}".encode()
