"""From the issuer's master key to the keys of one service on one card, in software.

Key providers that keep the master elsewhere follow the same steps; the reference has vectors for them. The debit key
has one step more, so that a terminal without a network can hold a key that debits one service and does nothing else.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode

from mykey_cardap.globalplatform.keys import ScpKeys
from mykey_cardap.service_application.errors import InvalidServiceDataError
from mykey_cardap.service_application.numbers import KEY_SIZE, MAX_SERVICE, SERIAL_SIZE, Role

SERVICE_LABEL: Final = b"MYKEY-SVC-1"
SET_LABEL: Final = b"MYKEY-SET-1"
DEBIT_LABEL: Final = b"MYKEY-DEB-1"
DEBIT_MASTER_SIZE: Final = 32
"""Bytes of a debit master key (AES-256)."""
_COUNTER_AND_LENGTH: Final = 4
_MAX_ISSUER: Final = 999_999
_MAX_GENERATION: Final = 0xFF
_ENC, _MAC, _DEK = 1, 2, 3


def service_context(*, issuer: int, service: int, role: Role, generation: int, serial: bytes) -> bytes:
    """`issuer(3) ‖ service(2) ‖ key number(1) ‖ generation(1) ‖ len(serial)(1) ‖ serial`.

    `issuer` is the six-digit local-government code as a number, `generation` 1 to 255.
    """
    valid = 0 < issuer <= _MAX_ISSUER and 0 <= service <= MAX_SERVICE and 0 < generation <= _MAX_GENERATION
    if not valid or len(serial) != SERIAL_SIZE:
        raise InvalidServiceDataError("issuer, service, generation or serial is outside its range")
    numbers = issuer.to_bytes(3, "big") + service.to_bytes(2, "big") + bytes((role, generation, len(serial)))
    return numbers + serial


def service_key(master: bytes, *, issuer: int, service: int, role: Role, generation: int, serial: bytes) -> bytes:
    """The 16-byte key of a role of a service on one card. For `TRANSACTION_MAC` this is K4 itself.

    `master` is the issuer's AES-256 key of this generation.
    """
    context = service_context(issuer=issuer, service=service, role=role, generation=generation, serial=serial)
    if role is Role.DEBIT:
        master = debit_master(master, issuer=issuer, service=service, generation=generation)
    return _derive(master, SERVICE_LABEL, context)


def debit_context(*, issuer: int, service: int, generation: int) -> bytes:
    """`issuer(3) ‖ service(2) ‖ generation(1)`: what a debit master key is for."""
    return issuer.to_bytes(3, "big") + service.to_bytes(2, "big") + bytes((generation,))


def debit_master(master: bytes, *, issuer: int, service: int, generation: int) -> bytes:
    """The key (32 bytes) below which are the debit keys K2 of one service on all cards, and no others.

    It is what a terminal without a network holds: it can neither credit nor seal a settlement.
    """
    context = debit_context(issuer=issuer, service=service, generation=generation)
    return _derive(master, DEBIT_LABEL, context, DEBIT_MASTER_SIZE)


def debit_key(own: bytes, *, issuer: int, service: int, generation: int, serial: bytes) -> bytes:
    """K2 (16 bytes) of a service on one card from the debit master key `own` of that service and generation."""
    place = service_context(issuer=issuer, service=service, role=Role.DEBIT, generation=generation, serial=serial)
    return _derive(own, SERVICE_LABEL, place)


def card_keys(key: bytes) -> ScpKeys:
    """The key set ENC, MAC, DEK of a role, from its service key."""
    return ScpKeys(*(_derive(key, SET_LABEL, bytes((purpose,))) for purpose in (_ENC, _MAC, _DEK)))


def _derive(key: bytes, label: bytes, context: bytes, size: int = KEY_SIZE) -> bytes:
    kdf = KBKDFCMAC(
        algorithms.AES,
        Mode.CounterMode,
        size,
        _COUNTER_AND_LENGTH,
        _COUNTER_AND_LENGTH,
        CounterLocation.BeforeFixed,
        label,
        context,
        None,
    )
    return kdf.derive(key)
