"""Words on documents, from the plugin's own translations."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from io import BytesIO

from babel.messages.pofile import read_po


@cache
def _texts(language: str) -> dict[str, str]:
    resource = files("mykey_taxi") / "translations" / f"{language}.po"
    catalogue = read_po(BytesIO(resource.read_bytes()))
    return {str(message.id): str(message.string) for message in catalogue if message.id and message.string}


def words(key: str, language: str = "ja", **values: str | int) -> str:
    """The text of `key` in a language, Japanese where it is missing; `KeyError` for an unknown key."""
    text = _texts(language).get(key) or _texts("ja")[key]
    return text.format_map(values) if values else text
