"""The certificate profile of §14 of the card reference: names, extensions and the otherName attributes.

Pure functions without keys; the authorities that sign are in `authority.py`. Where the real profile says
`JPKI`, this one says `JPKI-EMU`, and its addresses end in `.invalid` (RFC 2606).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from mykey_cardap.emulator.contents.holder import CardHolder, CardSex
from mykey_cardap.emulator.personas import Municipality
from mykey_cardap.kinds import CertificateKind

ORGANISATION: Final = "JPKI-EMU"
SERVICE_NAME: Final = "公的個人認証サービス EMU"
CPS: Final = "http://jpki-emu.invalid/cps.html"
OPERATOR: Final = "Emulated Agency for Local Authority Information Systems"

POLICIES: Final[Mapping[CertificateKind, str]] = {
    CertificateKind.AUTHENTICATION: "1.2.392.200149.8.5.1.3.30",
    CertificateKind.SIGNATURE: "1.2.392.200149.8.5.1.1.20",
}
_UNIT: Final = {
    CertificateKind.AUTHENTICATION: "JPKI for user authentication",
    CertificateKind.SIGNATURE: "JPKI for digital signature",
}
_OCSP: Final = {
    CertificateKind.AUTHENTICATION: "http://ocspauthnorm.jpki-emu.invalid",
    CertificateKind.SIGNATURE: "http://ocspsignature.jpki-emu.invalid",
}

ATTRIBUTE_ARC: Final = "1.2.392.200149.8.5.5"
NAME_OID: Final = x509.ObjectIdentifier(f"{ATTRIBUTE_ARC}.1")
NAME_SUBSTITUTES_OID: Final = x509.ObjectIdentifier(f"{ATTRIBUTE_ARC}.2")
SEX_OID: Final = x509.ObjectIdentifier(f"{ATTRIBUTE_ARC}.3")
BIRTH_OID: Final = x509.ObjectIdentifier(f"{ATTRIBUTE_ARC}.4")
ADDRESS_OID: Final = x509.ObjectIdentifier(f"{ATTRIBUTE_ARC}.5")
ADDRESS_SUBSTITUTES_OID: Final = x509.ObjectIdentifier(f"{ATTRIBUTE_ARC}.6")

# Sex: 1, 2, 3 in the certificate (the card's own files say 1, 2, 9, 0).
_CERTIFICATE_SEX: Final = {CardSex.MALE: "1", CardSex.FEMALE: "2"}
_SEX_UNKNOWN: Final = "3"

# First day of each era and its digit in the certificate; the year that follows it is Gregorian.
_ERA_DIGITS: Final = (
    (date(2019, 5, 1), "5"),
    (date(1989, 1, 8), "4"),
    (date(1926, 12, 25), "3"),
    (date(1912, 7, 30), "2"),
    (date(1868, 1, 25), "1"),
)
# One written character: a base character with the variation selector that may follow it.
_CHARACTER: Final = re.compile("(.)([\ufe00-\ufe0f\U000e0100-\U000e01ef]?)", re.DOTALL)
_UNKNOWN_CHARACTER: Final = "〓"  # the "geta" mark, when no substitute is listed
# Characters of JIS X 0208 that Japanese systems write with another code point than the codec's.
_TWINS: Final = frozenset("－～∥￠￡￢")
MAX_ADDRESS: Final = 200


def ca_name(kind: CertificateKind) -> x509.Name:
    """The DN that all generations of a kind share."""
    return _name(("O", ORGANISATION), ("OU", _UNIT[kind]), ("OU", OPERATOR))


def service_name() -> x509.DirectoryName:
    """The DirName of IssuerAltName and of the CA's SubjectAltName."""
    return x509.DirectoryName(_name(("O", SERVICE_NAME)))


def distribution_point_name(kind: CertificateKind, town: Municipality) -> x509.Name:
    """The DirName of the CRL partition of one municipality."""
    return _name(
        ("O", ORGANISATION),
        ("OU", _UNIT[kind]),
        ("OU", "CRL Distribution Points"),
        ("OU", town.prefecture),
        ("CN", f"{town.city} CRLDP"),
    )


def subject(kind: CertificateKind, town: Municipality, common_name: str) -> x509.Name:
    """The subject: no name of a person in either kind; the signature certificate adds the place in romaji."""
    places = [("L", town.prefecture), ("L", town.city)] if kind is CertificateKind.SIGNATURE else []
    return _name(*places, ("CN", common_name))


