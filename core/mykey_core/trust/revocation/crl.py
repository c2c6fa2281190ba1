"""Whether a CRL may be used at all: form, issuer, signature, scope, times, order. Pure functions.

Every refusal is a `RevocationDataError` with a stable code. Nothing here reads a file, a network or a clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from asn1crypto import crl as asn1_crl
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_core.trust.errors import RevocationDataError
from mykey_core.trust.revocation.reasons import CODE_OF, UNSPECIFIED
from mykey_core.trust.revocation.scope import CrlScope, crl_points, issuer_key_of
from mykey_core.trust.revocation.unreadable import UNREADABLE
from mykey_core.trust.types import CaCertificate

MAX_CRL_BYTES: Final = 1 << 30
_SERIAL_LIMIT: Final = 1 << 160  # RFC 5280 4.1.2.2: at most 20 octets
_KNOWN_CRITICAL: Final = (
    x509.IssuingDistributionPoint,
    x509.DeltaCRLIndicator,
    x509.CRLNumber,
    x509.AuthorityKeyIdentifier,
)
_PEM_BEGIN: Final = b"-----BEGIN"


@dataclass(frozen=True, slots=True)
class VerifiedCrl:
    """A CRL whose signature, issuer, extensions and scope have been checked; its freshness has not.

    `number` is the cRLNumber, `base_number` the number of the complete CRL that a delta continues (None for a
    complete CRL). Instants are UTC. `sha256` is that of the DER (32 bytes), `size` its length in bytes.
    """

    issuer: CaCertificate
    issuer_key: bytes
    distribution_points: tuple[bytes | None, ...]
    this_update: datetime
    next_update: datetime
    number: int | None
    base_number: int | None
    sha256: bytes
    size: int
    crl: x509.CertificateRevocationList = field(repr=False, compare=False)

    @property
    def scopes(self) -> tuple[CrlScope, ...]:
        """The lines of CRLs that this one belongs to: one for each name of its distribution point."""
        return tuple(CrlScope(self.issuer_key, point) for point in self.distribution_points)


def verify_crl(data: bytes, issuers: Iterable[CaCertificate], *, max_bytes: int = MAX_CRL_BYTES) -> VerifiedCrl:
    """Check everything about a CRL (DER or PEM) that does not depend on the moment.

    `issuers` are the pinned CA certificates; the one whose name, key identifier and signature fit is chosen.

    Raises:
        RevocationDataError: `crl_too_large`, `crl_malformed`, `crl_no_next_update`, `crl_times`,
            `crl_critical_extension`, `crl_scope`, `crl_algorithm`, `crl_issuer_unknown`, `crl_signature`,
            `crl_issuer_usage`.
    """
    if len(data) > max_bytes:
        raise RevocationDataError("crl_too_large", f"{len(data)} bytes, at most {max_bytes} are taken")
    try:
        return _verify(data, issuers)
    except UNREADABLE as error:
        raise RevocationDataError("crl_malformed", "not a DER certificate revocation list") from error


def _verify(data: bytes, issuers: Iterable[CaCertificate]) -> VerifiedCrl:
    load = x509.load_pem_x509_crl if data.startswith(_PEM_BEGIN) else x509.load_der_x509_crl
    crl = load(data)
    der = crl.public_bytes(Encoding.DER) if data.startswith(_PEM_BEGIN) else data
    this_update, next_update = _times(crl)
    _refuse_unknown_critical(crl)
    points = crl_points(crl)
    issuer = _find_issuer(crl, _signed_part(der), issuers)
    return VerifiedCrl(
        issuer=issuer,
        issuer_key=issuer_key_of(issuer.certificate),
        distribution_points=points,
        this_update=this_update,
        next_update=next_update,
        number=_number(crl, x509.CRLNumber),
        base_number=_number(crl, x509.DeltaCRLIndicator),
        sha256=hashlib.sha256(der).digest(),
        size=len(der),
        crl=crl,
    )


def require_current(crl: VerifiedCrl, now: datetime) -> None:
    """Raise `crl_not_yet_valid` or `crl_stale` unless thisUpdate ≤ now < nextUpdate."""
    if now < crl.this_update:
        raise RevocationDataError("crl_not_yet_valid", "thisUpdate is in the future: compare the clocks")
    if now >= crl.next_update:
        raise RevocationDataError("crl_stale", "nextUpdate is over")


def require_newer(
    *, number: int | None, this_update: datetime, stored_number: int | None, stored_this_update: datetime
) -> None:
    """Raise `crl_rollback` when a CRL is older than the stored one of the same scope.

    Equal is not older. A CRL that lost its number after one that had it counts as older.
    """
    if this_update < stored_this_update:
        raise RevocationDataError("crl_rollback", "thisUpdate is before that of the stored CRL")
    if stored_number is not None and (number is None or number < stored_number):
        raise RevocationDataError("crl_rollback", "the CRL number is below that of the stored CRL")


def entries(crl: x509.CertificateRevocationList) -> Iterator[tuple[int, int]]:
    """(serial number, reason code) of each entry, in the order of the CRL; 0 stands for no reason given.

    Raises:
        RevocationDataError: `crl_entry_extension` for a critical entry extension other than the reason
            (among them certificateIssuer of indirect CRLs), `crl_serial` for a serial that is negative or
            longer than 20 octets, `crl_malformed`.
    """
    try:
        for entry in crl:
            serial = entry.serial_number
            if not 0 <= serial < _SERIAL_LIMIT:
                raise RevocationDataError("crl_serial", "an entry's serial number is negative or too long")
            yield serial, _reason(entry.extensions)
    except UNREADABLE as error:
        raise RevocationDataError("crl_malformed", "an entry cannot be read") from error


def _reason(extensions: x509.Extensions) -> int:
    code = UNSPECIFIED
    for extension in extensions:
        value = extension.value
        if type(value) is x509.CRLReason:  # called a million times: an exact comparison, and no look at the rest
            code = CODE_OF[value.reason._value_]
        elif extension.critical or isinstance(value, x509.CertificateIssuer):
            raise RevocationDataError("crl_entry_extension", f"entry extension {extension.oid.dotted_string}")
    return code


def _times(crl: x509.CertificateRevocationList) -> tuple[datetime, datetime]:
    this_update, next_update = crl.last_update_utc, crl.next_update_utc
    if next_update is None:
        raise RevocationDataError("crl_no_next_update", "a CRL that never ends cannot be trusted to be the newest")
    if next_update <= this_update:
        raise RevocationDataError("crl_times", "nextUpdate is not after thisUpdate")
    return this_update, next_update


def _refuse_unknown_critical(crl: x509.CertificateRevocationList) -> None:
    for extension in crl.extensions:
        if extension.critical and not isinstance(extension.value, _KNOWN_CRITICAL):
            raise RevocationDataError("crl_critical_extension", extension.oid.dotted_string)


def _number(crl: x509.CertificateRevocationList, kind: type[x509.CRLNumber | x509.DeltaCRLIndicator]) -> int | None:
    try:
        return crl.extensions.get_extension_for_class(kind).value.crl_number
    except x509.ExtensionNotFound:
        return None


def _find_issuer(crl: x509.CertificateRevocationList, signed: bytes, issuers: Iterable[CaCertificate]) -> CaCertificate:
    """The pinned CA that signed the CRL: same name, fitting key identifier, valid signature, cRLSign."""
    _require_algorithm(crl)
    identifier = _authority_key(crl)
    named = [ca for ca in issuers if ca.certificate.subject == crl.issuer and _fits(ca, identifier)]
    if not named:
        raise RevocationDataError("crl_issuer_unknown", "no pinned CA has this name and key identifier")
    for ca in named:
        if _is_signed_by(crl, signed, ca):
            _require_crl_sign(ca)
            return ca
    raise RevocationDataError("crl_signature", "the signature does not verify under the pinned CA")


def _authority_key(crl: x509.CertificateRevocationList) -> bytes | None:
    try:
        return crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None


def _fits(ca: CaCertificate, identifier: bytes | None) -> bool:
    return identifier is None or ca.subject_key_identifier is None or ca.subject_key_identifier == identifier


def _require_algorithm(crl: x509.CertificateRevocationList) -> None:
    """SHA-256, SHA-384 or SHA-512, with RSA PKCS#1 v1.5 or ECDSA (V7); parsing refused unequal inner and outer ones."""
    try:
        algorithm = crl.signature_hash_algorithm
        padding_or_ecdsa = crl.signature_algorithm_parameters
    except (UnsupportedAlgorithm, ValueError) as error:
        raise RevocationDataError("crl_algorithm", "unknown signature algorithm") from error
    if not isinstance(algorithm, (SHA256, SHA384, SHA512)):
        raise RevocationDataError("crl_algorithm", "SHA-256, SHA-384 or SHA-512 is required")
    if not isinstance(padding_or_ecdsa, (padding.PKCS1v15, ec.ECDSA)):
        raise RevocationDataError("crl_algorithm", "RSA PKCS#1 v1.5 or ECDSA is required")


def _is_signed_by(crl: x509.CertificateRevocationList, signed: bytes, ca: CaCertificate) -> bool:
    key = ca.certificate.public_key()
    algorithm = crl.signature_hash_algorithm
    if algorithm is None:
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(crl.signature, signed, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(crl.signature, signed, ec.ECDSA(algorithm))
        else:
            return False
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _signed_part(der: bytes) -> bytes:
    """The bytes that the signature covers, cut out of the CRL by asn1crypto.

    `cryptography` gives them too, but writes a large CRL anew for that: a microsecond an entry. It has read the
    same bytes as strict DER before, so there is only one way to cut them.
    """
    parts = asn1_crl.CertificateList.load(der)
    signed: bytes = parts["tbs_cert_list"].dump()
    return signed


def _require_crl_sign(ca: CaCertificate) -> None:
    """RFC 5280 6.3.3 (f): a key usage extension, where present, must allow cRLSign."""
    try:
        usage = ca.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.crl_sign:
        raise RevocationDataError("crl_issuer_usage", "the CA's key usage does not allow cRLSign")
