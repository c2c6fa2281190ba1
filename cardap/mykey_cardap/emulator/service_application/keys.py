"""Keys in the card: which sets open a session, and how new ones are unwrapped and checked (PUT KEY).

The secure channel itself is `emulator/globalplatform`; where keys are stored is `contents.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mykey_cardap.apdu import SW
from mykey_cardap.emulator.globalplatform.key_sets import KeySet
from mykey_cardap.emulator.service_application.contents import Contents
from mykey_cardap.emulator.service_application.payloads import KeyPair, StoredKey
from mykey_cardap.emulator.status import Refused
from mykey_cardap.service_application.numbers import (
    KEY_SIZE,
    KEY_VERSION,
    PREVIOUS_KEY_VERSION,
    ROOT_SERVICE,
    LifeCycle,
    Role,
)

KCV_SIZE: Final = 3
_AES: Final = 0x88
_BARE, _WITH_LENGTH = KEY_SIZE, KEY_SIZE + 1
_ADMIN_ONLY: Final = frozenset({LifeCycle.INITIALISATION, LifeCycle.TERMINATED})


class SessionKeySets:
    """The key sets of one directory, read from the card's memory when a channel asks for one."""

    def __init__(self, contents: Contents, service: int) -> None:
        self._contents, self._service = contents, service

    def key_set(self, version: int) -> KeySet | None:
        """The set of key version 30 + n or 38 + n, unless its generation is below the floor. 0: K0."""
        version = version or KEY_VERSION
        role = version & ~(PREVIOUS_KEY_VERSION ^ KEY_VERSION) ^ KEY_VERSION
        pair = self._pair(role)
        if pair is None:
            return None
        key = pair.current if version < PREVIOUS_KEY_VERSION else pair.previous
        if not key.generation or key.generation < self._contents.root.generation_floor:
            return None
        enc, mac, dek = (key.material[at : at + KEY_SIZE] for at in range(0, 3 * KEY_SIZE, KEY_SIZE))
        return KeySet(version, enc, mac, dek)

    def set_counters(self, version: int, *, counter: int, failures: int) -> None:
        """Nothing to store: challenges are random, and refused proofs are not counted."""

    def _pair(self, role: int) -> KeyPair | None:
        if self._service == ROOT_SERVICE:
            return self._contents.root.keys if role == Role.ADMIN else None
        slot = self._contents.slot(self._service)
        if slot is None or not Role.ADMIN <= role <= Role.CREDIT:
            return None
        if role != Role.ADMIN and slot.service.life_cycle in _ADMIN_ONLY:
            return None
        return slot.service.keys[role]


Unwrap: TypeAlias = Callable[[bytes], bytes]


def unwrapper(dek: bytes) -> Unwrap:
    """AES-CBC with Key-DEK and a zero vector, for keys of one block, which is AES-ECB."""
    unwrap: Unwrap = Cipher(algorithms.AES(dek), modes.ECB()).decryptor().update  # noqa: S305 - single blocks
    return unwrap


def check_value(key: bytes) -> bytes:
    """The first three bytes of the block 01…01 under the key."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block, as the standard says
    return (encryptor.update(b"\x01" * KEY_SIZE) + encryptor.finalize())[:KCV_SIZE]


def checked(unwrap: Unwrap, cipher: bytes, presented: bytes) -> bytes:
    """One key, unwrapped; 6982 when its check value is another."""
    key = unwrap(cipher)
    if not compare_digest(check_value(key), presented):
        raise Refused(SW.SECURITY_STATUS)
    return key


def key_blocks(data: bytes, dek: bytes) -> tuple[list[bytes], bytes]:
    """The keys of PUT KEY blocks in both forms, `88 10 cipher 03 KCV` and `88 11 10 cipher 03 KCV`, else 6A80.

    And their check values, joined: what PUT KEY answers.
    """
    keys, check_values = [], b""
    unwrap = unwrapper(dek)
    while data:
        body, data = _field(data, _AES)
        if len(body) == _WITH_LENGTH and body[0] == KEY_SIZE:
            body = body[1:]
        kcv, data = _value(data)
        if len(body) != _BARE or len(kcv) != KCV_SIZE:
            raise Refused(SW.WRONG_DATA)
        keys.append(checked(unwrap, body, kcv))
        check_values += kcv
    return keys, check_values


def replaced(pair: KeyPair, new: StoredKey, floor: int) -> KeyPair:
    """The pair after PUT KEY: the generation must rise. The same key again changes nothing, so it can be repeated."""
    if new.generation == pair.current.generation and compare_digest(new.material, pair.current.material):
        return pair
    if new.generation <= pair.current.generation or new.generation < floor:
        raise Refused(SW.CONDITIONS_OF_USE)
    return pair.rolled(new)


def _field(data: bytes, tag: int) -> tuple[bytes, bytes]:
    if data[0] != tag:
        raise Refused(SW.WRONG_DATA)
    return _value(data[1:])


def _value(data: bytes) -> tuple[bytes, bytes]:
    if not data or len(data) < 1 + data[0]:
        raise Refused(SW.WRONG_DATA)
    return data[1 : 1 + data[0]], data[1 + data[0] :]
