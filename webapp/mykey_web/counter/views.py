"""The counter's first page, finding a record by card or MyKey ID, enrolling, and how often who has looked up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, jsonify, request, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from mykey_core.counter.acts import CLERKS, DOCUMENTS
from mykey_core.counter.cases import PURPOSES, Case
from mykey_core.identity.search import SEXES
from mykey_core.plugins.pages import Area, NavigationItem
from mykey_web.api import redirect_after
from mykey_web.counter.clerks import clerk, desk, four_attributes, member, titles
from mykey_web.pages.areas import requires_role
from mykey_web.pages.frame import render
from mykey_web.portal.bodies import challenge_id, challenge_json, json_body, text_of, token_of
from mykey_web.sessions.browser import current, portal
from mykey_web.sessions.headers import reads_card

blueprint = Blueprint("counter", __name__)
NAVIGATION = tuple(
    NavigationItem(Area.STAFF, f"counter.{name}.title", endpoint, order)
    for order, (name, endpoint) in enumerate(
        (
            ("home", "home"),
            ("look_up", "look_up"),
            ("enrol", "enrol"),
            ("approvals", "approvals"),
            ("uploads", "uploads"),
            ("counts", "counts"),
            ("passkeys", "passkey_list"),
            ("devices", "devices"),
        ),
        start=10,
    )
)
OVERSEERS = ("auditor", "supervisor", "administrator")
_DAY = timedelta(days=1)
_MONTH = timedelta(days=30)


@blueprint.get("/")
def home() -> str:
    """What is open, what waits, and where to begin."""
    who, work, now = member(), desk(), portal().hub.clock()
    session = current().session
    with portal().hub.database.reading() as database:
        cases = [] if session is None else work.cases.of_browser(database, session, now)
        waiting = work.approvals.waiting(database, now)
        today = sum(one.number for one in work.cases.counts(database, now - _DAY, who.name))
    mine = [one for one in waiting if one.requested_by == who.name]
    others = [one for one in waiting if one.requested_by != who.name and one.state == "open"]
    return render(
        "counter/home.html",
        cases=cases,
        mine=mine,
        others=others,
        today=today,
        limits=work.limits,
        is_clerk=bool(who.roles.intersection(CLERKS)),
    )


@blueprint.get("/look-up")
@requires_role(*CLERKS)
def look_up() -> str:
    """Ask for the purpose, then for the card or the MyKey ID."""
    clerk()
    reads_card()
    return render("counter/look-up.html", purposes=PURPOSES, limits=desk().limits, sexes=SEXES)


@blueprint.post("/look-up")
def look_up_mykey_id() -> WerkzeugResponse:
    """Find the record by the MyKey ID that the citizen names."""
    found = desk().by_mykey_id(clerk(), request.form.get("mykey_id", ""), request.form.get("purpose", ""))
    return redirect_after(".not_found" if found.person_id is None else ".case", **_place(found))


@blueprint.post("/look-up/attributes")
def look_up_attributes() -> WerkzeugResponse:
    """Find the record by all four attributes of somebody who allowed it. They are in no address and no log."""
    found = desk().by_attributes(clerk(), four_attributes(), request.form.get("purpose", ""))
    return redirect_after(".not_found" if found.person_id is None else ".case", **_place(found))


@blueprint.post("/card/challenge")
def card_challenge() -> Response:
    """A nonce for the citizen's card."""
    return challenge_json(desk().begin_tap(clerk()))


@blueprint.post("/look-up/card")
def look_up_card() -> Response:
    """The citizen's card has proven itself: open the record."""
    body = json_body()
    found = desk().by_card(clerk(), challenge_id(body), token_of(body), text_of(body, "purpose"))
    endpoint = ".not_found" if found.person_id is None else ".case"
    return jsonify({"next": url_for(endpoint, **_place(found))})


@blueprint.get("/not-found")
def not_found() -> str:
    """Nobody was found; what can be done."""
    clerk()
    asked = request.args.get("by", "")
    by = asked if asked in {"mykey-id", "four-attributes"} else "card"
    return render("counter/not-found.html", by=by)


@blueprint.get("/enrol")
@requires_role(*CLERKS)
def enrol() -> str:
    """Check the identity, then tap the card."""
    clerk()
    reads_card()
    return render("counter/enrol.html", documents=DOCUMENTS)


@blueprint.post("/enrol/card")
def enrol_card() -> Response:
    """Enrol the holder of the card."""
    body = json_body()
    made = desk().enrol(clerk(), challenge_id(body), token_of(body), text_of(body, "document"))
    current().say("counter.enrol.done")
    return jsonify({"next": url_for(".case", **_place(made))})


@blueprint.get("/look-ups")
@requires_role(*CLERKS, *OVERSEERS)
def counts() -> str:
    """How often who has looked up: one's own, and everybody's for whoever oversees."""
    who, now, work = member(), portal().hub.clock(), desk()
    oversees = bool(who.roles.intersection(OVERSEERS))
    with portal().hub.database.reading() as database:
        name = None if oversees else who.name
        day = work.cases.counts(database, now - _DAY, name)
        month = work.cases.counts(database, now - _MONTH, name)
    return render(
        "counter/look-ups.html", day=day, month=month, oversees=oversees, limits=work.limits, title_of=titles()
    )


def _place(case: Case) -> dict[str, Any]:
    return {"by": case.found_by} if case.person_id is None else {"case_id": str(case.id)}
