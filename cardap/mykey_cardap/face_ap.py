"""The face application (券面事項確認AP): the printed face of the card as pictures, signed by the issuer.

Pictures come as they are (PNG, and JPEG 2000 for the photograph); drawing them is not done here.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import TYPE_CHECKING, ClassVar

from mykey_cardap.card_data import CardSex, parse_date, parse_sex
from mykey_cardap.errors import BadCardDataError, PinName
from mykey_cardap.issuer_signatures import (
    CvCertificate,
    one_object,
    parse_public_key,
    verify_raw_signature,
    verify_signature,
)
from mykey_cardap.session import ApplicationSession, PinRule
from mykey_cardap.tlv import Encoding, Tlv, TlvError, find

if TYPE_CHECKING:
    from datetime import date

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

FACE_AID = bytes.fromhex("D3921000310001010402")
PNG_SIGNATURE = bytes.fromhex("89504E470D0A1A0A")
JPEG_2000_SIGNATURE = bytes.fromhex("0000000C6A5020200D0A870A")

_FACE_DIGEST_INFO = bytes.fromhex("3071300D060960864801650304020105000460")
"""DigestInfo that claims SHA-256 and carries three hashes at once, 96 bytes (card reference §13.2)."""


@unique
class Ef(IntEnum):
    """File identifiers of the face application (card reference §5). A and B lie the other way round here."""

    AGE = 0x0001
    FACE = 0x0002
    APPLICATION_INFO = 0x0003
    CV_CERTIFICATE = 0x0004
    NUMBER_PICTURE = 0x0005
    BIRTH_DATE_KEY = 0x0011
    NUMBER_B = 0x0012
    NUMBER_A = 0x0013


@unique
class Tag(IntEnum):
    """Tags of the face application's objects (card reference §13.2)."""

    AGE = 0xFF10
    AGE_BIRTH_DATE = 0xDF11
    AGE_CARD_KEY = 0xDF12
    AGE_SIGNATURE = 0xDF13
    FACE = 0xFF20
    BIRTH_DATE = 0xDF22
    SEX = 0xDF23
    CARD_KEY = 0xDF24
    NAME_PICTURE = 0xDF25
    ADDRESS_PICTURE = 0xDF26
    PHOTOGRAPH = 0xDF27
    SIGNATURE = 0xDF28
    EXPIRY = 0xDF29
    SECURITY_CODE_PICTURE = 0xDF2A
    APPLICATION_INFO = 0xFF30
    SPECIFICATION = 0xDF31
    KEY_ID = 0xDF32
    VERSION = 0xDF33
    MUNICIPALITY = 0xDF34
    NUMBER = 0xFF40
    NUMBER_PICTURE = 0xDF41
    NUMBER_CARD_KEY = 0xDF42
    NUMBER_SIGNATURE = 0xDF43


@dataclass(frozen=True, slots=True)
class AgeRecord:
    """File 0001: the birth date alone, for age checks, signed together with the card's key."""

    birth_date: date = field(repr=False)
    card_key: RSAPublicKey
    signature: bytes = field(repr=False)
    signed: bytes = field(repr=False)

    @classmethod
    def from_bytes(cls, raw: bytes) -> AgeRecord:
        """Parse `FF10 { DF11, DF12, DF13 }`."""
        birth_date, key, signature = _objects(raw, Tag.AGE, Tag.AGE_BIRTH_DATE, Tag.AGE_CARD_KEY, Tag.AGE_SIGNATURE)
        return cls(
            parse_date(birth_date.value),
            parse_public_key(key.value),
            signature.value,
            birth_date.raw + key.raw,
        )

    def verify(self, issuer_key: RSAPublicKey) -> None:
        """Check the issuer's signature; `IssuerSignatureError`."""
        verify_signature(issuer_key, self.signature, self.signed)


@dataclass(frozen=True, slots=True)
class CardFace:
    """File 0002: what is printed on the front. `repr` shows nothing personal.

    `expiry` and `security_code_picture` are not covered by the issuer's signature.
    """

    birth_date: date = field(repr=False)
    sex: CardSex = field(repr=False)
    card_key: RSAPublicKey
    name_picture: bytes = field(repr=False)
    address_picture: bytes = field(repr=False)
    photograph: bytes = field(repr=False)
    expiry: date
    security_code_picture: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    signed: bytes = field(repr=False)

    @classmethod
    def from_bytes(cls, raw: bytes) -> CardFace:
        """Parse `FF20 {...}` by tags; the table of offsets is not believed."""
        tags = (
            Tag.BIRTH_DATE,
            Tag.SEX,
            Tag.CARD_KEY,
            Tag.NAME_PICTURE,
            Tag.ADDRESS_PICTURE,
            Tag.PHOTOGRAPH,
            Tag.SIGNATURE,
            Tag.EXPIRY,
            Tag.SECURITY_CODE_PICTURE,
        )
        birth, sex, key, name, address, photograph, signature, expiry, code = _objects(raw, Tag.FACE, *tags)
        return cls(
            birth_date=parse_date(birth.value),
            sex=parse_sex(sex.value),
            card_key=parse_public_key(key.value),
            name_picture=_picture(name, PNG_SIGNATURE),
            address_picture=_picture(address, PNG_SIGNATURE),
            photograph=_picture(photograph, JPEG_2000_SIGNATURE),
            expiry=parse_date(expiry.value),
            security_code_picture=_picture(code, PNG_SIGNATURE),
            signature=signature.value,
            signed=_face_digest_info(birth.raw + sex.raw + key.raw, name.raw + address.raw, photograph.raw),
        )

    def verify(self, issuer_key: RSAPublicKey) -> None:
        """Check the issuer's signature; `IssuerSignatureError`."""
        verify_raw_signature(issuer_key, self.signature, self.signed)


