"""OCSP without a network: the request's bytes, and whether an answer's bytes may be believed (RFC 6960).

Pure functions; the moment, the nonce and the limits are arguments. Asking over HTTP is in `ocsp_source`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, SignatureAlgorithmOID

from mykey_core.trust.errors import RevocationDataError
from mykey_core.trust.revocation.unreadable import UNREADABLE
from mykey_core.trust.types import RevocationState

NONCE_BYTES: Final = 32
MIN_RSA_BITS: Final = 2048
_HASHES: Final = {
    SignatureAlgorithmOID.RSA_WITH_SHA256: hashes.SHA256(),
    SignatureAlgorithmOID.RSA_WITH_SHA384: hashes.SHA384(),
    SignatureAlgorithmOID.RSA_WITH_SHA512: hashes.SHA512(),
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: hashes.SHA256(),
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: hashes.SHA384(),
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class OcspLimits:
    """Web eID's defaults (§2.3): clocks may differ by `skew`, thisUpdate may be `max_age` old."""

    skew: timedelta = timedelta(minutes=15)
    max_age: timedelta = timedelta(minutes=2)

    def __post_init__(self) -> None:
        if self.skew < timedelta(0) or self.max_age <= timedelta(0):
            raise ValueError("the skew must not be negative, and the maximum age must be above zero")


@dataclass(frozen=True, slots=True)
class OcspQuestion:
    """One question: the certificate, the CA certificate that issued it, and the nonce (32 bytes)."""

    certificate: x509.Certificate
    issuer: x509.Certificate
    nonce: bytes
    sha1_identifier: bool = False

    def request(self) -> bytes:
        """The OCSP request (DER). SHA-1 in the certificate identifier is only for responders that know no other."""
        algorithm = hashes.SHA1() if self.sha1_identifier else hashes.SHA256()  # noqa: S303 - an identifier, no signature
        builder = ocsp.OCSPRequestBuilder().add_certificate(self.certificate, self.issuer, algorithm)
        builder = builder.add_extension(x509.OCSPNonce(self.nonce), critical=False)
        return builder.build().public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True)
class OcspAnswer:
    """A believed answer; `state` is None for `unknown`. Instants are UTC."""

    state: RevocationState | None
    reason: str | None
    this_update: datetime
    next_update: datetime | None


def read_answer(
    der: bytes,
    question: OcspQuestion,
    *,
    now: datetime,
    limits: OcspLimits,
    designated: Iterable[x509.Certificate] = (),
) -> OcspAnswer:
    """Check an answer completely and say what it means.

    `designated` are responder certificates that the operator of the hub trusts by name.

    Raises:
        RevocationDataError: `ocsp_malformed`, `ocsp_not_successful`, `ocsp_count`, `ocsp_certificate_id`,
            `ocsp_responder`, `ocsp_responder_time`, `ocsp_responder_usage`, `ocsp_algorithm`, `ocsp_signature`,
            `ocsp_nonce`, `ocsp_extension`, `ocsp_time`.
    """
    try:
        response = ocsp.load_der_ocsp_response(der)
        return _read(response, question, now, limits, tuple(designated))
    except UNREADABLE as error:
        raise RevocationDataError("ocsp_malformed", "not a DER answer of RFC 6960") from error


def _read(
    response: ocsp.OCSPResponse,
    question: OcspQuestion,
    now: datetime,
    limits: OcspLimits,
    designated: tuple[x509.Certificate, ...],
) -> OcspAnswer:
    _require_successful(response)
    _require_single(response)
    _require_same_certificate(response, question)
    responder = _responder(response, question.issuer, designated)
    _require_authorised(responder, question.issuer, designated, now)
    _verify_signature(response, responder)
    _require_nonce(response, question.nonce)
    _require_times(response, now, limits)
    return _meaning(response)


def _require_successful(response: ocsp.OCSPResponse) -> None:
    """Errors such as tryLater are not signed and say nothing about a certificate."""
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise RevocationDataError("ocsp_not_successful", response.response_status.name)


def _require_single(response: ocsp.OCSPResponse) -> None:
    if len(list(response.responses)) != 1 or len(response.certificates) > 1:
        raise RevocationDataError("ocsp_count", "one answer and at most one certificate are expected")


def _require_same_certificate(response: ocsp.OCSPResponse, question: OcspQuestion) -> None:
    asked = ocsp.load_der_ocsp_request(question.request())
    same = (
        type(response.hash_algorithm) is type(asked.hash_algorithm)
        and response.issuer_name_hash == asked.issuer_name_hash
        and response.issuer_key_hash == asked.issuer_key_hash
        and response.serial_number == asked.serial_number
    )
    if not same:
        raise RevocationDataError("ocsp_certificate_id", "the answer is about another certificate")


def _responder(
    response: ocsp.OCSPResponse, issuer: x509.Certificate, designated: tuple[x509.Certificate, ...]
) -> x509.Certificate:
    """The certificate that the responder identifier names: pinned, sent along, or the CA itself."""
    for candidate in (*designated, *response.certificates, issuer):
        if response.responder_name is not None and candidate.subject == response.responder_name:
            return candidate
        if response.responder_key_hash is not None and _key_hash(candidate) == response.responder_key_hash:
            return candidate
    raise RevocationDataError("ocsp_responder", "the answer comes without its responder's certificate")


