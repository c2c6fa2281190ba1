"""What is stored in a card application: elementary files, PINs with their try counters, and keys.

Data and counters only; which command may do what with them is decided in `commands/`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

CardKey: TypeAlias = RSAPrivateKey | EllipticCurvePrivateKey

Access: TypeAlias = frozenset[str] | None
"""Names of the PINs of which any one opens a file; None: open to all; the empty set: never open."""

FREE: Final[Access] = None
NEVER: Final[Access] = frozenset()

FOUR_DIGITS: Final = re.compile(rb"[0-9]{4}")
SIGNATURE_PASSWORD: Final = re.compile(rb"[A-Z0-9]{6,16}")
DIGITS: Final = re.compile(rb"[0-9]{1,16}")

_SFI_MASK: Final = 0x1F


def opened_by(*pins: str) -> Access:
    """Access for a file that any one of these PINs opens."""
    return frozenset(pins)


def _keep_nothing() -> None:
    """Stand-in for `Pin.changed` while no state file is kept."""


@dataclass(slots=True, kw_only=True)
class Pin:
    """One PIN or 照合番号 with its own try counter (§7 of the reference: each key counts alone).

    `value` None means that no value was ever set, so that no try can succeed. `changed` is called after
    every change and before the card answers, so that a state file never lags behind an answer.
    `policy` is what CHANGE accepts; VERIFY compares bytes and knows no format.
    """

    name: str
    value: bytes | None = field(repr=False)
    tries: int
    remaining: int
    policy: re.Pattern[bytes] = FOUR_DIGITS
    changed: Callable[[], None] = _keep_nothing

    @property
    def blocked(self) -> bool:
        """Whether no try is left."""
        return self.remaining <= 0

    def present(self, candidate: bytes) -> bool:
        """Compare `candidate`. The try is spent and stored *before* the comparison, as on a real card.

        So a power cut in between can only cost a try. A success restores the full counter.
        """
        if self.blocked:
            return False
        self.remaining -= 1
        self.changed()
        if self.value is None or not compare_digest(self.value, candidate):
            return False
        self.remaining = self.tries
        self.changed()
        return True

    def change(self, value: bytes) -> None:
        """Set a new value and the full counter."""
        self.value = value
        self.remaining = self.tries
        self.changed()


@dataclass(frozen=True, slots=True)
class TransparentEf:
    """A file of bytes. `fid` is its identifier (0001–001E); its low five bits are the short identifier."""

    fid: int
    content: bytes = field(repr=False)
    access: Access = FREE


@dataclass(frozen=True, slots=True)
class RecordEf:
    """A file of records, numbered from 1."""

    fid: int
    records: tuple[bytes, ...] = field(repr=False)
    access: Access = FREE


@dataclass(frozen=True, slots=True)
class PinEf:
    """The file through which a PIN is named."""

    fid: int
    pin: Pin


@dataclass(frozen=True, slots=True)
class KeyEf:
    """A private key; `access` says which PIN must be verified before the card signs with it."""

    fid: int
    load: Callable[[], CardKey] = field(repr=False)
    access: Access = FREE


ElementaryFile: TypeAlias = TransparentEf | RecordEf | PinEf | KeyEf


def short_identifier(file: ElementaryFile) -> int:
    """The five-bit short file identifier."""
    return file.fid & _SFI_MASK
