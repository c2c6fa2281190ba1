"""The text application (券面事項入力補助AP): number, name, address, birth date and sex as text, with signatures.

Reading the number is separate from identification, and the number is never stored (card reference §22).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import TYPE_CHECKING, ClassVar

from mykey_cardap.apdu import Ins
from mykey_cardap.card_data import CardSex, parse_date, parse_sex, parse_text
from mykey_cardap.card_numbers import is_individual_number
from mykey_cardap.errors import BadCardDataError, IssuerSignatureError, PinName
from mykey_cardap.issuer_signatures import CvCertificate, one_object, parse_public_key, verify_signature
from mykey_cardap.session import ApplicationSession, PinRule, PinVerification
from mykey_cardap.tlv import Encoding, TlvError, expect, find, parse_all

if TYPE_CHECKING:
    from datetime import date

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

TEXT_AID = bytes.fromhex("D3921000310001010408")

_NUMBER_FILE_LENGTH = 17
_SHA256_LENGTH = 32
_CHANGE_NEW_VALUE_ONLY = bytes((0x00, Ins.CHANGE_REFERENCE_DATA, 0x01, 0x80))


@unique
class Ef(IntEnum):
    """File identifiers of the text application (card reference §4)."""

    NUMBER = 0x0001
    ATTRIBUTES = 0x0002
    SIGNATURES = 0x0003
    CV_CERTIFICATE = 0x0004
    APPLICATION_INFO = 0x0005
    CARD_KEY = 0x0007
    PIN = 0x0011
    NUMBER_A = 0x0014
    NUMBER_B = 0x0015


@unique
class Tag(IntEnum):
    """Tags of the text application's objects (card reference §13.1)."""

    NUMBER = 0xFF10
    ATTRIBUTES = 0xFF20
    OFFSETS = 0xDF21
    NAME = 0xDF22
    ADDRESS = 0xDF23
    BIRTH_DATE = 0xDF24
    SEX = 0xDF25
    SIGNATURES = 0xFF30
    NUMBER_DIGEST = 0xDF31
    ATTRIBUTES_DIGEST = 0xDF32
    SIGNATURE = 0xDF33
    CARD_KEY = 0xFF50
    CARD_KEY_VALUE = 0xDF51
    CARD_KEY_SIGNATURE = 0xDF52


@dataclass(frozen=True, slots=True)
class IndividualNumber:
    """The 12-digit 個人番号 and the 17 bytes it was read from. `repr` shows neither."""

    digits: str = field(repr=False)
    physical: bytes = field(repr=False)

    @classmethod
    def from_bytes(cls, raw: bytes) -> IndividualNumber:
        """Parse file 0001: `FF10 0C` and twelve digits, then two bytes of filler that the digest covers."""
        try:
            first = parse_all(raw[:-2])
            digits = expect(first[0], Tag.NUMBER, length=12) if len(first) == 1 else b""
        except TlvError as error:
            raise BadCardDataError("the number file is malformed") from error
        text = digits.decode("latin-1")
        if len(raw) != _NUMBER_FILE_LENGTH or not is_individual_number(text):
            raise BadCardDataError("the number file does not hold twelve digits with their check digit")
        return cls(text, raw)


@dataclass(frozen=True, slots=True)
class Attributes:
    """The four attributes (基本4情報) as printed on the card. `repr` shows none of them.

    `name` keeps the ideographic space between family and given name; nothing is normalised.
    """

    name: str = field(repr=False)
    address: str = field(repr=False)
    birth_date: date = field(repr=False)
    sex: CardSex = field(repr=False)
    signed: bytes = field(repr=False)
    """The bytes whose SHA-256 the issuer signed: everything after the table of offsets."""

    @classmethod
    def from_bytes(cls, raw: bytes) -> Attributes:
        """Parse file 0002. The table of offsets is skipped, not believed."""
        try:
            body = one_object(raw, Tag.ATTRIBUTES)
            objects = body.children()
            if not objects:
                raise TlvError("no objects")
            expect(objects[0], Tag.OFFSETS)
            values = [find(objects, tag).value for tag in (Tag.NAME, Tag.ADDRESS, Tag.BIRTH_DATE, Tag.SEX)]
        except TlvError as error:
            raise BadCardDataError("the attribute file is malformed") from error
        name, address, birth_date, sex = values
        signed = body.value[len(objects[0].raw) :]
        return cls(parse_text(name), parse_text(address), parse_date(birth_date), parse_sex(sex), signed)


