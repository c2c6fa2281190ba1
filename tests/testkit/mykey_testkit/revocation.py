"""Makers of CRLs and OCSP answers with every field open to a test, and validated certificates of the personas.

The keys and names are those of the emulated JPKI at `MOMENT`; what is made here is broken only where a test says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from mykey_cardap.emulator import keystore
from mykey_cardap.emulator.jpki import EmulatedJpki
from mykey_cardap.emulator.jpki.authority import ca_key, ocsp_responder_key
from mykey_cardap.emulator.personas import Issuer
from mykey_cardap.kinds import CertificateKind
from mykey_core.trust import fast_path
from mykey_core.trust.store import TrustStore
from mykey_core.trust.types import CaCertificate, ValidatedCertificate
from mykey_testkit.jpki.crls import PrivateKey, hash_for, raw_signature
from mykey_testkit.jpki.fixtures import JPKI_MOMENT

MOMENT = JPKI_MOMENT
"""The moment at which everything made here is right."""
TOWN = "132217"
OTHER_TOWN = "102016"
KIND = CertificateKind.AUTHENTICATION
JPKI = EmulatedJpki(MOMENT.date())
POLICIES = {"1.2.392.200149.8.5.1.3.30"}
HOUR = timedelta(hours=1)
Entry = tuple[int, x509.ReasonFlags | None]
Extension = tuple[x509.ExtensionType, bool]


@cache
def trust_store() -> TrustStore:
    """The genuine CA certificates of both kinds, generations 1 to 4."""
    pems = [
        JPKI.ca_certificate(kind, generation).public_bytes(Encoding.PEM)
        for kind in CertificateKind
        for generation in (1, 2, 3, 4)
    ]
    return TrustStore.from_pem(pems, allow_emulated=True)


def issuers() -> tuple[CaCertificate, ...]:
    """The pinned CAs of user authentication."""
    return trust_store().issuers(KIND)


@cache
def card(persona: str = "adult") -> ValidatedCertificate:
    """A persona's authentication certificate as the hub has validated it."""
    der = JPKI.certificate(JPKI.persona(persona), KIND).public_bytes(Encoding.DER)
    return fast_path.validate(der, store=trust_store(), kind=KIND, policy_oids=POLICIES, now=MOMENT)


def ca_certificate(generation: int = 3) -> x509.Certificate:
    """The CA of user authentication."""
    return JPKI.ca_certificate(KIND, generation)


def point_extension(town: str = TOWN, **flags: Any) -> Extension:
    """A critical IssuingDistributionPoint for a town; `flags` as in `cryptography`."""
    fields: dict[str, Any] = {
        "full_name": [x509.DirectoryName(JPKI.distribution_point(town, KIND))],
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**{**fields, **flags}), True


def make_crl(
    *entries: Entry,
    this_update: datetime = MOMENT - HOUR,
    next_update: datetime = MOMENT + HOUR,
    number: int | None = 100,
    base: int | None = None,
    point: Extension | None = None,
    whole: bool = False,
    generation: int = 3,
    more: Iterable[Extension] = (),
    key_identifier_of: int | None = None,
    key: PrivateKey | None = None,
) -> bytes:
    """A CRL (DER) of the demo town; `whole` leaves the distribution point out, `base` makes a delta."""
    signer = key or ca_key(KIND, generation)
    named = ca_key(KIND, key_identifier_of or generation).public_key()
    builder = x509.CertificateRevocationListBuilder(ca_certificate().subject)
    builder = builder.last_update(this_update).next_update(next_update)
    extensions: list[Extension] = [(x509.AuthorityKeyIdentifier.from_issuer_public_key(named), False)]
    if number is not None:
        extensions.append((x509.CRLNumber(number), False))
    if base is not None:
        extensions.append((x509.DeltaCRLIndicator(base), True))
    if not whole:
        extensions.append(point or point_extension())
    for value, critical in (*extensions, *more):
        builder = builder.add_extension(value, critical)
    for serial, reason in entries:
        builder = builder.add_revoked_certificate(entry(serial, reason))
    return builder.sign(signer, hash_for(signer)).public_bytes(Encoding.DER)


def entry(serial: int, reason: x509.ReasonFlags | None = None, *more: Extension) -> x509.RevokedCertificate:
    """One entry of a CRL."""
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(MOMENT - 24 * HOUR)
    if reason is not None:
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    for value, critical in more:
        builder = builder.add_extension(value, critical)
    return builder.build()


