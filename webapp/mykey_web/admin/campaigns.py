"""Campaigns of card writing: progress, what went wrong, holding one, and the signed report. Runs are at the readers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from flask import Response, request
from werkzeug.wrappers import Response as WerkzeugResponse

from mykey_core.administration.paging import SIZE, Page, clamped
from mykey_core.card_writing.errors import CampaignError
from mykey_core.errors import Refusal
from mykey_web.admin.frame import actor, blueprint, hub, now, town
from mykey_web.admin.lists import page_number
from mykey_web.api import charts, download, redirect_after
from mykey_web.design.wording import t
from mykey_web.pages.frame import render

if TYPE_CHECKING:
    from mykey_core.administration.campaigns import CampaignState


@blueprint.get("/campaigns")
def campaigns() -> str:
    """All of them."""
    from mykey_core.administration import campaigns as core  # noqa: PLC0415 - PDF machinery; a start does without

    folder = hub().settings.campaigns_folder
    names = core.folders(folder)
    number = clamped(page_number(), len(names))
    shown = (core.campaign(folder, name) for name in names[(number - 1) * SIZE : number * SIZE])
    found = Page([one for one in shown if one is not None], number, len(names))
    return render("admin/campaigns.html", found=found, state=_state)


@blueprint.get("/campaigns/<name>")
def campaign(name: str) -> str:
    """One campaign."""
    return _page(name)


@blueprint.get("/campaigns/<name>/hold")
def ask_hold(name: str) -> str:
    """Ask once more."""
    return render("admin/campaign-hold.html", campaign=_known(name))


@blueprint.post("/campaigns/<name>/hold")
def hold_campaign(name: str) -> WerkzeugResponse:
    """Let no further card be written, or let it go on."""
    from mykey_core.administration import campaigns as core  # noqa: PLC0415 - PDF machinery; a start does without

    who, at, held = actor(), now(), request.form.get("held") == "yes"
    folder = _known(name).folder
    with hub().database.writing() as session:
        core.set_held(session, town(), hub().settings.campaigns_folder, folder, held=held, at=at, actor=who)
    notice = "admin.campaigns.was_held" if held else "admin.campaigns.was_released"
    return redirect_after(".campaign", notice=notice, name=folder)


@blueprint.post("/campaigns/<name>/verify")
def verify_campaign(name: str) -> str:
    """Whether its report holds, by the key that was noted when it was run."""
    from mykey_core.administration import campaigns as core  # noqa: PLC0415 - PDF machinery; a start does without

    holds = core.report_holds(hub().settings.campaigns_folder, _known(name).folder, request.form.get("key", ""))
    return _page(name, holds=holds)


@blueprint.get("/campaigns/<name>/report.<kind>")
def campaign_report(name: str, kind: str) -> Response:
    """A file of the report."""
    from mykey_core.administration import campaigns as core  # noqa: PLC0415 - PDF machinery; a start does without

    try:
        content, filename, media_type = core.report_file(hub().settings.campaigns_folder, name, kind)
    except CampaignError as error:
        raise Refusal("not_found") from error
    return download(content, filename, media_type)


def _page(name: str, *, holds: bool | None = None) -> str:
    found = _known(name)
    states = list(found.counts)
    labels = [t(f"admin.campaigns.state.{state}") for state in states]
    series = [charts.Series(t("admin.campaigns.cards"), [found.counts[state] for state in states])]
    picture = charts.bar_chart(t("admin.campaigns.states"), labels, series)
    return render(
        "admin/campaign.html", campaign=found, picture=picture, holds=holds, instant=datetime.fromisoformat,
        state=_state, reason=_reason,
    )  # fmt: skip


def _state(one: CampaignState) -> str:
    """Where it stands, as a word of the wording."""
    if one.is_held:
        return "held"
    if not one.left:
        return "ended"
    return "stopped" if one.facts.get("stopped") else "running" if not one.facts.get("ended") else "interrupted"


def _reason(code: str) -> str:
    """Why a run has stopped, in words."""
    known = ("quarantined", "failure-rate", "canary", "held", "interrupted", "keys", "failed")
    return t(f"admin.campaigns.reason.{code}") if code in known else code


def _known(name: str) -> CampaignState:
    from mykey_core.administration import campaigns as core  # noqa: PLC0415 - PDF machinery; a start does without

    found = core.campaign(hub().settings.campaigns_folder, name)
    if found is None:
        raise Refusal("not_found")
    return found
