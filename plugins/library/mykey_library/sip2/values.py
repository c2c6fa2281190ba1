"""The values of fixed parts: dates, answers, numbers, and the lists of codes that the protocol gives.

Variable fields are plain text and do not live here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

from mykey_core.api import TOKYO

_DATE_LENGTH = 18


@dataclass(frozen=True, slots=True)
class SipDate:
    """A date of the protocol as its 18 characters: `YYYYMMDD`, four for the zone, `HHMMSS`.

    Terminals send senseless ones, so the characters are kept and `instant` may be None.
    """

    characters: str = " " * _DATE_LENGTH

    @classmethod
    def of(cls, instant: datetime) -> SipDate:
        """The local time of Japan at `instant`, an aware datetime."""
        return cls(instant.astimezone(TOKYO).strftime("%Y%m%d    %H%M%S"))

    @property
    def instant(self) -> datetime | None:
        """The aware datetime; blanks and unknown zones are local time, `Z` is UTC; None for a senseless date."""
        digits = self.characters[:8] + self.characters[12:]
        if not (digits.isascii() and digits.isdigit()):
            return None
        zone = UTC if self.characters[8:12].strip().upper() in {"Z", "UTC"} else TOKYO
        try:
            return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=zone)
        except ValueError:
            return None


NO_DATE: Final = SipDate()


class YesNoUnknown(Enum):
    """Y, N, or U: does not apply or is not known."""

    YES = "Y"
    NO = "N"
    UNKNOWN = "U"

    @classmethod
    def of(cls, value: bool | None) -> YesNoUnknown:  # noqa: FBT001 - a conversion from bool
        """Y or N for a bool, U for None."""
        return cls.UNKNOWN if value is None else cls.YES if value else cls.NO


class Language(Enum):
    """Languages that the hub speaks, of the protocol's list."""

    UNKNOWN = "000"
    ENGLISH = "001"
    JAPANESE = "014"


class ScState(Enum):
    """How a self-check machine is (99)."""

    OK = "0"
    PAPER_OUT = "1"
    SHUTTING_DOWN = "2"


class SecurityMarker(Enum):
    """Theft protection of an item."""

    OTHER = "00"
    NONE = "01"
    TATTLE_TAPE = "02"
    WHISPER_TAPE = "03"


class FeeType(Enum):
    """What a fee is for."""

    OTHER = "01"
    ADMINISTRATIVE = "02"
    DAMAGE = "03"
    OVERDUE = "04"
    PROCESSING = "05"
    RENTAL = "06"
    REPLACEMENT = "07"
    COMPUTER = "08"
    HOLD = "09"


class AlertType(Enum):
    """Why a returned item needs a look (CV)."""

    HOLD_HERE = "01"
    HOLD_ELSEWHERE = "02"
    INTERLIBRARY_LOAN = "03"
    SEND_TO_BRANCH = "04"
    OTHER = "99"


@dataclass(frozen=True, slots=True)
class FixedValue:
    """How one value of a fixed part is written: its length in characters, and the way to and from Python.

    `read` raises ValueError (KeyError is none) when the characters are not in the value's list.
    """

    length: int
    read: Callable[[str], Any]
    write: Callable[[Any], str]


def characters(length: int) -> FixedValue:
    """Text of exactly `length` characters; shorter text is filled with blanks."""
    return FixedValue(length, str, lambda text: str(text)[:length].ljust(length))


def digits(length: int) -> FixedValue:
    """A number with leading zeros; blanks are None, as Koha and others send them for 'not known'."""

    def read(text: str) -> int | None:
        if not text.strip():
            return None
        if not (text.isascii() and text.strip().isdigit()):
            raise ValueError
        return int(text)

    def write(number: int | None) -> str:
        return " " * length if number is None else f"{min(number, 10**length - 1):0{length}d}"

    return FixedValue(length, read, write)


def code(length: int) -> FixedValue:
    """A code of a list that may be longer at other systems: kept as characters."""
    return characters(length)


def answer(yes: str, no: str) -> FixedValue:
    """A two-valued answer of a library system; anything else is an error, for it decides about a loan."""

    def read(text: str) -> bool:
        if text not in {yes, no}:
            raise ValueError
        return text == yes

    return FixedValue(1, read, lambda value: yes if value else no)


def _read_tenths(text: str) -> timedelta | None:
    number = digits(3).read(text)
    return None if number is None else timedelta(milliseconds=100 * number)


def _write_tenths(span: timedelta | None) -> str:
    return digits(3).write(None if span is None else span // timedelta(milliseconds=100))


DATE: Final = FixedValue(_DATE_LENGTH, SipDate, lambda date: str(date.characters)[:_DATE_LENGTH].ljust(_DATE_LENGTH))
FLAG: Final = FixedValue(1, lambda text: text == "Y", lambda value: "Y" if value else "N")
OK: Final = answer("1", "0")
YES_NO: Final = answer("Y", "N")
YES_NO_UNKNOWN: Final = FixedValue(1, YesNoUnknown, lambda value: str(value.value))
TENTHS: Final = FixedValue(3, _read_tenths, _write_tenths)
