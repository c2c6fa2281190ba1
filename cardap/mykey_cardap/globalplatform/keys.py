"""Static key sets of a secure channel, key check values, and how a card's keys come from a master key.

`CardKeys` is what a channel needs of keys, wherever they are; `ScpKeys` keeps them in this process.
Providers that keep them in a token implement `CardKeys` elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode

from mykey_cardap.globalplatform.derivation import KEY_SIZES, SessionKeys, session_keys
from mykey_cardap.globalplatform.errors import ScpKeyError

KCV_SIZE: Final = 3
DIVERSIFICATION_SIZE: Final = 10
_BLOCK: Final = 16
_KCV_BLOCK: Final = b"\x01" * _BLOCK
_PURPOSES: Final = (1, 2, 3)


class CardKeys(Protocol):
    """A static key set ENC, MAC, DEK of one card, wherever it is kept."""

    @property
    def size(self) -> int:
        """Bytes of each key: 16, 24 or 32."""
        ...

    def session_keys(self, context: bytes) -> SessionKeys:
        """S-ENC, S-MAC, S-RMAC for `context` = host challenge ‖ card challenge."""
        ...

    def encrypt(self, plain: bytes) -> bytes:
        """AES-CBC with Key-DEK and a zero vector over whole blocks: how key values travel in PUT KEY."""
        ...


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScpKeys:
    """A key set in memory: three AES keys of one length. `ScpKeyError` for anything else; `repr` shows no key."""

    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    dek: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len({len(self.enc), len(self.mac), len(self.dek)}) != 1 or len(self.enc) not in KEY_SIZES:
            raise ScpKeyError("a key set has three AES keys of one length: 16, 24 or 32 bytes")

    def __repr__(self) -> str:
        return f"<ScpKeys AES-{self.size * 8}>"

    def __reduce__(self) -> str:
        raise TypeError("keys are not pickled")

    @property
    def size(self) -> int:
        """Bytes of each key."""
        return len(self.enc)

    def session_keys(self, context: bytes) -> SessionKeys:
        """Session keys for `context` = host challenge ‖ card challenge."""
        return session_keys(self.enc, self.mac, context)

    def encrypt(self, plain: bytes) -> bytes:
        """AES-CBC with Key-DEK and a zero vector; `plain` is whole blocks of 16 bytes."""
        encryptor = Cipher(algorithms.AES(self.dek), modes.CBC(bytes(_BLOCK))).encryptor()
        return encryptor.update(plain) + encryptor.finalize()

    def check_values(self) -> tuple[bytes, bytes, bytes]:
        """Key check values of ENC, MAC and DEK: what a journal may keep."""
        return key_check_value(self.enc), key_check_value(self.mac), key_check_value(self.dek)

    @classmethod
    def from_master(cls, master: bytes, diversification: bytes) -> ScpKeys:
        """The card keys of the scheme that GlobalPlatformPro calls "kdf3".

        SP 800-108 over AES-CMAC; `diversification` are the ten bytes with which a card answers INITIALIZE UPDATE.
        """
        if len(master) not in KEY_SIZES or len(diversification) != DIVERSIFICATION_SIZE:
            raise ScpKeyError("a master key is an AES key, diversification data have 10 bytes")
        return cls(*(_kdf3(master, purpose, diversification) for purpose in _PURPOSES))


def key_check_value(key: bytes) -> bytes:
    """First 3 bytes of the encrypted block 01…01 (Amendment D; for DES it was a block of zeros)."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block, as the standard says
    return (encryptor.update(_KCV_BLOCK) + encryptor.finalize())[:KCV_SIZE]


def _kdf3(master: bytes, purpose: int, diversification: bytes) -> bytes:
    fixed = bytes(3) + bytes((purpose, 0)) + diversification
    kdf = KBKDFCMAC(
        algorithms.AES,
        Mode.CounterMode,
        len(master),
        1,
        None,
        CounterLocation.BeforeFixed,
        None,
        None,
        fixed,
    )
    return kdf.derive(master)
