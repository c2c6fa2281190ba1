"""The error tree of `mykey_core.trust` and the stable codes of a refused certificate.

TrustError
├── CertificateRefused       form, time, usage, policy, path (.code, .check)
├── RevocationUnavailable    no usable revocation data: the certificate is refused (fail closed)
└── RevocationDataError      a CRL or OCSP answer that must not be used (.code); the old snapshot stays
"""

from __future__ import annotations

from enum import StrEnum, unique

from mykey_core.errors import MykeyError
from mykey_core.trust.types import Check


@unique
class CertificateReason(StrEnum):
    """Why a certificate is refused: one stable code per cause (authentication-hub §2.2, V4–V11)."""

    MALFORMED = "certificate_malformed"
    VERSION = "certificate_version"
    SERIAL = "certificate_serial"
    SIGNATURE_ALGORITHM = "certificate_signature_algorithm"
    SIGNATURE_ALGORITHM_DIFFERS = "certificate_signature_algorithm_differs"
    KEY_TYPE = "certificate_key_type"
    KEY_WEAK = "certificate_key_weak"
    EXTENSION_DUPLICATE = "certificate_extension_duplicate"
    EXTENSION_CRITICAL = "certificate_extension_critical"
    EXTENSION_MALFORMED = "certificate_extension_malformed"
    OTHER_KIND = "certificate_other_kind"
    NOT_YET_VALID = "certificate_not_yet_valid"
    EXPIRED = "certificate_expired"
    KEY_USAGE_MISSING = "key_usage_missing"
    KEY_USAGE_WRONG = "key_usage_wrong"
    KEY_USAGE_OTHER_KIND = "key_usage_other_kind"
    IS_A_CA = "certificate_is_a_ca"
    EXTENDED_KEY_USAGE = "extended_key_usage_wrong"
    POLICY_MISSING = "policy_missing"
    POLICY_NOT_ALLOWED = "policy_not_allowed"
    ISSUER_UNKNOWN = "issuer_unknown"
    ISSUER_KEY_UNKNOWN = "issuer_key_unknown"
    ISSUER_SIGNATURE = "issuer_signature_invalid"
    ISSUER_NOT_YET_VALID = "issuer_not_yet_valid"
    ISSUER_EXPIRED = "issuer_expired"
    ISSUER_NOT_A_CA = "issuer_not_a_ca"
    ISSUER_KEY_USAGE = "issuer_key_usage"
    ISSUER_KEY_WEAK = "issuer_key_weak"
    ISSUER_EXTENSION = "issuer_extension"
    ISSUER_OTHER_KIND = "issuer_other_kind"


class TrustError(MykeyError):
    """Anything that trust reports; `code` is stable and machine readable."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class CertificateRefused(TrustError):
    """The certificate must not be accepted; `check` says at which check it failed."""

    def __init__(self, code: str, check: Check, detail: str = "") -> None:
        super().__init__(code, detail)
        self.check = check


class RevocationUnavailable(TrustError):
    """No usable revocation data in scope (missing, stale beyond the budget, wrong distribution point)."""


class RevocationDataError(TrustError):
    """Revocation data that is forged, old, out of scope or broken, and is therefore not used."""
