"""Lists that grow, a page at a time: the page of a number, counted from 1, and where it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")
SIZE: Final = 50
"""Rows of a page."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The rows of page `number` out of `total` rows."""

    rows: Sequence[T]
    number: int
    total: int

    @property
    def last(self) -> int:
        """The number of the last page; 1 for an empty list."""
        return max(1, -(-self.total // SIZE))

    @property
    def first_row(self) -> int:
        """The place of the page's first row in the list, counted from 1; 0 for an empty list."""
        return (self.number - 1) * SIZE + 1 if self.total else 0

    @property
    def last_row(self) -> int:
        """The place of its last row."""
        return (self.number - 1) * SIZE + len(self.rows)


def clamped(number: int, total: int) -> int:
    """A page that there is: the asked one, or the nearest."""
    return min(max(number, 1), max(1, -(-total // SIZE)))


def page_of(rows: Sequence[T], number: int) -> Page[T]:
    """One page of rows that are all at hand."""
    number = clamped(number, len(rows))
    return Page(rows[(number - 1) * SIZE : number * SIZE], number, len(rows))
