"""The public façade of the hub's pages for plugins: the names in `__all__` are the API, and nothing else is.

The templates `hub/base.html` and `hub/macros.html` belong to it as well. See docs/reference/pages.md.
"""

from __future__ import annotations

from typing import Any

from flask import Response, redirect, url_for
from werkzeug.http import dump_options_header
from werkzeug.wrappers import Response as WerkzeugResponse

from mykey_web.design import charts
from mykey_web.design.dates import date_text, instant_text
from mykey_web.design.wording import t, words
from mykey_web.pages.areas import requires_role
from mykey_web.pages.frame import render
from mykey_web.pages.plugin_pages import PluginRequest, Staff, Visitor, plugin_request
from mykey_web.sessions.browser import current
from mykey_web.sessions.headers import reads_card

__all__ = [
    "PluginRequest",
    "Staff",
    "Visitor",
    "charts",
    "date_text",
    "download",
    "instant_text",
    "plugin_request",
    "reads_card",
    "redirect_after",
    "render",
    "requires_role",
    "t",
    "words",
]


def download(content: bytes, filename: str, mimetype: str) -> Response:
    """A file for the reader to keep; never shown within the hub's origin."""
    response = Response(content, mimetype=mimetype)
    response.headers["Content-Disposition"] = dump_options_header("attachment", {"filename": filename})
    response.headers["Content-Security-Policy"] = "sandbox"
    return response


def redirect_after(endpoint: str, *, notice: str | None = None, **values: Any) -> WerkzeugResponse:
    """After a form: on to a page (`.name` is one of the same blueprint), where `notice` is said once.

    `notice` is a key of the plugin's own catalogue, or of the frame's wording.
    """
    if notice is not None:
        current().say(notice)
    return redirect(url_for(endpoint, **values), 303)
