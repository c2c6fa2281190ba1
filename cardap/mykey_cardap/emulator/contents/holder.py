"""Whose card it is: the synthetic person and the printed facts that all contents are made from.

Nothing here is encoded for the card; that is done by the modules beside this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum, unique
from typing import Final

NUMBER_A_DIGITS: Final = 12
SECURITY_CODE_DIGITS: Final = 4
MUNICIPALITY_CODE_DIGITS: Final = 6
MANUFACTURE_SERIAL_DIGITS: Final = 15
_MOD: Final = 11

# First day of each era, newest first; the boundary is the day (1989-01-07 is Showa 64).
_ERAS: Final = (date(2019, 5, 1), date(1989, 1, 8), date(1926, 12, 25), date(1912, 7, 30), date(1868, 1, 25))


class HolderError(ValueError):
    """A person cannot be put on a card. `field` names what is wrong; the value itself is never repeated."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


@unique
class CardSex(StrEnum):
    """Sex as the card's own files write it (JIS X 0303). The certificate writes it differently: 1, 2 or 3."""

    NOT_KNOWN = "0"
    MALE = "1"
    FEMALE = "2"
    NOT_APPLICABLE = "9"


def era_date(day: date) -> str:
    """Six digits YYMMDD with the year of the Japanese era, as 照合番号B and the birth-date key use it.

    `HolderError` for days before 1868-01-25, the first day of Meiji.
    """
    first = next((start for start in _ERAS if day >= start), None)
    if first is None:
        raise HolderError("birth_date", "no Japanese era of the card covers it")
    return f"{day.year - first.year + 1:02d}{day:%m%d}"


def check_digit(first_eleven: str) -> str:
    """Check digit of a 個人番号 from its first eleven digits (weights 2–7, 2–6 from the right, modulo 11)."""
    weights = (n + 1 if n <= 6 else n - 5 for n in range(1, 12))  # noqa: PLR2004 - the rule's own numbers
    total = sum(int(digit) * weight for digit, weight in zip(reversed(first_eleven), weights, strict=True))
    remainder = total % _MOD
    return "0" if remainder <= 1 else str(_MOD - remainder)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CardHolder:
    """A synthetic person and what is printed on the card.

    `name` is 姓 and 名 with U+3000 between them (foreign names have none); `former_name` is the 旧氏 alone;
    `municipality_code` has six digits including its check digit, of which the card stores the first five;
    `manufacture_serial` is the fifteen digits of the common AP's record. Strings are used as given, never
    normalised; `repr` shows none of them. `HolderError` when a value cannot be on a card.
    """

    name: str
    address: str
    birth_date: date
    sex: CardSex
    number_a: str
    card_expiry: date
    security_code: str
    municipality_code: str
    manufacture_serial: str
    former_name: str | None = None

    def __post_init__(self) -> None:
        if not self.name or not self.address:
            raise HolderError("name" if not self.name else "address", "must not be empty")
        _require_digits("number_a", self.number_a, NUMBER_A_DIGITS)
        _require_digits("security_code", self.security_code, SECURITY_CODE_DIGITS)
        _require_digits("municipality_code", self.municipality_code, MUNICIPALITY_CODE_DIGITS)
        _require_digits("manufacture_serial", self.manufacture_serial, MANUFACTURE_SERIAL_DIGITS)
        if check_digit(self.number_a[:-1]) != self.number_a[-1]:
            raise HolderError("number_a", "the check digit is wrong")
        era_date(self.birth_date)

    def __repr__(self) -> str:
        return "<CardHolder>"

    @property
    def name_on_card(self) -> str:
        """The name as the card writes it, the former family name in ［ ］ after the family name.

        The place of the 旧氏 follows the printed face of the card; its form in the text AP is unverified.
        """
        if self.former_name is None:
            return self.name
        family, separator, given = self.name.partition("\u3000")
        return f"{family}［{self.former_name}］{separator}{given}"

    @property
    def municipality_code_on_card(self) -> str:
        """Five digits, without the check digit: the form of every file of the card."""
        return self.municipality_code[:-1]

    @property
    def birth_key(self) -> str:
        """The six digits that open the age record of the face AP."""
        return era_date(self.birth_date)

    @property
    def number_b(self) -> str:
        """照合番号B: era birth date, Gregorian expiry year, printed security code (fourteen digits)."""
        return f"{self.birth_key}{self.card_expiry.year:04d}{self.security_code}"


def _require_digits(field: str, value: str, count: int) -> None:
    if len(value) != count or not (value.isascii() and value.isdigit()):
        raise HolderError(field, f"must be {count} digits")
