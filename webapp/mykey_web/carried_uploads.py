"""A terminal's queue that came as a file: `mykey terminal export-queue` wrote it, a clerk carried it here.

The file is believed no more than the network is: each record's signature, hash and place in the chain are checked by
`uploads.receive`, which takes every record once, whichever way it comes and however often.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, ValidationError

from mykey_core.errors import MykeyError
from mykey_core.hub import Hub
from mykey_core.uploads.chain import MAX_INTEGER
from mykey_core.uploads.receive import Upload
from mykey_web.api_v1.models import Model
from mykey_web.api_v1.uploads import RecordBody

_BATCH = 100
_MOST_RECORDS = 100_000


class QueueFileError(MykeyError):
    """The file is no queue of a terminal that this hub accepts; the message says what is wrong with it."""


class TerminalNotAcceptedError(QueueFileError):
    """The file is of a terminal that this hub does not know, or has revoked."""


class _QueueFile(Model):
    format: Literal["mykey-offline-queue-1"]
    terminal_id: UUID
    boot_id: str = Field(pattern=r"^[A-Za-z0-9-]{1,64}$")
    wall_clock: AwareDatetime
    monotonic_ms: int = Field(ge=0, le=MAX_INTEGER)
    records: list[RecordBody] = Field(max_length=_MOST_RECORDS)


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of a file: one answer for each record, and the ranges of numbers that the hub still misses."""

    terminal_id: UUID
    records: list[dict[str, Any]]
    missing: list[tuple[int, int]]


def take_file(hub: Hub, content: str) -> Carried:
    """Take the records of a file. `QueueFileError` for a file of another form or terminal; `UploadRefused` as ever."""
    queue = _read(content)
    terminal = hub.terminals.get(queue.terminal_id)
    if terminal is None:
        raise TerminalNotAcceptedError(
            "the file is of a terminal that this hub does not accept: see `mykey hub terminals`"
        )
    answers: list[dict[str, Any]] = []
    missing: list[tuple[int, int]] = []
    for start in range(0, len(queue.records), _BATCH):
        wires = [record.model_dump() for record in queue.records[start : start + _BATCH]]
        answer = hub.uploads.receive(terminal, _arrived(queue, wires, hub.clock()))
        answers += answer.records
        missing = answer.missing
    return Carried(queue.terminal_id, answers, missing)


def _arrived(queue: _QueueFile, wires: list[dict[str, Any]], now: datetime) -> Upload:
    """The terminal's clocks as they would stand now, after the way here; how long that took nobody can prove.

    A clock that is ahead is seen: a file cannot have been written in the future.
    """
    way = max(now - queue.wall_clock, timedelta(0))
    counted = queue.monotonic_ms + int(way / timedelta(milliseconds=1))
    return Upload(queue.boot_id, queue.wall_clock + way, counted, wires)


def _read(content: str) -> _QueueFile:
    try:
        return _QueueFile.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise QueueFileError(f"this is no queue of a terminal: {place}: {first['msg']}") from None
