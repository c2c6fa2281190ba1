"""Campaigns of card writing: progress, what went wrong, and the signed report. Running one happens at the readers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from flask import Response, request

from mykey_core.card_writing.errors import CampaignError
from mykey_core.errors import Refusal
from mykey_web.admin.frame import blueprint, hub
from mykey_web.api import charts, download
from mykey_web.design.wording import t
from mykey_web.pages.frame import render

if TYPE_CHECKING:
    from mykey_core.administration.campaigns import CampaignState


@blueprint.get("/campaigns")
def campaigns() -> str:
    """All of them."""
    from mykey_core.administration import campaigns as core  # noqa: PLC0415 - PDF machinery; a start does without

    return render("admin/campaigns.html", found=core.campaigns(hub().settings.campaigns_folder))


@blueprint.get("/campaigns/<name>")
def campaign(name: str) -> str:
    """One campaign."""
    return _page(name)


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
    return render("admin/campaign.html", campaign=found, picture=picture, holds=holds, instant=datetime.fromisoformat)


def _known(name: str) -> CampaignState:
    from mykey_core.administration import campaigns as core  # noqa: PLC0415 - PDF machinery; a start does without

    found = next((one for one in core.campaigns(hub().settings.campaigns_folder) if one.folder == name), None)
    if found is None:
        raise Refusal("not_found")
    return found
