"""The signing certificates that a token of version 1.1 may carry along: checked, and then not used by the hub.

A login learns nothing from them. They are checked because a token that lies about one part is not believed in another
(authentication-hub §2.1, and the version 1.1 rows of its §7).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mykey_core.authentication import base64_text
from mykey_core.authentication.errors import refuse
from mykey_core.authentication.reasons import TokenReason
from mykey_core.trust import raw_certificate
from mykey_core.trust.certificate_form import CertificateForm, read_form
from mykey_core.trust.errors import CertificateRefused
from mykey_core.trust.extension_facts import AUTHORITY_KEY_IDENTIFIER, authority_key_identifier
from mykey_core.trust.fast_path import is_signed_by
from mykey_core.trust.store import Anchor

# The values of Web eID's token format 1.1.
_CRYPTO_ALGORITHMS = frozenset(("ECC", "RSA"))
_HASH_FUNCTIONS = frozenset(
    ("SHA-224", "SHA-256", "SHA-384", "SHA-512", "SHA3-224", "SHA3-256", "SHA3-384", "SHA3-512")
)
_PADDING_SCHEMES = frozenset(("NONE", "PKCS1.5", "PSS"))
_ALLOWED = {
    "cryptoAlgorithm": _CRYPTO_ALGORITHMS,
    "hashFunction": _HASH_FUNCTIONS,
    "paddingScheme": _PADDING_SCHEMES,
}


def read(value: Any) -> tuple[CertificateForm, ...]:
    """The shape of the member: a list of `{certificate, supportedSignatureAlgorithms}`; `TokenRefused` otherwise."""
    if not isinstance(value, list) or not value:
        raise refuse(TokenReason.SIGNING_CERTIFICATES_MISSING)
    return tuple(_read_entry(entry) for entry in value)


def _read_entry(entry: Any) -> CertificateForm:
    if not isinstance(entry, dict):
        raise refuse(TokenReason.SIGNING_CERTIFICATE_MALFORMED)
    form = _read_certificate(entry.get("certificate"))
    check_supported_algorithms(entry.get("supportedSignatureAlgorithms"))
    return form


def _read_certificate(text: Any) -> CertificateForm:
    if not isinstance(text, str) or not text:
        raise refuse(TokenReason.SIGNING_CERTIFICATE_MALFORMED, "missing")
    try:
        return read_form(base64_text.decode(text))
    except base64_text.Base64Refused:
        raise refuse(TokenReason.SIGNING_CERTIFICATE_MALFORMED, "base64") from None
    except CertificateRefused as error:
        raise refuse(TokenReason.SIGNING_CERTIFICATE_MALFORMED, error.code) from None


def check_supported_algorithms(value: Any) -> None:
    """A list of at least one `{cryptoAlgorithm, hashFunction, paddingScheme}`, each from its own list of names."""
    if not isinstance(value, list) or not value:
        raise refuse(TokenReason.SIGNING_ALGORITHMS_MISSING)
    for entry in value:
        for name, allowed in _ALLOWED.items():
            found = entry.get(name) if isinstance(entry, dict) else None
            if not isinstance(found, str) or found not in allowed:
                raise refuse(TokenReason.SIGNING_ALGORITHM, name)


def check(signing: CertificateForm, login_der: bytes, issuer: Anchor, now: datetime) -> None:
    """Same subject and same issuer as the login certificate, in time, fit for signing."""
    login = raw_certificate.split(login_der)
    check_subject(signing, login.subject)
    check_issuer(signing, login, issuer)
    check_time(signing, now)
    check_key_usage(signing)


def check_subject(signing: CertificateForm, subject: bytes) -> None:
    """The subject is that of the login certificate, byte for byte."""
    if signing.raw.subject != subject:
        raise refuse(TokenReason.SIGNING_SUBJECT)


def check_issuer(signing: CertificateForm, login: raw_certificate.RawCertificate, issuer: Anchor) -> None:
    """It names its issuer's key, the same one as the login certificate, and that issuer signed it."""
    wanted = {extension.oid: extension.value for extension in login.extensions}.get(AUTHORITY_KEY_IDENTIFIER)
    own = signing.facts.authority_key_identifier
    same_key = own is not None and wanted is not None and own == authority_key_identifier(wanted)
    if signing.raw.issuer != login.issuer or not same_key or not is_signed_by(signing, issuer):
        raise refuse(TokenReason.SIGNING_ISSUER)


def check_time(signing: CertificateForm, now: datetime) -> None:
    """It is valid at `now`."""
    if not signing.not_before <= now <= signing.not_after:
        raise refuse(TokenReason.SIGNING_TIME)


def check_key_usage(signing: CertificateForm) -> None:
    """It is a signing certificate: nonRepudiation is set."""
    if "non_repudiation" not in (signing.facts.key_usage or ()):
        raise refuse(TokenReason.SIGNING_KEY_USAGE)
