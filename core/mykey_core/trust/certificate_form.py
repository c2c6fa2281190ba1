"""The form of a certificate: rules V4 to V7 of authentication-hub §2.2, before anybody asks who issued it.

Each rule is one function that refuses or returns, so that each can be tested by switching it off. Time, usage and
policy are in `end_entity.py`; the issuer is in `fast_path.py`.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mykey_core.trust import extension_facts, raw_certificate
from mykey_core.trust.errors import CertificateReason, CertificateRefused
from mykey_core.trust.extension_facts import ExtensionFacts
from mykey_core.trust.raw_certificate import RawCertificate
from mykey_core.trust.types import Check

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

MINIMUM_RSA_BITS = 2048
MINIMUM_RSA_EXPONENT = 65_537
_USUAL_EXPONENT = b"\x02\x03\x01\x00\x01"  # INTEGER 65537
_V3 = 2
_MAX_SERIAL = 20  # octets, RFC 5280 4.1.2.2

# AlgorithmIdentifiers of public keys that we take, byte for byte: RSA with NULL parameters, and named curves. A curve
# that is spelt out, or id-RSASSA-PSS, has other bytes. (RFC 3279 2.3.1, RFC 5480 2.1.1)
_KEY_ALGORITHMS = tuple(
    bytes.fromhex(text)
    for text in (
        "300d06092a864886f70d0101010500",  # rsaEncryption
        "301306072a8648ce3d020106082a8648ce3d030107",  # P-256
        "301006072a8648ce3d020106052b81040022",  # P-384
        "301006072a8648ce3d020106052b81040023",  # P-521
    )
)

# AlgorithmIdentifiers of certificate signatures that we take (RFC 4055 5, RFC 5758 3.2), with their hash.
RSA_SIGNATURES: dict[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("300d06092a864886f70d01010b0500"): hashes.SHA256(),
    bytes.fromhex("300d06092a864886f70d01010c0500"): hashes.SHA384(),
    bytes.fromhex("300d06092a864886f70d01010d0500"): hashes.SHA512(),
}
ECDSA_SIGNATURES: dict[bytes, ec.ECDSA] = {
    bytes.fromhex("300a06082a8648ce3d040302"): ec.ECDSA(hashes.SHA256()),
    bytes.fromhex("300a06082a8648ce3d040303"): ec.ECDSA(hashes.SHA384()),
    bytes.fromhex("300a06082a8648ce3d040304"): ec.ECDSA(hashes.SHA512()),
}
_SIGNATURE_ALGORITHMS = frozenset((*RSA_SIGNATURES, *ECDSA_SIGNATURES))

# What may be critical, because it is either checked (the first four) or cannot widen what the certificate is good
# for. Anything else that is critical is unknown to us (RFC 5280 4.2: reject).
_MAY_BE_CRITICAL = frozenset(
    (
        extension_facts.KEY_USAGE,
        extension_facts.BASIC_CONSTRAINTS,
        extension_facts.EXTENDED_KEY_USAGE,
        extension_facts.CERTIFICATE_POLICIES,
        extension_facts.CRL_DISTRIBUTION_POINTS,
        extension_facts.SUBJECT_ALT_NAME,
        extension_facts.ISSUER_ALT_NAME,
        extension_facts.AUTHORITY_KEY_IDENTIFIER,
        extension_facts.SUBJECT_KEY_IDENTIFIER,
    )
)


class CertificateForm(NamedTuple):
    """A certificate of good form: its raw parts, the parsed object, its key, its validity (UTC), its extensions."""

    raw: RawCertificate
    certificate: x509.Certificate
    public_key: PublicKey
    not_before: datetime
    not_after: datetime
    facts: ExtensionFacts


def _refuse(reason: CertificateReason) -> CertificateRefused:
    return CertificateRefused(reason, Check.TOKEN_SHAPE)


def read_form(der: bytes) -> CertificateForm:
    """Parse and check the form of one DER certificate; `CertificateRefused` says which rule it breaks.

    The raw rules come before the parser: it warns about bad serial numbers instead of refusing them.
    """
    try:
        raw = raw_certificate.split(der)
    except raw_certificate.BadDer:
        raise _refuse(CertificateReason.MALFORMED) from None
    check_version(raw)
    check_serial(raw)
    check_signature_algorithm(raw)
    check_same_signature_algorithm(raw)
    check_key_algorithm(raw)
    check_no_extension_twice(raw)
    check_critical_extensions(raw)
    form = _parse(der, raw)
    check_key_strength(form)
    return form


def _parse(der: bytes, raw: RawCertificate) -> CertificateForm:
    facts = _facts(raw)
    try:
        certificate = x509.load_der_x509_certificate(der)
        # The parser is lazy: bad times and a bad key show when they are read, so here and not later.
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        public_key = certificate.public_key()
    except (ValueError, TypeError, OverflowError, x509.InvalidVersion):
        raise _refuse(CertificateReason.MALFORMED) from None
    if not isinstance(public_key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
        raise _refuse(CertificateReason.KEY_TYPE)
    return CertificateForm(raw, certificate, public_key, not_before, not_after, facts)


def _facts(raw: RawCertificate) -> ExtensionFacts:
    try:
        return extension_facts.read(raw.extensions)
    except extension_facts.ExtensionMalformed as error:
        raise CertificateRefused(CertificateReason.EXTENSION_MALFORMED, Check.TOKEN_SHAPE, str(error)) from None


def check_version(raw: RawCertificate) -> None:
    """V4: X.509 v3."""
    if raw.version != _V3:
        raise _refuse(CertificateReason.VERSION)


def check_serial(raw: RawCertificate) -> None:
    """V5: the serial number is positive and has at most 20 octets, in minimal form."""
    serial = raw.serial
    positive = serial[:1] < b"\x80" and serial.strip(b"\x00") != b""
    minimal = serial[:1] != b"\x00" or serial[1:2] >= b"\x80"
    if not positive or not minimal or len(serial) > _MAX_SERIAL:
        raise _refuse(CertificateReason.SERIAL)


def check_signature_algorithm(raw: RawCertificate) -> None:
    """V7: RSA (PKCS #1 v1.5) or ECDSA with SHA-256, SHA-384 or SHA-512."""
    if raw.outer_algorithm not in _SIGNATURE_ALGORITHMS:
        raise _refuse(CertificateReason.SIGNATURE_ALGORITHM)


def check_same_signature_algorithm(raw: RawCertificate) -> None:
    """V7: the signed algorithm is the one beside the signature."""
    if raw.inner_algorithm != raw.outer_algorithm:
        raise _refuse(CertificateReason.SIGNATURE_ALGORITHM_DIFFERS)


def check_key_algorithm(raw: RawCertificate) -> None:
    """V6: RSA, or an EC key by named curve (P-256, P-384, P-521)."""
    if not known_key_algorithm(raw.public_key_info):
        raise _refuse(CertificateReason.KEY_TYPE)


def known_key_algorithm(info: bytes) -> bool:
    """Whether a SubjectPublicKeyInfo (DER) names RSA or one of the curves, spelt as we know them."""
    body = info[2:] if info[1] < 0x80 else info[2 + (info[1] & 0x7F) :]  # noqa: PLR2004 - DER's long form
    return body.startswith(_KEY_ALGORITHMS)


def check_key_strength(form: CertificateForm) -> None:
    """V6: RSA has at least 2048 bits and an exponent of at least 65537."""
    if isinstance(form.public_key, rsa.RSAPublicKey) and is_weak(form.public_key, form.raw.public_key_info):
        raise _refuse(CertificateReason.KEY_WEAK)


def is_weak(key: rsa.RSAPublicKey, info: bytes) -> bool:
    """Whether an RSA key is below the least size or exponent; `info` is its SubjectPublicKeyInfo.

    An RSA key ends with its exponent, so that the usual one is seen without taking the numbers apart.
    """
    usual = info.endswith(_USUAL_EXPONENT)
    return key.key_size < MINIMUM_RSA_BITS or not (usual or key.public_numbers().e >= MINIMUM_RSA_EXPONENT)


def check_no_extension_twice(raw: RawCertificate) -> None:
    """V4: no extension occurs twice (RFC 5280 4.2)."""
    if len({oid for oid, _, _ in raw.extensions}) != len(raw.extensions):
        raise _refuse(CertificateReason.EXTENSION_DUPLICATE)


def check_critical_extensions(raw: RawCertificate) -> None:
    """V4: every critical extension is one that we know."""
    if not has_known_critical_extensions(raw):
        raise _refuse(CertificateReason.EXTENSION_CRITICAL)


def has_known_critical_extensions(raw: RawCertificate) -> bool:
    """Whether all critical extensions are known."""
    return _MAY_BE_CRITICAL.issuperset([oid for oid, critical, _ in raw.extensions if critical])
