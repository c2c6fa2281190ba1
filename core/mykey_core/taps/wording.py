"""A plugin's answer as JSON with texts by key, and that JSON in a language.

The keys are stored with the tap and put into words at each reply, so that the same tap can be read again in another
language. A cell or a value that is a date in ISO 8601 is put into words as well: plugins say which day, not how.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

from mykey_core.plugins.results import Block, Cell, Facts, Message, Notice, Table, TapResult
from mykey_core.translations import Catalogue, Text

Json = Any
CatalogueOf = Callable[[str], Catalogue | None]
DayText = Callable[[date, str], str]
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MARK = "$text"


def _cell(cell: Cell | None) -> Json:
    if isinstance(cell, Text):
        return {_MARK: cell.key, "domain": cell.domain, "values": dict(cell.values)}
    return cell


def _block(block: Block) -> Json:
    if isinstance(block, Facts):
        rows = [{"label": _cell(label), "value": _cell(value)} for label, value in block.rows]
        return {"kind": "facts", "title": _cell(block.title), "rows": rows}
    if isinstance(block, Table):
        columns = [_cell(column) for column in block.columns]
        body = [[_cell(cell) for cell in row] for row in block.rows]
        return {"kind": "table", "title": _cell(block.title), "columns": columns, "rows": body}
    return _notice(block)


def _notice(block: Notice) -> Json:
    return {"kind": "notice", "level": block.level, "text": _cell(block.text)}


def _message(message: Message) -> Json:
    return {
        "title": _cell(message.title),
        "text": _cell(message.text),
        "what_to_do": _cell(message.what_to_do),
    }


def result_as_json(result: TapResult) -> dict[str, Json]:
    """The plugin's answer with its texts still as keys."""
    return {
        "outcome": result.outcome.value,
        "code": result.code,
        "message": _message(result.message),
        "view": [_block(block) for block in result.view],
        "offers": list(result.offers),
        "visit": None,
    }


def localise(value: Json, language: str, catalogue_of: CatalogueOf, day_text: DayText) -> Json:
    """The same JSON with every key replaced by its text in `language`, and every day by `day_text` of it."""
    if isinstance(value, str):
        return _worded_day(value, language, day_text)
    if isinstance(value, list):
        return [localise(item, language, catalogue_of, day_text) for item in value]
    if not isinstance(value, dict):
        return value
    if _MARK not in value:
        return {key: localise(item, language, catalogue_of, day_text) for key, item in value.items()}
    catalogue = catalogue_of(value["domain"])
    values = {name: localise(one, language, catalogue_of, day_text) for name, one in value["values"].items()}
    return value[_MARK] if catalogue is None else catalogue.get(value[_MARK], language, values)


def _worded_day(value: str, language: str, day_text: DayText) -> str:
    if not _DAY.fullmatch(value):
        return value
    try:
        return day_text(date.fromisoformat(value), language)
    except ValueError:  # 2026-02-30 is no day, and so no date
        return value
