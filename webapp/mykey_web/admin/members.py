"""Members of staff: roles, the invitation that links a card or passkey, and ending somebody's access at once."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from mykey_core.administration import events  # noqa: F401 - registers what is appended here
from mykey_core.audit.records import append
from mykey_core.errors import Refusal
from mykey_core.portal.staff import INVITATION_LIFETIME, ROLES, StaffMember, StaffRegister
from mykey_web.admin.frame import actor, blueprint, hub, now, town
from mykey_web.api import redirect_after
from mykey_web.pages.areas import ADMINISTRATOR
from mykey_web.pages.frame import render
from mykey_web.sessions.browser import portal


@blueprint.get("/members")
def members() -> str:
    """All of them, those whose access has ended too."""
    with hub().database.reading() as session:
        found = StaffRegister(town()).all(session)
    return render("admin/members.html", found=found)


@blueprint.get("/members/new")
@blueprint.get("/members/<name>")
def member(name: str | None = None) -> str:
    """The form of one member."""
    known = None if name is None else _known(name)
    own = set() if known is None else set(known.roles)
    return render("admin/member.html", member=known, roles=[*ROLES, *sorted(own - set(ROLES))])


@blueprint.post("/members")
def put_member() -> Response:
    """Make a member, or change title and roles."""
    who, name, roles = actor(), request.form.get("name", ""), set(request.form.getlist("role"))
    roles |= {one for one in request.form.get("other-roles", "").replace(",", " ").split() if one}
    _keep_an_administrator(name, stays=ADMINISTRATOR in roles)
    with hub().database.writing() as session:
        title = request.form.get("title", "").strip() or name
        StaffRegister(town()).put(session, name, title, roles, at=now(), actor=who)
    return redirect_after(".members", notice="admin.members.saved")


@blueprint.post("/members/<name>/invite")
def invite(name: str) -> str:
    """A one-time code, shown once."""
    who, at = actor(), now()
    with hub().database.writing() as session:
        code = StaffRegister(town()).invite(session, name, at=at)
        append(session, town(), at, "admin.staff_invited", {"actor": who, "member": name})
    return render("admin/invitation.html", member=_known(name), code=code, days=INVITATION_LIFETIME.days)


@blueprint.post("/members/<name>/end")
def end_member(name: str) -> Response:
    """End the access and every session."""
    who = actor()
    _keep_an_administrator(name, stays=False)
    with hub().database.writing() as session:
        portal().sessions.end_all_of_staff(session, name)
        StaffRegister(town()).end(session, name, at=now(), actor=who)
    return redirect_after(".members", notice="admin.members.ended")


def _known(name: str) -> StaffMember:
    with hub().database.reading() as session:
        found = StaffRegister(town()).get(session, name)
    if found is None:
        raise Refusal("staff_unknown")
    return found


def _keep_an_administrator(name: str, *, stays: bool) -> None:
    """The last administrator who can sign in keeps the role: nobody could give it back by a page."""
    with hub().database.reading() as session:
        everybody = StaffRegister(town()).all(session)
    others = [one for one in everybody if ADMINISTRATOR in one.roles and one.state == "active" and one.name != name]
    if not stays and not others:
        raise Refusal("last_administrator")