@dataclass(frozen=True, slots=True)
class NumberPicture:
    """File 0005: the number as a picture (PNG), signed together with the card's key."""

    picture: bytes = field(repr=False)
    card_key: RSAPublicKey
    signature: bytes = field(repr=False)
    signed: bytes = field(repr=False)

    @classmethod
    def from_bytes(cls, raw: bytes) -> NumberPicture:
        """Parse `FF40 { DF41, DF42, DF43 }`."""
        picture, key, signature = _objects(
            raw, Tag.NUMBER, Tag.NUMBER_PICTURE, Tag.NUMBER_CARD_KEY, Tag.NUMBER_SIGNATURE
        )
        return cls(
            _picture(picture, PNG_SIGNATURE),
            parse_public_key(key.value),
            signature.value,
            picture.raw + key.raw,
        )

    def verify(self, issuer_key: RSAPublicKey) -> None:
        """Check the issuer's signature; `IssuerSignatureError`."""
        verify_signature(issuer_key, self.signature, self.signed)


@dataclass(frozen=True, slots=True)
class FaceApplicationInfo:
    """File 0003: version of the specification, key id, municipality (five digits) that issued the card."""

    specification: bytes
    key_id: bytes
    version: int
    municipality: str

    @classmethod
    def from_bytes(cls, raw: bytes) -> FaceApplicationInfo:
        """Parse `FF30 { DF31 … DF34, … }`; further objects are ignored."""
        specification, key_id, version, municipality = _objects(
            raw, Tag.APPLICATION_INFO, Tag.SPECIFICATION, Tag.KEY_ID, Tag.VERSION, Tag.MUNICIPALITY
        )
        if len(version.value) != 1 or not re.fullmatch(rb"[0-9]{5}", municipality.value):
            raise BadCardDataError("the application information is malformed")
        return cls(specification.value, key_id.value, version.value[0], municipality.value.decode("ascii"))


class FaceSession(ApplicationSession):
    """A session with the face application.

    The birth-date key opens the age record only; A or B opens the face; A opens the picture of the number.
    """

    aids: ClassVar[tuple[bytes, ...]] = (FACE_AID,)
    pins: ClassVar[dict[PinName, PinRule]] = {
        "birth-date": PinRule(
            "birth-date", Ef.BIRTH_DATE_KEY, re.compile(rb"[0-9]{6}"), "the birth-date key has six digits"
        ),
        "number-a": PinRule("number-a", Ef.NUMBER_A, re.compile(rb"[0-9]{12}"), "number A has exactly twelve digits"),
        "number-b": PinRule("number-b", Ef.NUMBER_B, re.compile(rb"[0-9]{14}"), "number B has exactly fourteen digits"),
    }

    def read_age_record(self) -> AgeRecord:
        """Read the signed birth date; needs the birth-date key."""
        return AgeRecord.from_bytes(self._read_file(Ef.AGE, Encoding.BER))

    def read_face(self) -> CardFace:
        """Read the printed face; needs number A or B."""
        return CardFace.from_bytes(self._read_file(Ef.FACE, Encoding.BER))

    def read_number_picture(self) -> NumberPicture:
        """Read the picture of the number; needs number A."""
        return NumberPicture.from_bytes(self._read_file(Ef.NUMBER_PICTURE, Encoding.BER))

    def read_application_info(self) -> FaceApplicationInfo:
        """Read what the application says about itself; needs nothing."""
        return FaceApplicationInfo.from_bytes(self._read_file(Ef.APPLICATION_INFO, Encoding.BER))

    def read_cv_certificate(self) -> CvCertificate:
        """Read the certificate of the key that signed the records; needs nothing, proves nothing by itself."""
        return CvCertificate.from_bytes(self._read_file(Ef.CV_CERTIFICATE, Encoding.BER))

    def sign_with_card_key(self, payload: bytes) -> bytes:
        """Let the card's key sign 1 to 245 bytes (normally a DigestInfo); needs nothing.

        Proof that the card is present, once a verified record says which key it must be.
        """
        return self._sign_with_own_key(payload)


def _objects(raw: bytes, outer: Tag, *tags: Tag) -> list[Tlv]:
    try:
        children = one_object(raw, outer).children()
        return [find(children, tag) for tag in tags]
    except TlvError as error:
        raise BadCardDataError(f"the record {outer:X} is malformed") from error


def _picture(tlv: Tlv, signature: bytes) -> bytes:
    if not tlv.value.startswith(signature):
        raise BadCardDataError(f"object {tlv.tag:X} is no picture of the kind it should be")
    return tlv.value


def _face_digest_info(*parts: bytes) -> bytes:
    return _FACE_DIGEST_INFO + b"".join(hashlib.sha256(part).digest() for part in parts)
