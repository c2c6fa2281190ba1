"""Checking what a terminal sends for an action against the fields that the manifest declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from mykey_core.plugins.manifest import Action, InputField
from mykey_core.taps.errors import TapRefused


def checked_input(action: Action, values: Mapping[str, Any]) -> dict[str, str]:
    """The fields of `action` as stripped text; `input_invalid` names the first field that is wrong.

    Values are never normalised: a name is kept as it was written.
    """
    fields = {field.name: field for field in action.fields}
    for name in values:
        if name not in fields:
            raise TapRefused("input_invalid", f"unknown field '{name[:40]}'")
    return {name: text for name, field in fields.items() if (text := _checked(field, values.get(name))) is not None}


def _checked(field: InputField, value: Any) -> str | None:
    if value is None or value == "":
        if field.required:
            raise TapRefused("input_invalid", f"the field '{field.name}' is missing")
        return None
    if not isinstance(value, str) or len(value) > field.max_length or not value.isprintable():
        raise TapRefused("input_invalid", f"the field '{field.name}' is no short text")
    text = value.strip()
    if not _fits(field, text):
        raise TapRefused("input_invalid", f"the field '{field.name}' has a wrong form")
    return text


def _fits(field: InputField, text: str) -> bool:
    if field.pattern is not None and re.fullmatch(field.pattern, text) is None:
        return False
    try:
        if field.type == "integer":
            int(text)
        elif field.type == "date":
            date.fromisoformat(text)
    except ValueError:
        return False
    return bool(text)