def _key_hash(certificate: x509.Certificate) -> bytes:
    """SHA-1 of the key's bits, by which RFC 6960 4.2.1 lets a responder name itself."""
    return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest


def _require_authorised(
    responder: x509.Certificate,
    issuer: x509.Certificate,
    designated: tuple[x509.Certificate, ...],
    now: datetime,
) -> None:
    """RFC 6960 4.2.2.2: the CA itself, a responder that this CA named, or one that is pinned."""
    if not responder.not_valid_before_utc <= now <= responder.not_valid_after_utc:
        raise RevocationDataError("ocsp_responder_time", "the responder's certificate is not valid now")
    if _same_key(responder, issuer):
        return
    _require_responder_usage(responder)
    if responder in designated:
        return
    try:
        responder.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise RevocationDataError("ocsp_responder", "the responder was not named by the certificate's CA") from error


def _same_key(one: x509.Certificate, other: x509.Certificate) -> bool:
    return _spki(one) == _spki(other)


def _spki(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _require_responder_usage(responder: x509.Certificate) -> None:
    purposes: Iterable[x509.ObjectIdentifier] = ()
    for extension in responder.extensions:
        value = extension.value
        if isinstance(value, x509.ExtendedKeyUsage):
            purposes = value
        elif isinstance(value, x509.KeyUsage) and not value.digital_signature:
            raise RevocationDataError("ocsp_responder_usage", "the responder's key is not for signing")
        elif extension.critical and isinstance(value, x509.UnrecognizedExtension):
            raise RevocationDataError("ocsp_responder_usage", "unknown critical extension")
    if ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
        raise RevocationDataError("ocsp_responder_usage", "the responder lacks id-kp-OCSPSigning")


def _verify_signature(response: ocsp.OCSPResponse, responder: x509.Certificate) -> None:
    algorithm = _HASHES.get(response.signature_algorithm_oid)
    key = responder.public_key()
    if algorithm is None:
        raise RevocationDataError("ocsp_algorithm", response.signature_algorithm_oid.dotted_string)
    signed = (response.signature, response.tbs_response_bytes)
    try:
        if isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
            key.verify(*signed, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(*signed, ec.ECDSA(algorithm))
        else:
            raise RevocationDataError("ocsp_algorithm", "the responder's key is too weak or of another type")
    except InvalidSignature as error:
        raise RevocationDataError("ocsp_signature", "the answer's signature does not verify") from error


def _require_nonce(response: ocsp.OCSPResponse, nonce: bytes) -> None:
    echoed = b""
    for extension in response.extensions:
        if isinstance(extension.value, x509.OCSPNonce):
            echoed = extension.value.nonce
        elif extension.critical:
            raise RevocationDataError("ocsp_extension", extension.oid.dotted_string)
    for extension in response.single_extensions:
        if extension.critical:
            raise RevocationDataError("ocsp_extension", extension.oid.dotted_string)
    if not hmac.compare_digest(hashlib.sha256(echoed).digest(), hashlib.sha256(nonce).digest()):
        raise RevocationDataError("ocsp_nonce", "the answer does not repeat the nonce of the question")


def _require_times(response: ocsp.OCSPResponse, now: datetime, limits: OcspLimits) -> None:
    this_update, next_update = response.this_update_utc, response.next_update_utc
    latest = now + limits.skew
    if this_update > latest or response.produced_at_utc > latest:
        raise RevocationDataError("ocsp_time", "the answer is from the future: compare the clocks")
    if this_update < now - limits.max_age:
        raise RevocationDataError("ocsp_time", "thisUpdate is too old")
    if next_update is not None and next_update < max(this_update, now - limits.skew):
        raise RevocationDataError("ocsp_time", "nextUpdate is over, or before thisUpdate")


def _meaning(response: ocsp.OCSPResponse) -> OcspAnswer:
    reason = response.revocation_reason
    states = {
        ocsp.OCSPCertStatus.GOOD: RevocationState.GOOD,
        ocsp.OCSPCertStatus.REVOKED: RevocationState.REVOKED,
    }
    state = states.get(response.certificate_status)
    if state is RevocationState.REVOKED and reason is x509.ReasonFlags.certificate_hold:
        state = RevocationState.HELD
    return OcspAnswer(
        state=state,
        reason=None if reason is None else reason.value,
        this_update=response.this_update_utc,
        next_update=response.next_update_utc,
    )


def responder_url(certificate: x509.Certificate) -> str | None:
    """The first OCSP address in the certificate's authority information access, or None."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except (x509.ExtensionNotFound, *UNREADABLE):
        return None
    for access in extension.value:
        is_ocsp = access.access_method == AuthorityInformationAccessOID.OCSP
        if is_ocsp and isinstance(access.access_location, x509.UniformResourceIdentifier):
            return access.access_location.value
    return None
