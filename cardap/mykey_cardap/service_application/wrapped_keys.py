"""Keys on their way into the card: wrapped under a Key-DEK, with check values.

A provider that keeps keys in a token makes `WrappedKeys` itself; for keys in memory there is `wrap`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

from mykey_cardap.globalplatform.keys import CardKeys, ScpKeys, key_check_value
from mykey_cardap.service_application.numbers import KEY_SIZE

_AES: Final = 0x88


@dataclass(frozen=True, slots=True)
class WrappedKeys:
    """One AES-128 key or a set of three, each encrypted by itself (AES-CBC, zero vector), with 3-byte check values."""

    ciphers: tuple[bytes, ...] = field(repr=False)
    check_values: tuple[bytes, ...]

    @classmethod
    def wrap(cls, keys: ScpKeys, under: CardKeys) -> Self:
        """A key set under the Key-DEK of `under`."""
        return cls(tuple(under.encrypt(key) for key in (keys.enc, keys.mac, keys.dek)), keys.check_values())

    @classmethod
    def wrap_key(cls, key: bytes, under: CardKeys) -> Self:
        """One key (K4) under the Key-DEK of `under`."""
        return cls((under.encrypt(key),), (key_check_value(key),))

    def put_key_blocks(self) -> bytes:
        """The key blocks of PUT KEY: `88 10 cipher 03 KCV` each."""
        blocks = zip(self.ciphers, self.check_values, strict=True)
        return b"".join(bytes((_AES, KEY_SIZE)) + cipher + bytes((len(kcv),)) + kcv for cipher, kcv in blocks)
