"""The exported data of services in words, for the page that a citizen reads; the JSON file has them as they are.

A service names its fields by texts `export.<field>` of its catalogue; a field without one is shown by its own name.
A code among the values has the text `export.<field>.<code>`.
"""

from __future__ import annotations

from datetime import date, datetime

from mykey_web.design.dates import date_text, instant_text
from mykey_web.design.wording import catalogue_of, t
from mykey_web.sessions.browser import language


def label(plugin: str, field: str) -> str:
    """The title of a field of a service's data."""
    catalogue, key = catalogue_of(plugin), f"export.{field}"
    if catalogue is not None and catalogue.has(key):
        return catalogue.get(key, language())
    return field.replace("_", " ")


def plain(plugin: str, field: str, value: object) -> str:
    """One value: a code in the service's words, dates in both forms, yes and no in words, numbers with separators."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return t("my.export.yes" if value else "my.export.no")
    if isinstance(value, str):
        catalogue, key = catalogue_of(plugin), f"export.{field}.{value}"
        return catalogue.get(key, language()) if catalogue is not None and catalogue.has(key) else _text(value)
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


def _text(value: str) -> str:
    try:
        if len(value) == len("2026-11-24"):
            return date_text(date.fromisoformat(value), language())
        found = datetime.fromisoformat(value) if "T" in value else None
    except ValueError:
        return value
    return value if found is None or found.tzinfo is None else instant_text(found, language())
