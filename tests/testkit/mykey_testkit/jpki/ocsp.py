"""The OCSP responder of the test JPKI (RFC 6960): one request in, one signed answer out, and broken ones.

Times are whole seconds and come from the injected clock, also producedAt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from asn1crypto import core
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from mykey_cardap.emulator import keystore
from mykey_cardap.emulator.jpki import RevokedSerial
from mykey_cardap.emulator.jpki.authority import ca_key, ocsp_responder_key
from mykey_cardap.emulator.personas import Issuer
from mykey_cardap.kinds import CertificateKind
from mykey_testkit.jpki.book import GENERATIONS, Book
from mykey_testkit.jpki.crls import hash_for, raw_signature
from mykey_testkit.jpki.faults import Fault

LIFE = timedelta(minutes=15)
_ERRORS = {
    Fault.OCSP_TRY_LATER: ocsp.OCSPResponseStatus.TRY_LATER,
    Fault.OCSP_INTERNAL_ERROR: ocsp.OCSPResponseStatus.INTERNAL_ERROR,
    Fault.OCSP_UNAUTHORIZED: ocsp.OCSPResponseStatus.UNAUTHORIZED,
    Fault.OCSP_MALFORMED_REQUEST: ocsp.OCSPResponseStatus.MALFORMED_REQUEST,
    Fault.OCSP_SIG_REQUIRED: ocsp.OCSPResponseStatus.SIG_REQUIRED,
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one request is about: which CA, whose serial, and how the client hashed the CA's name and key."""

    kind: CertificateKind
    generation: int
    serial: int
    request: ocsp.OCSPRequest
    now: datetime


