"""Logs: one JSON line an event with the request's id, and no personal data whatever a library puts into an exception.

Everything that speaks by Python's logging comes through here; what is logged is decided where it happens. An exception
is told by its type and the places in the code, never by its words, because words may hold what somebody has typed.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import PurePath
from typing import Any, Final

import structlog

from mykey_core.request_id import REQUEST_ID

FORMATS: Final = ("json", "text")
_FRAMES: Final = 12
Event = MutableMapping[str, Any]


def exceptions_without_words(_logger: object, _name: str, event: Event) -> Event:
    """Put type and places of an exception in place of its traceback; its causes as well."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info if isinstance(info, BaseException) else None
    if info is True:
        error = sys.exc_info()[1]
    if error is not None:
        event["exception"] = [_told(one) for one in _chain(error)]
    return event


def exceptions_as_lines(_logger: object, _name: str, event: Event) -> Event:
    """The same for a person: a line for each exception and each place, which is what the renderer of text takes."""
    if "exception" in event:
        event["exception"] = "\n".join(
            line for one in event["exception"] for line in (one["type"], *(f"  {place}" for place in one["places"]))
        )
    return event


def with_request_id(_logger: object, _name: str, event: Event) -> Event:
    """Add the id of the request that this thread is busy with."""
    if REQUEST_ID.get():
        event["request_id"] = REQUEST_ID.get()
    return event


def configure_logs(form: str = "json", level: int = logging.INFO) -> None:
    """Send every log line of this process to standard error, as JSON or as text for a person."""
    shared: list[structlog.typing.Processor] = [
        with_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        exceptions_without_words,
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.processors.JSONRenderer(ensure_ascii=False)]
        if form == "json"
        else [exceptions_as_lines, structlog.dev.ConsoleRenderer(colors=False)]
    )
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared[:1], structlog.stdlib.ExtraAdder({"endpoint", "method", "status", "milliseconds"}),
                           *shared[1:]],
        processors=[remove, *last],
    )  # fmt: skip
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("httpx", "httpcore", "alembic", "waitress.queue"):
        logging.getLogger(name).setLevel(logging.WARNING)  # httpx tells whole addresses


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found


def _told(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = [f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"type": type(error).__name__, "places": places}
