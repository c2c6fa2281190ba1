"""The four records of a 総合振込 file as tables of fields: position, length, kind (taxi.md §9.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from mykey_taxi.zengin.text import Field

LENGTH: Final = 120
TRANSFER: Final = 21  # 種別コード: 総合振込

Kind = Literal["number", "bank", "name", "edi", "spaces"]


@dataclass(frozen=True, slots=True)
class Item:
    """One field: `position` counts from one, `length` is in bytes; a constant has a `value`."""

    name: str
    position: int
    length: int
    kind: Kind
    value: str | None = None

    @property
    def field(self) -> Field:
        """The set of characters of a text field."""
        return Field(self.kind)


def _items(*rows: tuple[str, int, Kind, str | None]) -> tuple[Item, ...]:
    items = []
    position = 1
    for name, length, kind, value in rows:
        items.append(Item(name, position, length, kind, value))
        position += length
    if position != LENGTH + 1:
        raise AssertionError(f"a record has {LENGTH} bytes, not {position - 1}")
    return tuple(items)


HEADER: Final = _items(
    ("record", 1, "number", "1"),
    ("kind", 2, "number", str(TRANSFER)),
    ("code_kind", 1, "number", "0"),
    ("code", 10, "number", None),
    ("name", 40, "name", None),
    ("mmdd", 4, "number", None),
    ("bank", 4, "number", None),
    ("bank_name", 15, "bank", None),
    ("branch", 3, "number", None),
    ("branch_name", 15, "bank", None),
    ("account_type", 1, "number", None),
    ("account", 7, "number", None),
    ("filler", 17, "spaces", None),
)
DATA: Final = _items(
    ("record", 1, "number", "2"),
    ("bank", 4, "number", None),
    ("bank_name", 15, "bank", None),
    ("branch", 3, "number", None),
    ("branch_name", 15, "bank", None),
    ("clearing_house", 4, "number", "0000"),
    ("account_type", 1, "number", None),
    ("account", 7, "number", None),
    ("payee", 30, "name", None),
    ("amount", 10, "number", None),
    ("new_code", 1, "number", None),
    ("customer1", 10, "number", None),
    ("customer2", 10, "number", None),
    ("telegraphic", 1, "number", None),
    ("edi_mark", 1, "spaces", None),
    ("filler", 7, "spaces", None),
)
TRAILER: Final = _items(
    ("record", 1, "number", "8"),
    ("count", 6, "number", None),
    ("total", 12, "number", None),
    ("filler", 101, "spaces", None),
)
END: Final = _items(("record", 1, "number", "9"), ("filler", 119, "spaces", None))
EDI_POSITION: Final = 92
EDI_LENGTH: Final = 20
