"""Reading a library's lists from CSV: patrons, items, branches, days and the policy matrix.

Every line is looked at, and every bad one is reported with its number and what is wrong; nothing is stored here.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final, Generic, TypeVar

from mykey_core.api import MykeyError
from mykey_library.calendar import WEEKDAYS
from mykey_library.embedded.collection import MAIN_BRANCH, NewCopy
from mykey_library.embedded.register import NewPatron
from mykey_library.rules import Terms

Row = Mapping[str, str]
T = TypeVar("T")
_NUMBER: Final = re.compile(r"[0-9A-Z]{6,14}")
_BARCODE: Final = re.compile(r"[0-9A-Z]{6,14}")
_MYKEY_ID: Final = re.compile(r"[A-Z0-9]{8}")
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,19}")
_ISBN: Final = re.compile(r"([0-9]{9}[0-9X]|97[89][0-9]{10})?")
_LANGUAGES: Final = ("", "ja", "en", "ja-Hira")
_YES: Final = {"": True, "1": True, "yes": True, "0": False, "no": False}
LONGEST: Final = {"title": 400, "kana": 400, "author": 200, "name": 200, "ndc": 12, "call_number": 40, "title_id": 40}


class ImportUnreadable(MykeyError):
    """A file cannot be read as CSV at all: its encoding, or a column that is missing."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was not taken: its number in the file (the head is 1), and what is wrong with it."""

    file: str
    line: int
    problem: str

    def __str__(self) -> str:
        """For the report."""
        return f"{self.file}, line {self.line}: {self.problem}"


@dataclass(slots=True)
class Parsed(Generic[T]):
    """What a file holds: the good lines and the bad ones."""

    good: list[T] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)


def parse(path: Path, columns: tuple[str, ...], reader: Callable[[Row], T], encoding: str = "utf-8-sig") -> Parsed[T]:
    """Read every line of a CSV file; `ImportUnreadable` when a column is missing or the encoding is another."""
    parsed: Parsed[T] = Parsed()
    for number, row in _rows(path, columns, encoding):
        try:
            parsed.good.append(reader(row))
        except ValueError as error:
            parsed.bad.append(BadLine(path.name, number, str(error)))
    return parsed


def _rows(path: Path, columns: tuple[str, ...], encoding: str) -> Iterator[tuple[int, Row]]:
    try:
        with path.open(encoding=encoding, newline="") as file:
            reader = csv.DictReader(file)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise ImportUnreadable(f"{path.name}: the column {', '.join(missing)} is missing")
            for row in reader:
                texts = {str(name): (value or "").strip() for name, value in row.items() if isinstance(value, str)}
                yield reader.line_num, texts
    except UnicodeDecodeError as error:
        raise ImportUnreadable(f"{path.name} is not {encoding}: name another with --encoding (cp932?)") from error
    except csv.Error as error:
        raise ImportUnreadable(f"{path.name} is no CSV file: {error}") from error


def _fits(pattern: re.Pattern[str], value: str, problem: str) -> str:
    if pattern.fullmatch(value) is None:
        raise ValueError(problem)
    return value


def _short(row: Row, column: str) -> str:
    value = row.get(column, "")
    if len(value) > LONGEST[column]:
        raise ValueError(f"{column} is longer than {LONGEST[column]} characters")
    return value


def _day(value: str, column: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{column} is a date such as 2027-03-31") from None


def _flag(row: Row, column: str) -> bool:
    value = row.get(column, "").lower()
    if value not in _YES:
        raise ValueError(f"{column} is yes or no")
    return _YES[value]


def _number(row: Row, column: str, least: int) -> int:
    value = row.get(column, "")
    if not (value.isascii() and value.isdigit() and int(value) >= least):
        raise ValueError(f"{column} is a whole number from {least} on")
    return int(value)


def read_patron(row: Row) -> NewPatron:
    """A line with the column number, and category, name, language, expires_on and pin where they are wanted."""
    number = _fits(_NUMBER, row["number"], "a patron number has 6 to 14 digits or capital letters")
    if row.get("language", "") not in _LANGUAGES:
        raise ValueError("language is ja, en or ja-Hira")
    expires = row.get("expires_on", "")
    category = row.get("category", "") or "general"
    return NewPatron(
        number,
        _fits(_CODE, category, "category is a short word in small letters, such as child"),
        _short(row, "name"),
        row.get("language", ""),
        _day(expires, "expires_on") if expires else None,
        row.get("pin", ""),
    )


def read_copy(row: Row) -> NewCopy:
    """A line with barcode, title and author, and what else is known of the copy."""
    needed = "a barcode (6 to 14 digits or capital letters) and a title are needed"
    barcode = _fits(_BARCODE, row["barcode"], needed)
    if not row["title"]:
        raise ValueError(needed)
    isbn = _fits(_ISBN, row.get("isbn", "").replace("-", ""), "isbn has 10 or 13 digits")
    branch = row.get("branch", "") or MAIN_BRANCH
    kind = row.get("kind", "") or "book"
    return NewCopy(
        barcode,
        _short(row, "title"),
        _short(row, "author"),
        _short(row, "title_id") or isbn,
        _short(row, "kana"),
        isbn,
        _short(row, "ndc"),
        _fits(_CODE, branch, "branch is a code in small letters, such as main"),
        _fits(_CODE, kind, "kind is a short word in small letters, such as book"),
        _flag(row, "for_loan"),
        _short(row, "call_number"),
    )


@dataclass(frozen=True, slots=True)
class NewBranch:
    """A branch: code, title, closed weekdays (0 = Monday), and the hub's service points that stand in it."""

    code: str
    title: str
    closed_weekdays: str
    service_points: str


def read_branch(row: Row) -> NewBranch:
    """A line with code and title, closed_weekdays such as 0, and service_points with blanks between them."""
    closed = row.get("closed_weekdays", "")
    if any(digit not in WEEKDAYS for digit in closed) or len(set(closed)) == len(WEEKDAYS):
        raise ValueError("closed_weekdays are digits from 0 (Monday) to 6 (Sunday), and not all of them")
    code = _fits(_CODE, row["code"], "code is a short word in small letters, such as main")
    return NewBranch(code, row["title"] or code, closed, row.get("service_points", ""))


def read_link(row: Row) -> tuple[str, str]:
    """A line with mykey_id and number, as the MyKey platform has them."""
    mykey_id = _fits(_MYKEY_ID, row["mykey_id"], "a MyKey ID has eight capital letters or digits")
    return mykey_id, _fits(_NUMBER, row["number"], "a patron number has 6 to 14 digits or capital letters")


def read_day(row: Row) -> tuple[str, date, bool]:
    """A line with branch, day and open (yes or no)."""
    return row["branch"], _day(row["day"], "day"), _flag(row, "open")


def read_terms(row: Row) -> tuple[str, str, Terms]:
    """A line of the policy matrix: category, kind (`*` for all) and the four numbers."""
    days, loans = _number(row, "loan_days", 1), _number(row, "max_loans", 1)
    renewals, holds = _number(row, "max_renewals", 0), _number(row, "max_holds", 0)
    return row["category"] or "*", row["kind"] or "*", Terms(days, loans, renewals, holds)
