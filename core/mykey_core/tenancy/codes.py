"""The six-digit code of a municipality (全国地方公共団体コード): five digits and a check digit.

Source: 全国地方公共団体コード仕様 (Ministry of Internal Affairs): weights 6 5 4 3 2, check = 11 − Σ mod 11, last digit.
"""

from __future__ import annotations

_WEIGHTS = (6, 5, 4, 3, 2)
_LENGTH = 6


def check_digit(five_digits: str) -> str:
    """The check digit of the first five digits of a code."""
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, five_digits, strict=True))
    return str((11 - total % 11) % 10)


def is_municipality_code(code: str) -> bool:
    """True for six ASCII digits whose last is the check digit of the others."""
    return len(code) == _LENGTH and code.isascii() and code.isdigit() and check_digit(code[:5]) == code[5]
