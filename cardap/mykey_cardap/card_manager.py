"""The card manager (GlobalPlatform issuer domain): the few objects that a card tells about itself with GET DATA.

Card management proper (secure channels, loading applications) lives elsewhere.
"""

from __future__ import annotations

import re
from enum import IntEnum, unique
from typing import TYPE_CHECKING, ClassVar

from mykey_cardap.apdu import EXTENDED_MAX_RESPONSE, SHORT_MAX_RESPONSE, CommandApdu, Ins
from mykey_cardap.card_data import parse_date
from mykey_cardap.errors import BadCardDataError, BadLengthError
from mykey_cardap.session import ApplicationSession

if TYPE_CHECKING:
    from datetime import date

CARD_MANAGER_AID = bytes.fromhex("A0000001510000")


@unique
class DataObject(IntEnum):
    """Tags for GET DATA (card reference §6); not every card has all of them."""

    ISSUER_ID = 0x0042
    CARD_ID = 0x0045
    RECOGNITION_DATA = 0x0066
    MUNICIPALITY = 0x00F0
    EXPIRY = 0x00F2
    KEY_ID = 0x00F7
    UPPER_CV_CERTIFICATE = 0x00F8
    LOWER_CV_CERTIFICATE = 0x7F21
    CONTACT_ATR = 0x5F51


class CardManagerSession(ApplicationSession):
    """A session with the card manager; selecting it also puts the card back into its state after power-on."""

    aids: ClassVar[tuple[bytes, ...]] = (CARD_MANAGER_AID,)

    def read(self, tag: DataObject) -> bytes:
        """The content of an object; `FileNotFoundOnCardError` when this card does not have it.

        A card refuses a large object to a short Le with 6700: it is asked once more with an extended Le.
        """
        operation = f"read object {tag:04X}"
        header = (0x00, Ins.GET_DATA, tag >> 8, tag & 0xFF)
        try:
            return self._send(operation, CommandApdu(*header, le=SHORT_MAX_RESPONSE))
        except BadLengthError:
            return self._send(operation, CommandApdu(*header, le=EXTENDED_MAX_RESPONSE, extended=True))

    def municipality(self) -> str:
        """The five-digit code of the municipality that issued the card."""
        raw = self.read(DataObject.MUNICIPALITY)
        if not re.fullmatch(rb"[0-9]{5}", raw):
            raise BadCardDataError("the municipality code has five digits")
        return raw.decode("ascii")

    def expiry(self) -> date:
        """The day on which the card expires."""
        return parse_date(self.read(DataObject.EXPIRY))