def reshape_crl(der: bytes, change: Callable[[Any], None], *, generation: int = 3) -> bytes:
    """A CRL whose TBSCertList was changed by `change` (asn1crypto) and signed again, whatever it says now."""
    found = asn1_crl.CertificateList.load(der)
    tbs = found["tbs_cert_list"]
    change(tbs)
    found["signature"] = raw_signature(ca_key(KIND, generation), tbs.dump(force=True))
    return bytes(found.dump(force=True))


def responder(
    *,
    generation: int = 3,
    issuer: Issuer = Issuer.GENUINE,
    purposes: Iterable[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.OCSP_SIGNING,),
    not_before: datetime = MOMENT - 24 * HOUR,
    not_after: datetime = MOMENT + 24 * HOUR,
    more: Iterable[Extension] = (),
    key: PrivateKey | None = None,
) -> x509.Certificate:
    """A delegated responder's certificate; `key` is the responder's own, if it is not the usual one."""
    ca = JPKI.ca_certificate(KIND, generation, issuer=issuer)
    signer = ca_key(KIND, generation) if issuer is Issuer.GENUINE else keystore.key(f"ca/{KIND}/{issuer}")
    name = x509.Name([*ca.subject, x509.NameAttribute(x509.NameOID.COMMON_NAME, "OCSP responder")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(ca.subject)
        .public_key((key or ocsp_responder_key(KIND)).public_key())
        .serial_number(77)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    extensions: list[Extension] = [(x509.ExtendedKeyUsage(list(purposes)), False)] if purposes else []
    for value, critical in (*extensions, *more):
        builder = builder.add_extension(value, critical)
    return builder.sign(signer, hash_for(signer))


def make_ocsp(
    request_der: bytes,
    *,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    reason: x509.ReasonFlags | None = None,
    this_update: datetime = MOMENT,
    next_update: datetime | None = MOMENT + HOUR,
    produced_at: datetime = MOMENT,
    serial: int | None = None,
    nonce: bytes | None = b"",
    by: x509.Certificate | None = None,
    key: PrivateKey | None = None,
    certificates: tuple[x509.Certificate, ...] | None = None,
    change: Callable[[Any], None] | None = None,
    flip: bool = False,
    signed_with: PrivateKey | None = None,
) -> bytes:
    """A signed OCSP answer (DER) to a request; `nonce` empty repeats the request's, None leaves it out.

    `change` alters the ResponseData (asn1crypto) before signing; `flip` spoils one bit of the signature;
    `signed_with` signs with another key than the responder's.
    """
    request = ocsp.load_der_ocsp_request(request_der)
    by = by or responder()
    key = key or ocsp_responder_key(KIND)
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        issuer_name_hash=request.issuer_name_hash,
        issuer_key_hash=request.issuer_key_hash,
        serial_number=request.serial_number if serial is None else serial,
        algorithm=request.hash_algorithm,
        cert_status=status,
        this_update=this_update,
        next_update=next_update,
        revocation_time=MOMENT - 24 * HOUR if status is ocsp.OCSPCertStatus.REVOKED else None,
        revocation_reason=reason,
    )
    if nonce is not None:
        own = request.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
        builder = builder.add_extension(x509.OCSPNonce(nonce or own), critical=False)
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, by)
    builder = builder.certificates((by,) if certificates is None else certificates) if certificates != () else builder
    return _reshape_ocsp(builder.sign(key, hash_for(key)), signed_with or key, produced_at, change, flip=flip)


def _reshape_ocsp(
    made: ocsp.OCSPResponse, key: PrivateKey, produced_at: datetime, change: Callable[[Any], None] | None, *, flip: bool
) -> bytes:
    """The builder takes producedAt from the machine's clock; so it is set here, and all signed again."""
    response = asn1_ocsp.OCSPResponse.load(made.public_bytes(Encoding.DER))
    basic = response["response_bytes"]["response"].parsed
    tbs = basic["tbs_response_data"]
    tbs["produced_at"] = produced_at
    if change is not None:
        change(tbs)
    signature = bytearray(raw_signature(key, tbs.dump(force=True)))
    signature[-1] ^= flip
    basic["signature"] = bytes(signature)
    return bytes(response.dump(force=True))


def unsuccessful(status: ocsp.OCSPResponseStatus) -> bytes:
    """One of the unsigned error answers of RFC 6960 2.3."""
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
