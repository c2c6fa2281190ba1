"""What every template may use: words, the frame with its navigation, the token of forms, and dates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from flask import Flask, current_app, render_template, request, url_for
from markupsafe import Markup
from werkzeug.routing import BuildError

from mykey_core.plugins.pages import Area
from mykey_core.portal.sessions import SessionKind
from mykey_core.translations import Catalogue
from mykey_web.design import dates
from mykey_web.design.wording import frame_catalogue, localised, t, words
from mykey_web.pages.areas import ADMINISTRATOR, Mounted, here, is_local_path, may_open, mounted, staff
from mykey_web.sessions.browser import current, language, languages, portal
from mykey_web.sessions.csrf import FIELD, SAFE_METHODS
from mykey_web.sessions.headers import reads_card

_NAMES = {"ja": "日本語", "ja-Hira": "やさしい日本語", "en": "English"}
OWN_DATA = 200
"""Items of the hub's own pages from this order on stand below those of plugins, under a title of their own."""


@dataclass(frozen=True, slots=True)
class Link:
    """One item of the navigation; `current` is the page that is shown."""

    text: str
    address: str
    current: bool
    order: int
    plugin: bool = False

    @property
    def group(self) -> str:
        """Which part of the navigation it stands in: the title of the part is `frame.navigation.<group>`."""
        if self.plugin:
            return "plugins"
        return "own_data" if self.order >= OWN_DATA else ""


def add_frame(app: Flask) -> None:
    """Give the application's templates their words."""
    app.jinja_env.globals.update(
        t=t,
        frame=_frame_text,
        words=words,
        localised=localised,
        date_text=_date,
        instant_text=_instant,
        year_text=_year,
        csrf_field=csrf_field,
        page_csrf=_csrf,
        page_frame=PageFrame,
    )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True


def render(template: str, /, **values: Any) -> str:
    """A page in the hub's frame."""
    return render_template(template, **values)


def csrf_field() -> Markup:
    """The hidden field of every form that changes something."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, current().csrf_token)


def _csrf() -> str:
    return current().csrf_token


class PageFrame:
    """The frame of one page: made by the base template, read by it only."""

    def __init__(self) -> None:
        browser = current()
        session = browser.session
        self.language = language()
        self.town = localised(portal().hub.settings.municipality_title)
        self.synthetic = portal().hub.settings.synthetic
        self.signed_in = session is not None and session.kind is not SessionKind.VISITOR
        self.kind = None if session is None else session.kind.value
        member = staff()
        self.member = None if member is None else member.title
        self.administers = member is not None and ADMINISTRATOR in member.roles
        self.watches_card = self.signed_in and session is not None and session.method == "card"
        if self.watches_card:
            reads_card()  # the script that looks whether the card is still there
        place = here()
        self.area = None if place is None else place.area.value
        self.service = None if place is None or place.plugin is None else localised(place.plugin.context.manifest.title)
        said = browser.notice()
        self.notice = _said(said, None if place is None else place.catalogue)
        self.home = home_address()

    def languages(self) -> Iterator[tuple[str, str, str]]:
        """(code, name, address of this page in that language)."""
        path, values = _page_address()
        kept = [(name, value) for name, value in values if name != "lang"]
        for code in languages():
            yield code, _NAMES[code], f"{path}?{urlencode([*kept, ('lang', code)])}"

    def navigation(self) -> list[tuple[str, Sequence[Link]]]:
        """(title, links) of each part of the navigation of the area that is shown; the first part has no title.

        Links that the member of staff has no role for are left out; who strays into the administration gets the
        counter's.
        """
        place = here()
        if place is None or not self.signed_in:
            return []
        area = Area.STAFF if place.area is Area.ADMIN and not self.administers else place.area
        links = sorted(_links(area), key=lambda link: (_GROUPS.index(link.group), link.order))
        return [(group, tuple(found)) for group, found in groupby(links, key=lambda link: link.group)]


_GROUPS = ("", "plugins", "own_data")


def home_address() -> str:
    """Where this visitor begins: staff at their counter or administration, a citizen at the portal, or at the door."""
    session = current().session
    if session is None or session.kind is SessionKind.VISITOR:
        return url_for("pages.home")
    if session.kind is SessionKind.CITIZEN:
        return url_for("my.home")
    place = here()
    return url_for("admin.home" if place is not None and place.area is Area.ADMIN else "counter.home")


def plugin_links(area: Area, plugin: str) -> list[Link]:
    """The pages of one plugin in an area, in order."""
    found = (one for one in mounted().values() if one.plugin is not None and one.plugin.context.name == plugin)
    return sorted((link for one in found for link in _links_of(one, area)), key=lambda link: link.order)


def _page_address() -> tuple[str, list[tuple[str, str]]]:
    """Path and query under which this page can be seen again: an answer to a form is not a page that can be asked for.

    Such an answer leads back to the page with the form, which same-origin requests name as their referrer.
    """
    adapter = current_app.create_url_adapter(request)
    if request.method in SAFE_METHODS or (adapter is not None and adapter.test(request.path, "GET")):
        return quote(request.script_root + request.path), list(request.args.items(multi=True))
    came_from = urlsplit(request.referrer or "")
    if came_from.netloc == request.host and is_local_path(came_from.path):
        return came_from.path, parse_qsl(came_from.query)
    return home_address(), []


def _links(area: Area) -> Iterator[Link]:
    for one in mounted().values():
        yield from _links_of(one, area)


def _links_of(one: Mounted, area: Area) -> Iterator[Link]:
    for item in one.navigation:
        endpoint = f"{one.name}.{item.endpoint.rpartition('.')[2]}"
        if item.area is not area or not may_open(endpoint):
            continue
        try:
            address = url_for(endpoint)
        except BuildError:
            continue  # a plugin that names a page it does not have loses the link, not the portal
        text = (frame_catalogue() if one.catalogue is None else one.catalogue).get(item.text_key, language())
        yield Link(text, address, address == request.path, item.order, one.plugin is not None)


def _said(key: str | None, own: Catalogue | None) -> str | None:
    """The text of a notice; a key that no catalogue of this page knows says nothing."""
    known = key is not None and (frame_catalogue().has(key) or (own is not None and own.has(key)))
    return t(key) if known and key is not None else None


def _frame_text(key: str, **values: str | int) -> str:
    return frame_catalogue().get(key, language(), values or None)


def _date(day: date | datetime) -> str:
    return dates.date_text(day, language())


def _year(year: int) -> str:
    return dates.year_text(year, language())


def _instant(at: datetime) -> str:
    return dates.instant_text(at, language())
