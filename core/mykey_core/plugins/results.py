"""What a plugin answers to a tap: an outcome, a message, and blocks that any service point can show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from mykey_core.audit.events import CODE
from mykey_core.translations import Text

Cell = str | int | Text


def _check_cells(cells: Iterable[object]) -> None:
    """Here and not when the answer is stored, so that it is the plugin's fault, with the plugin's line."""
    for cell in cells:
        if not isinstance(cell, str | int | Text):
            raise TypeError(f"a cell is str, int or Text, and not {type(cell).__name__}: word a date as a text")


class Outcome(StrEnum):
    """Whether the plugin did what was asked."""

    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Facts:
    """A list of label and value, such as a patron number. Values are texts, whole numbers, or words of a catalogue."""

    rows: tuple[tuple[Text, Cell], ...]
    title: Text | None = None

    def __post_init__(self) -> None:
        _check_cells(cell for row in self.rows for cell in row)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headed columns, such as the loans of a patron."""

    columns: tuple[Text, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: Text | None = None

    def __post_init__(self) -> None:
        _check_cells(cell for row in (self.columns, *self.rows) for cell in row)


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence with a level."""

    text: Text
    level: Literal["info", "success", "warning"] = "info"


Block = Facts | Table | Notice


@dataclass(frozen=True, slots=True)
class Message:
    """What happened, in one title and one sentence; `what_to_do` where the person has to act."""

    title: Text
    text: Text | None = None
    what_to_do: Text | None = None


@dataclass(frozen=True, slots=True)
class TapResult:
    """The answer of a plugin.

    `code` is a stable machine code (`library.lent`), which goes into the audit log; `offers` names the actions of the
    same service that make sense next; `opens_visit` lets the service point act for this person without another PIN for
    a few minutes.
    """

    outcome: Outcome
    code: str
    message: Message
    view: tuple[Block, ...] = ()
    offers: tuple[str, ...] = ()
    opens_visit: bool = False

    def __post_init__(self) -> None:
        if not CODE.accepts(self.code):
            raise ValueError("the code of a result is a machine code in ASCII, such as library.lent")
