"""What an end-entity certificate may be used for, and when: rules V8 to V10 of authentication-hub §2.2.

Each rule is one function that refuses or returns. The form of the certificate was checked before
(`certificate_form.py`); who issued it comes after (`fast_path.py`).
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime

from mykey_cardap.kinds import CertificateKind
from mykey_core.trust.errors import CertificateReason, CertificateRefused
from mykey_core.trust.extension_facts import ExtensionFacts
from mykey_core.trust.types import Check

AUTHENTICATION_POLICY = "1.2.392.200149.8.5.1.3.30"
SIGNATURE_POLICY = "1.2.392.200149.8.5.1.1.20"
# Policies that say which kind a certificate is (authentication-hub §5.1): card, J-LIS's test environment, smartphone.
KIND_POLICIES: dict[CertificateKind, frozenset[str]] = {
    CertificateKind.AUTHENTICATION: frozenset({AUTHENTICATION_POLICY}),
    CertificateKind.SIGNATURE: frozenset({SIGNATURE_POLICY, "1.2.392.200149.8.5.1.0.20", "1.2.392.200149.8.5.1.1.40"}),
}
_OTHER_KINDS: dict[CertificateKind, frozenset[str]] = {
    kind: frozenset().union(*(named for other, named in KIND_POLICIES.items() if other is not kind))
    for kind in CertificateKind
}
_CLIENT_AUTH = "client_auth"
_NON_REPUDIATION = "non_repudiation"
_DIGITAL_SIGNATURE = "digital_signature"


def check_kind(facts: ExtensionFacts, kind: CertificateKind) -> None:
    """No policy of the other kind: a signing certificate is no login, and the reverse."""
    if facts.policies is not None and not _OTHER_KINDS[kind].isdisjoint(facts.policies):
        raise CertificateRefused(CertificateReason.OTHER_KIND, Check.CERTIFICATE_KIND)


def check_key_usage_kind(facts: ExtensionFacts, kind: CertificateKind) -> None:
    """V9: nonRepudiation is not set on an authentication certificate."""
    if kind is CertificateKind.AUTHENTICATION and _NON_REPUDIATION in (facts.key_usage or ()):
        raise CertificateRefused(CertificateReason.KEY_USAGE_OTHER_KIND, Check.CERTIFICATE_KIND)


def check_begun(not_before: datetime, now: datetime) -> None:
    """V8: notBefore ≤ now."""
    if now < not_before:
        raise CertificateRefused(CertificateReason.NOT_YET_VALID, Check.CERTIFICATE_TIME)


def check_not_ended(not_after: datetime, now: datetime) -> None:
    """V8: now ≤ notAfter."""
    if now > not_after:
        raise CertificateRefused(CertificateReason.EXPIRED, Check.CERTIFICATE_TIME)


def check_key_usage(facts: ExtensionFacts, kind: CertificateKind) -> None:
    """V9: keyUsage is present with digitalSignature; with nonRepudiation where a signing certificate is wanted."""
    if facts.key_usage is None:
        raise CertificateRefused(CertificateReason.KEY_USAGE_MISSING, Check.KEY_USAGE)
    needed = _DIGITAL_SIGNATURE if kind is CertificateKind.AUTHENTICATION else _NON_REPUDIATION
    if needed not in facts.key_usage:
        raise CertificateRefused(CertificateReason.KEY_USAGE_WRONG, Check.KEY_USAGE)


def check_is_no_ca(facts: ExtensionFacts) -> None:
    """V9: basicConstraints is absent or CA:FALSE."""
    if facts.is_ca:
        raise CertificateRefused(CertificateReason.IS_A_CA, Check.KEY_USAGE)


def check_extended_key_usage(facts: ExtensionFacts, kind: CertificateKind) -> None:
    """V9: extended key usage is absent or contains clientAuth (login); it says nothing about the signing kind."""
    purposes = facts.extended_key_usage
    if kind is CertificateKind.AUTHENTICATION and purposes is not None and _CLIENT_AUTH not in purposes:
        raise CertificateRefused(CertificateReason.EXTENDED_KEY_USAGE, Check.KEY_USAGE)


def check_policy(facts: ExtensionFacts, allowed: AbstractSet[str]) -> str:
    """V10: the allowed policy that the certificate names, compared whole; anyPolicy is none of them."""
    if facts.policies is None:
        raise CertificateRefused(CertificateReason.POLICY_MISSING, Check.POLICY)
    matching = facts.policies & allowed
    if not matching:
        raise CertificateRefused(CertificateReason.POLICY_NOT_ALLOWED, Check.POLICY)
    return min(matching)
