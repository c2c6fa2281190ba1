"""Settings: what the hub works with, changing one after its difference was shown, the history, and undoing."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from flask import redirect, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from mykey_core.administration.files import AdministrationRefused, Change, Proposal
from mykey_core.administration.setting_changes import member_called, propose, value_of
from mykey_core.administration.setting_members import Member, members
from mykey_core.errors import Refusal
from mykey_core.translations import load_catalogue
from mykey_web.admin.frame import actor, blueprint, files, hub, now, with_code
from mykey_web.admin.lists import page_number
from mykey_web.api import redirect_after
from mykey_web.design.wording import t
from mykey_web.pages.frame import render
from mykey_web.sessions.browser import language

_PLUGIN = "plugins."


@blueprint.get("/settings")
def settings() -> str:
    """The members that pages may change, and the history of both files."""
    found = [(one, _current(one), meaning(one)) for one in members() if one.on_pages]
    outside = [path.name for path in (_file(), hub().settings.plugins_file) if files().changed_outside(path)]
    history = files().history(page_number())
    return render(
        "admin/settings.html", found=found, history=history, outside=outside, value_text=value_text,
        can_undo=_can_undo,
    )  # fmt: skip


@blueprint.get("/settings/<name>")
def setting(name: str) -> str:
    """The form of one member."""
    return _form(member_called(name), None)


@blueprint.post("/settings/<name>/preview")
def preview_setting(name: str) -> str:
    """What would change in the file; nothing is written. An empty value is the default's."""
    member = member_called(name)
    value = request.form.get("value", "").strip()
    return _form(member, propose(_file(), member, value), value)


@blueprint.post("/settings/<name>/write")
def write_setting(name: str) -> Response:
    """Write what was shown."""
    member = member_called(name)
    proposal = propose(_file(), member, request.form.get("value", ""))
    event = {"name": "admin.settings_changed", "facts": {"member": member.name}}
    files().write(proposal, request.form.get("digest", ""), actor=actor(), at=now(), event=event)
    return redirect_after(".settings", notice="admin.written")


@blueprint.get("/changes/<uuid:change_id>/undo")
def undo(change_id: UUID) -> Response | str:
    """What taking a change back would do; nothing is written."""
    change = files().change(change_id)
    if change is None or not _can_undo(change) or change.previous is None:
        raise Refusal("not_found")
    if change.member.startswith(_PLUGIN):
        name = change.member.removeprefix(_PLUGIN)
        return redirect(url_for(".undo_plugin", name=name, change_id=change_id), 303)
    member = member_called(change.member)
    value = _shown(change.previous["value"]) if "value" in change.previous else ""
    return _form(member, propose(_file(), member, value), value, undone=change)


def meaning(member: Member) -> Markup:
    """What a member means, in the reader's language."""
    return with_code(load_catalogue("mykey_core.administration", "administration").get(member.wording, language()))


def value_text(member: Member, value: str) -> str:
    """A value in words, with its unit where the member's name has one."""
    if value in ("true", "false"):
        return t("admin.yes" if value == "true" else "admin.no")
    unit = member.name.rpartition("_")[2]
    return t(f"admin.unit.{unit}", count=value) if unit in ("minutes", "hours", "days") else value


def _form(member: Member, proposal: Proposal | None, value: str | None = None, undone: Change | None = None) -> str:
    current = _current(member)
    return render(
        "admin/setting.html", member=member, meaning=meaning(member), current=current, proposal=proposal,
        value=current if value is None else value or member.default, given=value, undone=undone, value_text=value_text,
    )  # fmt: skip


def _can_undo(change: Change) -> bool:
    """Whether pages may take it back: it is young enough, and still theirs to change."""
    if change.previous is None:
        return False
    if change.member.startswith(_PLUGIN):
        return any(one.name == change.member.removeprefix(_PLUGIN) for one in hub().plugins.status())
    return any(one.name == change.member and one.on_pages for one in members())


def _current(member: Member) -> str:
    return _shown(value_of(hub().settings, member))


def _file() -> Path:
    path = hub().settings.file
    if path is None:
        raise AdministrationRefused("setting_unknown")
    return path


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
