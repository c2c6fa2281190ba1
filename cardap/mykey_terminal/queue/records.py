"""A record of the queue: its canonical text, its place in the hash chain, its signature, and its form on the wire.

The rules are TX-U3 of the taxi reference, for every service: hash_n = SHA-256(hash_{n-1} ‖ J_n), where J_n is the
record without `prev_hash`, `hash` and `sig` as canonical JSON, and hash_0 is 32 zero bytes; Ed25519 signs the hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

FIRST_SEQ = 1
FIRST_HASH = bytes(32)
MAX_CONTENT = 8192
"""Bytes of one record's canonical text."""
MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly (RFC 8259 §6)."""
Json = Mapping[str, Any]


class Signer(Protocol):
    """A device key that signs hashes with Ed25519 (RFC 8032)."""

    @property
    def thumbprint(self) -> str:
        """The JWK thumbprint of the key (RFC 7638)."""
        ...

    def sign(self, data: bytes) -> bytes:
        """The signature, 64 bytes."""
        ...

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether this key made `signature` over `data`."""
        ...


def canonical(value: Any) -> str:
    """Canonical JSON: keys sorted by code point, no blanks, no ASCII escaping.

    `ValueError` for what two programs might write differently: fractions, integers beyond 2^53, lone surrogates,
    member names that are no text.
    """
    _check(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text.encode("utf-8")  # a lone surrogate has no UTF-8
    return text


def _check(value: Any) -> None:
    if isinstance(value, float) or (isinstance(value, int) and abs(value) > MAX_INTEGER):
        raise ValueError("a record holds integers up to 2^53 and no fractions")
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise ValueError("the names of members are texts")
        for member in value.values():
            _check(member)
    elif isinstance(value, list | tuple):
        for member in value:
            _check(member)


def chained(previous: bytes, content: str) -> bytes:
    """The hash of a record: SHA-256 over the hash before it (32 bytes) and its canonical text."""
    return hashlib.sha256(previous + content.encode("utf-8")).digest()


@dataclass(frozen=True, slots=True)
class QueuedRecord:
    """One record. `content` is its canonical text (J_n); `state` is the hub's last word, None before the first.

    `receipt` is what the hub gave for it, once that is final.
    """

    seq: int
    record_id: str
    service: str
    content: str
    previous: bytes
    hash: bytes
    signature: bytes
    state: str | None = None
    code: str | None = None
    receipt: Json | None = None

    @property
    def payload(self) -> dict[str, Any]:
        """What the service had noted."""
        payload: dict[str, Any] = json.loads(self.content)["payload"]
        return payload

    @property
    def recorded_at(self) -> str:
        """The terminal's wall clock at the time (RFC 3339, UTC)."""
        return str(json.loads(self.content)["recorded_at"])

    def fits(self, previous: bytes, key: Signer) -> bool:
        """Whether the record follows `previous`, has the hash that it says, and was signed by `key`."""
        expected = chained(previous, self.content)
        return self.previous == previous and self.hash == expected and key.verify(self.signature, expected)

    def on_the_wire(self) -> dict[str, Any]:
        """The members that the hub takes; hashes in hexadecimal, the signature in base64url without padding."""
        return {
            **json.loads(self.content),
            "prev_hash": self.previous.hex(),
            "hash": self.hash.hex(),
            "sig": base64.urlsafe_b64encode(self.signature).rstrip(b"=").decode("ascii"),
        }
