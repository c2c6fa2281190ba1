"""The application factory: the hub of one municipality as a WSGI application."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from mykey_core.errors import Refusal, StorageUnavailable
from mykey_core.hub import Hub
from mykey_web.all_pages import add_pages
from mykey_web.api_v1.blueprint import make_api
from mykey_web.api_v1.document import new_app
from mykey_web.operations.metrics import Counts
from mykey_web.operations.observed import observe
from mykey_web.operations.probes import make_probes
from mykey_web.pages import errors
from mykey_web.sessions.headers import secure

MAX_BODY_BYTES = 64 * 1024
_log = logging.getLogger(__name__)


def create_app(hub: Hub) -> Flask:
    """Make the WSGI application around an opened hub."""
    app = new_app()
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.extensions["mykey_hub"] = hub
    _write_json_as_the_lane_does(app)
    app.register_blueprint(make_api(app, hub))
    add_pages(app, hub)
    _register_errors(app)
    app.after_request(secure)
    counts = Counts(hub.settings.municipality)
    counts.listen(hub)
    app.register_blueprint(make_probes(hub, counts))
    proxies = hub.settings.sessions.proxies
    observe(app, counts, behind_proxy=bool(proxies))
    if proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=0)  # type: ignore[method-assign]
    app.wsgi_app = AtOrigin(app.wsgi_app, hub.settings.origin)  # type: ignore[method-assign]  # Flask's way to wrap it
    return app


class AtOrigin:
    """Tells the application the scheme of the hub's own origin, since TLS ends at a proxy in front of it.

    Taken from the settings and never from a header: what a client says of itself is worth nothing.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], origin: str) -> None:
        self._app = app
        self._scheme = origin.partition(":")[0]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """WSGI."""
        environ["wsgi.url_scheme"] = self._scheme
        return self._app(environ, start_response)


def _write_json_as_the_lane_does(app: Flask) -> None:
    """UTF-8, members in the order of their model, no blanks: a third of the size for Japanese."""
    provider = app.json
    if not isinstance(provider, DefaultJSONProvider):
        raise TypeError("Flask's own JSON provider is what the lane was compared with")
    provider.ensure_ascii, provider.sort_keys, provider.compact = False, False, True


def _register_errors(app: Flask) -> None:
    app.register_error_handler(HTTPException, errors.from_http_exception)
    app.register_error_handler(Refusal, errors.from_refusal)
    app.register_error_handler(StorageUnavailable, errors.from_storage)
    app.register_error_handler(Exception, _unexpected)


def _unexpected(error: Exception) -> Response:
    """A fault of ours: logged with its type and place, answered without any of it."""
    _log.error("unexpected %s", type(error).__name__, exc_info=error)
    return errors.internal()
