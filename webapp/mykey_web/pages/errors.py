"""What went wrong, as a page for people; the API answers problem documents (`mykey_web.problems`) in its place."""

from __future__ import annotations

from flask import Response, make_response, request
from werkzeug.exceptions import HTTPException

from mykey_core.errors import Refusal, StorageUnavailable
from mykey_core.portal.rates import TooManyRequests
from mykey_web import problems
from mykey_web.design.wording import refusal_words
from mykey_web.pages.frame import home_address, render


def wants_page() -> bool:
    """True where a person with a browser asks, and not a program."""
    if request.path.startswith("/api/"):
        return False
    best = request.accept_mimetypes.best_match(["application/problem+json", "application/json", "text/html"])
    return best == "text/html" and request.accept_mimetypes.provided


def problem_page(code: str, status: int | None = None) -> Response:
    """The page for a refusal: what it is, why, and what to do."""
    found = problems.status_of(code) if status is None else status
    return make_response(render("hub/problem.html", code=code, problem=refusal_words(code), home=home_address()), found)


def from_refusal(error: Refusal) -> Response:
    """A refusal of the core, for a person or for a program."""
    if isinstance(error, TooManyRequests):
        return _with_retry(_answer(error.code), error.retry_after)
    return problem_page(error.code) if wants_page() else problems.from_refusal(error)


def from_http_exception(error: HTTPException) -> Response:
    """What werkzeug refuses; redirects pass."""
    if error.code is None or error.code < 400 or not wants_page():  # noqa: PLR2004 - a redirect is no problem
        return problems.from_http_exception(error)
    page = problem_page(problems.code_of(error), error.code)
    page.headers.update(problems.kept_headers(error))
    return page


def from_storage(error: StorageUnavailable) -> Response:
    """The database cannot write now: nothing was done, try again."""
    return _with_retry(_answer("storage_unavailable"), error.retry_after)


def internal() -> Response:
    """A fault of ours or of a plugin's page."""
    return _answer("internal_error")


def _answer(code: str) -> Response:
    return problem_page(code) if wants_page() else problems.problem_response(code)


def _with_retry(response: Response, seconds: int) -> Response:
    response.headers["Retry-After"] = str(seconds)
    return response
