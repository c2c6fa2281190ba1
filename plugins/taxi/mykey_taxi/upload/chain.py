"""The hash chain over a terminal's records (TX-U3, TX-U4)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from mykey_taxi.errors import InputError

GENESIS: Final = bytes(32)
_NOT_HASHED: Final = frozenset({"prev_hash", "hash", "sig"})


def canonical(record: Mapping[str, Any]) -> bytes:
    """A record without its chain members as canonical JSON: sorted keys, no spaces, no ASCII escaping, UTF-8."""
    content = {name: value for name, value in record.items() if name not in _NOT_HASHED}
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()
    except (TypeError, ValueError) as error:
        raise InputError("record", "it holds what JSON cannot carry") from error


def next_hash(previous: bytes, record: Mapping[str, Any]) -> bytes:
    """SHA-256(previous ‖ canonical record)."""
    return hashlib.sha256(previous + canonical(record)).digest()


def hashes(records: Iterable[Mapping[str, Any]], previous: bytes = GENESIS) -> list[bytes]:
    """The hash of each record in turn."""
    chain = []
    for record in records:
        previous = next_hash(previous, record)
        chain.append(previous)
    return chain


def first_mismatch(
    records: Iterable[Mapping[str, Any]], stored: Iterable[bytes], previous: bytes = GENESIS
) -> int | None:
    """The number (from one) of the first record whose stored hash is not its own; None when all are right."""
    for number, (record, hash_) in enumerate(zip(records, stored, strict=True), start=1):
        if next_hash(previous, record) != hash_:
            return number
        previous = hash_
    return None
