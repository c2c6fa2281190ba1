"""The lane: WSGI in front of Flask for the one request that every tap ends with, when all is well.

Flask's dispatch costs as much as the whole proof (benchmarks/tap.py). The lane answers `POST /api/v1/taps/{id}/proof`
with 200 and nothing else: whatever is unusual goes on to Flask untouched, and a refusal goes on with the proof's
outcome in the environment, so that there is one place that words and records refusals.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from uuid import UUID

from werkzeug.http import parse_accept_header

from mykey_core.authentication import strict_json
from mykey_core.errors import MykeyError
from mykey_core.hub import Hub
from mykey_core.taps.replies import TapReply
from mykey_core.translations import negotiate
from mykey_web.sessions.headers import HSTS_VALUE

OUTCOME = "mykey.proof_outcome"  # the exception of a proof that the lane has handed in
API_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)
HSTS = ("Strict-Transport-Security", HSTS_VALUE)
_PREFIX, _SUFFIX = "/api/v1/taps/", "/proof"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_MEMBERS = frozenset({"token", "attributes"})

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
View = Callable[[TapReply, str], dict[str, Any]]


@lru_cache(maxsize=1024)
def language_of(accept: str) -> str:
    """The language for an Accept-Language header, as `problems.request_language` finds it."""
    return negotiate(tag for tag, _ in parse_accept_header(accept))


class ProofLane:
    """See the module. `view` makes the reply's JSON value from what became of the tap, in a language."""

    def __init__(self, app: Application, hub: Hub, view: View, max_body: int) -> None:
        self._app = app
        self._hub = hub
        self._view = view
        self._max_body = max_body

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """WSGI."""
        path = environ.get("PATH_INFO", "")
        if path.endswith(_SUFFIX) and path.startswith(_PREFIX) and environ["REQUEST_METHOD"] == "POST":
            answer = self._answer(environ, path[len(_PREFIX) : -len(_SUFFIX)])
            if answer is not None:
                headers = [("Content-Type", "application/json"), ("Content-Length", str(len(answer))), *API_HEADERS]
                headers += [HSTS] if environ["wsgi.url_scheme"] == "https" else []
                start_response("200 OK", headers)
                return [answer]
        return self._app(environ, start_response)

    def _answer(self, environ: Environ, tap_id: str) -> bytes | None:
        """The body of the reply; None for what Flask must answer."""
        if "HTTP_IDEMPOTENCY_KEY" in environ:
            return None
        body = self._body(environ)
        try:
            request = strict_json.loads(body.decode("utf-8"))
            token = request["token"] if request.keys() <= _MEMBERS and request.get("attributes") is None else None
            scheme, _, access_token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
            if not isinstance(token, dict) or scheme.lower() != "bearer" or not access_token:
                return None
            terminal = self._hub.terminals.authenticate(access_token.strip())
            tap = UUID(tap_id)
        except (ValueError, KeyError, AttributeError, MykeyError):
            return None  # nothing has been done: Flask finds the same fault and words it
        try:
            reply = self._hub.taps.prove(terminal, tap, token)
        except Exception as error:  # noqa: BLE001 - raised again by the view, within Flask
            environ[OUTCOME] = error
            return None
        language = language_of(environ.get("HTTP_ACCEPT_LANGUAGE", ""))
        return f"{_encode(self._view(reply, language))}\n".encode()  # the line's end that Flask writes

    def _body(self, environ: Environ) -> bytes:
        """The body, which Flask can read again; empty when it is none that the lane takes."""
        length = environ.get("CONTENT_LENGTH", "")
        media_type = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        if not length.isdecimal() or int(length) > self._max_body or media_type != "application/json":
            return b""
        body: bytes = environ["wsgi.input"].read(int(length))
        environ["wsgi.input"] = io.BytesIO(body)
        return body