def ca_extensions(kind: CertificateKind) -> list[tuple[x509.ExtensionType, bool]]:
    """(extension, critical) of a CA certificate, without its key identifier."""
    own_point = x509.DistributionPoint([x509.DirectoryName(ca_name(kind))], None, None, None)
    return [
        (_key_usage(key_cert_sign=True, crl_sign=True), True),
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (x509.SubjectAlternativeName([service_name()]), False),
        (x509.CRLDistributionPoints([own_point]), False),
    ]


def end_entity_extensions(
    kind: CertificateKind, town: Municipality, holder: CardHolder, substitutes: Mapping[str, str]
) -> list[tuple[x509.ExtensionType, bool]]:
    """(extension, critical) of an end-entity certificate, without its two key identifiers."""
    signing = kind is CertificateKind.SIGNATURE
    policy = x509.PolicyInformation(x509.ObjectIdentifier(POLICIES[kind]), [CPS])
    point = x509.DirectoryName(distribution_point_name(kind, town))
    ocsp = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(_OCSP[kind]))
    attributes = x509.SubjectAlternativeName(attribute_names(holder, substitutes)) if signing else None
    extensions: list[tuple[x509.ExtensionType | None, bool]] = [
        (_key_usage(digital_signature=True, content_commitment=signing), True),
        (attributes, False),
        (x509.CertificatePolicies([policy]), True),
        (x509.IssuerAlternativeName([service_name()]), False),
        (x509.CRLDistributionPoints([x509.DistributionPoint([point], None, None, None)]), False),
        (x509.AuthorityInformationAccess([ocsp]), False),
    ]
    return [(extension, critical) for extension, critical in extensions if extension is not None]


def attribute_names(holder: CardHolder, substitutes: Mapping[str, str]) -> list[x509.OtherName]:
    """The six otherNames of the signature certificate, in the order of real ones: .1 .4 .3 .5 .2 .6."""
    name, name_marks = certificate_text(holder.name_on_card, substitutes)
    address, address_marks = certificate_text(holder.address[:MAX_ADDRESS], substitutes)
    return [
        _other_name(NAME_OID, name),
        _other_name(BIRTH_OID, certificate_birth_date(holder.birth_date)),
        _other_name(SEX_OID, _CERTIFICATE_SEX.get(holder.sex, _SEX_UNKNOWN)),
        _other_name(ADDRESS_OID, address),
        _other_name(NAME_SUBSTITUTES_OID, name_marks),
        _other_name(ADDRESS_SUBSTITUTES_OID, address_marks),
    ]


def certificate_birth_date(birth: date) -> str:
    """`EYYYYMMDD`: a digit for the era (0 unknown) and the Gregorian date."""
    era = next((digit for start, digit in _ERA_DIGITS if birth >= start), "0")
    return f"{era}{birth:%Y%m%d}"


def certificate_text(text: str, substitutes: Mapping[str, str]) -> tuple[str, str]:
    """`text` in the characters of certificates, and per character `1` where another one stands for it.

    JIS X 0208 and JIS X 0212 are allowed, which is what the codec euc_jp covers; variation selectors are not.
    """
    pairs = [_certificate_character(found[1], found[2], substitutes) for found in _CHARACTER.finditer(text)]
    return "".join(character for character, _ in pairs), "".join(mark for _, mark in pairs)


def _certificate_character(base: str, selector: str, substitutes: Mapping[str, str]) -> tuple[str, str]:
    if _encodable(base):
        return base, "1" if selector else "0"
    return substitutes.get(base, _UNKNOWN_CHARACTER), "1"


def _encodable(character: str) -> bool:
    if character in _TWINS:
        return True
    try:
        character.encode("euc_jp")
    except UnicodeEncodeError:
        return False
    return True


def _other_name(oid: x509.ObjectIdentifier, text: str) -> x509.OtherName:
    return x509.OtherName(oid, _utf8_string(text.encode()))


def _utf8_string(value: bytes) -> bytes:
    """DER UTF8String (tag 0C)."""
    if len(value) < 0x80:  # noqa: PLR2004 - the short form of a DER length
        return bytes((0x0C, len(value))) + value
    length = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return bytes((0x0C, 0x80 | len(length))) + length + value


def _key_usage(**granted: bool) -> x509.KeyUsage:
    usages = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{usage: granted.get(usage, False) for usage in usages})


_OIDS: Final = {
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "L": NameOID.LOCALITY_NAME,
    "CN": NameOID.COMMON_NAME,
}


def _name(*parts: tuple[str, str]) -> x509.Name:
    """C=JP and then the parts, each a name component of its own."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
            *(x509.NameAttribute(_OIDS[label], text) for label, text in parts),
        ]
    )
