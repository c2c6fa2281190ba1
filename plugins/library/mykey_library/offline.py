"""Loans and returns that a terminal recorded while the hub could not be reached: what becomes of each record.

The core has checked signature, chain, order and clock. The item has left, or has come back, whatever the rules say; a
record is only refused when it names what does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from mykey_core.api import (
    Json,
    OfflineRecord,
    PluginContext,
    PluginDatabase,
    RecordState,
    RecordVerdict,
    tokyo_date,
)
from mykey_library.circulation import CheckoutRequest, Circulation, Outcome, Place
from mykey_library.system import open_circulation

_ACTS: Final = ("lend", "return")


def judge(context: PluginContext, record: OfflineRecord, database: PluginDatabase) -> RecordVerdict:
    """Record what happened at the terminal: `{"act": "lend" | "return", "barcode", "patron_number"?}`."""
    act, barcode, number = (_text(record.payload, name) for name in ("act", "barcode", "patron_number"))
    if act not in _ACTS or not barcode or (act == "lend" and not number):
        return RecordVerdict(RecordState.REJECTED, "library.record_malformed")
    if record.clock.value == "quarantined":
        return RecordVerdict(RecordState.QUARANTINED, "library.clock_wrong")
    place = Place(record.service_point, record.service_point)
    library = open_circulation(context, database, record.received_at, place)
    if act == "return":
        return _verdict(library.checkin(barcode, returned_at=record.recorded_at, offline=True), "returned")
    return _lent(library, number, barcode, record.recorded_at)


def _lent(library: Circulation, number: str, barcode: str, at: datetime) -> RecordVerdict:
    outcome = library.checkout(CheckoutRequest(number, barcode, offline=True, at=at))
    due = {"due_on": tokyo_date(outcome.due_at).isoformat()} if outcome.due_at else {}
    return _verdict(outcome, "lent", due)


def _verdict(outcome: Outcome, done: str, receipt: Mapping[str, Json] | None = None) -> RecordVerdict:
    if outcome.done:
        return RecordVerdict(RecordState.ACCEPTED, f"library.{done}", dict(receipt or {}))
    reason = outcome.reason.value if outcome.reason else "system_refused"
    return RecordVerdict(RecordState.QUARANTINED, f"library.{reason}")


def _text(payload: Mapping[str, Json], name: str) -> str:
    value = payload.get(name, "")
    return value if isinstance(value, str) else ""
