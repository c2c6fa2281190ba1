"""Which texts of the catalogue travel to a browser.

The wording itself is in `mykey_web/translations`; this module only selects.
"""

from __future__ import annotations

from collections.abc import Callable

from mykey_core.translations import Catalogue, load_catalogue

_FOR_BROWSERS = ("page.", "refusal.", "check.")


def hub_catalogue() -> Catalogue:
    """The hub's own wording."""
    return load_catalogue("mykey_web", "hub")


def browser_texts(language: str) -> dict[str, str]:
    """Key → text of everything a page may have to say in `language`, unformatted (`{fields}` still in it)."""
    catalogue = hub_catalogue()
    keys = catalogue.texts["ja"]
    return {key: catalogue.get(key, language) for key in keys if key.startswith(_FOR_BROWSERS)}


def translator(language: str) -> Callable[[str], str]:
    """A function for templates: key → text in `language`."""
    catalogue = hub_catalogue()
    return lambda key: catalogue.get(key, language)
