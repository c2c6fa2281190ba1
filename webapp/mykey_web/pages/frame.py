"""What every template may use: words, the frame with its navigation, the token of forms, and dates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import quote, urlencode

from flask import Flask, render_template, request, url_for
from markupsafe import Markup
from werkzeug.routing import BuildError

from mykey_core.plugins.pages import Area
from mykey_core.portal.sessions import SessionKind
from mykey_core.translations import LANGUAGES, Catalogue
from mykey_web.design import dates
from mykey_web.design.wording import frame_catalogue, localised, t, words
from mykey_web.pages.areas import here, mounted, staff
from mykey_web.sessions.browser import current, language, portal
from mykey_web.sessions.csrf import FIELD
from mykey_web.sessions.headers import reads_card

_NAMES = {"ja": "日本語", "ja-Hira": "やさしい日本語", "en": "English"}


@dataclass(frozen=True, slots=True)
class Link:
    """One item of the navigation; `current` is the page that is shown."""

    text: str
    address: str
    current: bool
    order: int


def add_frame(app: Flask) -> None:
    """Give the application's templates their words."""
    app.jinja_env.globals.update(
        t=t,
        frame=_frame_text,
        words=words,
        localised=localised,
        date_text=_date,
        instant_text=_instant,
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
        self.watches_card = session is not None and session.kind is SessionKind.STAFF and session.method == "card"
        if self.watches_card:
            reads_card()  # the script that looks whether the card is still there
        place = here()
        self.area = None if place is None else place.area.value
        self.service = None if place is None or place.plugin is None else localised(place.plugin.context.manifest.title)
        said = browser.notice()
        self.notice = _said(said, None if place is None else place.catalogue)

    def languages(self) -> Iterator[tuple[str, str, str]]:
        """(code, name, address of this page in that language)."""
        kept = [(name, value) for name, value in request.args.items(multi=True) if name != "lang"]
        path = quote(request.script_root + request.path)
        for code in LANGUAGES:
            yield code, _NAMES[code], f"{path}?{urlencode([*kept, ('lang', code)])}"

    def navigation(self) -> list[Link]:
        """The items of the area that is shown, the hub's and its plugins'."""
        place = here()
        if place is None or not self.signed_in:
            return []
        return sorted(_links(place.area), key=lambda link: link.order)


def _links(area: Area) -> Iterator[Link]:
    for one in mounted().values():
        for item in one.navigation:
            if item.area is not area:
                continue
            try:
                address = url_for(f"{one.name}.{item.endpoint.rpartition('.')[2]}")
            except BuildError:
                continue  # a plugin that names a page it does not have loses the link, not the portal
            text = frame_catalogue() if one.catalogue is None else one.catalogue
            yield Link(text.get(item.text_key, language()), address, address == request.path, item.order)


def _said(key: str | None, own: Catalogue | None) -> str | None:
    """The text of a notice; a key that no catalogue of this page knows says nothing."""
    known = key is not None and (frame_catalogue().has(key) or (own is not None and own.has(key)))
    return t(key) if known and key is not None else None


def _frame_text(key: str, **values: str | int) -> str:
    return frame_catalogue().get(key, language(), values or None)


def _date(day: date | datetime) -> str:
    return dates.date_text(day, language())


def _instant(at: datetime) -> str:
    return dates.instant_text(at, language())
