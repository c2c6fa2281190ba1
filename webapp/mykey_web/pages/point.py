"""The service-point page: its shell in HTML and its wording as JSON. What happens on the page is in `static/point`.

The page talks to the loopback agent on the same computer; the hub sees neither the PIN nor the card here.
"""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, abort, jsonify, render_template, request
from werkzeug.wrappers import Response as WerkzeugResponse

from mykey_core.counter.acts import CLERKS
from mykey_core.portal.vouchers import ClerkVouchers
from mykey_core.translations import LANGUAGES
from mykey_web.pages.areas import staff
from mykey_web.pages.frame import render
from mykey_web.pages.wording import browser_texts, translator
from mykey_web.sessions.browser import current, language, portal

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def home() -> str:
    """The hub's address alone: a door for citizens, one for this computer as a service point, one for staff."""
    return render("hub/welcome.html")


@blueprint.get("/point")
def point() -> str:
    """The shell of the service point in the visitor's language; scripts fill it."""
    return _shell()


@blueprint.get("/point/cards")
def cards() -> str:
    """The same for a counter where staff write services onto cards."""
    return _shell("cards")


@blueprint.get("/point/cards/clerk/<uuid:terminal>")
def clerk(terminal: UUID) -> Response:
    """The clerk who is signed in in this browser, with a voucher for orders of this terminal; null without one."""
    here, session = portal(), current().session
    vouchers = ClerkVouchers(here.hub.database, here.hub.settings.municipality, here.sessions)
    member = staff()
    found = None
    if session is not None and member is not None and member.roles.intersection(CLERKS):
        voucher = vouchers.issue(session, terminal, here.hub.clock())
        found = {"title": member.title, "voucher": voucher, "by_card": session.method == "card"}
    response = jsonify({"clerk": found})
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/point/gate")
def gate() -> str:
    """The same for a gate: a card with the service on it is tapped, without PIN."""
    return _shell("gate")


def _shell(mode: str | None = None) -> str:
    chosen = language()
    evidence = portal().hub.settings.show_evidence
    return render_template(
        "point/point.html", language=chosen, languages=LANGUAGES, t=translator(chosen), mode=mode, evidence=evidence
    )


@blueprint.get("/point/texts/<language>.json")
def texts(language: str) -> WerkzeugResponse:
    """All wording of the page in one language (404 for a language that we do not have)."""
    if language not in LANGUAGES:
        abort(404)
    response: Response = jsonify(browser_texts(language))
    response.headers["Content-Language"] = language
    response.cache_control.no_cache = True
    response.add_etag()
    return response.make_conditional(request)
