"""Catalogues of wording: one PO file a language, keyed by stable identifiers such as `refusal.nonce_used.title`.

PO files are read as they are (Babel), so nothing has to be compiled. Numbers and names are put in by `str.format`
fields. Languages: `ja` (complete, the reference), `en`, and `ja-Hira` (plain Japanese, falls back to `ja`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO

from babel.messages.pofile import read_po

LANGUAGES = ("ja", "en", "ja-Hira")
DEFAULT_LANGUAGE = "ja"
_FALLBACK = {"ja-Hira": "ja"}


@dataclass(frozen=True, slots=True)
class Text:
    """A text to be shown later in a language: a key of a catalogue and the values of its fields.

    `domain` is the catalogue: `hub`, or the name of a plugin.
    """

    key: str
    domain: str = "hub"
    values: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The wording of one domain in all its languages: language → key → text."""

    domain: str
    texts: Mapping[str, Mapping[str, str]]

    def has(self, key: str) -> bool:
        """True when the reference language knows `key`."""
        return key in self.texts.get(DEFAULT_LANGUAGE, {})

    def get(self, key: str, language: str, values: Mapping[str, str | int] | None = None) -> str:
        """The text of `key` in `language`, else in its fallback, else in Japanese, else the key itself."""
        for candidate in (language, _FALLBACK.get(language, DEFAULT_LANGUAGE), DEFAULT_LANGUAGE):
            text = self.texts.get(candidate, {}).get(key)
            if text:
                return text.format_map(values) if values else text
        return key


def _read(resource: Traversable) -> dict[str, str]:
    catalogue = read_po(BytesIO(resource.read_bytes()))
    return {str(message.id): str(message.string) for message in catalogue if message.id and message.string}


@cache
def load_catalogue(package: str, domain: str) -> Catalogue:
    """Read `translations/<language>.po` of the installed package `package`."""
    folder = files(package) / "translations"
    return Catalogue(
        domain, {lang: _read(folder / f"{lang}.po") for lang in LANGUAGES if (folder / f"{lang}.po").is_file()}
    )


def negotiate(accepted: Iterable[str]) -> str:
    """The first of the accepted language tags that we have; Japanese where none fits."""
    known = {language.lower(): language for language in LANGUAGES}
    for tag in accepted:
        found = known.get(tag.lower()) or known.get(tag.split("-")[0].lower())
        if found:
            return found
    return DEFAULT_LANGUAGE
