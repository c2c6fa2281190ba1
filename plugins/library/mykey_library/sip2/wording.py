"""The words of a reason for the screen of a machine, from the plugin's catalogue (`reason.<value>`)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from io import BytesIO

from babel.messages.pofile import read_po

from mykey_library.circulation import Reason

_FALLBACK = {"ja-Hira": ("ja-Hira", "ja"), "en": ("en", "ja"), "ja": ("ja",)}


@cache
def _texts(language: str) -> dict[str, str]:
    file = files("mykey_library") / "translations" / f"{language}.po"
    catalogue = read_po(BytesIO(file.read_bytes()))
    return {str(entry.id): str(entry.string) for entry in catalogue if entry.id and entry.string}


def reason_words(reason: Reason, language: str, *, part: str = "") -> str:
    """The sentence for `reason` in `language` (ja, en, ja-Hira); with `part` `text` or `what_to_do` more of it.

    The reason's name when the catalogue lacks it.
    """
    key = f"reason.{reason.value}.{part}" if part else f"reason.{reason.value}"
    for candidate in _FALLBACK.get(language, ("ja",)):
        text = _texts(candidate).get(key)
        if text:
            return text
    return reason.value
