"""The token as text: what is posted, read strictly into its members. Rules V1 to V3 of authentication-hub §2.2.

Nothing that is read here is true before validation, and no member says who somebody is: unknown members are ignored.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from mykey_core.authentication import base64_text, strict_json
from mykey_core.authentication.algorithms import ALGORITHMS, Algorithm
from mykey_core.authentication.errors import refuse
from mykey_core.authentication.reasons import TokenReason

MINIMUM_LENGTH = 100  # characters; both limits are those of Web eID's library
MAXIMUM_LENGTH = 10_000
_BYTE_ORDER_MARK = "\ufeff"
_TYPE = "web-eid"
_NUMBER = r"(0|[1-9][0-9]{0,3})"
_FORMAT = re.compile(rf"([^:]*):{_NUMBER}(?:\.{_NUMBER})?", re.ASCII)
_MAJOR = 1
_MINOR_WITH_SIGNING_CERTIFICATES = 1
_SIGNING_CERTIFICATES = "unverifiedSigningCertificates"


class AuthenticationToken(NamedTuple):
    """A token of good shape: its certificate in DER, its algorithm and its signature as bytes.

    `signing_certificates` is the untouched JSON value of version 1.1's member, None where the version has none.
    """

    certificate: bytes
    algorithm: Algorithm
    signature: bytes
    signing_certificates: Any = None


def parse(text: str | bytes) -> AuthenticationToken:
    """Read a posted token; `TokenRefused` says which rule of its shape it breaks. Never raises anything else."""
    return _from_members(_members(_decode(text)))


def parse_members(members: dict[str, Any]) -> AuthenticationToken:
    """The same for a token within a larger document that was read by `strict_json`, which is not read again."""
    check_members_length(members)
    return _from_members(members)


def check_members_length(members: dict[str, Any]) -> None:
    """V1: 100 to 10,000 characters, counted as names and values."""
    length = sum(
        len(name) + (len(value) if isinstance(value, str) else len(repr(value))) for name, value in members.items()
    )
    if length < MINIMUM_LENGTH:
        raise refuse(TokenReason.TOO_SHORT)
    if length > MAXIMUM_LENGTH:
        raise refuse(TokenReason.TOO_LONG)


def _from_members(members: dict[str, Any]) -> AuthenticationToken:
    minor = check_format(_member(members, "format"))
    algorithm = check_algorithm(_member(members, "algorithm"))
    certificate = decode_base64(_member(members, "unverifiedCertificate"))
    signature = decode_base64(_member(members, "signature"))
    return AuthenticationToken(certificate, algorithm, signature, _signing_certificates(members, minor))


def _decode(text: str | bytes) -> str:
    decoded = _utf8(text) if isinstance(text, bytes) else text
    if not isinstance(decoded, str):
        raise refuse(TokenReason.NOT_TEXT)
    check_length(decoded)
    check_no_byte_order_mark(decoded)
    return decoded


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise refuse(TokenReason.ENCODING) from None


def check_length(text: str) -> None:
    """V1: 100 to 10,000 characters."""
    if len(text) < MINIMUM_LENGTH:
        raise refuse(TokenReason.TOO_SHORT)
    if len(text) > MAXIMUM_LENGTH:
        raise refuse(TokenReason.TOO_LONG)


def check_no_byte_order_mark(text: str) -> None:
    """V1: no byte order mark (RFC 8259 8.1)."""
    if text.startswith(_BYTE_ORDER_MARK):
        raise refuse(TokenReason.ENCODING, "byte order mark")


def _members(text: str) -> dict[str, Any]:
    """V1: exactly one JSON object, no member twice, bounded nesting."""
    try:
        value = strict_json.loads(text)
    except strict_json.MemberTwice:
        raise refuse(TokenReason.MEMBER_TWICE) from None
    except strict_json.NestedTooDeep:
        raise refuse(TokenReason.NESTED_TOO_DEEP) from None
    except strict_json.JsonRefused:
        raise refuse(TokenReason.NOT_JSON) from None
    if not isinstance(value, dict):
        raise refuse(TokenReason.NOT_AN_OBJECT)
    return value


def _member(members: dict[str, Any], name: str) -> str:
    """V1: a required member is a string that is not empty; its name is compared with case."""
    if name not in members:
        raise refuse(TokenReason.MEMBER_MISSING, name)
    value = members[name]
    if not isinstance(value, str) or not value:
        raise refuse(TokenReason.MEMBER_TYPE, name)
    return value


def check_format(text: str) -> int:
    """V2: type `web-eid`, major version 1; returns the minor version, which may be any."""
    found = _FORMAT.fullmatch(text)
    if found is None or found[1] != _TYPE:
        raise refuse(TokenReason.FORMAT)
    if int(found[2]) != _MAJOR:
        raise refuse(TokenReason.VERSION)
    return int(found[3] or 0)


def check_algorithm(name: str) -> Algorithm:
    """V6: one of the nine, spelt exactly."""
    algorithm = ALGORITHMS.get(name)
    if algorithm is None:
        raise refuse(TokenReason.ALGORITHM)
    return algorithm


def decode_base64(text: str) -> bytes:
    """V3: canonical base64."""
    try:
        return base64_text.decode(text)
    except base64_text.Base64Refused:
        raise refuse(TokenReason.BASE64) from None


def _signing_certificates(members: dict[str, Any], minor: int) -> Any:
    """The member of version 1.1: required there, looked at in later minor versions, ignored in 1.0."""
    if minor < _MINOR_WITH_SIGNING_CERTIFICATES:
        return None
    value = members.get(_SIGNING_CERTIFICATES)
    if minor == _MINOR_WITH_SIGNING_CERTIFICATES or _SIGNING_CERTIFICATES in members:
        check_signing_certificates_given(value)
    return value


def check_signing_certificates_given(value: Any) -> None:
    """Version 1.1: the list is there and not empty."""
    if not value:
        raise refuse(TokenReason.SIGNING_CERTIFICATES_MISSING)
