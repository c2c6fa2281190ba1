"""Which texts of the catalogue travel to a browser, and how a page picks its language.

The wording itself is in `mykey_web/translations`; this module only selects.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Request

from mykey_core.translations import LANGUAGES, Catalogue, load_catalogue, negotiate

_FOR_BROWSERS = ("page.", "refusal.", "check.")


def hub_catalogue() -> Catalogue:
    """The hub's own wording."""
    return load_catalogue("mykey_web", "hub")


def browser_texts(language: str) -> dict[str, str]:
    """Key → text of everything a page may have to say in `language`, unformatted (`{fields}` still in it)."""
    catalogue = hub_catalogue()
    keys = catalogue.texts["ja"]
    return {key: catalogue.get(key, language) for key in keys if key.startswith(_FOR_BROWSERS)}


def page_language(request: Request) -> str:
    """The language asked for by `?lang=`, else by the browser's settings, else Japanese."""
    asked = request.args.get("lang")
    if asked in LANGUAGES:
        return asked
    return negotiate(request.accept_languages.values())


def translator(language: str) -> Callable[[str], str]:
    """A function for templates: key → text in `language`."""
    catalogue = hub_catalogue()
    return lambda key: catalogue.get(key, language)
