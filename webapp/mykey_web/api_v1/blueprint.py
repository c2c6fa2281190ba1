"""/api/v1 for terminals, put together: its door, and the routes by subject. Views decide nothing."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Flask

from mykey_core.hub import Hub
from mykey_web.api_v1.admission import Door, takes
from mykey_web.api_v1.conditional import answer_if_changed
from mykey_web.api_v1.tap_routes import add_tap_routes
from mykey_web.api_v1.terminal_routes import add_terminal_routes
from mykey_web.api_v1.uploads import add_upload_routes
from mykey_web.api_v1.writing import add_writing_routes


def make_api(app: Flask, hub: Hub) -> APIBlueprint:
    """The blueprint of the API, bound to one hub."""
    api = APIBlueprint("api_v1", __name__, url_prefix="/api/v1", tag="terminals")
    Door(hub).guard(api)
    api.after_request(answer_if_changed)
    add_terminal_routes(api, app, hub)
    add_tap_routes(api, app, hub)
    add_writing_routes(api, hub, takes)
    add_upload_routes(api, hub, takes)
    return api
