"""Who does something at a card counter: the terminal always, and the clerk who is signed in beside it.

The audit has both in one word, `staff:kawabata/terminal:0199…`; without a clerk it is the terminal alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from mykey_core.card_writing.errors import WritingCode, WritingRefused

_BETWEEN = "/"
_STAFF = "staff:"


@dataclass(frozen=True, slots=True)
class Hand:
    """A terminal, and the audit's word for the clerk at it (`staff:NAME`) where one is signed in."""

    terminal: UUID
    staff: str | None = None

    def __str__(self) -> str:
        """Both, as journal and audit write it."""
        return _BETWEEN.join(filter(None, (self.staff, f"terminal:{self.terminal}")))


def check_second(first: str, second: str) -> None:
    """`approval_by_another` unless `second` is another terminal and another person than `first`.

    Where the first person is named the second has to be, too: otherwise it may be the same one at the next desk.
    """
    one, other = first.split(_BETWEEN), second.split(_BETWEEN)
    nameless = one[0].startswith(_STAFF) and not other[0].startswith(_STAFF)
    if nameless or not set(one).isdisjoint(other):
        raise WritingRefused(WritingCode.APPROVAL_BY_ANOTHER)
