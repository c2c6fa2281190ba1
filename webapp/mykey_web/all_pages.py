"""Putting all pages into an application: the service point, signing in, the portal, the counter, and those of plugins.

Nothing that a page needs imports this module: the façade for plugins must load by itself.
"""

from __future__ import annotations

from flask import Flask

from mykey_core.hub import Hub
from mykey_core.plugins.pages import Area
from mykey_web.admin import views as admin
from mykey_web.api_v1.remote import make_remote_api
from mykey_web.counter import decisions, passkeys, records, uploads  # noqa: F401 - views of the counter
from mykey_web.counter import views as counter
from mykey_web.counter.clerks import catalogue as counter_words
from mykey_web.design.wording import frame_catalogue
from mykey_web.oidc.endpoints import audiences, make_endpoints
from mykey_web.oidc.pages import make_pages
from mykey_web.oidc.server import make_provider
from mykey_web.pages.areas import guard, mount
from mykey_web.pages.files import allow_files
from mykey_web.pages.frame import add_frame
from mykey_web.pages.once import add_once
from mykey_web.pages.plugin_pages import guard_point_api, mount_plugins
from mykey_web.pages.point import blueprint
from mykey_web.portal import my, sign_in
from mykey_web.sessions.browser import add_portal, write_cookies


def add_pages(app: Flask, hub: Hub) -> None:
    """Everything that a browser sees of a hub."""
    add_portal(app, hub)
    add_frame(app)
    app.before_request(allow_files)
    app.before_request(guard)
    app.before_request(guard_point_api)
    add_once(app)
    app.after_request(write_cookies)
    app.register_blueprint(blueprint)
    words = frame_catalogue()
    mount(app, sign_in.blueprint, Area.PUBLIC, catalogue=words, url_prefix="/sign-in")
    mount(app, my.blueprint, Area.CITIZEN, catalogue=words, navigation=my.NAVIGATION)
    mount(app, passkeys.sign_in, Area.PUBLIC, catalogue=words, url_prefix="/sign-in/passkey")
    mount(app, counter.blueprint, Area.STAFF, catalogue=counter_words(), navigation=counter.NAVIGATION)
    mount(app, admin.blueprint, Area.ADMIN, catalogue=admin.catalogue(), navigation=admin.NAVIGATION)
    mount_plugins(app, hub)
    provider = make_provider(app, hub, audiences)
    app.register_blueprint(make_endpoints(provider))
    mount(app, make_pages(provider), Area.PUBLIC, catalogue=words, url_prefix="")
    app.register_blueprint(make_remote_api(provider))
