"""ETag and If-None-Match for what terminals ask again and again: 304 without a body when nothing has changed."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from flask import Response, g, request

_KEPT: Final = "private, no-cache"  # the terminal may keep it, and has to ask whether it is still so


def may_be_kept(state: str = "") -> None:
    """This answer concerns no person. `state` names it when its body is another one each time (a new signature)."""
    g.mykey_kept = state


def answer_if_changed(response: Response) -> Response:
    """After a view that has said `may_be_kept`: an ETag, and no body for a caller who has this state."""
    if "mykey_kept" not in g or response.status_code != HTTPStatus.OK:
        return response
    if g.mykey_kept:
        response.set_etag(g.mykey_kept, weak=True)
    else:
        response.add_etag()
    response.headers["Cache-Control"] = _KEPT
    response.vary.update(("Accept-Language", "Authorization"))
    response.make_conditional(request)
    return response
