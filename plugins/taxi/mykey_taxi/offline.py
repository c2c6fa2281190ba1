"""A ride from a cab's signed queue: its record becomes a ride, and the verdict its receipt.

The payload is the record of taxi.md §7 without the terminal's own members, which the hub has checked. Times in it are
the terminal's; what the hub found the clock to be ahead is taken off.
"""

from __future__ import annotations

from datetime import timedelta

from mykey_core.api import ClockState, OfflineRecord, PluginDatabase, RecordState, RecordVerdict
from mykey_taxi.errors import TaxiError
from mykey_taxi.intake import Arrival, take
from mykey_taxi.register import Register
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.rules.ride import Flag
from mykey_taxi.upload.record import read_record


def settle_record(packs: PackSeries, record: OfflineRecord, database: PluginDatabase) -> RecordVerdict:
    """Store and judge one ride. A record of another form, or from a cab that is not registered, waits for a person."""
    cab = Register(database).cab(record.terminal)
    if cab is None:
        return RecordVerdict(RecordState.QUARANTINED, "taxi.cab_unknown")
    adjusted = record.clock is ClockState.ADJUSTED
    arrival = Arrival(
        terminal=record.terminal,
        operator_id=cab.operator_id,
        received_at=record.received_at,
        skew=record.skew if adjusted else timedelta(0),
        flags=Flag.CLOCK_ADJUSTED if adjusted else Flag.NONE,
        held=record.clock is ClockState.QUARANTINED,
    )
    own = {"terminal_id": record.terminal, "seq": record.sequence, "ride_id": str(record.record_id)}
    try:
        receipt = take(database, packs, read_record({**record.payload, **own}), arrival)
    except TaxiError as error:
        return RecordVerdict(RecordState.QUARANTINED, error.code)
    state = RecordState.QUARANTINED if receipt.status == "held" else RecordState.ACCEPTED
    return RecordVerdict(state, f"taxi.{receipt.reason or receipt.status}", receipt.as_json())
