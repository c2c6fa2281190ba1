"""The library in the citizen's portal: my loans, renewing, finding and reserving books, and what is kept of me."""

from __future__ import annotations

from flask import Blueprint, request
from werkzeug.wrappers import Response

from mykey_core.api import PluginDatabase
from mykey_library.circulation import CheckoutRequest, HoldMode, HoldRequest, Outcome, Place
from mykey_library.embedded import EmbeddedCirculation
from mykey_library.family import numbers as family_numbers
from mykey_library.links import LinkKind, Links
from mykey_library.pages import shown
from mykey_library.rows import Rows
from mykey_library.system import embedded
from mykey_web.api import plugin_request, redirect_after, render, t

citizen = Blueprint("library-mine", __name__, template_folder="../templates")
_SERVICE = "library-desk"


def _library(database: PluginDatabase) -> EmbeddedCirculation:
    asked = plugin_request()
    return embedded(asked.context, database, asked.at, Place("portal", language=asked.visitor.language))


def _number(database: PluginDatabase) -> str | None:
    subject = plugin_request().visitor.subject
    return None if subject is None else Links(Rows(database)).number_of(subject)


@citizen.get("/")
def show() -> str:
    """What I have, what I wait for, and what the library has to say."""
    asked = plugin_request()
    with asked.reading() as database:
        number = _number(database)
        if number is None:
            return render("mykey_library/join.html", wrong=None)
        library, language = _library(database), asked.visitor.language
        patron = library.register.patron(number)
        return render(
            "mykey_library/mine.html",
            number=number,
            patron=patron,
            loans=[shown.loan_row(loan, library.today, language) for loan in library.loans.of_patron(number)],
            holds=[shown.hold_row(library, one, language) for one in library.holds.of_patron(number)],
            notices=shown.notices(library, number, language),
            reasons=[t(f"reason.{reason.value}") for reason in library.patron_status(number).reasons],
            kept=library.log.kept(number) if patron and patron.keeps_history else [],
            family=family_numbers(asked.context, Links(library.rows), _SERVICE),
        )


@citizen.post("/join")
def join() -> str | Response:
    """Link the signed-in person by patron number and the library's own PIN."""
    asked = plugin_request()
    with asked.transaction() as database:
        library, links = _library(database), Links(Rows(database))
        number = request.form.get("number", "").strip()
        patron = library.register.lock(number)
        good = patron is not None and patron.pin_ok(request.form.get("pin", "")) is True
        if not good or links.has_card(number):
            return render("mykey_library/join.html", wrong=t("join.wrong"))
        links.add(asked.new_subject(database), number, LinkKind.AUTH_CERTIFICATE, asked.at)
    return redirect_after(".show", notice="join.done")


@citizen.post("/renew")
def renew() -> Response:
    """Renew one loan, or with no barcode all of them."""
    barcode = request.form.get("barcode", "")
    with plugin_request().transaction() as database:
        number, library = _number(database), _library(database)
        if number is None:
            return redirect_after(".show")
        if not barcode:
            library.renew_all(number)
            return redirect_after(".show", notice="renewed.all")
        answer = library.renew(CheckoutRequest(number, barcode))
    return redirect_after(".show", notice=_notice(answer, "renewed.notice"))


@citizen.get("/search")
def search() -> str:
    """Find titles, and reserve them."""
    asked = plugin_request()
    words = request.args.get("q", "").strip()
    with asked.reading() as database:
        library, number = _library(database), _number(database)
        found = library.collection.search(words) if words else []
        titles = [(row, _copies(library, row.id), len(library.holds.queue(row.id))) for row in found]
        branches = list(library.collection.branches().items())
    return render(
        "mykey_library/search.html", words=words, titles=titles, branches=branches, may_hold=number is not None
    )


def _copies(library: EmbeddedCirculation, title_id: str) -> tuple[int, int]:
    """(copies on the shelf, all copies)."""
    copies = library.collection.copies(title_id)
    free = [copy for copy in copies if library.item_information(copy.barcode).state.value == "03"]
    return len(free), len(copies)


@citizen.post("/hold")
def hold() -> Response:
    """Reserve a title, or cancel the hold."""
    mode = HoldMode.DELETE if request.form.get("mode") == "cancel" else HoldMode.ADD
    with plugin_request().transaction() as database:
        number, library = _number(database), _library(database)
        if number is None:
            return redirect_after(".show")
        wanted = HoldRequest(mode, number, title=request.form.get("title", ""), pickup=request.form.get("pickup", ""))
        answer = library.hold(wanted)
    done = "held.notice" if mode is HoldMode.ADD else "unheld.notice"
    return redirect_after(".show", notice=_notice(answer, done))


@citizen.post("/history")
def history() -> Response:
    """Keep the titles of what I have read, or stop that and delete what is kept."""
    wanted = request.form.get("wanted") == "yes"
    with plugin_request().transaction() as database:
        number, library = _number(database), _library(database)
        if number is not None:
            library.register.keep_history(number, wanted=wanted)
            if not wanted:
                library.log.drop_kept(number)
    return redirect_after(".show", notice="history.on" if wanted else "history.off")


def _notice(answer: Outcome, done: str) -> str:
    """The key of what is said on the next page: the deed, or the reason why not."""
    return done if answer.done or answer.reason is None else f"reason.{answer.reason.value}"
