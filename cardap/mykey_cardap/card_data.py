"""Values that the text and the face application share: dates, texts, the card's sex coding.

The certificate codes sex and birth date differently: that lives in `certificate_attributes.py`.
"""

from __future__ import annotations

import unicodedata
from datetime import date
from enum import StrEnum, unique

from mykey_cardap.errors import BadCardDataError


@unique
class CardSex(StrEnum):
    """Sex as the files of the card code it (JIS X 0303, ASCII). Not the coding of the certificate."""

    NOT_KNOWN = "0"
    MALE = "1"
    FEMALE = "2"
    NOT_APPLICABLE = "9"


def parse_sex(value: bytes) -> CardSex:
    """Read one ASCII digit; `BadCardDataError` for any other."""
    try:
        return CardSex(value.decode("ascii"))
    except ValueError as error:
        raise BadCardDataError("the card's sex code is not one of 0, 1, 2, 9") from error


def parse_date(value: bytes) -> date:
    """Read YYYYMMDD (Gregorian, ASCII); `BadCardDataError` when there is no such day."""
    if len(value) != 8 or not value.isdigit():  # noqa: PLR2004 - YYYYMMDD
        raise BadCardDataError("a date on the card has eight digits")
    try:
        return date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError as error:
        raise BadCardDataError("there is no such day in the calendar") from error


def parse_text(value: bytes) -> str:
    """Read UTF-8 as it is, never normalised; `BadCardDataError` for broken text or control characters."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadCardDataError("a text on the card is no UTF-8") from error
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise BadCardDataError("a text on the card holds control characters")
    return text
