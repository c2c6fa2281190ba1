"""The words for a record's state and its clock, and the refusals that stop an upload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum, unique
from typing import Any

from mykey_core.errors import Refusal


@unique
class RecordState(StrEnum):
    """Where a record stands. The first three are decided; the terminal gets a receipt for them."""

    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"  # a person decides
    REJECTED = "rejected"
    PENDING_GAP = "pending_gap"  # an earlier record is missing
    WAITING = "waiting"  # the service did not answer; it is asked again


DECIDED = frozenset({RecordState.ACCEPTED, RecordState.QUARANTINED, RecordState.REJECTED})


@unique
class ClockState(StrEnum):
    """What rules TX-T2 to T4 make of a record's clock."""

    OK = "ok"
    ADJUSTED = "adjusted"
    QUARANTINED = "quarantined"


class UploadRefused(Refusal):
    """The upload ends here: `upload_conflict`, `upload_chain_broken`, `upload_record_invalid`.

    `answers` are those for the records before it, which stand.
    """

    def __init__(self, code: str, detail: str, *, seq: int, answers: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(code, detail)
        self.seq = seq
        self.answers = list(answers)


class ReconcileRefused(Refusal):
    """A clerk asked for what cannot be done: `upload_no_gap`, `upload_not_quarantined`."""
