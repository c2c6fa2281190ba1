"""The citizen portal below /my: what the town's services know of the citizen, and what the citizen decides."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as WerkzeugResponse

from mykey_core.errors import Refusal
from mykey_core.plugins.pages import Area, NavigationItem
from mykey_core.portal.account import Account
from mykey_core.portal.messages import Messages
from mykey_web.api import download, redirect_after
from mykey_web.pages.areas import citizen
from mykey_web.pages.frame import OWN_DATA, Link, plugin_links, render
from mykey_web.portal.exported import label, plain
from mykey_web.portal.words import purpose_text, service_titles, title_of, worded
from mykey_web.sessions.browser import current, language, portal

blueprint = Blueprint("my", __name__)
PAGE = 25
T = TypeVar("T")
_PARTS = (
    (10, ("home", "messages", "services")),
    (OWN_DATA, ("accesses", "consents", "delegations", "devices", "export")),
)
NAVIGATION = tuple(
    NavigationItem(Area.CITIZEN, f"my.{name}.title", f"my.{name}", order)
    for first, names in _PARTS
    for order, name in enumerate(names, start=first)
)


def account() -> Account:
    """The record of the citizen who is signed in."""
    session = citizen()
    if session.person_id is None:
        raise Refusal("sign_in_needed")
    return Account(portal().hub, portal().sign_ins, session.person_id)


@blueprint.get("/")
def home() -> str:
    """The first page: services, and what is new."""
    own = account()
    person = citizen().person_id
    with portal().hub.database.reading() as session:
        links = own.services(session)
        others = own.others(session)
        unread = 0 if person is None else Messages(portal().hub.settings.municipality).unread(session, person)
    return render(
        "portal/home.html",
        links=[link for link in links if link.loaded],
        others=others,
        unread=unread,
        accesses=own.accesses()[:3],
        worded=worded,
        pages=_pages,
    )


@blueprint.get("/services")
def services() -> str:
    """Services that know me, and what proves me."""
    own = account()
    with portal().hub.database.reading() as session:
        return render(
            "portal/services.html",
            links=own.services(session),
            others=own.others(session),
            credentials=own.credentials(session),
            pages=_pages,
        )


@blueprint.get("/services/<plugin>/leave")
def ask_to_leave(plugin: str) -> str:
    """Ask once more before a service's data are deleted."""
    own = account()
    with portal().hub.database.reading() as session:
        link = next((one for one in own.services(session) if one.plugin == plugin), None)
        if link is None or not link.can_export:
            raise Refusal("service_kept")
        return render("portal/leave.html", link=link, obligations=own.obligations(session, link))


@blueprint.post("/services/<plugin>/leave")
def leave(plugin: str) -> WerkzeugResponse:
    """Delete a service's data about me, and end its link."""
    account().leave(plugin)
    return redirect_after(".services", notice="my.services.left")


@blueprint.get("/consents")
def consents() -> str:
    """What I allow which service to know, and what I decided when."""
    own = account()
    with portal().hub.database.reading() as session:
        states, history = own.consents(session), own.history(session)
    return render(
        "portal/consents.html", states=states, history=list(reversed(history)), title_of=title_of, text_of=purpose_text
    )


@blueprint.post("/consents")
def decide_consent() -> WerkzeugResponse:
    """Agree, or withdraw."""
    agree = request.form.get("decision") == "agree"
    account().decide_consent(request.form.get("plugin", ""), request.form.get("purpose", ""), agree=agree)
    return redirect_after(".consents", notice="my.consents.agreed" if agree else "my.consents.withdrawn")


@blueprint.get("/delegations")
def delegations() -> str:
    """Who may act for me, and for whom I may act."""
    own = account()
    with portal().hub.database.reading() as session:
        found = own.delegations(session)
    return render("portal/delegations.html", found=found, own=own, title_of=title_of, service_titles=service_titles)


@blueprint.post("/delegations/end")
def end_delegation() -> WerkzeugResponse:
    """End a delegation."""
    account().end_delegation(_uuid(request.form.get("delegation"), "delegation_unknown"))
    return redirect_after(".delegations", notice="my.delegations.ended")


@blueprint.get("/accesses")
def accesses() -> str:
    """Who had to do with my record: every access, a page at a time."""
    found = account().accesses()
    shown, page, last = _page_of(found)
    return render("portal/accesses.html", entries=shown, page=page, last=last, total=len(found), worded=worded)


@blueprint.get("/messages")
def messages() -> str:
    """Messages of the town, a page at a time."""
    with portal().hub.database.reading() as session:
        shown, page, last = _page_of(account().messages(session))
    found = [(one, one.words(language())) for one in shown]
    return render("portal/messages.html", found=found, page=page, last=last, title_of=title_of)


@blueprint.post("/messages/read")
def read_message() -> WerkzeugResponse:
    """Note that a message was read."""
    account().read_message(_uuid(request.form.get("message"), "not_found"))
    return redirect_after(".messages", page=request.form.get("page", 1, type=int))


@blueprint.get("/devices")
def devices() -> str:
    """Where I am signed in."""
    mine = citizen()
    with portal().hub.database.reading() as session:
        found = portal().sessions.of_holder(session, mine)
    return render("portal/devices.html", found=found, mine=mine)


@blueprint.post("/devices/end")
def end_device() -> WerkzeugResponse:
    """Sign one other browser out."""
    mine = citizen()
    wanted = _uuid(request.form.get("session"), "not_found")
    portal().sign_ins.sign_out_one(mine, wanted)
    if wanted == mine.id:
        current().forget()
    return redirect_after(".devices", notice="my.devices.ended")


@blueprint.post("/devices/end-others")
def end_other_devices() -> WerkzeugResponse:
    """Sign out everywhere else."""
    portal().sign_ins.sign_out_others(citizen())
    return redirect_after(".devices", notice="my.devices.ended_others")


@blueprint.get("/export")
def export() -> str:
    """What there is to have: a page to read, or a file."""
    return render("portal/export.html")


@blueprint.post("/export/page")
def export_page() -> str:
    """Everything as one page to read, print or save."""
    own = account()
    exported = own.export()
    with portal().hub.database.reading() as session:
        return render(
            "portal/export-page.html",
            at=portal().hub.clock(),
            own=own,
            services=exported["services"],
            credentials=own.credentials(session),
            history=own.history(session),
            delegations=own.delegations(session),
            messages=[(one, one.words(language())) for one in own.messages(session)],
            accesses=own.accesses(),
            title_of=title_of,
            service_titles=service_titles,
            worded=worded,
            label=label,
            plain=plain,
        )


@blueprint.post("/export")
def export_file() -> Response:
    """Everything as one JSON file."""
    content = json.dumps(account().export(), ensure_ascii=False, indent=2).encode()
    return download(content, "mykey-export.json", "application/json")


def _pages(plugin: str) -> list[Link]:
    """The pages that a service has for citizens."""
    return plugin_links(Area.CITIZEN, plugin)


def _page_of(found: Sequence[T]) -> tuple[Sequence[T], int, int]:
    """What stands on the page that was asked for, its number, and the number of the last one."""
    last = max(1, -(-len(found) // PAGE))
    page = min(max(request.args.get("page", 1, type=int), 1), last)
    return found[(page - 1) * PAGE : page * PAGE], page, last


def _uuid(text: str | None, code: str) -> UUID:
    try:
        return UUID(text or "")
    except ValueError as error:
        raise Refusal(code) from error
