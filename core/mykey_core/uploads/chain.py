"""A record as it came over the wire: its form, its hash and its signature. Order and clock are looked at elsewhere.

Written apart from the terminal's own code on purpose, so that one proves the other (rule TX-U3).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mykey_core.audit.canonical import canonical_json

FIRST_SEQ = 1
FIRST_HASH = bytes(32)
MAX_CONTENT = 8192
MAX_INTEGER = 2**53 - 1
_SIGNED = ("terminal_id", "seq", "record_id", "service", "recorded_at", "boot_id", "mono_ms", "payload")
_HEX = re.compile(r"[0-9a-f]{64}")
_SERVICE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_BOOT_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")
_SIGNATURE = re.compile(r"[A-Za-z0-9_-]{86}")


class RecordMalformed(ValueError):
    """No record of this terminal: a member is missing or of another form, or hash or signature do not fit."""


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """A record whose hash and signature are good. `content` is the canonical text that was signed."""

    seq: int
    record_id: UUID
    service: str
    recorded_at: datetime
    boot_id: str
    mono_ms: int
    payload: Mapping[str, Any]
    content: str
    previous: bytes
    hash: bytes
    signature: bytes


def read_record(wire: Mapping[str, Any], terminal_id: UUID, key: Ed25519PublicKey) -> SignedRecord:
    """Check one record of the terminal `terminal_id`; `RecordMalformed` says what is wrong, without its contents."""
    if wire.keys() != {*_SIGNED, "prev_hash", "hash", "sig"}:
        raise RecordMalformed("its members are not those of a record")
    if wire["terminal_id"] != str(terminal_id):
        raise RecordMalformed("it belongs to another terminal")
    content = _content({name: wire[name] for name in _SIGNED})
    previous, digest = _hash(wire["prev_hash"]), _hash(wire["hash"])
    if hashlib.sha256(previous + content.encode()).digest() != digest:
        raise RecordMalformed("its hash is another")
    signature = _signature(wire["sig"])
    try:
        key.verify(signature, digest)
    except InvalidSignature as error:
        raise RecordMalformed("its signature is not the terminal's") from error
    return SignedRecord(
        seq=_count(wire["seq"], FIRST_SEQ),
        record_id=_uuid(wire["record_id"]),
        service=_text(wire["service"], _SERVICE),
        recorded_at=_instant(wire["recorded_at"]),
        boot_id=_text(wire["boot_id"], _BOOT_ID),
        mono_ms=_count(wire["mono_ms"], 0),
        payload=_payload(wire["payload"]),
        content=content,
        previous=previous,
        hash=digest,
        signature=signature,
    )


def _content(signed: dict[str, Any]) -> str:
    _check_numbers(signed)
    content = canonical_json(signed)
    try:
        size = len(content.encode())
    except UnicodeEncodeError as error:
        raise RecordMalformed("a text in it is no Unicode") from error
    if size > MAX_CONTENT:
        raise RecordMalformed("it is longer than 8 KiB")
    return content


def _check_numbers(value: Any) -> None:
    """Two programs may write a fraction or a great integer differently, and then the hash is another."""
    if isinstance(value, float) or (isinstance(value, int) and abs(value) > MAX_INTEGER):
        raise RecordMalformed("it holds a fraction, or an integer beyond 2^53")
    if isinstance(value, dict):
        for member in value.values():
            _check_numbers(member)
    elif isinstance(value, list):
        for member in value:
            _check_numbers(member)


def _text(value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise RecordMalformed("a member has another form")
    return value


def _count(value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise RecordMalformed("a number is none, or too small")
    return value


def _hash(value: Any) -> bytes:
    return bytes.fromhex(_text(value, _HEX))


def _signature(value: Any) -> bytes:
    try:
        return base64.urlsafe_b64decode(_text(value, _SIGNATURE) + "==")
    except binascii.Error as error:
        raise RecordMalformed("its signature is no base64url") from error


def _uuid(value: Any) -> UUID:
    try:
        found = UUID(value)
    except (ValueError, AttributeError, TypeError) as error:
        raise RecordMalformed("record_id is no UUID") from error
    if str(found) != value:
        raise RecordMalformed("record_id is no UUID in its usual form")
    return found


def _instant(value: Any) -> datetime:
    try:
        return datetime.fromisoformat(_text(value, _INSTANT))
    except ValueError as error:
        raise RecordMalformed("recorded_at is no instant in UTC") from error


def _payload(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RecordMalformed("payload is no object")
    return value
