"""The attributes inside a signature certificate: name, address, birth date and sex as the certificate codes them.

Reading only; trust in the certificate is decided elsewhere, and these codings are not those of the card's files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum, unique
from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1

from mykey_cardap.card_data import parse_text
from mykey_cardap.errors import BadCardDataError

ATTRIBUTE_ARC: Final = "1.2.392.200149.8.5.5"
"""All otherName identifiers of a signature certificate stand under this one (card reference §14.1)."""
_BIRTH_DATE = re.compile(r"([0-5])([0-9]{4})([0-9]{2})([0-9]{2})", re.ASCII)


@unique
class CertificateSex(StrEnum):
    """Sex as the certificate codes it. Not the coding of the card's files."""

    MALE = "1"
    FEMALE = "2"
    UNKNOWN = "3"


@unique
class Era(StrEnum):
    """The era letter of a certificate's birth date; the year beside it is Gregorian all the same."""

    UNKNOWN = "0"
    MEIJI = "1"
    TAISHO = "2"
    SHOWA = "3"
    HEISEI = "4"
    REIWA = "5"


@unique
class AttributeOid(StrEnum):
    """otherName identifiers (card reference §14.1), in the order of the certificate."""

    NAME = f"{ATTRIBUTE_ARC}.1"
    BIRTH_DATE = f"{ATTRIBUTE_ARC}.4"
    SEX = f"{ATTRIBUTE_ARC}.3"
    ADDRESS = f"{ATTRIBUTE_ARC}.5"
    NAME_SUBSTITUTES = f"{ATTRIBUTE_ARC}.2"
    ADDRESS_SUBSTITUTES = f"{ATTRIBUTE_ARC}.6"


@dataclass(frozen=True, slots=True)
class CertificateAttributes:
    """What a signature certificate says about its holder. `repr` shows nothing personal.

    `*_substitutes` has one `1` per character that stands for another that the certificate cannot hold.
    """

    name: str = field(repr=False)
    address: str = field(repr=False)
    birth_date: date = field(repr=False)
    era: Era = field(repr=False)
    sex: CertificateSex = field(repr=False)
    name_substitutes: str = field(repr=False)
    address_substitutes: str = field(repr=False)

    @classmethod
    def from_certificate(cls, der: bytes) -> CertificateAttributes:
        """Read the otherName entries of a certificate; `BadCardDataError` when they are not all there."""
        values = _other_names(der)
        missing = [oid for oid in AttributeOid if oid not in values]
        if missing:
            raise BadCardDataError("the certificate does not carry the holder's attributes")
        birth_date, era = _parse_birth_date(values[AttributeOid.BIRTH_DATE])
        return cls(
            name=values[AttributeOid.NAME],
            address=values[AttributeOid.ADDRESS],
            birth_date=birth_date,
            era=era,
            sex=_parse_sex(values[AttributeOid.SEX]),
            name_substitutes=values[AttributeOid.NAME_SUBSTITUTES],
            address_substitutes=values[AttributeOid.ADDRESS_SUBSTITUTES],
        )


def _other_names(der: bytes) -> dict[str, str]:
    try:
        extensions = x509.load_der_x509_certificate(der).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return {}
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise BadCardDataError("the certificate cannot be read") from error
    found: dict[str, str] = {}
    for name in names.get_values_for_type(x509.OtherName):
        if name.type_id.dotted_string in found:
            raise BadCardDataError("the certificate carries an attribute twice")
        found[name.type_id.dotted_string] = _utf8_string(name.value)
    return found


def _utf8_string(der: bytes) -> str:
    try:
        text = asn1.decode_der(str, der)
    except ValueError as error:
        raise BadCardDataError("an attribute of the certificate is no UTF8String") from error
    return parse_text(text.encode())


def _parse_birth_date(text: str) -> tuple[date, Era]:
    match = _BIRTH_DATE.fullmatch(text)
    if not match:
        raise BadCardDataError("the birth date of the certificate is malformed")
    era, year, month, day = match.groups()
    try:
        return date(int(year), int(month), int(day)), Era(era)
    except ValueError as error:
        raise BadCardDataError("there is no such day in the calendar") from error


def _parse_sex(text: str) -> CertificateSex:
    try:
        return CertificateSex(text)
    except ValueError as error:
        raise BadCardDataError("the certificate's sex code is not one of 1, 2, 3") from error
