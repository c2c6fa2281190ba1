"""Service points and terminals: defining a point, enrolment codes, who was heard of, shutting a lost one out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import request
from sqlalchemy import select
from werkzeug.wrappers import Response

from mykey_core.errors import Refusal
from mykey_core.storage.tables import service_point
from mykey_core.terminals.errors import ServicePointUnknown
from mykey_web.admin.frame import actor, blueprint, hub, now, town
from mykey_web.api import redirect_after
from mykey_web.pages.frame import render

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,63}")
_LONGEST_TITLE = 100


@dataclass(frozen=True, slots=True)
class ServicePoint:
    """A service point as it is stored."""

    name: str
    title: Mapping[str, str]
    services: list[str]


@blueprint.get("/terminals")
def terminals() -> str:
    """Points and terminals."""
    found = hub().terminal_reports.terminals()
    return render("admin/terminals.html", terminals=found, points=_points(), now=now(), services=_services())


@blueprint.get("/points/new")
@blueprint.get("/points/<name>")
def point(name: str | None = None) -> str:
    """The form of a service point."""
    known = None if name is None else next((one for one in _points() if one.name == name), None)
    if name is not None and known is None:
        raise Refusal("not_found")
    return render("admin/point.html", point=known, services=_services())


@blueprint.post("/points")
def define_point() -> Response:
    """Make a service point, or change what it offers."""
    name, services = request.form.get("name", ""), request.form.getlist("service")
    titles = {code: request.form.get(f"title-{code}", "").strip()[:_LONGEST_TITLE] for code in ("ja", "en", "ja-Hira")}
    titles = {code: title for code, title in titles.items() if title}
    unknown = set(services) - {known for known, _ in _services()}
    if _NAME.fullmatch(name) is None or "ja" not in titles or not services or unknown:
        raise Refusal("service_point_form")
    hub().terminals.define_service_point(name, titles, services, actor=actor())
    return redirect_after(".terminals", notice="admin.terminals.defined")


@blueprint.post("/points/<name>/code")
def enrolment_code(name: str) -> str:
    """A one-time code, shown once."""
    try:
        code = hub().terminals.new_code(name, actor=actor())
    except ServicePointUnknown as error:
        raise Refusal("not_found") from error
    return render("admin/code.html", name=name, code=code, origin=hub().settings.origin)


@blueprint.get("/terminals/<uuid:terminal_id>/revoke")
def ask_revoke(terminal_id: UUID) -> str:
    """Ask once more."""
    found = next((one for one in hub().terminal_reports.terminals() if one.id == terminal_id), None)
    if found is None or found.state != "active":
        raise Refusal("not_found")
    return render("admin/revoke.html", terminal=found)


@blueprint.post("/terminals/<uuid:terminal_id>/revoke")
def revoke(terminal_id: UUID) -> Response:
    """Shut it out."""
    if hub().terminals.get(terminal_id) is None:
        raise Refusal("not_found")
    hub().terminals.revoke(terminal_id, actor=actor())
    return redirect_after(".terminals", notice="admin.terminals.revoked")


def _points() -> list[ServicePoint]:
    table = service_point.c
    with hub().database.reading() as session:
        rows = session.execute(select(service_point).where(table.municipality == town()).order_by(table.name)).all()
    return [ServicePoint(row.name, row.title, list(row.services)) for row in rows]


def _services() -> list[tuple[str, Mapping[Any, str]]]:
    """(name, titles) of every service that an active plugin offers."""
    manifests = [plugin.context.manifest for _, plugin in sorted(hub().plugins.plugins.items())]
    return [(service.name, service.title) for manifest in manifests for service in manifest.services]
