"""The common application (共通カードAP) and the resident-register application (住基AP).

Of both only what an ordinary client can do: the freely readable record, proof of presence, and the PINs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from mykey_cardap.apdu import SHORT_MAX_DATA, SHORT_MAX_RESPONSE, CommandApdu, Ins
from mykey_cardap.card_data import parse_date
from mykey_cardap.errors import BadCardDataError, PinName
from mykey_cardap.session import ApplicationSession, PinRule, PinVerification
from mykey_cardap.tlv import TlvError, parse_simple

if TYPE_CHECKING:
    from datetime import date

COMMON_AID = bytes.fromhex("D3921000310001010100")
RESIDENT_REGISTER_AID = bytes.fromhex("D3921000310001010401")

_RECORD_TAG = 0x01
_RECORD = re.compile(r"([0-9]{15})([0-9]{5})([0-9]{8})", re.ASCII)
_RECORD_1_OF_EF_0001 = bytes((Ins.READ_RECORD, 0x01, 0x0C))
_PIN_EF = 0x001C
_AUTHENTICATION_KEY = 0x0019
_CURRENT_EF = 0x80
_CHANGE_KEY = bytes((0x80, Ins.JICSAP_CHANGE_KEY, 0x00, _CURRENT_EF))


@dataclass(frozen=True, slots=True)
class CardRecord:
    """What the card tells to anybody: its serial number, who issued it, when it expires.

    `serial` has 15 digits and is no part of `repr`; `municipality` is the five-digit code without check digit.
    """

    serial: str = field(repr=False)
    municipality: str
    expiry: date

    @classmethod
    def from_bytes(cls, raw: bytes) -> CardRecord:
        """Parse record 1 of file 0001: simple TLV 01 with 28 digits."""
        try:
            objects = parse_simple(raw)
        except TlvError as error:
            raise BadCardDataError("the common record is no simple TLV") from error
        if len(objects) != 1 or objects[0].tag != _RECORD_TAG:
            raise BadCardDataError("the common record holds something else than its one object")
        return cls._from_digits(objects[0].value)

    @classmethod
    def _from_digits(cls, value: bytes) -> CardRecord:
        match = _RECORD.fullmatch(value.decode("latin-1"))
        if not match:
            raise BadCardDataError("the common record must have 28 digits")
        serial, municipality, expiry = match.groups()
        return cls(serial, municipality, parse_date(expiry.encode()))


class _MunicipalSession(ApplicationSession):
    def change_pin(
        self, current: bytes | bytearray, new: bytes | bytearray, *, allow_last_attempt: bool = False
    ) -> PinVerification:
        """Present the current PIN and set a new one (JICSAP CHANGE KEY).

        What a person knows as one 住基用暗証番号 lies in two applications and is changed in each of them.
        """
        (pin,) = self.pins
        return self._change_pin(pin, current, new, header=_CHANGE_KEY, allow_last_attempt=allow_last_attempt)


def _pin(name: PinName) -> dict[PinName, PinRule]:
    return {name: PinRule(name, _PIN_EF, re.compile(rb"[0-9]{4}"), "this PIN has exactly four digits")}


class CommonSession(_MunicipalSession):
    """A session with the common application."""

    aids: ClassVar[tuple[bytes, ...]] = (COMMON_AID,)
    pins: ClassVar[dict[PinName, PinRule]] = _pin("common")

    def read_record(self) -> bytes:
        """Read record 1 of file 0001 as it is; needs nothing."""
        ins, record, reference = _RECORD_1_OF_EF_0001
        command = CommandApdu(0x00, ins, record, reference, le=SHORT_MAX_RESPONSE)
        return self._send("read the common record", command)

    def card_record(self) -> CardRecord:
        """Read serial number, municipality and expiry of the card; needs nothing."""
        return CardRecord.from_bytes(self.read_record())

    def authenticate(self, challenge: bytes) -> bytes:
        """Let the card sign a challenge of 1 to 255 bytes (RSA PKCS#1 v1.5, SHA-256); needs no PIN.

        The public half of this key is not on the card.
        """
        if not 1 <= len(challenge) <= SHORT_MAX_DATA:
            raise ValueError("a challenge has 1 to 255 bytes")
        command = CommandApdu(
            0x00, Ins.INTERNAL_AUTHENTICATE, 0x00, _CURRENT_EF | _AUTHENTICATION_KEY, challenge, SHORT_MAX_RESPONSE
        )
        return self._send("authenticate the card", command)


class ResidentRegisterSession(_MunicipalSession):
    """A session with the resident-register application; nothing in it is readable for an ordinary client."""

    aids: ClassVar[tuple[bytes, ...]] = (RESIDENT_REGISTER_AID,)
    pins: ClassVar[dict[PinName, PinRule]] = _pin("juki")
