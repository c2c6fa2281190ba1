"""What pages of several areas show: the programme's name, flags and reasons in words, operators by name."""

from __future__ import annotations

from typing import Any

from flask import request

from mykey_core.api import PluginDatabase
from mykey_taxi.errors import OfferError
from mykey_taxi.held import HeldRide
from mykey_taxi.programme import packs_of
from mykey_taxi.register import Register
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.settlement.cycle import parse_cycle
from mykey_taxi.vouchers import Vouchers
from mykey_web.api import instant_text, plugin_request, t


def programme_title(packs: PackSeries, month: str, language: str) -> str:
    """The name of the programme in a month."""
    facts = packs.on(parse_cycle(month).first_day).programme
    titles = {str(name): text for name, text in facts.title.items()}
    return titles.get(language) or titles.get("ja", facts.id)


def operator_names(database: PluginDatabase) -> dict[str, str]:
    """Operator → name."""
    return {name: entry.name for name, entry in Register(database).operators().items()}


def held_row(ride: HeldRide, operators: dict[str, str], language: str) -> dict[str, object]:
    """A ride for the clerk: no registration, no name."""
    marks = [t(f"flag.{name}") for name in ride.flags]
    if ride.reason:
        marks.append(t(f"reason.{ride.reason}"))
    return {
        "id": ride.ride_id,
        "at": instant_text(ride.board_at, language),
        "operator": operators.get(ride.operator_id, ride.operator_id),
        "fare": ride.fare_yen,
        "subsidy": ride.subsidy_yen,
        "riders": ride.riders,
        "why": marks or [t("held.denied_or_clock")],
    }


def voucher_row(row: Any, language: str) -> dict[str, object]:
    """A voucher that waits for its second step, without code and registration."""
    fare = row.meter_yen - row.discount_yen
    known = {"fare": fare, "subsidy": row.subsidy_yen, "cash": row.cash_yen}
    return {"id": row.offer_id, "at": instant_text(row.board_at, language), **known}


def decided_voucher(rider: str | None = None) -> dict[str, str]:
    """Approve or refuse the voucher of the form, of `rider` only where one is given; the notice to show."""
    asked = plugin_request()
    offer_id, approve = request.form.get("voucher", ""), request.form.get("act", "") == "approve"
    said = "approved" if approve else "refused"
    try:
        with asked.transaction() as database:
            book = Vouchers(packs_of(asked.context.settings), database)
            done = (
                book.approve(offer_id, asked.at, rider_id=rider) if approve else book.refuse(offer_id, rider_id=rider)
            )
            if done:
                asked.context.audit.record(f"taxi.voucher-{said}", database, asked.visitor.subject)
    except OfferError:
        return {"notice": "vouchers.not_possible"}
    return {"notice": f"vouchers.{said}" if done else "vouchers.gone"}
