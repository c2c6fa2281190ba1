"""The agent's WSGI application: routes, CORS, and every error as a problem document.

The checks are in `gate`, what is done in `desk`, listening in `server`.
"""

from __future__ import annotations

import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from mykey_cardap.errors import CardError
from mykey_terminal.agent.bodies import ActionBody, InsertBody, PairBody, TapBody, parse
from mykey_terminal.agent.gate import TOKEN_HEADER
from mykey_terminal.errors import AgentError, TerminalError
from mykey_terminal.problems import MEDIA_TYPE, Problem, problem_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from mykey_terminal.agent.desk import CardDesk
    from mykey_terminal.agent.gate import Gate

log = logging.getLogger(__name__)

PREFIX = "/agent/v1"
_LANGUAGE_LENGTH = 200
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "DELETE, GET, POST, PUT",
    "Access-Control-Allow-Headers": f"{TOKEN_HEADER}, Content-Type, Accept-Language",
    "Access-Control-Max-Age": "600",
}
_ALWAYS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Origin",
}
_ID = "string(minlength=3, maxlength=100)"  # longer than `..`, which a URL takes for a path
_ROUTES = Map(
    [
        Rule(f"{PREFIX}/pair", methods=["POST"], endpoint="pair"),
        Rule(f"{PREFIX}/status", methods=["GET"], endpoint="status"),
        Rule(f"{PREFIX}/tray", methods=["GET"], endpoint="tray"),
        Rule(f"{PREFIX}/tray/inserted", methods=["PUT"], endpoint="insert"),
        Rule(f"{PREFIX}/card", methods=["GET"], endpoint="card"),
        Rule(f"{PREFIX}/services", methods=["GET"], endpoint="services"),
        Rule(f"{PREFIX}/taps", methods=["POST"], endpoint="tap"),
        Rule(f"{PREFIX}/taps/<{_ID}:tap_id>", methods=["GET"], endpoint="tap_again"),
        Rule(f"{PREFIX}/actions", methods=["POST"], endpoint="act"),
        Rule(f"{PREFIX}/visits/<{_ID}:visit_id>", methods=["DELETE"], endpoint="end_visit"),
    ],
    merge_slashes=False,
)


class AgentApp:
    """A WSGI application for one terminal."""

    def __init__(self, gate: Gate, desk: CardDesk) -> None:
        self._gate = gate
        self._desk = desk

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        origin: str | None = None
        try:
            origin = self._gate.check_origin(request)
            response = self._allowed(request, origin)
        except (AgentError, TerminalError, CardError) as error:
            response = _problem(problem_of(error))
        except HTTPException as error:
            response = _problem(_routing_problem(error), error)
        except Exception as error:  # noqa: BLE001 - the agent must answer, and must not log what it was sent
            log.error("the agent failed: %s", _where(error))  # noqa: TRY400 - a traceback's text may quote input
            response = _problem(Problem(500, "agent_internal"))
        response.headers.update(_ALWAYS)
        if origin is not None:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "Retry-After"
        return response

    def _allowed(self, request: Request, origin: str) -> Response:
        if request.method == "OPTIONS":
            return Response(status=204, headers=_PREFLIGHT)
        endpoint, arguments = _ROUTES.bind_to_environ(request.environ).match()
        if endpoint == "pair":
            body = parse(PairBody, self._gate.read_body(request))
            return _json({"token": self._gate.desk.pair(body.code.get_secret_value(), origin)})
        self._gate.check_paired(request, origin)
        return _json(self._serve(endpoint, request, **arguments))

    def _serve(self, endpoint: str, request: Request, **arguments: str) -> dict[str, Any]:
        look = {"status": self._desk.status, "tray": self._desk.tray, "card": self._desk.card}.get(endpoint)
        if look is not None:
            return look()
        if endpoint == "services":
            return self._desk.services(_language(request))
        if endpoint == "tap_again":
            return self._desk.tap_again(arguments["tap_id"], _language(request))
        if endpoint == "end_visit":
            return self._desk.end_visit(**arguments)
        return self._change(endpoint, self._gate.read_body(request), _language(request))

    def _change(self, endpoint: str, raw: bytes, language: str | None) -> dict[str, Any]:
        if endpoint == "insert":
            return self._desk.insert(parse(InsertBody, raw).card)
        if endpoint == "tap":
            return self._desk.tap(parse(TapBody, raw), language)
        return self._desk.act(parse(ActionBody, raw), language)


def _json(document: dict[str, Any], *, status: int = 200, media_type: str = "application/json") -> Response:
    return Response(json.dumps(document, ensure_ascii=False), status=status, mimetype=media_type)


def _problem(problem: Problem, error: HTTPException | None = None) -> Response:
    response = _json(problem.to_json(), status=problem.status, media_type=MEDIA_TYPE)
    if "retry_after" in problem.extensions:
        response.headers["Retry-After"] = str(problem.extensions["retry_after"])
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _routing_problem(error: HTTPException) -> Problem:
    if isinstance(error, MethodNotAllowed):
        return Problem(405, "agent_method")
    if isinstance(error, NotFound):
        return Problem(404, "agent_not_found")
    return Problem(400, "agent_bad_request")


def _language(request: Request) -> str | None:
    language = request.headers.get("Accept-Language")
    if language is None or not language.isascii() or not language.isprintable():
        return None
    return language[:_LANGUAGE_LENGTH]


def _where(error: Exception) -> str:
    """The kind of an unexpected error and its place in our code; never its text, which may quote input."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} at {place}"
