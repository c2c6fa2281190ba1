"""The pages that the hub serves to browsers: the service point, signing in, the portal, and those of plugins.

`add_pages` puts all of them into an application. The JSON API is not here.
"""

from __future__ import annotations

from flask import Flask

from mykey_core.hub import Hub
from mykey_core.plugins.pages import Area
from mykey_web.design.wording import frame_catalogue
from mykey_web.pages.areas import guard, mount
from mykey_web.pages.frame import add_frame
from mykey_web.pages.plugin_pages import guard_point_api, mount_plugins
from mykey_web.pages.point import blueprint
from mykey_web.portal import my, sign_in
from mykey_web.sessions.browser import add_portal, write_cookies

__all__ = ["add_pages", "blueprint"]


def add_pages(app: Flask, hub: Hub) -> None:
    """Everything that a browser sees of a hub."""
    add_portal(app, hub)
    add_frame(app)
    app.before_request(guard)
    app.before_request(guard_point_api)
    app.after_request(write_cookies)
    app.register_blueprint(blueprint)
    words = frame_catalogue()
    mount(app, sign_in.blueprint, Area.PUBLIC, catalogue=words, url_prefix="/sign-in")
    mount(app, my.blueprint, Area.CITIZEN, catalogue=words, navigation=my.NAVIGATION)
    mount_plugins(app, hub)
