"""The scenes at the counter for staff: a look-up that the citizen sees, and an act that needs a second person.

Three browsers without a window speak to the hub's pages over HTTP and keep their cookies, as browsers do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx

from mykey_web.demo.clerks import CLERK, PIN, SUPERVISOR
from mykey_web.demo.clients import make_token

CounterScene = tuple[str, str, Callable[[], str]]
_TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]{64})"')
_CODE = re.compile(r"<code>([a-z_]+)</code>")
_APPROVAL = re.compile(r"/counter/approvals/([0-9a-f-]{36})/decide")
_CITIZEN = "adult"
_TIMEOUT = 60.0


class WebBrowser:
    """One browser, in English, with one card."""

    def __init__(self, origin: str, card: str) -> None:
        self._http = httpx.Client(base_url=origin, timeout=_TIMEOUT, headers={"Accept-Language": "en"})
        self._origin, self._card = origin, card

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def page(self, path: str) -> str:
        """The text of a page."""
        return self._http.get(path, headers={"Accept": "text/html"}, follow_redirects=True).text

    def post(self, path: str, **form: str) -> str:
        """Send a form; the page that follows."""
        data = {"csrf_token": self._token(), **form}
        return self._http.post(path, data=data, headers={"Accept": "text/html"}, follow_redirects=True).text

    def sign_in(self, audience: str) -> str:
        """Sign in with the card; where it leads, or the code of the refusal."""
        return self.prove("/sign-in/challenge", "/sign-in/card", self._card, audience=audience)

    def prove(self, begin: str, end: str, card: str, **values: str) -> str:
        """Let a card prove itself; where it leads, or the code of the refusal."""
        challenge = self._ask(begin, values)
        token = make_token(card, PIN, self._origin, challenge["nonce"])
        answer = self._ask(end, {**values, "id": challenge["id"], "token": token})
        return str(answer.get("next") or answer.get("code"))

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._http.post(path, json=body, headers={"X-CSRF-Token": self._token()}).json()
        return answer

    def _token(self) -> str:
        found = _TOKEN.search(self.page("/sign-in/"))
        return "" if found is None else found[1]


def counter_scenes(origin: str) -> list[CounterScene]:
    """(name, expected, act) of each; the citizen's card is known to the hub already."""
    clerk, supervisor = WebBrowser(origin, CLERK), WebBrowser(origin, SUPERVISOR)
    citizen = WebBrowser(origin, _CITIZEN)
    record: dict[str, str] = {}

    def look_up() -> str:
        clerk.sign_in("staff")
        found = clerk.prove("/counter/card/challenge", "/counter/look-up/card", _CITIZEN, purpose="asked")
        record["address"] = found
        citizen.sign_in("citizen")
        seen = "purpose: The citizen&#39;s request" in citizen.page("/my/accesses")
        return f"{found.rpartition('/')[0]}, the citizen {'sees who and why' if seen else 'sees nothing'}"

    def four_eyes() -> str:
        clerk.post(f"{record['address']}/ask", act="hold", ground="citizen-asked")
        waiting = _first(_APPROVAL, clerk.page("/counter/approvals"))
        own = _first(_CODE, clerk.post(f"/counter/approvals/{waiting}/decide", decision="approve"))
        supervisor.sign_in("staff")
        supervisor.post(f"/counter/approvals/{waiting}/decide", decision="approve")
        return f"own approval {own}, after the supervisor's {citizen.sign_in('citizen')}"

    def released() -> str:
        clerk.post(f"{record['address']}/ask", act="release", ground="citizen-asked")
        waiting = _first(_APPROVAL, supervisor.page("/counter/approvals"))
        supervisor.post(f"/counter/approvals/{waiting}/decide", decision="approve")
        return citizen.sign_in("citizen")

    return [
        ("counter: a look-up is seen by the citizen", "/counter/cases, the citizen sees who and why", look_up),
        (
            "counter: nobody approves alone",
            "own approval role_needed, after the supervisor's person_held",
            four_eyes,
        ),
        ("counter: released by two", "/my/", released),
    ]


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return "nothing" if found is None else found[1]
