"""Forms with a file: a view says how large one may be, and for whoever may not come in the hub's small limit stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flask import current_app, request

from mykey_web.pages.areas import staff

P = ParamSpec("P")
R = TypeVar("R")
_MARK = "mykey_longest_file"


def takes_file(longest: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A view for staff whose form may have this many bytes, the file included; above it, `body_too_large`."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        setattr(view, _MARK, longest)
        return view

    return decorate


def allow_files() -> None:
    """Before the form is read, which the guard does: the limit of this view, for members of staff."""
    longest = getattr(current_app.view_functions.get(request.endpoint or ""), _MARK, None)
    if longest is not None and staff() is not None:
        request.max_content_length = longest
