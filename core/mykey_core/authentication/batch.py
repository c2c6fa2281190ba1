"""Verifying tokens line by line, each with its own trust, CRLs, nonce and clock: the hub's verifier without a hub.

A line is the JSON object `{id, token, origin, nonce, nonce_issued_at, now, ca_pem[], crl_der_b64[]}`, its answer
`{id, accepted, reason}`. Only the nonces are remembered from line to line. Nothing is fetched.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, unique
from functools import lru_cache
from typing import Any

from cryptography import x509

from mykey_core.authentication import base64_text, strict_json
from mykey_core.authentication.errors import TokenRefused, refuse
from mykey_core.authentication.nonce import NonceStore
from mykey_core.authentication.origin import ORIGIN_SETTING
from mykey_core.authentication.reasons import TokenReason
from mykey_core.authentication.verifier import TokenVerifier
from mykey_core.errors import ConfigurationError
from mykey_core.trust.revocation import EveryCrl
from mykey_core.trust.store import TrustStore

ACCEPTED = "accepted"
_VERIFIERS = 64  # a stream usually speaks of a few sets of CA certificates and CRLs
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII)  # RFC 3339


@unique
class LineReason(StrEnum):
    """Why a line is refused before its token is looked at."""

    MALFORMED = "line_malformed"
    ORIGIN = "origin_refused"
    TRUST = "trust_refused"


class LineRefused(ValueError):
    """A line without a verdict on its token; `reason` says why."""

    def __init__(self, reason: LineReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One line, its members checked for type only. `token` is what was posted, of whatever type."""

    token: Any
    origin: str
    nonce: str | None
    nonce_issued_at: datetime | None
    now: datetime
    ca_pem: tuple[str, ...]
    crl_der_b64: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The answer to one line; `id` is the line's own, None when it could not be read."""

    id: Any
    accepted: bool
    reason: str

    def to_json(self) -> str:
        """One line of ASCII without a line break."""
        members = {"id": self.id, "accepted": self.accepted, "reason": self.reason}
        try:
            return json.dumps(members, allow_nan=False)
        except ValueError:  # an id such as 1e999, which no JSON number can give back
            return json.dumps(members | {"id": None})


class BatchVerifier:
    """Answers lines one after the other. Holds the nonces of the stream, so one object serves one stream."""

    def __init__(self) -> None:
        self._nonces = NonceStore()

    def answer(self, line: bytes) -> BatchAnswer:
        """The answer to one line as it was read; never raises for any line."""
        identifier: Any = None
        try:
            members = _members(line)
            identifier = members.get("id")
            self._judge(members)
        except LineRefused as error:
            return BatchAnswer(identifier, accepted=False, reason=error.reason)
        except TokenRefused as error:
            return BatchAnswer(identifier, accepted=False, reason=error.code)
        return BatchAnswer(identifier, accepted=True, reason=ACCEPTED)

    def _judge(self, members: dict[str, Any]) -> None:
        """Return for a token that the hub would accept; raise otherwise. The nonce is used up in any case."""
        nonce_refusal = self._use_nonce(members)
        line = _line(members)
        verifier = _verifier(line.origin, line.ca_pem, line.crl_der_b64)
        if nonce_refusal is not None:
            raise nonce_refusal
        verifier.verify(line.token, line.nonce, line.now)

    def _use_nonce(self, members: dict[str, Any]) -> TokenRefused | None:
        """Issue the nonce where it is new to the stream, then use it up, also on a line that is malformed elsewhere.

        The refusal is handed back and not raised, so that a malformed line is reported as such.
        """
        nonce = members.get("nonce")
        if not isinstance(nonce, str) or not nonce:
            return refuse(TokenReason.NONCE_MISSING)
        now = _instant_or_none(members.get("now"))
        issued_at = _instant_or_none(members.get("nonce_issued_at"))
        self._nonces.issue(nonce, issued_at or datetime.max.replace(tzinfo=UTC))
        try:
            self._nonces.consume(nonce, now or datetime.min.replace(tzinfo=UTC))
        except TokenRefused as refusal:
            return refusal
        return None


def _members(line: bytes) -> dict[str, Any]:
    try:
        members = strict_json.loads(line.decode("utf-8"))
    except (UnicodeDecodeError, strict_json.JsonRefused):
        raise LineRefused(LineReason.MALFORMED, "not one JSON object") from None
    if not isinstance(members, dict):
        raise LineRefused(LineReason.MALFORMED, "not one JSON object")
    return members


def _line(members: dict[str, Any]) -> BatchLine:
    nonce = members.get("nonce")
    if not isinstance(nonce, (str, type(None))):
        raise LineRefused(LineReason.MALFORMED, "nonce")
    return BatchLine(
        token=members.get("token"),
        origin=_text(members, "origin"),
        nonce=nonce,
        nonce_issued_at=None if nonce is None else _instant(members, "nonce_issued_at"),
        now=_instant(members, "now"),
        ca_pem=_texts(members, "ca_pem"),
        crl_der_b64=_texts(members, "crl_der_b64"),
    )


def _text(members: dict[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise LineRefused(LineReason.MALFORMED, name)
    return value


def _texts(members: dict[str, Any], name: str) -> tuple[str, ...]:
    value = members.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise LineRefused(LineReason.MALFORMED, name)
    return tuple(value)


def _instant(members: dict[str, Any], name: str) -> datetime:
    instant = _instant_or_none(members.get(name))
    if instant is None:
        raise LineRefused(LineReason.MALFORMED, name)
    return instant


def _instant_or_none(value: Any) -> datetime | None:
    """An RFC 3339 instant in UTC; `fromisoformat` alone would also take other spellings, some without an offset."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value.upper()):
        return None
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=_VERIFIERS)
def _verifier(origin: str, ca_pem: tuple[str, ...], crl_der_b64: tuple[str, ...]) -> TokenVerifier:
    """The hub's verifier for these settings. It keeps nothing but certificates that it validated under them."""
    store = _store(ca_pem)
    crls = tuple(crl for text in crl_der_b64 if (crl := _crl(text)) is not None)
    try:
        return TokenVerifier(
            trust=store, revocation=EveryCrl(crls, [anchor.ca for anchor in store.anchors]), origin=origin
        )
    except ConfigurationError as error:
        reason = LineReason.ORIGIN if error.setting == ORIGIN_SETTING else LineReason.TRUST
        raise LineRefused(reason, "start-up refuses this") from None


@lru_cache(maxsize=_VERIFIERS)
def _store(ca_pem: tuple[str, ...]) -> TrustStore:
    try:
        certificates = [one for pem in ca_pem for one in x509.load_pem_x509_certificates(pem.encode("utf-8"))]
        return TrustStore(certificates)
    except (ValueError, ConfigurationError):
        raise LineRefused(LineReason.TRUST, "a CA certificate cannot be read") from None


def _crl(text: str) -> bytes | None:
    """The bytes of one CRL, lines joined; text that is no base64 is a CRL that cannot be used, like a forged one."""
    try:
        return base64_text.decode("".join(text.split()))
    except base64_text.Base64Refused:
        return None
