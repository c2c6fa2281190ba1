"""Settings: what the hub works with, changing one after its difference was shown, and the history of changes."""

from __future__ import annotations

from pathlib import Path

from flask import request
from werkzeug.wrappers import Response

from mykey_core.administration.files import AdministrationRefused, Proposal
from mykey_core.administration.setting_changes import member_called, propose, value_of
from mykey_core.administration.setting_members import Member, members
from mykey_core.translations import load_catalogue
from mykey_web.admin.frame import actor, blueprint, files, hub, now
from mykey_web.api import redirect_after
from mykey_web.pages.frame import render
from mykey_web.sessions.browser import language


@blueprint.get("/settings")
def settings() -> str:
    """The members that pages may change, and the history of both files."""
    found = [(one, _shown(value_of(hub().settings, one)), meaning(one)) for one in members() if one.on_pages]
    outside = [path.name for path in (_file(), hub().settings.plugins_file) if files().changed_outside(path)]
    return render("admin/settings.html", found=found, history=files().history(), outside=outside)


@blueprint.get("/settings/<name>")
def setting(name: str) -> str:
    """The form of one member."""
    member = member_called(name)
    value = _shown(value_of(hub().settings, member))
    return render("admin/setting.html", member=member, value=value, meaning=meaning(member), proposal=None)


@blueprint.post("/settings/<name>/preview")
def preview_setting(name: str) -> str:
    """What would change in the file; nothing is written."""
    member, proposal = _asked(name)
    value = request.form.get("value", "").strip()
    return render("admin/setting.html", member=member, value=value, meaning=meaning(member), proposal=proposal)


@blueprint.post("/settings/<name>/write")
def write_setting(name: str) -> Response:
    """Write what was shown."""
    member, proposal = _asked(name)
    event = {"name": "admin.settings_changed", "facts": {"member": member.name}}
    files().write(proposal, request.form.get("digest", ""), actor=actor(), at=now(), event=event)
    return redirect_after(".settings", notice="admin.written")


def meaning(member: Member) -> str:
    """What a member means, in the reader's language."""
    return load_catalogue("mykey_core.administration", "administration").get(member.wording, language())


def _asked(name: str) -> tuple[Member, Proposal]:
    member = member_called(name)
    return member, propose(_file(), member, request.form.get("value", ""))


def _file() -> Path:
    path = hub().settings.file
    if path is None:
        raise AdministrationRefused("setting_unknown")
    return path


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
