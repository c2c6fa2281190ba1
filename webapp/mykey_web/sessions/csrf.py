"""Against requests that another site makes a browser send: a token of the session in every form, and the origin.

The token is a keyed hash of the session's cookie, so that it needs no place of its own and ends with the session.
Requests of terminals carry a bearer token, which no browser sends by itself, and are not checked here.
"""

from __future__ import annotations

import hashlib
import hmac

from flask import Request

from mykey_core.errors import Refusal

FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LABEL = b"mykey csrf v1"


def csrf_token(session_token: str) -> str:
    """The token for the forms of a session: HMAC-SHA256, keyed by its cookie, in hexadecimal."""
    return hmac.new(session_token.encode(), _LABEL, hashlib.sha256).hexdigest()


def check_csrf(request: Request, session_token: str | None, origin: str) -> None:
    """`csrf_failed` unless the form was made by this hub for this session."""
    came_from = request.headers.get("Origin")
    if came_from is not None and came_from != origin:
        raise Refusal("csrf_failed", "another origin")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise Refusal("csrf_failed", "another site")
    sent = request.headers.get(HEADER) or request.form.get(FIELD, "")
    if session_token is None or not hmac.compare_digest(csrf_token(session_token).encode(), sent.encode()):
        raise Refusal("csrf_failed", "no token of this session")
