"""Before and after every view of /api/v1: who is calling, strict JSON, bodies checked by a model, refusals worded.

Views are not here; they get the terminal in `g.terminal` and their body from `takes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any, ParamSpec, TypeVar

from apiflask import APIBlueprint, HTTPError
from flask import Response, g, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException

from mykey_core.audit.records import append
from mykey_core.authentication import strict_json
from mykey_core.errors import Refusal
from mykey_core.hub import Hub
from mykey_core.taps.errors import TapRefused
from mykey_core.terminals.errors import TerminalRefused
from mykey_core.terminals.registry import Terminal
from mykey_core.uploads.states import UploadRefused
from mykey_web import problems
from mykey_web.api_v1.views import check_view

P = ParamSpec("P")
R = TypeVar("R")
TOKEN_PATH = "/api/v1/oauth/token"  # noqa: S105 - a path
_OPEN_PATHS = frozenset({TOKEN_PATH, "/api/v1/terminals/enrolments"})


def _strict(body: bytes) -> dict[str, Any]:
    """Read the body, refusing what parsers read differently: members twice, a byte order mark, wrong UTF-8."""
    try:
        value = strict_json.loads(body.decode("utf-8"))
    except ValueError as error:
        raise Refusal("request_malformed", "the body is no strict JSON") from error
    if not isinstance(value, dict):
        raise Refusal("request_malformed", "the body is no JSON object")
    return value


def takes(api: APIBlueprint, model: type[BaseModel]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give the view its body, checked by `model`; APIFlask describes it, but would read the text again."""

    def decorate(view: Callable[..., R]) -> Callable[..., R]:
        @wraps(api.input(model, arg_name="body")(view))
        def checked(*args: Any, **kwargs: Any) -> R:
            try:
                body = model.model_validate(g.body)
            except ValidationError as error:
                raise HTTPError(HTTPStatus.UNPROCESSABLE_ENTITY, detail={"json": error.errors()}) from error
            return view(*args, **kwargs, body=body)

        return checked

    return decorate


class Door:
    """What stands before the views of one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def guard(self, api: APIBlueprint) -> None:
        """Put it before every view of the blueprint, and its wording behind every refusal."""
        api.before_request(self.admit)
        api.register_error_handler(Refusal, self.refused)
        api.register_error_handler(HTTPException, self.refused_by_framework)
        api.register_error_handler(HTTPError, self.refused_by_model)

    def admit(self) -> None:
        """Before anything else: who is calling (but for the two doors of enrolment), and strict JSON only."""
        if request.path not in _OPEN_PATHS:
            g.terminal = self._caller()
        if request.method == "POST" and request.path != TOKEN_PATH:
            if request.mimetype != "application/json":
                raise Refusal("unsupported_media_type")
            g.body = _strict(request.get_data())

    def _caller(self) -> Terminal:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TerminalRefused("terminal_unauthorized")
        return self._hub.terminals.authenticate(token.strip())

    def refused_by_framework(self, error: HTTPException) -> Any:
        """What werkzeug refuses: too large, wrong method, unknown path."""
        if (error.code or 0) < HTTPStatus.BAD_REQUEST:
            return error
        answer = self.refused(Refusal(problems.code_of(error)))
        answer.headers.update(problems.kept_headers(error))
        return answer

    def refused_by_model(self, error: HTTPError) -> Response:
        """A body that its model refuses: which members are wrong, never what they held."""
        members = problems.wrong_members(error)
        return self.refused(Refusal("request_malformed"), {"members": members} if members else None)

    def refused(self, error: Refusal, more: Mapping[str, Any] | None = None) -> Response:
        """Any refusal of this API: recorded once, and with its evidence where the hub shows evidence."""
        extensions: dict[str, Any] = dict(more or {})
        if isinstance(error, TapRefused) and error.offers:
            extensions["offers"] = list(error.offers)
        if isinstance(error, UploadRefused):
            extensions |= {"seq": error.seq, "reason": error.detail, "records": error.answers}
        if error.audit is None and "terminal" in g:
            self._record(error)
        if self._hub.settings.show_evidence and error.audit is not None:
            checks = getattr(error, "checks", ())
            extensions["evidence"] = {"checks": [check_view(line) for line in checks], "audit": error.audit.as_json()}
        return problems.from_refusal(error, extensions)

    def _record(self, error: Refusal) -> None:
        now = self._hub.clock()
        facts = {"terminal": str(g.terminal.id), "code": error.code, "endpoint": request.endpoint}
        with self._hub.database.writing() as session:
            error.audit = append(session, self._hub.settings.municipality, now, "request.refused", facts)


def terminal_only(view: Callable[..., R]) -> Callable[..., R]:
    """Give the view the calling terminal as its first argument."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> R:
        return view(g.terminal, *args, **kwargs)

    return guarded
