"""One open record at the counter: what is shown of it, what a clerk does with it. Views of the blueprint `counter`."""

from __future__ import annotations

from uuid import UUID

from flask import Response, jsonify, request, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from mykey_core.counter.acts import DATED, DOCUMENTS, GROUNDS, Act
from mykey_core.counter.errors import CounterRefused
from mykey_core.identity.search import SEXES
from mykey_core.identity.states import CredentialKind, CredentialStatus, EventKind, PersonState
from mykey_core.translations import LANGUAGES
from mykey_web.api import redirect_after
from mykey_web.counter.clerks import clerk, desk, four_attributes, uuid_of
from mykey_web.counter.views import blueprint
from mykey_web.pages.frame import render
from mykey_web.portal.bodies import challenge_id, json_body, text_of, token_of
from mykey_web.sessions.browser import current, portal
from mykey_web.sessions.headers import reads_card

_FROM = {
    PersonState.ACTIVE: (Act.HOLD, Act.MOVE_OUT, Act.DEATH),
    PersonState.HELD: (Act.RELEASE, Act.MOVE_OUT, Act.DEATH),
    PersonState.MOVED_OUT: (Act.MOVE_IN, Act.DEATH),
    PersonState.ABROAD: (Act.MOVE_IN, Act.DEATH),
    PersonState.DECEASED: (),
}
_CARD = (CredentialKind.AUTHENTICATION, CredentialKind.SIGNATURE)
_NEVER_REVERSED = (EventKind.ENROLLED, EventKind.REVERSED)


@blueprint.get("/cases/<uuid:case_id>")
def case(case_id: UUID) -> str:
    """The record: states, cards, services and events."""
    work, who = desk(), clerk()
    with portal().hub.database.reading() as database:
        opened = work.case(database, who, case_id)
        record = work.record(database, opened)
    statuses = {one.status for one in record.credentials if one.kind in _CARD}
    kinds = {one.kind for one in record.credentials}
    acts = list(_FROM[record.state])
    acts += [Act.CARD_FOUND] if CredentialStatus.HELD in statuses else []
    undone = {one.reverses for one in record.events}
    return render(
        "counter/case.html",
        case=opened,
        record=record,
        acts=acts,
        dated=DATED,
        grounds=GROUNDS,
        reversal=Act.REVERSAL,
        searched=CredentialKind.FOUR_ATTRIBUTES in kinds,
        can_search=work.limits.search_by_attributes and opened.found_by in {"card", "enrolment"},
        sexes=SEXES,
        can_lose=CredentialStatus.ACTIVE in statuses,
        reversible=[one for one in record.events if one.kind not in _NEVER_REVERSED and one.id not in undone],
    )


@blueprint.post("/cases/<uuid:case_id>/close")
def close_case(case_id: UUID) -> WerkzeugResponse:
    """Close the record; the next person stands there already."""
    desk().close(clerk(), case_id)
    return redirect_after(".look_up", notice="counter.case.closed")


@blueprint.post("/cases/<uuid:case_id>/lost")
def report_lost(case_id: UUID) -> WerkzeugResponse:
    """The card is lost."""
    desk().report_lost(clerk(), case_id)
    return redirect_after(".case", case_id=case_id, notice="counter.lost.done")


@blueprint.post("/cases/<uuid:case_id>/sign-out")
def sign_out_person(case_id: UUID) -> WerkzeugResponse:
    """Sign the citizen out everywhere."""
    desk().sign_out_everywhere(clerk(), case_id)
    return redirect_after(".case", case_id=case_id, notice="counter.signed_out.done")


@blueprint.post("/cases/<uuid:case_id>/mykey-id")
def link_mykey_id(case_id: UUID) -> WerkzeugResponse:
    """Link a MyKey ID."""
    desk().link_mykey_id(clerk(), case_id, request.form.get("mykey_id", ""))
    return redirect_after(".case", case_id=case_id, notice="counter.mykey_id.done")


@blueprint.post("/cases/<uuid:case_id>/search")
def allow_search(case_id: UUID) -> WerkzeugResponse:
    """The citizen wants to be found without a card, by the four attributes that stand on it."""
    desk().allow_search(clerk(), case_id, four_attributes())
    return redirect_after(".case", case_id=case_id, notice="counter.search.allowed")


@blueprint.post("/cases/<uuid:case_id>/search/end")
def end_search(case_id: UUID) -> WerkzeugResponse:
    """The citizen does not want it any more."""
    desk().end_search(clerk(), case_id)
    return redirect_after(".case", case_id=case_id, notice="counter.search.ended")


@blueprint.post("/cases/<uuid:case_id>/message")
def send_message(case_id: UUID) -> WerkzeugResponse:
    """Leave a message for the citizen, in the language in which it was written."""
    language = request.form.get("language", "")
    words = {part: request.form.get(part, "").strip()[:length] for part, length in (("title", 80), ("text", 2000))}
    desk().send(clerk(), case_id, {language if language in LANGUAGES else "ja": words})
    return redirect_after(".case", case_id=case_id, notice="counter.message.done")


@blueprint.post("/cases/<uuid:case_id>/ask")
def ask(case_id: UUID) -> WerkzeugResponse:
    """Ask a supervisor for an act."""
    act = _act(request.form.get("act", ""))
    event = uuid_of(request.form.get("event"), "approval_unknown") if act is Act.REVERSAL else None
    form = request.form
    desk().ask(clerk(), case_id, act, ground=form.get("ground", ""), on=form.get("on", ""), event=event)
    return redirect_after(".case", case_id=case_id, notice="counter.ask.done")


@blueprint.get("/cases/<uuid:case_id>/renewal")
def renewal(case_id: UUID) -> str:
    """A new card for somebody whose old one is not there: documents, then the new card."""
    who = clerk()
    with portal().hub.database.reading() as database:
        opened = desk().case(database, who, case_id)
    reads_card()
    return render("counter/renewal.html", case=opened, documents=DOCUMENTS)


@blueprint.post("/cases/<uuid:case_id>/renewal/card")
def renewal_card(case_id: UUID) -> Response:
    """Ask for the link of the new card on the reader."""
    body = json_body()
    desk().ask_renewal(clerk(), case_id, challenge_id(body), token_of(body), text_of(body, "document"))
    current().say("counter.ask.done")
    return jsonify({"next": url_for(".case", case_id=case_id)})


def _act(text: str) -> Act:
    try:
        return Act(text)
    except ValueError as error:
        raise CounterRefused("approval_unknown") from error
