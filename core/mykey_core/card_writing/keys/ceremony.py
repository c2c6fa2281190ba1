"""Making a master key before witnesses: random bytes, split into m-of-n shares (SLIP-39), checked, stored, forgotten.

Shares are words that custodians write down; they are never written to a file by us. Check values are public.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Final

from shamir_mnemonic import MnemonicError, combine_mnemonics, generate_mnemonics

from mykey_cardap.globalplatform.keys import KCV_SIZE, key_check_value
from mykey_cardap.service_application.numbers import SERIAL_SIZE, Role
from mykey_core.card_writing.errors import CeremonyError
from mykey_core.card_writing.keys.provider import CardKeyProvider, ProviderKind
from mykey_core.card_writing.keys.slots import KeySlot
from mykey_core.card_writing.keys.software import MASTER_SIZE, SoftwareCardKeys

MAX_SHARES: Final = 16  # of SLIP-39
_MIN_THRESHOLD: Final = 2  # 1 of n would be copies of the key, not shares
_ITERATIONS: Final = 1
_PROBE: Final = KeySlot(1, 0, Role.ADMIN, 1, bytes(SERIAL_SIZE))  # of a town that does not exist
_FEW: Final = 5  # so many shares are checked in every combination


@dataclass(frozen=True, slots=True)
class Quorum:
    """`threshold` of `shares` custodians together hold the key; `CeremonyError` for a rule that is none."""

    threshold: int
    shares: int

    def __post_init__(self) -> None:
        if not _MIN_THRESHOLD <= self.threshold <= self.shares <= MAX_SHARES:
            raise CeremonyError(f"m of n shares: m is at least {_MIN_THRESHOLD}, n at least m and at most {MAX_SHARES}")

    def __str__(self) -> str:
        return f"{self.threshold}-of-{self.shares}"

    @classmethod
    def parse(cls, text: str) -> Quorum:
        """`3-of-5`."""
        threshold, _, shares = text.partition("-of-")
        if not (threshold.isdecimal() and shares.isdecimal()):
            raise CeremonyError("write the shares as 3-of-5")
        return cls(int(threshold), int(shares))


@dataclass(frozen=True, slots=True)
class CheckValues:
    """What is public about a master key: its own check value and those of a key set of the tree (serial of zeros)."""

    master: bytes
    probe: tuple[bytes, bytes, bytes]

    def lines(self) -> list[str]:
        """As they stand on the sheet: master, ENC, MAC, DEK, in hexadecimal digits."""
        return [value.hex().upper() for value in (self.master, *self.probe)]


@dataclass(frozen=True, slots=True)
class CeremonyRecord:
    """What stays of a ceremony: nothing of it is secret."""

    municipality: str
    generation: int
    quorum: Quorum
    provider: ProviderKind
    check_values: CheckValues
    at: datetime
    rehearsal: bool


class Ceremony:
    """A new master key and its shares. It is nowhere but in this object, until `confirm` stores it."""

    def __init__(self, quorum: Quorum, *, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self.quorum = quorum
        self._master = random(MASTER_SIZE)
        if not any(self._master):
            raise CeremonyError("the random source gave no key")
        self._shares = split(self._master, quorum)

    def __repr__(self) -> str:
        return f"<Ceremony {self.quorum}>"

    @property
    def shares(self) -> tuple[str, ...]:
        """The words of each custodian; show each to its custodian only."""
        return self._shares

    @property
    def check_values(self) -> CheckValues:
        """Of the new key, before anything is stored."""
        return check_values_of(self._master)

    def confirm(self, written_down: Sequence[str]) -> None:
        """That the shares as custodians wrote them down give the key; `CeremonyError` otherwise."""
        if combine(written_down) != self._master:
            raise CeremonyError("the shares give another key: they are of another ceremony")

    def store(self, provider: CardKeyProvider, generation: int) -> None:
        """Give the key to its provider, and check there that it arrived."""
        store(provider, generation, self._master)


def split(master: bytes, quorum: Quorum) -> tuple[str, ...]:
    """The shares of a key: `quorum.shares` lines of 33 words."""
    groups = generate_mnemonics(1, [(quorum.threshold, quorum.shares)], master, iteration_exponent=_ITERATIONS)
    shares = tuple(groups[0])
    for chosen in combinations(shares, quorum.threshold) if quorum.shares <= _FEW else [shares[: quorum.threshold]]:
        if combine(chosen) != master:
            raise CeremonyError("the shares do not give the key back")
    return shares


def combine(shares: Iterable[str]) -> bytes:
    """The key of enough shares; `CeremonyError` says what is wrong with them, without a word of them."""
    try:
        master = bytes(combine_mnemonics([" ".join(share.split()).lower() for share in shares]))
    except MnemonicError as error:
        raise CeremonyError(_reason(error)) from None
    if len(master) != MASTER_SIZE:
        raise CeremonyError("these are shares of something else")
    return master


def _reason(error: MnemonicError) -> str:
    """The library's messages may quote words of a share; ours do not."""
    text = str(error).lower()
    if "invalid mnemonic word" in text or "checksum" in text or "length" in text or "padding" in text:
        return "a share is misspelt or incomplete: read it again"
    if "insufficient" in text or "wrong number" in text or "no mnemonics" in text or "must be" in text:
        return "too few or too many shares, or one twice"
    return "the shares do not belong together"


def check_values_of(master: bytes) -> CheckValues:
    """Check values of a key in memory."""
    probe = SoftwareCardKeys({1: master}).key_set(_PROBE)
    return CheckValues(key_check_value(master), probe.check_values())


def store(provider: CardKeyProvider, generation: int, master: bytes) -> None:
    """Store a key and compare the provider's check value of it."""
    provider.add_master(generation, master)
    if provider.master_check_value(generation) != key_check_value(master)[:KCV_SIZE]:
        raise CeremonyError("the provider's check value differs: do not use this generation")
