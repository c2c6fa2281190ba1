"""Why a token is refused: one stable code per cause, and the check to which each code belongs.

The wording for people is looked up by these codes in the translations; every code here needs one in each language.
The causes inside a certificate are `trust.errors.CertificateReason`; `ALL_REASONS` lists both.
"""

from __future__ import annotations

from enum import StrEnum, unique

from mykey_core.trust.errors import CertificateReason
from mykey_core.trust.types import Check


@unique
class TokenReason(StrEnum):
    """Causes outside the certificate (authentication-hub §2.2: V1–V3, V6, V12, V13, and the nonce)."""

    NOT_TEXT = "token_not_text"
    ENCODING = "token_encoding"
    TOO_SHORT = "token_too_short"
    TOO_LONG = "token_too_long"
    NOT_JSON = "token_not_json"
    NOT_AN_OBJECT = "token_not_an_object"
    MEMBER_TWICE = "token_member_twice"
    NESTED_TOO_DEEP = "token_nested_too_deep"
    MEMBER_MISSING = "token_member_missing"
    MEMBER_TYPE = "token_member_type"
    FORMAT = "token_format"
    VERSION = "token_version"
    BASE64 = "token_base64"
    ALGORITHM = "algorithm_unknown"
    ALGORITHM_KEY = "algorithm_key_mismatch"
    SIGNING_CERTIFICATES_MISSING = "signing_certificates_missing"
    SIGNING_CERTIFICATE_MALFORMED = "signing_certificate_malformed"
    SIGNING_ALGORITHMS_MISSING = "signing_algorithms_missing"
    SIGNING_ALGORITHM = "signing_algorithm_unknown"
    SIGNING_SUBJECT = "signing_certificate_subject"
    SIGNING_ISSUER = "signing_certificate_issuer"
    SIGNING_TIME = "signing_certificate_time"
    SIGNING_KEY_USAGE = "signing_certificate_key_usage"
    SIGNATURE_LENGTH = "signature_length"
    SIGNATURE_RANGE = "signature_range"
    SIGNATURE_INVALID = "signature_invalid"
    REVOKED = "certificate_revoked"
    HELD = "certificate_held"
    REVOCATION_UNAVAILABLE = "revocation_unavailable"
    NONCE_MISSING = "nonce_missing"
    NONCE_MALFORMED = "nonce_malformed"
    NONCE_TOO_SHORT = "nonce_too_short"
    NONCE_UNKNOWN = "nonce_unknown"
    NONCE_USED = "nonce_used"
    NONCE_SUPERSEDED = "nonce_superseded"
    NONCE_EXPIRED = "nonce_expired"
    NONCE_FROM_THE_FUTURE = "nonce_from_the_future"


_CHECK_OF_PREFIX = {
    "signature_": Check.TOKEN_SIGNATURE,
    "nonce_": Check.NONCE,
    "revocation_": Check.REVOCATION,
}
_CHECK_OF_CODE: dict[str, Check] = {
    TokenReason.ALGORITHM_KEY: Check.TOKEN_SIGNATURE,
    TokenReason.REVOKED: Check.REVOCATION,
    TokenReason.HELD: Check.REVOCATION,
    TokenReason.SIGNING_SUBJECT: Check.PATH,
    TokenReason.SIGNING_ISSUER: Check.PATH,
    TokenReason.SIGNING_TIME: Check.PATH,
    TokenReason.SIGNING_KEY_USAGE: Check.PATH,
}


def check_of(reason: TokenReason) -> Check:
    """The check that refuses for `reason`: its category."""
    if reason in _CHECK_OF_CODE:
        return _CHECK_OF_CODE[reason]
    for prefix, check in _CHECK_OF_PREFIX.items():
        if reason.startswith(prefix):
            return check
    return Check.TOKEN_SHAPE


ALL_REASONS: tuple[str, ...] = (*map(str, TokenReason), *map(str, CertificateReason))
