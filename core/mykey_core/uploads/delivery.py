"""Handing a record to the plugin of its service, within the transaction that stores it.

Signature, chain, order and clock have been checked when a record comes here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mykey_core.storage.session import Session
from mykey_core.terminals.registry import Terminal
from mykey_core.uploads.chain import SignedRecord
from mykey_core.uploads.clock import ClockVerdict
from mykey_core.uploads.ledger import Settled, StoredRecord
from mykey_core.uploads.states import ClockState


@dataclass(frozen=True, slots=True)
class Delivery:
    """A record on its way to its service. `recorded_at` is corrected by `skew` where `clock` is adjusted."""

    terminal: Terminal
    service: str
    sequence: int
    record_id: UUID
    recorded_at: datetime
    received_at: datetime
    clock: ClockState
    skew: timedelta
    payload: Mapping[str, Any]

    @classmethod
    def of(cls, terminal: Terminal, record: SignedRecord, clock: ClockVerdict, now: datetime) -> Delivery:
        """Of a record that has just come."""
        return cls(
            terminal=terminal,
            service=record.service,
            sequence=record.seq,
            record_id=record.record_id,
            recorded_at=_corrected(record.recorded_at, clock.state, clock.skew),
            received_at=now,
            clock=clock.state,
            skew=clock.skew,
            payload=record.payload,
        )

    @classmethod
    def of_stored(cls, terminal: Terminal, record: StoredRecord) -> Delivery:
        """Of a record that has waited, or that a clerk released."""
        content = json.loads(record.content)
        return cls(
            terminal=terminal,
            service=record.service,
            sequence=record.seq,
            record_id=record.record_id,
            recorded_at=_corrected(datetime.fromisoformat(content["recorded_at"]), record.clock, record.skew),
            received_at=record.received_at,
            clock=record.clock,
            skew=record.skew,
            payload=content["payload"],
        )


Deliver = Callable[[Delivery, Session], Settled]
"""Gives a record to its service; `PluginFault` when the service fails, and then nothing of it is kept."""


def _corrected(recorded_at: datetime, clock: ClockState, skew: timedelta) -> datetime:
    return recorded_at - skew if clock is ClockState.ADJUSTED else recorded_at
