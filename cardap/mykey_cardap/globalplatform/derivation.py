"""Key derivation of SCP03: session keys, cryptograms and the pseudo-random challenge.

The only module that the host and the emulated card share; messages are built by each of them for itself.
Source: GlobalPlatform Card Specification, Amendment D 1.2, sections 4.1.5 and 6.2; NIST SP 800-108.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY_SIZES: Final = (16, 24, 32)
"""Bytes of an AES key."""

COUNTER_SIZE: Final = 3
_BLOCK: Final = 16
_LABEL: Final = bytes(11)
_SEPARATOR: Final = b"\x00"
_COUNTER_AT: Final = 15


@unique
class ScpMode(IntEnum):
    """Bytes of a challenge, a cryptogram and a MAC: S8 is common, S16 came with Amendment D 1.2."""

    S8 = 8
    S16 = 16


@unique
class Constant(IntEnum):
    """Derivation constants (Amendment D, table 4-1)."""

    CARD_CRYPTOGRAM = 0x00
    HOST_CRYPTOGRAM = 0x01
    CARD_CHALLENGE = 0x02
    S_ENC = 0x04
    S_MAC = 0x06
    S_RMAC = 0x07


@dataclass(frozen=True, slots=True, eq=False)
class SessionKeys:
    """S-ENC, S-MAC and S-RMAC in buffers that `wipe` overwrites. `repr` shows none of them."""

    enc: bytearray = field(repr=False)
    mac: bytearray = field(repr=False)
    rmac: bytearray = field(repr=False)

    def wipe(self) -> None:
        """Overwrite the keys; the object is of no use afterwards."""
        for key in (self.enc, self.mac, self.rmac):
            key[:] = bytes(len(key))


def derive(key: bytes | bytearray, constant: Constant, context: bytes, size: int) -> bytearray:
    """`size` bytes derived from `key`: SP 800-108 in counter mode over AES-CMAC, the counter after byte 15."""
    fixed = _LABEL + bytes((constant,)) + _SEPARATOR + (size * 8).to_bytes(2, "big") + context
    kdf = KBKDFCMAC(
        algorithms.AES,
        Mode.CounterMode,
        size,
        1,
        None,
        CounterLocation.MiddleFixed,
        None,
        None,
        fixed,
        break_location=_COUNTER_AT,
    )
    return bytearray(kdf.derive(key))


def prf_inputs(constant: Constant, context: bytes, size: int) -> Iterator[bytes]:
    """The messages whose AES-CMACs, joined and cut to `size` bytes, are what `derive` returns.

    For keys that stay in a token, which offers CMAC and no SP 800-108.
    """
    head = _LABEL + bytes((constant,)) + _SEPARATOR + (size * 8).to_bytes(2, "big")
    for counter in range(1, -(-size // _BLOCK) + 1):
        yield head + bytes((counter,)) + context


def session_keys(enc: bytes | bytearray, mac: bytes | bytearray, context: bytes) -> SessionKeys:
    """The session keys of static keys `enc` and `mac`; `context` is host challenge ‖ card challenge."""
    return SessionKeys(
        enc=derive(enc, Constant.S_ENC, context, len(enc)),
        mac=derive(mac, Constant.S_MAC, context, len(mac)),
        rmac=derive(mac, Constant.S_RMAC, context, len(mac)),
    )


def card_cryptogram(keys: SessionKeys, context: bytes, mode: ScpMode) -> bytes:
    """What the card shows in its answer to INITIALIZE UPDATE."""
    return bytes(derive(keys.mac, Constant.CARD_CRYPTOGRAM, context, mode))


def host_cryptogram(keys: SessionKeys, context: bytes, mode: ScpMode) -> bytes:
    """What the host shows in EXTERNAL AUTHENTICATE."""
    return bytes(derive(keys.mac, Constant.HOST_CRYPTOGRAM, context, mode))


def pseudo_random_challenge(enc: bytes | bytearray, counter: int, aid: bytes, mode: ScpMode) -> bytes:
    """The card challenge of a key set whose sequence counter has just become `counter`.

    `aid` is that of the application that opens the channel, which is not always the issuer's domain.
    """
    context = counter.to_bytes(COUNTER_SIZE, "big") + aid
    return bytes(derive(enc, Constant.CARD_CHALLENGE, context, mode))
