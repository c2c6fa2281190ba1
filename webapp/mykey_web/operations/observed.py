"""Around the whole application: a request id, what the request took, and one line in the access log.

Addresses of pages and of people's computers are not logged, only the name of the view (`endpoint`).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable
from typing import Any, Final
from uuid import uuid4

from flask import Flask, request

from mykey_core.request_id import REQUEST_ID
from mykey_web.operations.metrics import Counts

ENDPOINT: Final = "mykey.endpoint"
HEADER: Final = "X-Request-ID"
_GIVEN: Final = re.compile(r"[A-Za-z0-9-]{8,64}")
_LANE: Final = "api_v1.prove"
_log = logging.getLogger("mykey.access")
Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


def observe(app: Flask, counts: Counts, *, behind_proxy: bool) -> None:
    """Wrap the application; an id in the request is believed only where a proxy of the town's own sets it."""

    def note_endpoint() -> None:
        request.environ[ENDPOINT] = request.endpoint or "unknown"

    app.before_request_funcs.setdefault(None, []).insert(0, note_endpoint)  # before a guard answers in its place

    app.wsgi_app = Observed(app.wsgi_app, counts, behind_proxy=behind_proxy)  # type: ignore[method-assign]


class Observed:
    """WSGI, see the module."""

    def __init__(self, app: Application, counts: Counts, *, behind_proxy: bool) -> None:
        self._app = app
        self._counts = counts
        self._behind_proxy = behind_proxy

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """WSGI."""
        own = self._id_of(environ)
        began = time.perf_counter()
        status = "500"

        def start(line: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            nonlocal status
            status = line[:3]
            return start_response(line, [*headers, (HEADER, own)], *rest)

        kept = REQUEST_ID.set(own)
        try:
            return self._app(environ, start)
        finally:
            self._told(environ, status, time.perf_counter() - began)
            REQUEST_ID.reset(kept)

    def _id_of(self, environ: Environ) -> str:
        given = environ.get("HTTP_X_REQUEST_ID", "") if self._behind_proxy else ""
        return given if _GIVEN.fullmatch(given) else uuid4().hex

    def _told(self, environ: Environ, status: str, seconds: float) -> None:
        endpoint = environ.get(ENDPOINT) or _LANE  # what answers in front of Flask is the lane of proofs
        method = environ.get("REQUEST_METHOD", "")
        self._counts.request(endpoint, status, seconds)
        if _log.isEnabledFor(logging.INFO):
            facts = {"endpoint": endpoint, "method": method, "status": int(status)}
            _log.info("request", extra={**facts, "milliseconds": round(seconds * 1000, 1)})
