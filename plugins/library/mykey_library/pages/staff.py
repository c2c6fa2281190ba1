"""The librarian's pages: accounts, returns, lending without a card by policy, shelves, overdue items, statistics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from flask import Blueprint, request
from markupsafe import Markup
from werkzeug.wrappers import Response

from mykey_core.api import PluginDatabase
from mykey_library import statistics
from mykey_library.circulation import CheckoutRequest, Place
from mykey_library.embedded import EmbeddedCirculation
from mykey_library.links import Links
from mykey_library.pages import shown
from mykey_library.rules import PatronStanding
from mykey_library.system import embedded
from mykey_web.api import charts, date_text, download, plugin_request, render, requires_role, t

staff = Blueprint("library-staff", __name__, template_folder="../templates")
_CLERK = "clerk"
PURPOSES = ("asked", "loan", "card-lost", "overdue", "correction")
"""For what the staff opens an account; the patron reads it as `purpose.<code>` of the catalogue."""


def _library(database: PluginDatabase) -> EmbeddedCirculation:
    asked = plugin_request()
    place = Place("counter", request.values.get("branch", ""), asked.visitor.language)
    return embedded(asked.context, database, asked.at, place)


def _look_up(library: EmbeddedCirculation, number: str, purpose: str, database: PluginDatabase) -> None:
    """The patron sees in the portal that the staff has looked, and for what."""
    for subject in sorted(Links(library.rows).subjects_of(number)):
        plugin_request().audit_lookup(subject, purpose, database)


@staff.get("/")
@requires_role(_CLERK)
def show() -> str:
    """The desk: one form for a patron, one for a return."""
    with plugin_request().reading() as database:
        return _desk(_library(database), None)


def _desk(library: EmbeddedCirculation, said: shown.Said | None) -> str:
    branches = list(library.collection.branches().items())
    purposes = [(purpose, t(f"purpose.{purpose}")) for purpose in PURPOSES]
    return render("mykey_library/desk.html", branches=branches, said=said, purposes=purposes)


@staff.post("/return")
@requires_role(_CLERK)
def take_back() -> str:
    """Take an item back, and say where it goes."""
    with plugin_request().transaction() as database:
        library = _library(database)
        answer = library.checkin(request.form.get("barcode", "").strip())
        return _desk(library, shown.returned(answer, library.collection.branches()))


@staff.post("/patron")
@requires_role(_CLERK)
def patron() -> str:
    """A patron's account; that the staff looked is recorded first, and without a purpose nothing is shown."""
    number, purpose = request.form.get("number", "").strip(), request.form.get("purpose", "")
    with plugin_request().transaction() as database:
        library = _library(database)
        if purpose not in PURPOSES:
            return _desk(library, shown.Said("warning", t("desk.no_purpose.title"), t("desk.no_purpose.text")))
        _look_up(library, number, purpose, database)
        return _account(library, number)


def _account(library: EmbeddedCirculation, number: str, said: str = "") -> str:
    known = library.register.patron(number)
    language = plugin_request().visitor.language
    return render(
        "mykey_library/patron.html",
        number=number,
        patron=known,
        said=said,
        standing=t(f"patron.state.{known.standing.value}") if known else "",
        policy=library.policy,
        linked=Links(library.rows).has_card(number),
        reasons=[t(f"reason.{reason.value}") for reason in library.patron_status(number).reasons],
        loans=[shown.loan_row(loan, library.today, language) for loan in library.loans.of_patron(number)],
        holds=[shown.hold_row(library, one, language) for one in library.holds.of_patron(number)],
    )


@staff.post("/lend")
@requires_role(_CLERK)
def lend() -> str:
    """Lend to a number without a tap, where the policy allows it; each time is recorded with that it was so."""
    asked = plugin_request()
    number, barcode = request.form.get("number", "").strip(), request.form.get("barcode", "").strip()
    with asked.transaction() as database:
        library = _library(database)
        if not library.policy.desk_without_card:
            return _account(library, number, t("without_card.forbidden"))
        _look_up(library, number, "without-card", database)
        answer = library.checkout(CheckoutRequest(number, barcode, renewal_allowed=False))
        details: dict[str, str | int | bool] = {"policy": "desk-without-card", "done": answer.done}
        asked.context.audit.record("library.lent-without-card", database, details=details)
        reason = t(f"reason.{answer.reason.value}") if answer.reason else ""
        return _account(library, number, reason or t("lent.title", title=answer.title))


@staff.post("/standing")
@requires_role(_CLERK)
def standing() -> str:
    """Stop or admit a patron, or end the link to a card."""
    number, act = request.form.get("number", "").strip(), request.form.get("act", "")
    with plugin_request().transaction() as database:
        library = _library(database)
        _look_up(library, number, "change", database)
        if act == "unlink":
            Links(library.rows).end(number)
        elif act in {"active", "stopped", "lost"}:
            library.register.set_standing(number, PatronStanding(act))
        return _account(library, number, t("standing.done"))


@staff.get("/shelf")
@requires_role(_CLERK)
def shelf() -> str:
    """What has to be fetched from the shelves for holds, and what stands on the hold shelf for too long."""
    with plugin_request().reading() as database:
        library = _library(database)
        return render(
            "mykey_library/shelf.html",
            wanted=statistics.to_fetch(library),
            over=library.holds.expired(library.today),
        )


@staff.get("/overdue")
@requires_role(_CLERK)
def overdue() -> str:
    """Every item that is late, without a name on the page."""
    asked = plugin_request()
    with asked.reading() as database:
        library = _library(database)
        late = library.loans.overdue(library.today)
        rows = [
            (loan.title, loan.barcode, loan.number, date_text(loan.due_on, asked.visitor.language),
             (library.today - loan.due_on).days)
            for loan in late
        ]  # fmt: skip
    return render("mykey_library/overdue.html", rows=rows)


@staff.get("/statistics")
@requires_role(_CLERK)
def statistics_page() -> str:
    """Loans by class and by day."""
    with plugin_request().reading() as database:
        library = _library(database)
        last = library.today
        first = _day(request.args.get("first", ""), last - timedelta(days=29))
        by_class = statistics.by_class(library, first, last)
        by_day = statistics.by_day(library, first, last)
    return render(
        "mykey_library/statistics.html",
        first=first,
        last=last,
        total=sum(by_class.values()),
        by_class=_chart(charts.bar_chart, t("statistics.by_class"), by_class),
        by_day=_chart(charts.line_chart, t("statistics.by_day"), by_day),
    )


@staff.get("/statistics.csv")
@requires_role(_CLERK)
def figures_file() -> Response:
    """The same as a file for the yearly report."""
    with plugin_request().reading() as database:
        library = _library(database)
        first = _day(request.args.get("first", ""), library.today - timedelta(days=365))
        content = statistics.as_csv(library, first, library.today)
    return download(content, "library-statistics.csv", "text/csv")


def _chart(draw: Callable[..., Markup], title: str, counts: dict[str, int]) -> Markup | None:
    if not counts:
        return None
    named = [t(f"ndc.{name}") if len(name) == 1 and name.isalnum() else name for name in counts]
    return draw(title, named, [charts.Series(t("statistics.loans"), list(counts.values()))])


def _day(text: str, otherwise: date) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return otherwise
