"""The hub's cookies: names and flags. What a session's cookie opens is in `mykey_core.portal.sessions`.

With an https origin the session's cookie has the prefix `__Host-`, so that no other host and no plain connection can
set it; a hub on loopback (demo, tests) has no https and takes another name. The name ends with the town's code, because
several towns may stand below one host name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from flask import Response

from mykey_core.settings import HubSettings

LANGUAGE_COOKIE = "mykey-language"
NOTICE_COOKIE = "mykey-notice"
_LANGUAGE_KEPT = timedelta(days=365)
_NOTICE_KEPT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Cookies:
    """The cookies of one hub; `secure` is False on loopback without https only."""

    session: str
    secure: bool

    @classmethod
    def of(cls, settings: HubSettings) -> Cookies:
        """Those that fit the hub's origin."""
        secure = settings.origin.startswith("https:")
        name = "__Host-mykey" if secure else "mykey-session"
        return cls(f"{name}-{settings.municipality}", secure)

    def set_session(self, response: Response, token: str) -> None:
        """Hand the browser its session: until it is closed, invisible to scripts, not sent from other sites' forms."""
        response.set_cookie(self.session, token, path="/", secure=self.secure, httponly=True, samesite="Lax")

    def clear_session(self, response: Response) -> None:
        """Take the session's cookie away."""
        response.delete_cookie(self.session, path="/", secure=self.secure, httponly=True, samesite="Lax")

    def set_language(self, response: Response, language: str) -> None:
        """Remember the language."""
        self._set(response, LANGUAGE_COOKIE, language, _LANGUAGE_KEPT)

    def set_notice(self, response: Response, key: str) -> None:
        """Say something on the next page: the key of a text, never the text itself."""
        self._set(response, NOTICE_COOKIE, key, _NOTICE_KEPT)

    def clear_notice(self, response: Response) -> None:
        """It has been said."""
        response.delete_cookie(NOTICE_COOKIE, path="/", secure=self.secure, httponly=True, samesite="Lax")

    def _set(self, response: Response, name: str, value: str, kept: timedelta) -> None:
        response.set_cookie(name, value, max_age=kept, path="/", secure=self.secure, httponly=True, samesite="Lax")
