"""The browser of a request: its session, its language, and the cookies that its answer sets.

One `Browser` lives for one request (`current()`). It reads the session when somebody first asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from flask import Flask, Response, current_app, g, request

from mykey_core.hub import Hub
from mykey_core.portal.rates import Rates
from mykey_core.portal.sessions import OpenedSession, Sessions, WebSession
from mykey_core.portal.sign_in import SignIns
from mykey_core.translations import LANGUAGES, negotiate
from mykey_web.sessions.cookies import LANGUAGE_COOKIE, NOTICE_COOKIE, Cookies
from mykey_web.sessions.csrf import csrf_token
from mykey_web.sessions.device import device_of

_EXTENSION = "mykey_portal"

STAFF_LANGUAGES = ("ja", "en")
"""Languages of the counter and of the administration."""


@dataclass(frozen=True, slots=True)
class Portal:
    """What the pages of one hub work with."""

    hub: Hub
    sessions: Sessions
    sign_ins: SignIns
    rates: Rates
    cookies: Cookies

    @classmethod
    def of(cls, hub: Hub) -> Portal:
        """Make it for a hub."""
        settings = hub.settings
        sessions = Sessions(hub.database, settings.municipality, hub.clock, settings.sessions)
        rates = Rates(hub.database, settings.municipality, hub.clock)
        return cls(hub, sessions, SignIns(hub, sessions), rates, Cookies.of(settings))


def add_portal(app: Flask, hub: Hub) -> Portal:
    """Give the application its portal."""
    made = app.extensions[_EXTENSION] = Portal.of(hub)
    return made


def portal() -> Portal:
    """The portal of the application that answers this request."""
    return cast(Portal, current_app.extensions[_EXTENSION])


@dataclass(slots=True)
class Browser:
    """See the module."""

    portal: Portal
    token: str | None
    _session: WebSession | None = None
    _looked: bool = False
    _notice: str | None = None
    _said: bool = False
    _changes: list[Any] = field(default_factory=list)

    @property
    def session(self) -> WebSession | None:
        """The running session, or None."""
        if not self._looked:
            self._looked = True
            self._session = None if self.token is None else self.portal.sessions.find(self.token)
            if self._session is None:
                self.token = None
        return self._session

    def ensured(self) -> WebSession:
        """The running session; a visitor's is opened when there is none."""
        found = self.session
        if found is None:
            portal().rates.hit("60/minute", "visitor", address())
            opened = self.portal.sessions.open_visitor(device_of(request.user_agent.string))
            self.take(opened)
            return opened.session
        return found

    @property
    def csrf_token(self) -> str:
        """The token for forms; opens a visitor's session when there is none."""
        self.ensured()
        return csrf_token(cast(str, self.token))

    def take(self, opened: OpenedSession) -> None:
        """Use this session from now on; its cookie goes out with the answer."""
        self.token, self._session, self._looked = opened.token, opened.session, True

    def forget(self) -> None:
        """The session has ended; its cookie is taken away."""
        self.token, self._session, self._looked = None, None, True

    def say(self, key: str) -> None:
        """Show the text of a key on the next page."""
        self._notice = key

    @property
    def says(self) -> str | None:
        """The key of what the next page will say."""
        return self._notice

    def notice(self) -> str | None:
        """The key of what is to be said on this page, once."""
        self._said = NOTICE_COOKIE in request.cookies
        return request.cookies.get(NOTICE_COOKIE)

    def write_cookies(self, response: Response) -> None:
        """Set or take away what has changed."""
        sent = request.cookies.get(self.portal.cookies.session)
        if self._looked and self.token is not None and self.token != sent:
            self.portal.cookies.set_session(response, self.token)
        elif self._looked and self.token is None and sent is not None:
            self.portal.cookies.clear_session(response)
        if self._notice is not None:
            self.portal.cookies.set_notice(response, self._notice)
        elif self._said:
            self.portal.cookies.clear_notice(response)
        if request.args.get("lang") in LANGUAGES:
            self.portal.cookies.set_language(response, request.args["lang"])


def current() -> Browser:
    """The browser of this request."""
    if "mykey_browser" not in g:
        here = portal()
        g.mykey_browser = Browser(here, request.cookies.get(here.cookies.session))
    return cast(Browser, g.mykey_browser)


def write_cookies(response: Response) -> Response:
    """After every request: what the browser's session, language and notice have become."""
    if "mykey_browser" in g or request.args.get("lang") in LANGUAGES:
        current().write_cookies(response)
    return response


def language() -> str:
    """The language of this request: `?lang=`, else the remembered one, else the browser's, else Japanese.

    Japanese, too, where the page is not worded in it.
    """
    asked = (request.args.get("lang"), request.cookies.get(LANGUAGE_COOKIE))
    wanted = next((one for one in asked if one in LANGUAGES), None)
    wanted = wanted or negotiate(tag for tag, _ in request.accept_languages)
    return wanted if wanted in languages() else LANGUAGES[0]


def languages() -> tuple[str, ...]:
    """The languages that this page can be read in."""
    return STAFF_LANGUAGES if g.get("mykey_for_staff") else LANGUAGES


def for_staff() -> None:
    """This page is for staff: in plain Japanese it would be a mixture, as not all of their pages are worded in it."""
    g.mykey_for_staff = True


def address() -> str:
    """The address of the computer that asks, for rate limits only; never stored or logged as it is."""
    return request.remote_addr or "unknown"
