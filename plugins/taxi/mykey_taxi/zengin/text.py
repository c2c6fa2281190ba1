"""Half-width text as banks take it: the mapping of each character, the sets of each field, cutting (taxi.md §9.3, 9.4).

`jaconv` and `mojimoji` do not map this way (ー becomes ｰ, ャ becomes ｬ), hence our own table.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from typing import Final

ENCODING: Final = "cp932"  # its single-byte part is JIS X 0201
_MARKS: Final = "ﾞﾟ"
_SMALL: Final = dict(zip("ァィゥェォャュョッヮヵヶｧｨｩｪｫｬｭｮｯ", "アイウエオヤユヨツワカケｱｲｳｴｵﾔﾕﾖﾂ", strict=True))
_DASHES: Final = "\u30fc\uff70\uff0d\u2212\u2010\u2011\u2013\u2015"
_DOTS: Final = "\u30fb\uff65\uff0e"
_FULL: Final = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン"
_HALF: Final = "ｱｲｳｴｵｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉﾊﾋﾌﾍﾎﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜﾝ"
_COMBINING: Final = {"\u3099": "ﾞ", "\u309a": "ﾟ"}


class Field(StrEnum):
    """Which set of characters a field takes (§9.4)."""

    BANK = "bank"
    NAME = "name"
    EDI = "edi"


def _table() -> dict[str, str]:
    table = dict(zip(_FULL, _HALF, strict=True))
    for code in range(0x30A1, 0x30FB):  # ガ, パ, ヴ …: the kana and its mark, one byte each
        parts = unicodedata.normalize("NFD", chr(code))
        if len(parts) > 1 and parts[0] in table:
            table[chr(code)] = table[parts[0]] + _COMBINING[parts[1]]
    table |= {small: table.get(large, large) for small, large in _SMALL.items()}
    table |= {"ヰ": "ｲ", "ヱ": "ｴ", "ヲ": "ｵ", "ｦ": "ｵ", "\u3000": " ", "゛": "ﾞ", "゜": "ﾟ"}
    table |= dict.fromkeys(_DASHES, "-") | dict.fromkeys(_DOTS, ".")
    for code in range(0xFF01, 0xFF5F):  # the other full-width forms of ASCII
        table.setdefault(chr(code), chr(code - 0xFEE0))
    table |= {chr(code): chr(code).upper() for code in range(ord("a"), ord("z") + 1)}
    return {key: value.upper() for key, value in table.items()}


_TABLE: Final = _table()
_EDI_TABLE: Final = _TABLE | {"ヲ": "ｦ", "ｦ": "ｦ", "「": "｢", "」": "｣", "￥": "\\", "¥": "\\"}
_COMMON: Final = frozenset(_HALF + _MARKS + "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789- .")
_ALLOWED: Final = {
    Field.BANK: _COMMON,
    Field.NAME: _COMMON | frozenset("()"),
    Field.EDI: _COMMON | frozenset("()ｦ\\｢｣/"),
}


class CharacterRefused(ValueError):
    """A character that the field does not take; `character` is it, `position` counts from one."""

    def __init__(self, character: str, position: int) -> None:
        super().__init__(f"the character {position} (U+{ord(character):04X}) cannot stand in a transfer file")
        self.character = character
        self.position = position


class TextTooLong(ValueError):
    """The text does not fit; `width` is that of the field in bytes."""

    def __init__(self, length: int, width: int) -> None:
        super().__init__(f"it has {length} half-width characters and the field takes {width}")
        self.width = width


def half_width(text: str, field: Field) -> str:
    """`text` mapped to half width for `field`; `CharacterRefused` for hiragana, kanji and everything else (ZG-4)."""
    table = _EDI_TABLE if field is Field.EDI else _TABLE
    mapped: list[str] = []
    for position, character in enumerate(text, start=1):
        if character in _COMBINING and mapped and mapped[-1][-1:] in _HALF:
            mapped.append(_COMBINING[character])
            continue
        half = table.get(character, character)
        if not frozenset(half) <= _ALLOWED[field]:
            raise CharacterRefused(character, position)
        mapped.append(half)
    return "".join(mapped)


def cut(text: str, width: int) -> str:
    """The first `width` characters; a kana whose mark would be cut off goes with it (ZG-5)."""
    if len(text) > width and text[width] in _MARKS:
        return text[: width - 1]
    return text[:width]


def fitted(text: str, field: Field, width: int, *, truncate: bool = False) -> str:
    """Mapped text of at most `width` bytes, without padding; `TextTooLong` unless `truncate`."""
    mapped = half_width(text, field)
    if len(mapped) > width and not truncate:
        raise TextTooLong(len(mapped), width)
    return cut(mapped, width)
