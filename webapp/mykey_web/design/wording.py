"""The words of pages: which catalogue a page's keys are from, and texts of plugins in the reader's language.

`t(key)` looks into the catalogue of the blueprint that answers, then into the frame's own.
"""

from __future__ import annotations

from typing import cast

from flask import current_app, request

from mykey_core.translations import Catalogue, Text, load_catalogue
from mykey_web.sessions.browser import language, portal

_EXTENSION = "mykey_catalogues"


def frame_catalogue() -> Catalogue:
    """The wording of the frame, of signing in and of the citizen portal."""
    return load_catalogue("mykey_web.portal", "portal")


def page_catalogues() -> dict[str, Catalogue]:
    """Name of a blueprint → catalogue, for the application that answers."""
    return cast(dict[str, Catalogue], current_app.extensions.setdefault(_EXTENSION, {}))


def t(key: str, **values: str | int) -> str:
    """The text of `key` in the reader's language, for templates and views."""
    own = page_catalogues().get(request.blueprint or "")
    catalogue = own if own is not None and own.has(key) else frame_catalogue()
    return catalogue.get(key, language(), values or None)


def words(text: Text | str | None) -> str:
    """A `Text` of any domain in the reader's language; a string as it is."""
    if text is None or isinstance(text, str):
        return text or ""
    catalogue = catalogue_of(text.domain)
    return text.key if catalogue is None else catalogue.get(text.key, language(), text.values or None)


def catalogue_of(domain: str) -> Catalogue | None:
    """The catalogue of a domain: the frame's, the hub's, or an active plugin's."""
    if domain == "portal":
        return frame_catalogue()
    if domain == "hub":
        return load_catalogue("mykey_web", "hub")
    return portal().hub.plugins.catalogue(domain)


def refusal_words(code: str) -> dict[str, str]:
    """Title, text and what to do for a refusal, in the reader's language."""
    catalogue = load_catalogue("mykey_web", "hub")
    known = code if catalogue.has(f"refusal.{code}.title") else "request_malformed"
    return {part: catalogue.get(f"refusal.{known}.{part}", language()) for part in ("title", "text", "what_to_do")}


def localised(titles: object) -> str:
    """One text of a language → text mapping, as manifests and settings have it."""
    if not isinstance(titles, dict):
        return str(titles)
    wanted = language()
    return str(titles.get(wanted) or titles.get("ja") or next(iter(titles.values()), ""))
