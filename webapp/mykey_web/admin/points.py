"""Service points: the list, what each offers, changing that, and the one-time code that enrols a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import segno
from flask import request, url_for
from markupsafe import Markup
from sqlalchemy import select
from werkzeug.wrappers import Response

from mykey_core.administration import terminal_list
from mykey_core.card_writing.counter import GATE, RIGHT
from mykey_core.errors import Refusal
from mykey_core.storage.session import Session
from mykey_core.storage.tables import service_point
from mykey_core.terminals.errors import ServicePointUnknown
from mykey_web.admin.frame import actor, blueprint, catalogue, hub, town
from mykey_web.admin.lists import page_number, wanted
from mykey_web.api import redirect_after
from mykey_web.design.wording import localised
from mykey_web.pages.frame import render

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,63}")
_LONGEST_TITLE = 100
_LANGUAGES = ("ja", "en", "ja-Hira")


@dataclass(frozen=True, slots=True)
class ServicePoint:
    """A service point as it is stored."""

    name: str
    title: Mapping[str, str]
    services: list[str]
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class PointForm:
    """What the form of a point says, checked; `service_point_form` for one that is not complete."""

    name: str
    titles: Mapping[str, str]
    services: list[str]

    @classmethod
    def of_request(cls) -> PointForm:
        """Read the form of this request."""
        name, services = request.form.get("name", ""), request.form.getlist("service")
        given = {code: request.form.get(f"title-{code}", "").strip()[:_LONGEST_TITLE] for code in _LANGUAGES}
        titles = {code: title for code, title in given.items() if title}
        known = _point(name)
        unknown = set(services) - {name for name, _ in services_offered()} - set(known.services if known else ())
        if _NAME.fullmatch(name) is None or "ja" not in titles or not services or unknown:
            raise Refusal("service_point_form")
        return cls(name, titles, services)


@blueprint.get("/points")
def points() -> str:
    """The open ones, or those that are looked for."""
    with hub().database.reading() as session:
        told = wanted("state") == "closed"
        found = terminal_list.points(session, town(), wanted("text"), page_number(), closed=told)
        closed = terminal_list.points(session, town(), "", 1, closed=True).total
        terminals = terminal_list.by_point(session, town())
    return render("admin/points.html", found=found, closed=closed, terminals=terminals, titles=_service_titles())


@blueprint.get("/points/new")
@blueprint.get("/points/<name>")
def point(name: str | None = None) -> str:
    """The form of a service point."""
    known = None if name is None else _point(name)
    if name is not None and known is None:
        raise Refusal("not_found")
    offered = services_offered()
    resting = sorted(set(known.services if known else ()) - {one for one, _ in offered})
    given = () if known is None else hub().plugins.offered(known.services, known.name)
    excluded = set(known.services if known else ()) - {*given, RIGHT, GATE}
    return render("admin/point.html", point=known, services=offered, resting=resting, excluded=excluded)


@blueprint.post("/points")
def define_point() -> Response | str:
    """Make a service point, or change what it offers; services that go are asked for once more."""
    form = PointForm.of_request()
    known = _point(form.name)
    gone = sorted(set(known.services if known else ()) - set(form.services))
    if gone and request.form.get("confirmed") != "yes":
        with hub().database.reading() as session:
            terminals = terminal_list.by_point(session, town()).get(form.name, 0)
        return render("admin/point-confirm.html", form=form, gone=gone, terminals=terminals, titles=_service_titles())
    hub().terminals.define_service_point(form.name, form.titles, form.services, actor=actor())
    return redirect_after(".points", notice="admin.points.defined")


@blueprint.get("/points/<name>/close")
def ask_close_point(name: str) -> str:
    """Ask once more, and name the terminals whose records are not here yet."""
    known = _point(name)
    if known is None or known.closed_at is not None:
        raise Refusal("not_found")
    with hub().database.reading() as session:
        count = terminal_list.by_point(session, town()).get(name, 0)
        waiting = terminal_list.waiting_at(session, town(), name)
    return render("admin/point-close.html", point=known, terminals=count, waiting=waiting)


@blueprint.post("/points/<name>/close")
def close_point(name: str) -> Response:
    """Close it, and shut its terminals out."""
    try:
        hub().terminals.close_service_point(name, actor=actor())
    except ServicePointUnknown as error:
        raise Refusal("not_found") from error
    return redirect_after(".points", notice="admin.points.closed")


@blueprint.post("/points/<name>/code")
def enrolment_code(name: str) -> str:
    """A one-time code, shown once: to be typed, or read by a barcode reader, which types it."""
    known = _point(name)
    try:
        code = hub().terminals.new_code(name, actor=actor())
    except ServicePointUnknown as error:
        raise Refusal("not_found") from error
    origin = hub().settings.origin + url_for("pages.home").rstrip("/")
    command = f"mykey terminal enrol --hub {origin} --state ~/.local/share/mykey/terminals/{name}"
    title = localised(known.title) if known else name
    return render("admin/code.html", title=title, code=code, command=command, qr=_qr(code))


def point_titles(session: Session) -> dict[str, str]:
    """Name of a service point → its title in the reader's language."""
    own = service_point.c.municipality == town()
    rows = session.execute(
        select(service_point.c.name, service_point.c.title).where(own).order_by(service_point.c.name)
    )
    return {row.name: localised(row.title) for row in rows}


def services_offered() -> list[tuple[str, Mapping[Any, str]]]:
    """(name, titles) of every service that an active plugin offers, then of what the hub itself does with cards."""
    manifests = [plugin.context.manifest for _, plugin in sorted(hub().plugins.plugins.items())]
    of_plugins = [(service.name, service.title) for manifest in manifests for service in manifest.services]
    words = catalogue()
    own = [(name, {code: words.get(f"admin.points.{name}", code) for code in _LANGUAGES}) for name in (RIGHT, GATE)]
    return [*of_plugins, *own]


def _service_titles() -> dict[str, str]:
    return {name: localised(titles) for name, titles in services_offered()}


def _point(name: str) -> ServicePoint | None:
    own = (service_point.c.municipality == town(), service_point.c.name == name)
    with hub().database.reading() as session:
        row = session.execute(select(service_point).where(*own)).first()
    return None if row is None else ServicePoint(row.name, row.title, list(row.services), row.closed_at)


def _qr(text: str) -> Markup:
    picture = segno.make(text, error="m").svg_inline(border=4, dark="#000", light="#fff", omitsize=True)
    return Markup(picture)  # noqa: S704 - made by segno from our own text
