"""The fast path: one certificate, one pinned CA, everything that RFC 5280 and our login rules ask of the two.

Path, time, usage and policy only; revocation is asked afterwards, and hierarchies with intermediates take the general
path. A pure function of its arguments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from mykey_cardap.kinds import CertificateKind
from mykey_core.trust import end_entity
from mykey_core.trust.certificate_form import (
    ECDSA_SIGNATURES,
    RSA_SIGNATURES,
    CertificateForm,
    PublicKey,
    read_form,
)
from mykey_core.trust.errors import CertificateReason, CertificateRefused
from mykey_core.trust.store import Anchor, TrustStore
from mykey_core.trust.types import Check, ValidatedCertificate

_PKCS1V15 = padding.PKCS1v15()


class KnownCertificate(NamedTuple):
    """A validated certificate with its key and its CA at hand.

    From `begin` to `end`, both included, certificate and CA are in time and the verdict stays the same.
    """

    validated: ValidatedCertificate
    public_key: PublicKey
    issuer: Anchor
    begin: datetime
    end: datetime


def validate(
    der: bytes,
    *,
    store: TrustStore,
    kind: CertificateKind,
    policy_oids: AbstractSet[str],
    now: datetime,
) -> ValidatedCertificate:
    """Check one DER certificate at `now` (aware), in the order form → kind, time, usage, policy → path.

    Raises `CertificateRefused` with a `CertificateReason` as its code. Says nothing about revocation.
    """
    fingerprint = hashlib.sha256(der).digest()
    return validate_known(der, fingerprint, store=store, kind=kind, policy_oids=policy_oids, now=now).validated


def validate_known(
    der: bytes,
    fingerprint: bytes,
    *,
    store: TrustStore,
    kind: CertificateKind,
    policy_oids: AbstractSet[str],
    now: datetime,
) -> KnownCertificate:
    """As `validate`, for a caller that has the SHA-256 of `der` already and needs the key."""
    form = read_form(der)
    policy_oid = _check_end_entity(form, kind, policy_oids, now)
    issuer = find_issuer(form, store, kind, now)
    points = form.facts.distribution_points
    validated = ValidatedCertificate(
        certificate=form.certificate,
        fingerprint=fingerprint,
        issuer=issuer.ca,
        serial_number=int.from_bytes(form.raw.serial, "big"),
        kind=kind,
        not_after=form.not_after,
        policy_oid=policy_oid,
        distribution_point=points[0] if points else None,
        distribution_points=points or (),
    )
    begin, end = max(form.not_before, issuer.not_before), min(form.not_after, issuer.not_after)
    return KnownCertificate(validated, form.public_key, issuer, begin, end)


def _check_end_entity(
    form: CertificateForm, kind: CertificateKind, policy_oids: AbstractSet[str], now: datetime
) -> str:
    facts = form.facts
    end_entity.check_kind(facts, kind)
    end_entity.check_key_usage_kind(facts, kind)
    end_entity.check_begun(form.not_before, now)
    end_entity.check_not_ended(form.not_after, now)
    end_entity.check_key_usage(facts, kind)
    end_entity.check_is_no_ca(facts)
    end_entity.check_extended_key_usage(facts, kind)
    return end_entity.check_policy(facts, policy_oids)


def find_issuer(form: CertificateForm, store: TrustStore, kind: CertificateKind, now: datetime) -> Anchor:
    """V11: the pinned CA that signed the certificate, by key identifier and by signature, and that may do so now.

    The name alone tells nothing, because all generations share it.
    """
    named = store.named(form.raw.issuer)
    if not named:
        raise _refuse(CertificateReason.ISSUER_UNKNOWN)
    by_key = [anchor for anchor in named if has_named_key(anchor, form)]
    if not by_key:
        raise _refuse(CertificateReason.ISSUER_KEY_UNKNOWN)
    signers = [anchor for anchor in by_key if is_signed_by(form, anchor)]
    if not signers:
        raise _refuse(CertificateReason.ISSUER_SIGNATURE)
    problem: CertificateReason | None = None
    for anchor in signers:
        problem = issuer_problem(anchor, kind, now)
        if problem is None:
            return anchor
    raise _refuse(problem or CertificateReason.ISSUER_UNKNOWN)


def has_named_key(anchor: Anchor, form: CertificateForm) -> bool:
    """Whether the authority key identifier, where both sides have one, is that of this CA."""
    wanted, own = form.facts.authority_key_identifier, anchor.ca.subject_key_identifier
    return wanted is None or own is None or wanted == own


def is_signed_by(form: CertificateForm, anchor: Anchor) -> bool:
    """Whether the CA's key made the signature over the bytes of the certificate as they came."""
    key, raw = anchor.public_key, form.raw
    signature = form.certificate.signature
    try:
        if isinstance(key, rsa.RSAPublicKey) and raw.outer_algorithm in RSA_SIGNATURES:
            key.verify(signature, raw.tbs, _PKCS1V15, RSA_SIGNATURES[raw.outer_algorithm])
            return True
        if key is not None and not isinstance(key, rsa.RSAPublicKey) and raw.outer_algorithm in ECDSA_SIGNATURES:
            key.verify(signature, raw.tbs, ECDSA_SIGNATURES[raw.outer_algorithm])
            return True
    except InvalidSignature:
        return False
    return False


def issuer_problem(anchor: Anchor, kind: CertificateKind, now: datetime) -> CertificateReason | None:
    """V11: why this CA may not have issued a certificate of `kind` that is used at `now`."""
    if anchor.problem is not None:
        return anchor.problem
    if not may_issue(anchor, kind):
        return CertificateReason.ISSUER_OTHER_KIND
    if not has_begun(anchor, now):
        return CertificateReason.ISSUER_NOT_YET_VALID
    if has_ended(anchor, now):
        return CertificateReason.ISSUER_EXPIRED
    return None


def may_issue(anchor: Anchor, kind: CertificateKind) -> bool:
    """Whether the CA issues certificates of this kind: its name says so, or says nothing."""
    return anchor.ca.kind is None or anchor.ca.kind is kind


def has_begun(anchor: Anchor, now: datetime) -> bool:
    """Whether the CA's notBefore ≤ now."""
    return anchor.not_before <= now


def has_ended(anchor: Anchor, now: datetime) -> bool:
    """Whether now is after the CA's notAfter."""
    return now > anchor.not_after


def _refuse(reason: CertificateReason) -> CertificateRefused:
    return CertificateRefused(reason, Check.PATH)
