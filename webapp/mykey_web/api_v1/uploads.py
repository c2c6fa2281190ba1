"""The routes by which a terminal hands in its offline queue, tells how it is, and fetches its configuration."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from apiflask import APIBlueprint
from flask import g
from pydantic import AwareDatetime, BaseModel, Field

from mykey_core.hub import Hub
from mykey_core.terminals.configuration import POLL
from mykey_core.terminals.reports import Report
from mykey_core.uploads.chain import MAX_INTEGER
from mykey_core.uploads.receive import Upload
from mykey_web.api_v1.conditional import may_be_kept
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


class QueueReport(Model):
    """How many records of the queue the hub has not received, how many it has not decided, and the newest number."""

    pending: int = Field(ge=0, le=MAX_INTEGER)
    unsettled: int = Field(ge=0, le=MAX_INTEGER)
    last_seq: int = Field(ge=0, le=MAX_INTEGER)


class ReportBody(Model):
    """How a terminal is. `configuration` is the number that it works with, 0 before the first."""

    version: str = Field(min_length=1, max_length=40)
    wall_clock: AwareDatetime
    configuration: int = Field(ge=0, le=2**31 - 1)
    queue: QueueReport | None = None
    reader: Literal["ready", "missing", "busy", "none"] = "none"
    problems: list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]] = Field(
        default_factory=list, max_length=16
    )


class ReportReply(BaseModel):
    """The number of the configuration that is valid now, the hub's time, and when to report again."""

    configuration: int
    now: str
    poll_seconds: int


class ConfigurationReply(BaseModel):
    """`configuration` is a JWS (RFC 7515, compact, Ed25519); `key` the hub's public key for terminals (JWK)."""

    sequence: int
    configuration: str
    key: dict[str, str]


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

    @api.post("/terminal/report")
    @takes(api, ReportBody)
    @api.output(ReportReply)
    @api.doc(security="terminal", tags=["terminals"])
    def report(body: ReportBody) -> ReportReply:
        """Tell version and health, and hear whether there is a newer configuration. A revoked terminal gets 401."""
        queue = body.queue.model_dump() if body.queue else None
        facts = {"queue": queue, "reader": body.reader, "problems": sorted(body.problems)}
        wall: datetime = body.wall_clock
        hub.terminal_reports.take(g.terminal.id, Report(body.version, body.configuration, wall, facts))
        return ReportReply(
            configuration=hub.configurations.sequence(g.terminal),
            now=hub.clock().isoformat(),
            poll_seconds=int(POLL.total_seconds()),
        )

    @api.get("/terminal/configuration")
    @api.output(ConfigurationReply)
    @api.doc(security="terminal", tags=["terminals"])
    def configuration() -> ConfigurationReply:
        """What the terminal needs to know without a network: services and denied cards, signed by the hub."""
        signed = hub.configurations.signed(g.terminal)
        may_be_kept(f"{signed.sequence}-{hub.clock():%Y%m%d}")  # signed anew each day, so that it does not grow stale
        return ConfigurationReply(
            sequence=signed.sequence, configuration=signed.document, key=hub.configurations.public_jwk()
        )
