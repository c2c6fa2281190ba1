"""The four basic items (基本4情報) in a signature certificate, in the certificate's own codings.

The card's files write sex and birth date differently; those belong to the card code. Nothing here says whether a
certificate is genuine: read it only from one that has been validated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Final

from asn1crypto import core
from cryptography import x509

from mykey_cardap.certificate_attributes import ATTRIBUTE_ARC, AttributeOid, CertificateSex, Era
from mykey_core.trust.errors import TrustError

_BIRTH_LENGTH: Final = 9


@dataclass(frozen=True, slots=True)
class SubstitutedText:
    """A text in the characters of certificates: at `substituted` (from 0) another character stands for the true one."""

    text: str = field(repr=False)
    substituted: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class BirthDate:
    """A birth date; `day` is None when the certificate writes no complete date. `coded` is its `EYYYYMMDD`."""

    era: Era
    day: date | None = field(repr=False)
    coded: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignerAttributes:
    """Name, birth date, sex and address of the person whom the certificate was issued to."""

    name: SubstitutedText
    birth_date: BirthDate
    sex: CertificateSex
    address: SubstitutedText


class AttributesError(TrustError):
    """The certificate lacks one of the four items or writes it in an unknown way; `code` says which."""


def read_attributes(certificate: x509.Certificate) -> SignerAttributes:
    """Read the four items from the subjectAltName.

    Raises:
        AttributesError: `attributes_missing`, `attributes_twice`, `attribute_name`, `attribute_birth_date`,
            `attribute_sex`, `attribute_address`, `attribute_substitutes`.
    """
    texts = _other_names(certificate)
    return SignerAttributes(
        name=_substituted(texts, AttributeOid.NAME, AttributeOid.NAME_SUBSTITUTES, "attribute_name"),
        birth_date=_birth_date(texts[AttributeOid.BIRTH_DATE]),
        sex=_sex(texts[AttributeOid.SEX]),
        address=_substituted(texts, AttributeOid.ADDRESS, AttributeOid.ADDRESS_SUBSTITUTES, "attribute_address"),
    )


def _other_names(certificate: x509.Certificate) -> dict[str, str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        raise AttributesError("attributes_missing", "no subjectAltName that can be read") from None
    texts: dict[str, str] = {}
    for other in names.get_values_for_type(x509.OtherName):
        oid = other.type_id.dotted_string
        if oid in texts:
            raise AttributesError("attributes_twice", oid)
        if oid.startswith(f"{ATTRIBUTE_ARC}."):
            texts[oid] = _utf8(other.value, oid)
    needed = {AttributeOid.NAME, AttributeOid.BIRTH_DATE, AttributeOid.SEX, AttributeOid.ADDRESS}
    if missing := needed - texts.keys():
        raise AttributesError("attributes_missing", ", ".join(sorted(missing)))
    return texts


def _utf8(der: bytes, oid: str) -> str:
    try:
        value = core.UTF8String.load(der, strict=True)
        return str(value.native)
    except (ValueError, TypeError):
        raise AttributesError("attributes_missing", f"{oid} is no UTF8String") from None


def _substituted(texts: dict[str, str], oid: str, marks_oid: str, code: str) -> SubstitutedText:
    text, marks = texts[oid], texts.get(marks_oid, "")
    if not text:
        raise AttributesError(code, "empty")
    # One 0 or 1 for each character; a certificate without a single substitute may leave them out.
    if marks and (len(marks) != len(text) or set(marks) - {"0", "1"}):
        raise AttributesError("attribute_substitutes", f"{marks_oid} does not fit the text")
    return SubstitutedText(text, tuple(position for position, mark in enumerate(marks) if mark == "1"))


def _birth_date(coded: str) -> BirthDate:
    if len(coded) != _BIRTH_LENGTH or not (coded.isascii() and coded.isdigit()) or coded[0] not in set(Era):
        raise AttributesError("attribute_birth_date", "EYYYYMMDD expected")
    try:
        day = date(int(coded[1:5]), int(coded[5:7]), int(coded[7:9]))
    except ValueError:
        day = None  # parts of a birth date can be unknown, and are then zero
    return BirthDate(Era(coded[0]), day, coded)


def _sex(coded: str) -> CertificateSex:
    try:
        return CertificateSex(coded)
    except ValueError:
        raise AttributesError("attribute_sex", "1, 2 or 3 expected") from None
