"""The clerk's page: rides that wait for a decision, and those that were settled with a mark."""

from __future__ import annotations

from flask import Blueprint, request
from werkzeug.wrappers import Response

from mykey_taxi import held
from mykey_taxi.pages.shown import decided_voucher, held_row, operator_names, voucher_row
from mykey_taxi.programme import packs_of
from mykey_taxi.vouchers import Vouchers
from mykey_web.api import plugin_request, redirect_after, render, requires_role

staff = Blueprint("taxi-staff", __name__, template_folder="../templates")
_CLERK = "clerk"


@staff.get("/")
@requires_role(_CLERK)
def show() -> str:
    """Rides that wait, and rides with a mark."""
    asked = plugin_request()
    with asked.reading() as database:
        names, language = operator_names(database), asked.visitor.language
        return render(
            "mykey_taxi/held.html",
            waiting=[held_row(ride, names, language) for ride in held.held(database)],
            vouchers=[
                voucher_row(row, language) for row in Vouchers(packs_of(asked.context.settings), database).waiting()
            ],
            marked=[held_row(ride, names, language) for ride in held.flagged(database)],
        )


@staff.post("/decide")
@requires_role(_CLERK)
def decide() -> Response:
    """Accept a ride, or leave it unpaid."""
    asked = plugin_request()
    ride_id, act = request.form.get("ride", ""), request.form.get("act", "")
    with asked.transaction() as database:
        accepted = act == "accept"
        done = held.accept(database, ride_id, asked.at) is not None if accepted else held.refuse(database, ride_id)
        said = "accepted" if accepted else "refused"
        if done:
            asked.context.audit.record(f"taxi.ride-{said}", database)
    return redirect_after(".show", notice=f"held.{said}" if done else "held.gone")


@staff.post("/voucher")
@requires_role(_CLERK)
def voucher() -> Response:
    """The second step of a voucher, where the rider does not take it."""
    return redirect_after(".show", **decided_voucher())