@dataclass(frozen=True, slots=True)
class IssuerSignatures:
    """File 0003: digests of the number and of the attributes, signed by the key of the CV certificate."""

    number_digest: bytes = field(repr=False)
    attributes_digest: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    signed: bytes = field(repr=False)

    @classmethod
    def from_bytes(cls, raw: bytes) -> IssuerSignatures:
        """Parse `FF30 { DF31, DF32, DF33 }`, in this order, because the first two are signed as written."""
        try:
            objects = one_object(raw, Tag.SIGNATURES).children()
            if len(objects) != 3:  # noqa: PLR2004 - two digests and a signature
                raise TlvError("three objects expected")
            number = expect(objects[0], Tag.NUMBER_DIGEST, length=_SHA256_LENGTH)
            attributes = expect(objects[1], Tag.ATTRIBUTES_DIGEST, length=_SHA256_LENGTH)
            signature = expect(objects[2], Tag.SIGNATURE)
        except TlvError as error:
            raise BadCardDataError("the signature file is malformed") from error
        return cls(number, attributes, signature, objects[0].raw + objects[1].raw)

    def verify(
        self,
        issuer_key: RSAPublicKey,
        *,
        number: IndividualNumber | None = None,
        attributes: Attributes | None = None,
    ) -> None:
        """Check the issuer's signature and that it speaks of this number and these attributes.

        `issuer_key` is the key of the CV certificate in file 0004, after *that* was verified. Raises
        `IssuerSignatureError`.
        """
        verify_signature(issuer_key, self.signature, self.signed)
        if number is not None and hashlib.sha256(number.physical).digest() != self.number_digest:
            raise IssuerSignatureError("the number is not the one that the issuer signed")
        if attributes is not None and hashlib.sha256(attributes.signed).digest() != self.attributes_digest:
            raise IssuerSignatureError("the attributes are not those that the issuer signed")


def parse_card_key(raw: bytes, issuer_key: RSAPublicKey) -> RSAPublicKey:
    """The application's own public key from file 0007, after the issuer's signature over it was verified."""
    try:
        objects = one_object(raw, Tag.CARD_KEY).children()
        key, signature = find(objects, Tag.CARD_KEY_VALUE), find(objects, Tag.CARD_KEY_SIGNATURE)
    except TlvError as error:
        raise BadCardDataError("the card-key file is malformed") from error
    verify_signature(issuer_key, signature.value, key.raw)
    return parse_public_key(key.value)


class TextSession(ApplicationSession):
    """A session with the text application.

    The PIN or number A opens the number, the PIN or number B opens the attributes.
    """

    aids: ClassVar[tuple[bytes, ...]] = (TEXT_AID,)
    pins: ClassVar[dict[PinName, PinRule]] = {
        "text": PinRule("text", Ef.PIN, re.compile(rb"[0-9]{4}"), "the text PIN has exactly four digits"),
        "number-a": PinRule("number-a", Ef.NUMBER_A, re.compile(rb"[0-9]{12}"), "number A has exactly twelve digits"),
        "number-b": PinRule("number-b", Ef.NUMBER_B, re.compile(rb"[0-9]{14}"), "number B has exactly fourteen digits"),
    }

    def read_number(self) -> IndividualNumber:
        """Read the 個人番号; needs the PIN or number A. Ask yourself whether the law lets you."""
        return IndividualNumber.from_bytes(self._read_fixed(Ef.NUMBER, _NUMBER_FILE_LENGTH))

    def read_attributes(self) -> Attributes:
        """Read name, address, birth date and sex; needs the PIN or number B."""
        return Attributes.from_bytes(self._read_file(Ef.ATTRIBUTES, Encoding.BER))

    def read_signatures(self) -> IssuerSignatures:
        """Read the issuer's signature over number and attributes; needs the PIN or number A."""
        return IssuerSignatures.from_bytes(self._read_file(Ef.SIGNATURES, Encoding.BER))

    def read_cv_certificate(self) -> CvCertificate:
        """Read the certificate of the key that signed the data; needs nothing, proves nothing by itself."""
        return CvCertificate.from_bytes(self._read_file(Ef.CV_CERTIFICATE, Encoding.BER))

    def read_card_key(self, issuer_key: RSAPublicKey) -> RSAPublicKey:
        """Read and verify the application's own public key; needs the PIN, number A or number B."""
        return parse_card_key(self._read_file(Ef.CARD_KEY, Encoding.BER), issuer_key)

    def sign_with_card_key(self, payload: bytes) -> bytes:
        """Let the application's own key sign 1 to 245 bytes (normally a DigestInfo); needs nothing.

        Proof that the card is present, once `read_card_key` says which key it must be.
        """
        return self._sign_with_own_key(payload)

    def change_pin(
        self, current: bytes | bytearray, new: bytes | bytearray, *, allow_last_attempt: bool = False
    ) -> PinVerification:
        """Present the current text PIN and set a new one."""
        return self._change_pin(
            "text", current, new, header=_CHANGE_NEW_VALUE_ONLY, allow_last_attempt=allow_last_attempt
        )
