"""The form in which a patron number reaches another program: as its barcode reader would have sent it.

NW-7 (Codabar) labels of Japanese libraries carry start and stop letters and often a check digit; which, differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CheckDigit(StrEnum):
    """How the check digit behind the number is made; only numbers of digits have one."""

    NONE = "none"
    MODULUS_10 = "modulus-10"  # weights 3 and 1 from the right, as JAN has it
    SEVEN_DR = "7dr"  # the remainder of the number divided by seven
    SEVEN_DSR = "7dsr"  # seven minus that remainder


@dataclass(frozen=True, slots=True)
class NumberForm:
    """`start` and `stop` are letters A to D or nothing; `suffix` is what a reader sends last, often Enter."""

    prefix: str = ""
    start: str = ""
    stop: str = ""
    suffix: str = "\n"
    check_digit: CheckDigit = CheckDigit.NONE

    def dress(self, number: str) -> str:
        """The whole text for a patron number; `ValueError` for a check digit over letters."""
        return f"{self.prefix}{self.start}{number}{check_digit(number, self.check_digit)}{self.stop}{self.suffix}"


def check_digit(number: str, kind: CheckDigit) -> str:
    """The check digit of a number, or nothing."""
    if kind is CheckDigit.NONE:
        return ""
    if not (number.isascii() and number.isdigit()):
        raise ValueError("a check digit is made of digits only")
    if kind is CheckDigit.MODULUS_10:
        total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(number)))
        return str(-total % 10)
    remainder = int(number) % 7
    return str(remainder if kind is CheckDigit.SEVEN_DR else 7 - remainder)
