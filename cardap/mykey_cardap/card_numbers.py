"""The numbers that open the card's face: 個人番号 and its check digit, 照合番号B, the birth-date key.

Pure calculation; none of these numbers may be stored, logged, or used to link anything (card reference §22).
"""

from __future__ import annotations

import re
from datetime import date

_NUMBER = re.compile(r"[0-9]{12}", re.ASCII)
_SECURITY_CODE = re.compile(r"[0-9]{4}", re.ASCII)
_SECOND_WEIGHT_RUN = 7
_MODULUS = 11

_ERAS = (
    date(2019, 5, 1),
    date(1989, 1, 8),
    date(1926, 12, 25),
    date(1912, 7, 30),
    date(1868, 1, 25),
)
"""First days of 令和, 平成, 昭和, 大正, 明治 (card reference §5)."""


def is_individual_number(text: str) -> bool:
    """Whether `text` is twelve digits with the right check digit (番号法 総務省令 第5条)."""
    return bool(_NUMBER.fullmatch(text)) and int(text[-1]) == check_digit(text[:11])


def check_digit(first_eleven: str) -> int:
    """The check digit of the first eleven digits of a 個人番号."""
    total = 0
    for n, digit in enumerate(reversed(first_eleven), start=1):
        weight = n + 1 if n < _SECOND_WEIGHT_RUN else n - 5
        total += int(digit) * weight
    remainder = total % _MODULUS
    return 0 if remainder <= 1 else _MODULUS - remainder


def birth_date_key(birth_date: date) -> str:
    """The six digits YYMMDD with the Japanese-era year that open the age record of the face application.

    Raises ValueError for a day before 明治.
    """
    for first_day in _ERAS:
        if birth_date >= first_day:
            year = birth_date.year - first_day.year + 1
            return f"{year:02d}{birth_date.month:02d}{birth_date.day:02d}"
    raise ValueError("the birth date lies before the first era that a card knows")


def number_b(birth_date: date, expiry_year: int, security_code: str) -> str:
    """照合番号B: birth-date key, Gregorian year of the card's expiry, security code printed on the card."""
    if not _SECURITY_CODE.fullmatch(security_code):
        raise ValueError("the security code has four digits")
    return f"{birth_date_key(birth_date)}{expiry_year:04d}{security_code}"
