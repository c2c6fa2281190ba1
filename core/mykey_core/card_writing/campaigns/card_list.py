"""The list of a campaign: which cards, and what goes onto each; checked whole before the first card is touched."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from mykey_core.card_writing.errors import CampaignError, WritingRefused
from mykey_core.card_writing.profiles import CardData, CardProfile, Value

_SERIAL: Final = re.compile(r"[0-9A-F]{14}")
_START: Final = ("value", "rides", "period")
CHIP: Final = "chip"
"""Column with the number of a card that does not have our application yet (its card image number)."""
_CHIP_NUMBER: Final = re.compile(r"(?:[0-9A-F]{2}){1,32}")


@dataclass(frozen=True, slots=True)
class ListedCard:
    """One card of the list: its serial as 14 hexadecimal digits, and the columns of its line."""

    number: str
    columns: Mapping[str, str]


def read_list(path: Path, profile: CardProfile) -> list[ListedCard]:
    """Read and check a CSV file (UTF-8): `card`, the profile's fields, and perhaps `value`, `rides`, `period`, `chip`.

    `CampaignError` names every line that is wrong and why, never what it holds.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _checked(csv.DictReader(file, strict=True), profile)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CampaignError(
            f"the card list cannot be read: it is a CSV file in UTF-8 ({type(error).__name__})"
        ) from error


def _checked(reader: csv.DictReader[str], profile: CardProfile) -> list[ListedCard]:
    names = set(reader.fieldnames or ())
    known = {"card", *(field.name for field in profile.fields), *_START, CHIP}
    if "card" not in names or not names <= known or len(names) != len(reader.fieldnames or ()):
        raise CampaignError(
            f"the first line of the list names its columns: card and some of {', '.join(sorted(known))}"
        )
    cards: list[ListedCard] = []
    wrong: dict[int, str] = {}
    seen: dict[str, int] = {}
    for row in reader:
        number = (row.get("card") or "").strip().upper()
        columns = {name: value for name, value in row.items() if name != "card" and value}
        if CHIP in columns:
            columns[CHIP] = columns[CHIP].strip().upper()
        reason = "too many values" if None in row else _reason(profile, number, columns, seen)
        if reason:
            wrong[reader.line_num] = reason
        for name in (number, f"{CHIP} {columns.get(CHIP)}"):
            seen.setdefault(name, reader.line_num)
        cards.append(ListedCard(number, columns))
    if wrong:
        lines = "".join(f"\n  line {line}: {reason}" for line, reason in wrong.items())
        raise CampaignError(f"{len(wrong)} wrong lines; no card was touched:{lines}", tuple(wrong))
    if not cards:
        raise CampaignError("the card list is empty")
    return cards


def _reason(profile: CardProfile, number: str, columns: Mapping[str, str], seen: Mapping[str, int]) -> str | None:
    """What is wrong with a line; never what it holds."""
    if not _SERIAL.fullmatch(number):
        return "`card` is no serial of 14 hexadecimal digits"
    if number in seen:
        return f"the same card as line {seen[number]}"
    chip = columns.get(CHIP)
    if chip is not None and not _CHIP_NUMBER.fullmatch(chip):
        return "`chip` is no number of 2 to 64 hexadecimal digits"
    if chip is not None and f"{CHIP} {chip}" in seen:
        return f"the same chip as line {seen[f'{CHIP} {chip}']}"
    return _misfit(profile, columns)


def _misfit(profile: CardProfile, columns: Mapping[str, str]) -> str | None:
    try:
        profile.image(1, card_data(profile, columns))
    except WritingRefused as refusal:
        return f"it does not fit the profile: {refusal.detail}"
    except ValueError:
        return "a number or a date is malformed (dates are 2030-03-31)"
    return None


def card_data(profile: CardProfile, columns: Mapping[str, str]) -> CardData:
    """The columns of a line as values of the profile's types. `ValueError` for what is no number or date."""
    types = {field.name: field.type for field in profile.fields}
    values = {name: _value(types[name], text) for name, text in columns.items() if name in types}
    start = {name: int(columns[name]) for name in _START if name in columns}
    return CardData(values, **start)


def _value(kind: str, text: str) -> Value:
    if kind == "integer":
        return int(text)
    return date.fromisoformat(text) if kind == "date" else text


def simulated_list(count: int, profile: CardProfile) -> Iterator[ListedCard]:
    """`count` cards with made-up content that fits the profile; the same for the same count."""
    for index in range(count):
        columns = {field.name: _made_up(field.type, field.size, index) for field in profile.fields}
        limits = profile.limits
        value = max(limits.lower, min(limits.upper, index % 50 * 100))
        yield ListedCard(f"04{index:012X}", {**columns, "value": str(value), "rides": str(index % 9), "period": "1"})


def _made_up(kind: str, size: int, index: int) -> str:
    if kind == "integer":
        return str(index % (1 << min(8 * size, 16)))
    if kind == "date":
        return (date(2030, 1, 1) + timedelta(days=index % 365)).isoformat()
    return f"{index:08d}"[-size:]
