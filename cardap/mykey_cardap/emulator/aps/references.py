"""照合番号 A and B and the birth date as keys, which the text and the face AP each have with own counters.

The order of their files differs between the two APs, so no file identifier is defined here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mykey_cardap.emulator.files import Pin

if TYPE_CHECKING:
    from mykey_cardap.emulator.contents.holder import CardHolder

NUMBER_A: Final = "number-a"
NUMBER_B: Final = "number-b"
BIRTH_DATE: Final = "birth-date"
REFERENCE_TRIES: Final = 10
"""Tries of A, B and the birth date unless configured; how many real cards give is unverified."""

# They are printed on the card: the holder can verify them and cannot change them (our decision).
_UNCHANGEABLE: Final = re.compile(rb"(?!)")


def _reference(name: str, value: str, tries: int) -> Pin:
    return Pin(name=name, value=value.encode("ascii"), tries=tries, remaining=tries, policy=_UNCHANGEABLE)


def number_a(holder: CardHolder, tries: int) -> Pin:
    """照合番号A, the 個人番号 itself."""
    return _reference(NUMBER_A, holder.number_a, tries)


def number_b(holder: CardHolder, tries: int) -> Pin:
    """照合番号B: era birth date, expiry year, security code."""
    return _reference(NUMBER_B, holder.number_b, tries)


def birth_date(holder: CardHolder, tries: int) -> Pin:
    """The six digits of the era birth date."""
    return _reference(BIRTH_DATE, holder.birth_key, tries)


def four_digit_pin(name: str, value: bytes | None, tries: int) -> Pin:
    """A PIN of four digits. `value` None: no PIN was ever set, so it is blocked from the beginning."""
    return Pin(name=name, value=value, tries=tries, remaining=0 if value is None else tries)
