"""The plugin's own tables: what terminals reported, what the server decided, what was closed.

Only `taxi_rider.subject` holds a pairwise id; everything else speaks of `rider_id`, the plugin's own service id, so
that re-keying changes one column and deleting a rider makes the rides anonymous.

What a terminal reported (`taxi_ride`) is kept apart from what the server decided (`taxi_settlement`).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from mykey_core.api import UtcInstant

metadata = MetaData()


def _own() -> Column[Any]:
    return Column("municipality", String(6), nullable=False)


rider = Table(
    "taxi_rider",
    metadata,
    _own(),
    Column("rider_id", String(32), nullable=False),
    Column("subject", String(43), nullable=False),  # the pairwise id for this plugin
    Column("registered_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "rider_id"),
    UniqueConstraint("municipality", "subject", name="uq_taxi_rider_subject"),
)

registration = Table(
    "taxi_registration",
    metadata,
    _own(),
    Column("rider_id", String(32), nullable=False),
    Column("first_day", Date, nullable=False),  # civil days in Japan, both included (TX-E4)
    Column("last_day", Date),
    Column("ground", String(100), nullable=False),  # the expression of the pack that was met
    Column("pack_hash", String(64), nullable=False),
    Column("registered_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "rider_id", "first_day"),
    ForeignKeyConstraint(["municipality", "rider_id"], ["taxi_rider.municipality", "taxi_rider.rider_id"]),
)

card = Table(
    "taxi_card",
    metadata,
    _own(),
    Column("card", String(64), nullable=False),  # the card's alias for this plugin
    Column("rider_id", String(32), nullable=False),
    Column("state", String(12), nullable=False),  # active | suspended | deleted
    Column("last_tmc", Integer),  # the last transaction counter that was settled
    Column("since", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "card"),
    ForeignKeyConstraint(["municipality", "rider_id"], ["taxi_rider.municipality", "taxi_rider.rider_id"]),
    Index("ix_taxi_card_rider", "municipality", "rider_id"),
)

card_pass = Table(
    "taxi_pass",
    metadata,
    _own(),
    Column("pass_id", String(32), nullable=False),  # stands in the slot; what a terminal looks up in its deny list
    Column("rider_id", String(32), nullable=False),
    Column("state", String(8), nullable=False),  # active | lost
    Column("issued_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "pass_id"),
    ForeignKeyConstraint(["municipality", "rider_id"], ["taxi_rider.municipality", "taxi_rider.rider_id"]),
    Index("ix_taxi_pass_rider", "municipality", "rider_id"),
)

operator = Table(
    "taxi_operator",
    metadata,
    _own(),
    Column("operator_id", String(32), nullable=False),
    Column("name", String(200), nullable=False),
    Column("payee", String(60), nullable=False),  # as the bank takes it; corporate forms are written by a person (ZG-6)
    Column("bank", String(4), nullable=False),
    Column("branch", String(3), nullable=False),
    Column("account_type", Integer, nullable=False),
    Column("account", String(7), nullable=False),
    Column("customer_code", String(10), nullable=False),
    PrimaryKeyConstraint("municipality", "operator_id"),
)

terminal = Table(
    "taxi_terminal",
    metadata,
    _own(),
    Column("terminal", String(64), nullable=False),  # the terminal's alias for this plugin
    Column("operator_id", String(32), nullable=False),
    Column("vehicle", String(32), nullable=False),
    PrimaryKeyConstraint("municipality", "terminal"),
    ForeignKeyConstraint(["municipality", "operator_id"], ["taxi_operator.municipality", "taxi_operator.operator_id"]),
)

offer = Table(
    "taxi_offer",
    metadata,
    _own(),
    Column("offer_id", String(64), nullable=False),  # of a voucher: SHA-256 of its code, which is kept nowhere
    Column("kind", String(8), nullable=False),  # online | voucher | aboard (rides with whoever confirms)
    Column("state", String(9), nullable=False),  # issued | reserved | settled | refused
    Column("rider_id", String(32), nullable=False),
    Column("made_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    Column("point", String(64)),  # the service point that typed the fare
    Column("board_at", UtcInstant),
    Column("alight_at", UtcInstant),
    Column("board_zone", String(64)),
    Column("alight_zone", String(64)),
    Column("meter_yen", Integer),
    Column("discount_yen", Integer),
    Column("subsidy_yen", Integer),  # as it was shown; the settlement decides again
    Column("cash_yen", Integer),
    Column("pack_hash", String(64)),
    Column("riders", String(600)),  # of an online ride: rider ids in tap order, separated by spaces
    PrimaryKeyConstraint("municipality", "offer_id"),
    Index("ix_taxi_offer_rider", "municipality", "rider_id", "state"),
)

ride = Table(
    "taxi_ride",
    metadata,
    _own(),
    Column("ride_id", String(64), nullable=False),
    Column("terminal", String(64), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("operator_id", String(32), nullable=False),
    Column("board_at", UtcInstant, nullable=False),  # after clock correction
    Column("alight_at", UtcInstant, nullable=False),
    Column("board_zone", String(64)),
    Column("alight_zone", String(64)),
    Column("meter_yen", Integer, nullable=False),
    Column("discount_yen", Integer, nullable=False),
    Column("riders", String(600), nullable=False),  # rider ids in tap order, separated by spaces
    Column("online", Integer, nullable=False),
    Column("reported_pack", String(64), nullable=False),
    Column("reported_subsidy", Integer, nullable=False),
    Column("reported_cash", Integer, nullable=False),
    Column("flags", Integer, nullable=False),  # found at the upload: clock and card proof (rules.ride.Flag)
    Column("received_at", UtcInstant, nullable=False),
    Column("cycle", String(7)),  # NULL while a person has to decide
    PrimaryKeyConstraint("municipality", "ride_id"),
    UniqueConstraint("municipality", "terminal", "seq", name="uq_taxi_ride_sequence"),
    Index("ix_taxi_ride_order", "municipality", "cycle", "board_at", "terminal", "seq"),  # TX-L5
)

ride_rider = Table(
    "taxi_ride_rider",
    metadata,
    _own(),
    Column("rider_id", String(32), nullable=False),
    Column("board_at", UtcInstant, nullable=False),
    Column("ride_id", String(64), nullable=False),
    Column("position", Integer, nullable=False),  # of the tap, from zero
    PrimaryKeyConstraint("municipality", "rider_id", "board_at", "ride_id"),
)

settlement = Table(
    "taxi_settlement",
    metadata,
    _own(),
    Column("ride_id", String(64), nullable=False),
    Column("reason", String(20)),  # NULL: settled
    Column("subsidy_yen", Integer, nullable=False),
    Column("cash_yen", Integer, nullable=False),
    Column("counted", Integer, nullable=False),  # bit mask over tap positions
    Column("over", Integer, nullable=False),  # the same: over a limit
    Column("units", String(40)),  # vouchers of each counted rider, separated by spaces
    Column("flags", Integer, nullable=False),
    Column("pack_hash", String(64), nullable=False),
    PrimaryKeyConstraint("municipality", "ride_id"),
)

cycle = Table(
    "taxi_cycle",
    metadata,
    _own(),
    Column("cycle", String(7), nullable=False),
    Column("state", String(8), nullable=False),  # closing | closed
    Column("begun_at", UtcInstant, nullable=False),
    Column("closed_at", UtcInstant),
    Column("rides", Integer),
    Column("subsidy_yen", Integer),
    PrimaryKeyConstraint("municipality", "cycle"),
)

statement = Table(
    "taxi_statement",
    metadata,
    _own(),
    Column("cycle", String(7), nullable=False),
    Column("rider_id", String(32), nullable=False),
    Column("rides", Integer, nullable=False),
    Column("subsidy_yen", Integer, nullable=False),  # corrections included, so it may be negative
    PrimaryKeyConstraint("municipality", "cycle", "rider_id"),
    Index("ix_taxi_statement_rider", "municipality", "rider_id", "cycle"),
)

year_use = Table(
    "taxi_year_use",
    metadata,
    _own(),
    Column("year", Integer, nullable=False),  # fiscal year of boarding
    Column("cycle", String(7), nullable=False),
    Column("rider_id", String(32), nullable=False),
    Column("uses", Integer, nullable=False),
    PrimaryKeyConstraint("municipality", "year", "cycle", "rider_id"),
)

invoice = Table(
    "taxi_invoice",
    metadata,
    _own(),
    Column("cycle", String(7), nullable=False),
    Column("operator_id", String(32), nullable=False),
    Column("rides", Integer, nullable=False),
    Column("rides_yen", Integer, nullable=False),
    Column("corrections_yen", Integer, nullable=False),  # reversing entries, usually negative
    Column("carried_in_yen", Integer, nullable=False),  # what an earlier month left open, zero or negative
    Column("due_yen", Integer, nullable=False),  # what is transferred
    Column("carried_out_yen", Integer, nullable=False),  # a negative rest, for the next month
    PrimaryKeyConstraint("municipality", "cycle", "operator_id"),
)

correction = Table(
    "taxi_correction",
    metadata,
    _own(),
    Column("correction_id", String(36), nullable=False),
    Column("cycle", String(7), nullable=False),  # the later month that it is booked in
    Column("ride_id", String(64), nullable=False),
    Column("kind", String(10), nullable=False),  # reversal | amended
    Column("operator_id", String(32), nullable=False),
    Column("subsidy_yen", Integer, nullable=False),  # signed
    Column("shares", Text, nullable=False),  # JSON: rider id → signed yen
    Column("uses", Text, nullable=False),  # JSON: rider id → signed uses
    Column("reason", String(200), nullable=False),
    Column("entered_by", String(64), nullable=False),
    Column("entered_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "correction_id"),
    UniqueConstraint("municipality", "ride_id", "kind", name="uq_taxi_correction_ride"),
    Index("ix_taxi_correction_cycle", "municipality", "cycle"),
)

document = Table(
    "taxi_document",
    metadata,
    _own(),
    Column("cycle", String(7), nullable=False),
    Column("name", String(100), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    PrimaryKeyConstraint("municipality", "cycle", "name"),
)
