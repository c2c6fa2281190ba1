"""Attributes of a person as an issuer signed them, and what a service is told of them. Held in memory only.

Two sources: the signature certificate (its key signed in this session), and the card's text application (its data are
signed by the card's issuer; that they belong to this card is the word of the enrolled terminal).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum, unique
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mykey_cardap.card_data import CardSex
from mykey_cardap.certificate_attributes import CertificateSex
from mykey_cardap.errors import CardError
from mykey_cardap.issuer_signatures import CvCertificate
from mykey_cardap.text_ap import Attributes as CardAttributes
from mykey_cardap.text_ap import IssuerSignatures
from mykey_core.clock import tokyo_date
from mykey_core.consent.errors import ConsentCode, ConsentDenied
from mykey_core.trust.signatures.attributes import read_attributes
from mykey_core.trust.types import ValidatedCertificate

Value = str | date
_AGE_BANDS: Final = ((75, "75-"), (65, "65-74"), (40, "40-64"), (18, "18-39"), (15, "15-17"), (6, "6-14"), (0, "0-5"))


@unique
class Attribute(StrEnum):
    """What a plugin can ask for. `municipality` is known to the hub itself; all others come from the card."""

    NAME = "name"
    ADDRESS = "address"
    BIRTH_DATE = "birth_date"
    SEX = "sex"
    AGE_BAND = "age_band"
    MUNICIPALITY = "municipality"


@unique
class Source(StrEnum):
    """Who vouches for the values."""

    SIGNATURE_CERTIFICATE = "signature-certificate"
    TEXT_APPLICATION = "text-application"


@dataclass(frozen=True, slots=True)
class VerifiedAttributes:
    """The four attributes with their source. `repr` shows none of them; nothing is normalised.

    `sex` is `male`, `female`, `not-applicable` or `not-known`; `birth_date` is None where it is not fully known.
    `certificate` is the signature certificate they were read from.
    """

    name: str = field(repr=False)
    address: str = field(repr=False)
    birth_date: date | None = field(repr=False)
    sex: str = field(repr=False)
    source: Source
    at: datetime
    certificate: ValidatedCertificate | None = field(default=None, repr=False)


_CERTIFICATE_SEX = {
    CertificateSex.MALE: "male",
    CertificateSex.FEMALE: "female",
    CertificateSex.UNKNOWN: "not-known",
}
_CARD_SEX = {
    CardSex.MALE: "male",
    CardSex.FEMALE: "female",
    CardSex.NOT_APPLICABLE: "not-applicable",
    CardSex.NOT_KNOWN: "not-known",
}


def from_certificate(certificate: ValidatedCertificate, at: datetime) -> VerifiedAttributes:
    """The attributes in a signature certificate whose key has just signed; `AttributesError` when it has none."""
    found = read_attributes(certificate.certificate)
    return VerifiedAttributes(
        name=found.name.text,
        address=found.address.text,
        birth_date=found.birth_date.day,
        sex=_CERTIFICATE_SEX[found.sex],
        source=Source.SIGNATURE_CERTIFICATE,
        at=at,
        certificate=certificate,
    )


def from_text_application(
    attributes: bytes, signatures: bytes, cv_certificate: bytes, *, issuer_key: RSAPublicKey, at: datetime
) -> VerifiedAttributes:
    """The attributes in files 0002, 0003 and 0004 of the text application, by the pinned key of the card's issuer.

    `ConsentDenied` (`attributes_not_presented`) unless every signature holds.
    """
    try:
        certificate = CvCertificate.from_bytes(cv_certificate)
        certificate.verify(issuer_key)
        found = CardAttributes.from_bytes(attributes)
        IssuerSignatures.from_bytes(signatures).verify(certificate.public_key, attributes=found)
    except CardError as error:
        raise ConsentDenied(ConsentCode.NOT_PRESENTED, type(error).__name__) from None
    return VerifiedAttributes(
        found.name, found.address, found.birth_date, _CARD_SEX[found.sex], Source.TEXT_APPLICATION, at
    )


def age_on(birth_date: date, day: date) -> int:
    """Completed years on a civil date; whoever is born on 29 February has the birthday on 1 March in common years."""
    before = (day.month, day.day) < (birth_date.month, birth_date.day)
    return day.year - birth_date.year - before


def age_band(birth_date: date, at: datetime) -> str:
    """The band of the age in Japan at `at`: 0-5, 6-14, 15-17, 18-39, 40-64, 65-74, 75-."""
    age = age_on(birth_date, tokyo_date(at))
    return next(band for least, band in _AGE_BANDS if age >= least)


_READERS: Mapping[Attribute, Callable[[VerifiedAttributes, datetime], Value | None]] = {
    Attribute.NAME: lambda found, _: found.name,
    Attribute.ADDRESS: lambda found, _: found.address,
    Attribute.BIRTH_DATE: lambda found, _: found.birth_date,
    Attribute.SEX: lambda found, _: found.sex,
    Attribute.AGE_BAND: lambda found, at: age_band(found.birth_date, at) if found.birth_date else None,
}


def value_of(found: VerifiedAttributes, attribute: Attribute, at: datetime) -> Value | None:
    """One attribute out of those presented; None where the card does not know it."""
    return _READERS[attribute](found, at)
