"""The routes by which a terminal hands in its offline queue, tells how it is, and fetches its configuration."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from apiflask import APIBlueprint
from flask import g
from pydantic import AwareDatetime, BaseModel, Field

from mykey_core.hub import Hub
from mykey_core.uploads.chain import MAX_INTEGER
from mykey_core.uploads.receive import Upload
from mykey_web.api_v1.models import Model

_MOST_RECORDS = 100
_BOOT_ID = r"^[A-Za-z0-9-]{1,64}$"
_Takes = Callable[[APIBlueprint, type[BaseModel]], Callable[[Callable[..., Any]], Callable[..., Any]]]


class RecordBody(Model):
    """A record of the queue as it was signed; see docs/reference/offline-queue.md.

    Hashes are 32 bytes in hexadecimal digits, `sig` is base64url without padding.
    """

    terminal_id: str = Field(max_length=36)
    seq: int = Field(ge=1, le=MAX_INTEGER)
    record_id: str = Field(max_length=36)
    service: str = Field(max_length=64)
    recorded_at: str = Field(max_length=30)
    boot_id: str = Field(pattern=_BOOT_ID)
    mono_ms: int = Field(ge=0, le=MAX_INTEGER)
    payload: dict[str, Any]
    prev_hash: str = Field(max_length=64)
    hash: str = Field(max_length=64)
    sig: str = Field(max_length=86)


class UploadBody(Model):
    """The terminal's clocks at this moment, and up to 100 records in the order of their numbers."""

    boot_id: str = Field(pattern=_BOOT_ID)
    wall_clock: AwareDatetime
    monotonic_ms: int = Field(ge=0, le=MAX_INTEGER)
    records: list[RecordBody] = Field(max_length=_MOST_RECORDS)


class RecordAnswer(BaseModel):
    """What became of a record; `receipt` is there once it is decided, and then stays the same for ever."""

    record_id: str
    seq: int
    state: Literal["accepted", "quarantined", "rejected", "pending_gap", "waiting"]
    code: str
    receipt: dict[str, Any] | None = None


class UploadReply(BaseModel):
    """One answer for each record, and the ranges of numbers that the hub misses, both ends included."""

    records: list[RecordAnswer]
    missing: list[tuple[int, int]]


def add_upload_routes(api: APIBlueprint, hub: Hub, takes: _Takes) -> None:
    """Add the routes; `takes` gives a view its checked body."""

    @api.post("/uploads")
    @takes(api, UploadBody)
    @api.output(UploadReply)
    @api.doc(security="terminal", tags=["offline queue"])
    def upload(body: UploadBody) -> UploadReply:
        """Hand in records of the offline queue; a record that is known is answered again with the same receipt."""
        records = [record.model_dump() for record in body.records]
        wall: datetime = body.wall_clock
        answer = hub.uploads.receive(g.terminal, Upload(body.boot_id, wall, body.monotonic_ms, records))
        return UploadReply(
            records=[RecordAnswer(**record) for record in answer.records],
            missing=answer.missing,
        )
