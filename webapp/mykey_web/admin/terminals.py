"""Terminals: the list with filters, one in detail, and shutting a lost one out. Service points are in `points`."""

from __future__ import annotations

from uuid import UUID

from werkzeug.wrappers import Response

from mykey_core.administration import terminal_list
from mykey_core.administration.terminal_list import STATES, TerminalQuery
from mykey_core.errors import Refusal
from mykey_core.terminals.reports import TerminalState
from mykey_web.admin.frame import actor, blueprint, hub, now, town
from mykey_web.admin.lists import page_number, wanted
from mykey_web.admin.points import point_titles
from mykey_web.api import redirect_after
from mykey_web.design.wording import t
from mykey_web.pages.frame import render

_SECOND = 1.0
_MINUTE = 60


@blueprint.get("/terminals")
def terminals() -> str:
    """All of them, or those that are looked for."""
    query = TerminalQuery(wanted("state"), wanted("point"), wanted("text"), page_number())
    with hub().database.reading() as session:
        found = terminal_list.terminals(session, town(), query, now())
        titles = point_titles(session)
    return render("admin/terminals.html", found=found, titles=titles, states=STATES, word=_word, skew=skew_text)


@blueprint.get("/terminals/<uuid:terminal_id>")
def terminal(terminal_id: UUID) -> str:
    """One terminal: what it told last."""
    found = _known(terminal_id)
    with hub().database.reading() as session:
        newest = terminal_list.configuration_of(session, town(), found.service_point)
        titles = point_titles(session)
    return render(
        "admin/terminal.html", terminal=found, newest=newest, titles=titles, word=_word, skew=skew_text
    )  # fmt: skip


@blueprint.get("/terminals/<uuid:terminal_id>/revoke")
def ask_revoke(terminal_id: UUID) -> str:
    """Ask once more."""
    found = _known(terminal_id)
    if found.state != "active":
        raise Refusal("not_found")
    return render("admin/revoke.html", terminal=found)


@blueprint.post("/terminals/<uuid:terminal_id>/revoke")
def revoke(terminal_id: UUID) -> Response:
    """Shut it out."""
    if hub().terminals.get(terminal_id) is None:
        raise Refusal("not_found")
    hub().terminals.revoke(terminal_id, actor=actor())
    return redirect_after(".terminals", notice="admin.terminals.revoked")


def skew_text(one: TerminalState) -> str:
    """How far its clock is from the hub's, in words."""
    if one.skew is None:
        return "–"
    seconds = one.skew.total_seconds()
    if abs(seconds) < _SECOND:
        return t("admin.terminals.skew.none")
    direction = "ahead" if seconds > 0 else "behind"
    if abs(seconds) < _MINUTE:
        return t(f"admin.terminals.skew.{direction}", seconds=f"{abs(seconds):.1f}")
    return t(f"admin.terminals.skew.{direction}_minutes", minutes=f"{abs(seconds) / _MINUTE:,.0f}")


def _word(one: TerminalState) -> str:
    """Its state, with that of an active one that is silent."""
    return "silent" if one.is_silent(now()) else one.state


def _known(terminal_id: UUID) -> TerminalState:
    with hub().database.reading() as session:
        found = terminal_list.find(session, town(), terminal_id)
    if found is None:
        raise Refusal("not_found")
    return found
