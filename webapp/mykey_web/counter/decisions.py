"""What waits for a second person: the list, the decision, completing a renewal. Views of the blueprint `counter`."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from flask import Response, jsonify, request, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from mykey_core.counter.acts import CLERKS, SUPERVISOR
from mykey_core.counter.errors import CounterRefused
from mykey_web.api import redirect_after
from mykey_web.counter.clerks import clerk, desk, member, titles
from mykey_web.counter.views import blueprint
from mykey_web.pages.areas import requires_role
from mykey_web.pages.frame import render
from mykey_web.portal.bodies import challenge_id, json_body, token_of
from mykey_web.sessions.browser import current, portal
from mykey_web.sessions.headers import reads_card


@blueprint.get("/approvals")
@requires_role(*CLERKS, "auditor")
def approvals() -> str:
    """What waits, and what was decided."""
    who, work, now = member(), desk(), portal().hub.clock()
    with portal().hub.database.reading() as database:
        waiting = work.approvals.waiting(database, now)
        ids = {one.id for one in waiting}
        decided = [one for one in work.approvals.newest(database) if one.id not in ids]
    return render(
        "counter/approvals.html",
        waiting=waiting,
        decided=decided,
        who=who,
        decides=SUPERVISOR in who.roles,
        now=now,
        title_of=titles(),
        day_of=date.fromisoformat,
    )


@blueprint.post("/approvals/<uuid:approval_id>/decide")
def decide(approval_id: UUID) -> WerkzeugResponse:
    """Approve or decline; or take one's own request back."""
    agree = request.form.get("decision") == "approve"
    done = desk().decide(clerk().member, approval_id, agree=agree)
    notice = f"counter.approvals.said.{done.state}"
    return redirect_after(".approvals", notice=notice)


@blueprint.get("/approvals/<uuid:approval_id>/complete")
def complete(approval_id: UUID) -> str:
    """Tap the new card once more, now that it was approved."""
    clerk()
    with portal().hub.database.reading() as database:
        wanted = desk().approvals.get(database, approval_id)
    if wanted.state != "approved" or wanted.over(portal().hub.clock()):
        raise CounterRefused("approval_over")
    reads_card()
    return render("counter/complete.html", approval=wanted)


@blueprint.post("/approvals/<uuid:approval_id>/card")
def complete_card(approval_id: UUID) -> Response:
    """Link the new card."""
    body = json_body()
    desk().complete_renewal(clerk(), approval_id, challenge_id(body), token_of(body))
    current().say("counter.approvals.said.done")
    return jsonify({"next": url_for(".approvals")})
