"""`context.log`: what a plugin writes into the hub's log, with everything redacted that may be about a person.

It is an allow-list: machine words, enum members, UUIDs, flags and small numbers pass; any other value is replaced. So a
PIN, a serial, a name or an address cannot get into the log by this way, whatever the plugin hands over.
"""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from enum import Enum
from uuid import UUID

REDACTED = "[redacted]"
_WORD = "[a-z][a-z0-9]{0,23}"
_EVENT = re.compile(rf"{_WORD}(?:[._-][a-z0-9]{{1,24}}){{0,9}}")
_CODE = re.compile(rf"{_WORD}(?:[._-][a-z0-9]{{1,24}}){{1,9}}")
_DIGITS = re.compile(r"[0-9]{4,}")
_SMALL = 1000


def redacted(value: object) -> str:
    """The value as the log may show it; numbers from 1,000 on are shown by their number of digits only."""
    if isinstance(value, Enum):
        return str(value.value)
    if value is None or isinstance(value, (bool, UUID, timedelta)):
        return str(value)
    if isinstance(value, int):
        return str(value) if abs(value) < _SMALL else f"[number of {len(str(abs(value)))} digits]"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < _SMALL else REDACTED
    if isinstance(value, BaseException):
        return type(value).__name__
    return value if isinstance(value, str) and _is_code(value) else REDACTED


def _is_code(text: str) -> bool:
    return _CODE.fullmatch(text) is not None and _DIGITS.search(text) is None


class PluginLog:
    """Events with fields: `log.info("loan.made", count=3)`. An event is a constant machine word."""

    __slots__ = ("_logger",)

    def __init__(self, plugin: str) -> None:
        self._logger = logging.getLogger(f"mykey.plugins.{plugin}")

    def debug(self, event: str, /, **fields: object) -> None:
        """For the plugin's author."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Something happened as it should."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Something that an administrator may want to look at."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Something that an administrator has to look at."""
        self._write(logging.ERROR, event, fields)

    def _write(self, level: int, event: str, fields: dict[str, object]) -> None:
        if not self._logger.isEnabledFor(level):
            return
        known = _EVENT.fullmatch(event) is not None and _DIGITS.search(event) is None
        parts = [event if known else REDACTED, *(f"{name}={redacted(value)}" for name, value in fields.items())]
        self._logger.log(level, "%s", " ".join(parts))
