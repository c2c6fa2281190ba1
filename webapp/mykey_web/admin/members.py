"""Members of staff: roles, the invitation that links a card or passkey, and ending somebody's access at once."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request
from werkzeug.wrappers import Response

from mykey_core.administration import events  # noqa: F401 - registers what is appended here
from mykey_core.administration import members as core
from mykey_core.administration.members import MemberLine, MemberQuery
from mykey_core.administration.paging import page_of
from mykey_core.audit.records import append
from mykey_core.errors import Refusal
from mykey_core.portal.staff import INVITATION_LIFETIME, ROLES, StaffMember, StaffRegister
from mykey_web.admin.frame import actor, blueprint, hub, now, town
from mykey_web.admin.lists import page_number, wanted
from mykey_web.api import redirect_after
from mykey_web.design.wording import localised, t
from mykey_web.pages.areas import ADMINISTRATOR
from mykey_web.pages.frame import render
from mykey_web.sessions.browser import portal


@dataclass(frozen=True, slots=True)
class MemberForm:
    """What the form of a member says."""

    name: str
    title: str
    roles: frozenset[str]

    @classmethod
    def of_request(cls) -> MemberForm:
        """Read the form of this request."""
        others = request.form.get("other-roles", "").replace(",", " ").split()
        name = request.form.get("name", "").strip()
        title = request.form.get("title", "").strip() or name
        return cls(name, title, frozenset([*request.form.getlist("role"), *others]))


@blueprint.get("/members")
def members() -> str:
    """All of them, or those that are looked for; those whose access has ended, too."""
    query = MemberQuery(wanted("text"), wanted("role"), wanted("state"))
    with hub().database.reading() as session:
        everybody = core.lines(session, town(), MemberQuery(), now())
    roles = sorted({role for line in everybody for role in line.member.roles} | set(ROLES), key=_role_order)
    found = page_of([line for line in everybody if query.takes(line)], page_number())
    return render("admin/members.html", found=found, roles=roles, role_text=role_text, way=_way)


@blueprint.get("/members/new")
@blueprint.get("/members/<name>")
def member(name: str | None = None) -> str:
    """The form of one member."""
    known = None if name is None else _known(name)
    own = set() if known is None else set(known.roles)
    roles = [*ROLES, *sorted((own | _clerk_roles().keys()) - set(ROLES))]
    return render("admin/member.html", member=known, roles=roles, role_text=role_text, role_help=role_help)


@blueprint.post("/members")
def put_member() -> Response | str:
    """Make a member, or change title and roles; an administrator is made after asking once more."""
    who, form = actor(), MemberForm.of_request()
    with hub().database.reading() as session:
        known = StaffRegister(town()).get(session, form.name)
    becomes = ADMINISTRATOR in form.roles and (known is None or ADMINISTRATOR not in known.roles)
    if becomes and request.form.get("confirmed") != "yes":
        return render("admin/member-confirm.html", form=form)
    with hub().database.writing() as session:
        core.change(session, town(), form.name, form.title, form.roles, at=now(), actor=who)
    return redirect_after(".members", notice="admin.members.saved")


@blueprint.post("/members/<name>/invite")
def invite(name: str) -> str:
    """A one-time code, shown once."""
    who, at = actor(), now()
    with hub().database.writing() as session:
        code = StaffRegister(town()).invite(session, name, at=at)
        append(session, town(), at, "admin.staff_invited", {"actor": who, "member": name})
    return render("admin/invitation.html", member=_known(name), code=code, days=INVITATION_LIFETIME.days)


@blueprint.get("/members/<name>/end")
def ask_end(name: str) -> str:
    """Ask once more."""
    known = _known(name)
    if known.state != "active":
        raise Refusal("not_found")
    return render("admin/member-end.html", member=known, role_text=role_text, own=known.actor == actor())


@blueprint.post("/members/<name>/end")
def end_member(name: str) -> Response:
    """End the access and every session."""
    who = actor()
    with hub().database.writing() as session:
        core.end(session, town(), name, at=now(), actor=who)
        portal().sessions.end_all_of_staff(session, name)
    return redirect_after(".members", notice="admin.members.ended")


def role_text(role: str) -> str:
    """A role of the hub in words; one of a plugin as it is."""
    return t(f"admin.members.role.{role}") if role in ROLES else role


def role_help(role: str) -> str:
    """What a role may do."""
    if role in ROLES:
        return t(f"admin.members.role.{role}.may")
    plugins = _clerk_roles().get(role)
    return t("admin.members.role_of_clerks", plugins=plugins) if plugins else t("admin.members.role_of_plugin")


def _clerk_roles() -> dict[str, str]:
    """Roles that the town gives the clerks of plugins, with the titles of these plugins."""
    found: dict[str, list[str]] = {}
    for _, plugin in sorted(hub().plugins.plugins.items()):
        for role in plugin.choice.clerk_roles or ():
            found.setdefault(role, []).append(localised(plugin.context.manifest.title))
    return {role: t("admin.comma").join(titles) for role, titles in found.items()}


def _role_order(role: str) -> tuple[int, str]:
    return (ROLES.index(role) if role in ROLES else len(ROLES), role)


def _way(line: MemberLine) -> str:
    """By what somebody signs in, or what is to be done so that they can."""
    ways = [t("admin.members.by_card")] if line.member.person_id is not None else []
    ways += [t("admin.members.by_passkey", count=line.passkeys)] if line.passkeys else []
    if not ways:
        return t("admin.members.invited" if line.invited_until else "admin.members.not_invited")
    return t("admin.comma").join(ways)


def _known(name: str) -> StaffMember:
    with hub().database.reading() as session:
        found = StaffRegister(town()).get(session, name)
    if found is None:
        raise Refusal("staff_unknown")
    return found
