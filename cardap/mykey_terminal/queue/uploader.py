"""Sending the queue to the hub: in order, in batches, and again until the hub has answered.

Sending twice is harmless: the hub answers a record that it knows with the same receipt. `run` in `running` calls this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mykey_terminal.clock import Clock, system_clock
from mykey_terminal.errors import HubAnswerError, HubProblemError
from mykey_terminal.queue.errors import UploadRefusedError
from mykey_terminal.queue.records import QueuedRecord
from mykey_terminal.queue.store import OfflineQueue, instant

BATCH = 50
BATCH_BYTES = 48_000
"""The hub takes bodies of 64 KiB."""
MAX_ROUNDS = 400
STOPS = frozenset({"upload_conflict", "upload_chain_broken", "upload_record_invalid"})
"""Codes after which sending again is of no use: the hub keeps the evidence, and a person looks at it."""


class UploadHub(Protocol):
    """What the uploader asks of `mykey_terminal.hub.Hub`."""

    def upload(self, body: dict[str, Any]) -> dict[str, Any]:
        """POST /uploads; raises `HubError`."""
        ...


@dataclass(frozen=True, slots=True)
class UploadReport:
    """What one round did: records sent, records that the hub has decided, and what is still pending here."""

    sent: int
    settled: int
    pending: int


@dataclass(slots=True)
class Uploader:
    """Sends one terminal's queue to its hub."""

    hub: UploadHub
    queue: OfflineQueue
    clock: Clock = system_clock
    _refilled: bool = False

    def run_once(self, *, ask_unsettled: bool = False) -> UploadReport:
        """Send everything that is pending; with `ask_unsettled` also ask again about what the hub has not decided.

        Raises `UploadRefusedError` when the hub wants a person to look, and other `HubError`s; what was answered
        before is noted.
        """
        sent = settled = 0
        if ask_unsettled and (open_records := self.queue.unsettled(BATCH)):
            settled += self._send(open_records)
        for _ in range(MAX_ROUNDS):  # a hub that asks for the same records for ever is not obeyed for ever
            if not (batch := self.queue.pending(BATCH)):
                break
            part = _fitting(batch)
            settled += self._send(part)
            sent += len(part)
        if self._refilled:  # what waited behind the gap may be decided now
            self._refilled = False
            settled += self._send(self.queue.unsettled(BATCH))
        return UploadReport(sent, settled, self.queue.counts()["pending"])

    def _send(self, records: Sequence[QueuedRecord]) -> int:
        uptime = self.queue.uptime
        body = {
            "boot_id": uptime.boot_id,
            "wall_clock": instant(self.clock()),
            "monotonic_ms": uptime.milliseconds(),
            "records": [record.on_the_wire() for record in records],
        }
        try:
            answer = self.hub.upload(body)
        except HubProblemError as error:
            settled = self._note(error.problem.extensions.get("records", []), records)
            if error.problem.code in STOPS:
                raise UploadRefusedError(error.problem) from error
            if settled == 0:
                raise
            return settled
        settled = self._note(answer.get("records"), records)
        if records and not answer["records"]:
            raise HubAnswerError("the hub answered for none of the records")
        for first, last in _spans(answer.get("missing", [])):
            self._refilled |= self.queue.send_again(first, last) > 0
        return settled

    def _note(self, answers: Any, records: Iterable[QueuedRecord]) -> int:
        known = {record.record_id: record for record in records}
        if not isinstance(answers, list):
            raise HubAnswerError("the hub's answer to an upload has no records")
        settled = 0
        for answer in answers:
            record = known.get(str(answer.get("record_id"))) if isinstance(answer, Mapping) else None
            if record is None or not isinstance(answer.get("state"), str):
                raise HubAnswerError("the hub's answer to an upload names a record that was not sent")
            receipt = answer.get("receipt")
            self.queue.mark_delivered(record.seq, state=answer["state"], code=answer.get("code"), receipt=receipt)
            settled += receipt is not None
        return settled


def _fitting(records: Sequence[QueuedRecord]) -> Sequence[QueuedRecord]:
    """As many of the first records as one request holds; at least one."""
    size = 0
    for number, record in enumerate(records):
        size += len(record.content.encode()) + 300  # hashes, signature and member names
        if number and size > BATCH_BYTES:
            return records[:number]
    return records


def _spans(missing: Any) -> list[tuple[int, int]]:
    try:
        return [(int(first), int(last)) for first, last in missing]
    except (TypeError, ValueError):
        raise HubAnswerError("the hub's answer to an upload names no ranges") from None
