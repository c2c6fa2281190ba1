"""Text and bytes of a connection: the charsets, what replaces a character that one lacks, and composed kana.

Where a message begins and ends does not live here; that is `framing`.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from enum import Enum

# Characters that Unicode has twice because the mappings of JIS X 0208 by vendors differ (JIS: U+301C and others;
# CP932: U+FF5E and others). A charset that lacks one has its twin.
_TWINS = {
    "\u301c": "\uff5e",
    "\u2212": "\uff0d",
    "\u2016": "\u2225",
    "\u2014": "\u2015",
    "\u00a2": "\uffe0",
    "\u00a3": "\uffe1",
    "\u00ac": "\uffe2",
}
_TWINS |= {twin: character for character, twin in _TWINS.items()}
_GETA = "\u3013"  # 〓, the printers' mark for a type that is missing
_HANDLER = "mykey-sip2"

# CJK compatibility ideographs: NFC would turn 神 (U+FA19) into 神 (U+795E), another form of a name.
_COMPATIBILITY = re.compile("[\uf900-\ufaff\U0002f800-\U0002fa1f]")
_SURROGATE = re.compile("[\udc80-\udcff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")


class Charset(Enum):
    """The charset of a connection; the value is Python's name of the codec."""

    UTF_8 = "utf-8"
    CP932 = "cp932"
    EUC_JP = "euc_jp"
    ASCII = "ascii"
    LATIN_1 = "latin-1"

    @classmethod
    def named(cls, name: str) -> Charset:
        """The charset of a name as people write it: `UTF-8`, `Shift_JIS`, `EUC-JP`; `LookupError` when none fits."""
        wanted = codecs.lookup({"windows-31j": "cp932", "shift_jis": "cp932", "sjis": "cp932"}.get(name.lower(), name))
        for charset in cls:
            if codecs.lookup(charset.value) == wanted:
                return charset
        raise LookupError(name)

    def decode(self, data: bytes) -> str:
        """The text of `data`; a byte that means nothing here stays as a lone surrogate, so that it can be echoed."""
        return data.decode(self.value, "surrogateescape")

    def encode(self, text: str) -> bytes:
        """The bytes of `text`; a character that the charset lacks becomes its twin, 〓 or `?`."""
        return text.encode(self.value, _HANDLER)

    def can_encode(self, text: str) -> bool:
        """True when every character of `text`, echoed bytes included, has its own bytes."""
        try:
            text.encode(self.value, "surrogateescape")
        except UnicodeEncodeError:
            return False
        return True


def _encodable(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _substitute(character: str, encoding: str) -> str | bytes:
    if _SURROGATE.match(character):  # a byte kept by surrogateescape
        return character.encode("ascii", "surrogateescape")
    for candidate in (_TWINS.get(character, ""), unicodedata.normalize("NFC", character), _GETA):
        if candidate and _encodable(candidate, encoding):
            return candidate
    return "?"


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return _substitute(error.object[error.start], error.encoding), error.start + 1


codecs.register_error(_HANDLER, _replace)


def compose(text: str) -> str:
    """`text` with combining marks composed (カ + U+3099 → ガ), ideographs untouched.

    Evergreen sends NFD. Plain NFC would also replace compatibility ideographs, which are different in a name.
    """
    if text.isascii():
        return text
    pieces = _COMPATIBILITY.split(text)
    kept = _COMPATIBILITY.findall(text)
    composed = [unicodedata.normalize("NFC", piece) for piece in pieces]
    return "".join(part for pair in zip(composed, [*kept, ""], strict=True) for part in pair)


def readable(text: str) -> str:
    """`text` for people: composed, and U+FFFD in place of bytes that mean nothing."""
    return compose(_SURROGATE.sub("\ufffd", text))


def lookup_key(text: str) -> str | None:
    """The number to look up, composed and without blanks around; None when no number can look like that."""
    key = compose(text).strip()
    return None if not key or _CONTROL.search(key) else key
