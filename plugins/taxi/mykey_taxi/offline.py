"""A ride from a cab's signed queue: its record becomes a ride, and the verdict its receipt.

The payload is the record of taxi.md §7 without the terminal's own members, which the hub has checked. Times in it are
the terminal's; what the hub found the clock to be ahead is taken off. What the cards answered is checked by the core.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from mykey_core.api import (
    ClockState,
    OfflineRecord,
    PluginContext,
    PluginDatabase,
    RecordState,
    RecordVerdict,
    SlotProof,
)
from mykey_taxi.errors import TaxiError
from mykey_taxi.held import accept
from mykey_taxi.intake import Arrival, take
from mykey_taxi.register import Cab, Register
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.rules.ride import Flag
from mykey_taxi.upload.card_proof import amounts_agree, counter_flag
from mykey_taxi.upload.record import CardProof, RideRecord, read_record

POINT: Final = "point:"
"""Before the name of a service point, in the place of a terminal's alias: the cab that the point is."""
_DOUBTFUL: Final = Flag.MAC_INVALID | Flag.CLONE_SUSPECTED


@dataclass(slots=True)
class Proven:
    """What the cards' proofs of one ride say; `counters` are noted once the ride is stored."""

    flags: Flag = Flag.NONE
    denied: bool = False
    counters: dict[str, int] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        """Whether a person has to look before anybody is paid."""
        return self.denied or bool(self.flags & _DOUBTFUL)


def cab_of(database: PluginDatabase, terminal: str, point: str) -> Cab | None:
    """The cab of a terminal, or of the service point that it stands for."""
    book = Register(database)
    return book.cab(terminal) or book.cab(POINT + point)


def settle_record(
    context: PluginContext, packs: PackSeries, record: OfflineRecord, database: PluginDatabase
) -> RecordVerdict:
    """Store and judge one ride. A record of another form, or from a cab that is not registered, waits for a person."""
    cab = cab_of(database, record.terminal, record.service_point)
    if cab is None:
        return RecordVerdict(RecordState.QUARANTINED, "taxi.cab_unknown")
    own = {"terminal_id": record.terminal, "seq": record.sequence, "ride_id": str(record.record_id)}
    try:
        ride = read_record({**record.payload, **own})
        proven = prove(context, ride, database)
        arrival = _arrival(record, cab, proven)
        receipt = take(database, packs, ride, arrival)
        if not receipt.new and receipt.status == "held" and accept(database, ride.ride_id, record.received_at):
            receipt = take(database, packs, ride, arrival)  # a record comes twice only when a clerk has released it
    except TaxiError as error:
        return RecordVerdict(RecordState.QUARANTINED, error.code)
    for alias, counter in proven.counters.items():
        Register(database).note_counter(alias, counter)
    state = RecordState.QUARANTINED if receipt.status == "held" else RecordState.ACCEPTED
    return RecordVerdict(state, f"taxi.{receipt.reason or receipt.status}", receipt.as_json())


def _arrival(record: OfflineRecord, cab: Cab, proven: Proven) -> Arrival:
    adjusted = record.clock is ClockState.ADJUSTED
    return Arrival(
        terminal=record.terminal,
        operator_id=cab.operator_id,
        received_at=record.received_at,
        skew=record.skew if adjusted else timedelta(0),
        flags=proven.flags | (Flag.CLOCK_ADJUSTED if adjusted else Flag.NONE),
        held=record.clock is ClockState.QUARANTINED or proven.held,
    )


def prove(context: PluginContext, ride: RideRecord, database: PluginDatabase) -> Proven:
    """Check what each rider's card answered. An offline ride needs a proof of every rider."""
    found = Proven()
    for proof in ride.proofs:
        _prove_one(context, ride, proof, database, found)
    shown = {proof.rider for proof in ride.proofs}
    if ride.mode == "offline" and not set(ride.riders) <= shown:
        found.flags |= Flag.MAC_INVALID
    return found


def _prove_one(
    context: PluginContext, ride: RideRecord, proof: CardProof, database: PluginDatabase, found: Proven
) -> None:
    receipt = proof.tmc.to_bytes(4, "big") + bytes.fromhex(proof.tmv + proof.balance)
    told = SlotProof(bytes.fromhex(proof.card), proof.generation, bytes.fromhex(proof.order), receipt)
    evidence = context.card.check(told)
    card = Register(database).card(evidence.card)
    if not evidence.authentic or not amounts_agree(proof, ride) or card is None or card.rider_id != proof.rider:
        found.flags |= Flag.MAC_INVALID
        return
    found.flags |= counter_flag(card.last_tmc, proof.tmc)
    found.denied = found.denied or card.state != "active"
    found.counters[evidence.card] = proof.tmc