def answer(book: Book, kind: CertificateKind, request_der: bytes, now: datetime, fault: Fault | None = None) -> bytes:
    """The answer (DER) to a request (DER); errors of RFC 6960 2.3 are answers too."""
    if fault in _ERRORS:
        return _error(_ERRORS[fault])
    try:
        request = ocsp.load_der_ocsp_request(request_der)
        generation = _generation(book, kind, request)
    except (ValueError, NotImplementedError):
        return _error(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
    if generation is None:
        return _error(ocsp.OCSPResponseStatus.UNAUTHORIZED)
    return _signed(book, _Asked(kind, generation, request.serial_number, request, now.replace(microsecond=0)), fault)


def responder_certificate(
    book: Book, kind: CertificateKind, generation: int, now: datetime, fault: Fault | None = None
) -> x509.Certificate:
    """The delegated responder's certificate, issued by the CA that it answers for (RFC 6960 4.2.2.2)."""
    issuer = Issuer.FORGED if fault is Fault.OCSP_FOREIGN_RESPONDER else Issuer.GENUINE
    ca = book.jpki.ca_certificate(kind, generation, issuer=issuer)
    signer = keystore.key(f"ca/{kind}/forged") if issuer is Issuer.FORGED else ca_key(kind, generation)
    shift = timedelta(days=-60) if fault is Fault.OCSP_RESPONDER_EXPIRED else timedelta(0)
    usage = (
        ExtendedKeyUsageOID.TIME_STAMPING
        if fault is Fault.OCSP_RESPONDER_WITHOUT_USAGE
        else ExtendedKeyUsageOID.OCSP_SIGNING
    )
    key = ocsp_responder_key(kind).public_key()
    name = x509.Name([*ca.subject, x509.NameAttribute(x509.NameOID.COMMON_NAME, "OCSP responder")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(ca.subject)
        .public_key(key)
        .serial_number(0x0C590000 + generation)
        .not_valid_before(now + shift - timedelta(days=15))
        .not_valid_after(now + shift + timedelta(days=15))
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
        .add_extension(x509.OCSPNoCheck(), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key(kind, generation).public_key()), critical=False
        )
    )
    return builder.sign(signer, hash_for(signer))


def _generation(book: Book, kind: CertificateKind, request: ocsp.OCSPRequest) -> int | None:
    """Which generation the request means: they share a name, so the key's hash decides."""
    for generation in GENERATIONS:
        ca = book.jpki.ca_certificate(kind, generation)
        probe = ocsp.OCSPRequestBuilder().add_certificate(ca, ca, request.hash_algorithm).build()
        same = (probe.issuer_key_hash, probe.issuer_name_hash)
        if same == (request.issuer_key_hash, request.issuer_name_hash):
            return generation
    return None


def _signed(book: Book, asked: _Asked, fault: Fault | None) -> bytes:
    responder = responder_certificate(book, asked.kind, asked.generation, asked.now, fault)
    key = ocsp_responder_key(asked.kind)
    builder = ocsp.OCSPResponseBuilder().responder_id(ocsp.OCSPResponderEncoding.HASH, responder)
    builder = _with_status(builder.certificates([responder]), book, asked, fault)
    nonce = _nonce(asked.request, fault)
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    der = builder.sign(key, hash_for(key)).public_bytes(Encoding.DER)
    return _finished(der, asked, fault, lambda tbs: raw_signature(key, tbs))


def _with_status(
    builder: ocsp.OCSPResponseBuilder, book: Book, asked: _Asked, fault: Fault | None
) -> ocsp.OCSPResponseBuilder:
    found: RevokedSerial | bool = book.status(asked.kind, asked.generation, asked.serial, asked.now)
    if fault is Fault.OCSP_UNKNOWN:
        found = False
    elif fault is Fault.OCSP_OTHER_CERTIFICATE:
        found = True
    revoked = found if isinstance(found, RevokedSerial) else None
    status = ocsp.OCSPCertStatus.GOOD if found else ocsp.OCSPCertStatus.UNKNOWN
    this_update, next_update = _times(asked.now, fault)
    return builder.add_response_by_hash(
        issuer_name_hash=asked.request.issuer_name_hash,
        issuer_key_hash=asked.request.issuer_key_hash,
        serial_number=asked.serial + (fault is Fault.OCSP_OTHER_CERTIFICATE),
        algorithm=asked.request.hash_algorithm,
        cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else status,
        this_update=this_update,
        next_update=next_update,
        revocation_time=revoked.date if revoked else None,
        revocation_reason=revoked.reason if revoked else None,
    )


def _times(now: datetime, fault: Fault | None) -> tuple[datetime, datetime]:
    hour = timedelta(hours=1)
    if fault is Fault.OCSP_OLD:
        return now - hour, now - hour / 2
    if fault is Fault.OCSP_FROM_THE_FUTURE:
        return now + hour, now + 2 * hour
    return now, now + LIFE


def _nonce(request: ocsp.OCSPRequest, fault: Fault | None) -> bytes | None:
    try:
        nonce = request.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return None
    if fault is Fault.OCSP_NO_NONCE:
        return None
    return hashlib.sha256(nonce).digest()[: len(nonce)] if fault is Fault.OCSP_WRONG_NONCE else nonce


def _finished(der: bytes, asked: _Asked, fault: Fault | None, sign: Callable[[bytes], bytes]) -> bytes:
    """Set what the builder cannot (it takes producedAt from the machine's clock), and sign again."""
    response = asn1_ocsp.OCSPResponse.load(der)
    basic = response["response_bytes"]["response"].parsed
    tbs = basic["tbs_response_data"]
    tbs["produced_at"] = asked.now
    if fault is Fault.OCSP_TWO_RESPONSES:
        tbs["responses"].append(tbs["responses"][0].copy())
    if fault is Fault.OCSP_NEXT_BEFORE_THIS:
        tbs["responses"][0]["next_update"] = asked.now - LIFE
    if fault is Fault.OCSP_FRACTIONAL_SECONDS:
        # RFC 5280 4.1.2.5.2 forbids fractions; asn1crypto would not write them by itself.
        tbs["produced_at"] = core.GeneralizedTime.load(_fractional(asked.now))
    signature = bytearray(sign(tbs.dump(force=True)))
    if fault is Fault.OCSP_BAD_SIGNATURE:
        signature[-1] ^= 1
    basic["signature"] = bytes(signature)
    return bytes(response.dump(force=True))


def _fractional(moment: datetime) -> bytes:
    text = f"{moment:%Y%m%d%H%M%S}.25Z".encode("ascii")
    return bytes((core.GeneralizedTime.tag, len(text))) + text


def _error(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
