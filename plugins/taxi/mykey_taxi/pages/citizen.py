"""A rider's own page: what is left, the rides of each month, and the statement as PDF."""

from __future__ import annotations

import segno
from flask import Blueprint
from markupsafe import Markup
from werkzeug.wrappers import Response

from mykey_core.api import PluginDatabase
from mykey_taxi.account import account_of
from mykey_taxi.errors import InputError, OfferError
from mykey_taxi.pages.shown import decided_voucher, month_text, programme_title, voucher_row, yen
from mykey_taxi.programme import packs_of
from mykey_taxi.register import Register, statement_totals
from mykey_taxi.settlement.cycle import cycle_at, parse_cycle
from mykey_taxi.settlement.documents import statement_of
from mykey_taxi.settlement.lines import rides_of
from mykey_taxi.vouchers import Vouchers, grouped
from mykey_web.api import date_text, download, plugin_request, redirect_after, render, t

citizen = Blueprint("taxi-mine", __name__, template_folder="../templates")


def _rider(database: PluginDatabase) -> str | None:
    subject = plugin_request().visitor.subject
    return None if subject is None else Register(database).rider_of(subject)


@citizen.get("/")
def show() -> str:
    """What is left today and this year, the rides of this month, and the statements of closed months."""
    asked = plugin_request()
    language, month = asked.visitor.language, str(cycle_at(asked.at))
    with asked.reading() as database:
        rider = _rider(database)
        if rider is None:
            return render("mykey_taxi/mine.html", account=None)
        account = account_of(packs_of(asked.context.settings), database, rider, asked.at)
        lines = rides_of(database, rider, month, language)
        return render(
            "mykey_taxi/mine.html",
            account=account,
            until=date_text(account.until, language) if account.until else None,
            month=month_text(month, language),
            rides=[
                (date_text(line.day, language), line.time, line.board_zone, line.alight_zone, yen(line.fare_yen),
                 yen(line.share_yen), line.note)
                for line in lines
            ],
            vouchers=[voucher_row(row, language) for row in _vouchers(database).waiting(rider)],
            months=[
                (name, month_text(name, language), total)
                for name, total in sorted(statement_totals(database, rider).items(), reverse=True)
            ],
        )  # fmt: skip


@citizen.post("/voucher")
def voucher() -> str | Response:
    """A new voucher with its QR code; the page is the only place that ever shows the code."""
    asked = plugin_request()
    try:
        with asked.transaction() as database:
            rider = _rider(database)
            if rider is None:
                raise OfferError("not_registered")
            code = _vouchers(database).issue(rider, asked.at)
            asked.context.audit.record("taxi.voucher-issued", database, asked.visitor.subject)
    except OfferError as error:
        return render("mykey_taxi/refused.html", code=error.code, text=t(f"reason.{error.reason}"))
    picture = segno.make(code, error="m").svg_inline(scale=6, border=4, dark="#000", light="#fff")
    qr = Markup(picture)  # noqa: S704 - made by segno from our own code
    return render("mykey_taxi/voucher.html", code=grouped(code), qr=qr)


@citizen.post("/voucher/decide")
def decide() -> Response:
    """The second step: the rider says that the ride was theirs, or was not."""
    with plugin_request().reading() as database:
        rider = _rider(database)
    return redirect_after(".show", **({"notice": "vouchers.gone"} if rider is None else decided_voucher(rider)))


def _vouchers(database: PluginDatabase) -> Vouchers:
    return Vouchers(packs_of(plugin_request().context.settings), database)


@citizen.get("/statement/<month>.pdf")
def statement(month: str) -> Response:
    """The statement (利用明細書) of one closed month."""
    asked = plugin_request()
    try:
        cycle = str(parse_cycle(month))
    except InputError:
        return redirect_after(".show")
    with asked.reading() as database:
        rider = _rider(database)
        if rider is None or cycle not in statement_totals(database, rider):
            return redirect_after(".show", notice="statement.none")
        language = asked.visitor.language
        title = programme_title(packs_of(asked.context.settings), cycle, language)
        content = statement_of(database, rider, cycle, programme=title, language=language)
    return download(content, f"taxi-{cycle}.pdf", "application/pdf")
