"""What pages of several areas show: the programme's name, flags and reasons in words, operators by name."""

from __future__ import annotations

from typing import Any

from babel.dates import get_month_names
from flask import request

from mykey_core.api import TOKYO, PluginDatabase
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


def month_text(month: str, language: str) -> str:
    """`2026-10` as people write it."""
    cycle = parse_cycle(month)
    name = get_month_names("wide", locale="en")[cycle.month] if language == "en" else cycle.month
    return t("month", year=cycle.year, month=name)


def yen(amount: int) -> str:
    """An amount with commas between the thousands."""
    return f"{amount:,}"


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
        "stamp": f"{ride.board_at.astimezone(TOKYO):%Y/%m/%d\u00a0%H:%M}",
        "operator": operators.get(ride.operator_id, ride.operator_id),
        "fare": yen(ride.fare_yen),
        "subsidy": yen(ride.subsidy_yen),
        "riders": ride.riders,
        "why": marks or [t("held.denied_or_clock")],
    }


def voucher_row(row: Any, language: str) -> dict[str, object]:
    """A voucher that waits for its second step, without code and registration."""
    known = {"fare": row.meter_yen - row.discount_yen, "subsidy": row.subsidy_yen, "cash": row.cash_yen}
    amounts = {name: yen(amount) for name, amount in known.items()}
    return {"id": row.offer_id, "at": instant_text(row.board_at, language), **amounts}


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
