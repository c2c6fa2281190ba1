"""The agent's WSGI application: routes, CORS, and every error as a problem document.

The checks are in `gate`, what is done in `desk`, listening in `server`.
"""

from __future__ import annotations

import json
import logging
import traceback
from typing import TYPE_CHECKING, Any, cast

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from mykey_cardap.errors import CardError
from mykey_terminal.agent.bodies import (
    ActionBody,
    ApprovalBody,
    CardTapBody,
    EmptyBody,
    InsertBody,
    PairBody,
    ReceiptBody,
    RecordBody,
    ReleaseBody,
    SignInBody,
    TapBody,
    WritingBody,
    parse,
)
from mykey_terminal.agent.desk import CardDesk
from mykey_terminal.agent.gate import TOKEN_HEADER
from mykey_terminal.errors import AgentError, TerminalError
from mykey_terminal.problems import MEDIA_TYPE, Problem, problem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from mykey_terminal.agent.gate import Gate
    from mykey_terminal.agent.reader_desk import ReaderDesk
    from mykey_terminal.agent.writings import WritingDesk

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
        Rule(f"{PREFIX}/sign-ins", methods=["POST"], endpoint="sign_in"),
        Rule(f"{PREFIX}/actions", methods=["POST"], endpoint="act"),
        Rule(f"{PREFIX}/card-profiles", methods=["GET"], endpoint="card_profiles"),
        Rule(f"{PREFIX}/card-taps", methods=["POST"], endpoint="card_tap"),
        Rule(f"{PREFIX}/card-writings", methods=["POST"], endpoint="write_card"),
        Rule(f"{PREFIX}/card-writings/<{_ID}:writing_id>", methods=["GET"], endpoint="writing"),
        Rule(f"{PREFIX}/card-writings/<{_ID}:writing_id>/go-on", methods=["POST"], endpoint="go_on"),
        Rule(f"{PREFIX}/card-writings/<{_ID}:writing_id>/approval", methods=["POST"], endpoint="approve"),
        Rule(f"{PREFIX}/card-writings/<{_ID}:writing_id>/release", methods=["POST"], endpoint="release"),
        Rule(f"{PREFIX}/records", methods=["POST"], endpoint="record"),
        Rule(f"{PREFIX}/receipts", methods=["POST"], endpoint="receipt"),
        Rule(f"{PREFIX}/visits/<{_ID}:visit_id>", methods=["DELETE"], endpoint="end_visit"),
    ],
    merge_slashes=False,
)

_SIGNING_IN = frozenset({"status", "tray", "insert", "card", "sign_in"})
"""What a computer at home offers besides pairing."""


class AgentApp:
    """A WSGI application for one terminal, or with a bare `ReaderDesk` for signing in only (a computer at home)."""

    def __init__(self, gate: Gate, desk: ReaderDesk, writings: WritingDesk | None = None) -> None:
        self._gate = gate
        self._desk = desk
        self._writings = writings

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
        page = self._gate.check_paired(request, origin)
        return _json(self._serve(endpoint, request, page, **arguments))

    def _serve(self, endpoint: str, request: Request, page: str, **arguments: str) -> dict[str, Any]:
        if endpoint not in _SIGNING_IN and not isinstance(self._desk, CardDesk):
            raise AgentError("agent_sign_in_only", 403)
        look = self._looks(_language(request), page, **arguments).get(endpoint)
        if look is not None:
            return look()
        raw, language = self._gate.read_body(request), _language(request)
        if endpoint == "sign_in":
            return self._desk.sign_in(parse(SignInBody, raw), request.headers["Origin"], page)
        if endpoint == "insert":
            return self._desk.insert(parse(InsertBody, raw).card)
        if arguments:
            return self._go_on(endpoint, raw, language, **arguments)
        return self._change(endpoint, raw, language)

    def _looks(self, language: str | None, page: str, **arguments: str) -> dict[str, Callable[[], dict[str, Any]]]:
        """What needs no body."""
        return {
            "status": lambda: self._desk.status(page),
            "tray": self._desk.tray,
            "card": self._desk.card,
            "services": lambda: self._terminal.services(language),
            "tap_again": lambda: self._terminal.tap_again(arguments["tap_id"], language),
            "end_visit": lambda: self._terminal.end_visit(**arguments),
            "card_profiles": lambda: self._writer.profiles(language),
            "writing": lambda: self._writer.state(**arguments),
        }

    @property
    def _terminal(self) -> CardDesk:
        """The desk of an enrolled terminal: whatever signing in does not need has been refused before without one."""
        return cast(CardDesk, self._desk)

    @property
    def _writer(self) -> WritingDesk:
        if self._writings is None:
            raise AgentError("agent_not_found", 404)
        return self._writings

    def _go_on(self, endpoint: str, raw: bytes, language: str | None, writing_id: str) -> dict[str, Any]:
        if endpoint == "release":
            body = parse(ReleaseBody, raw)
            return self._writer.release(writing_id, body.evidence, language, body.clerk)
        if endpoint == "approve":
            return self._writer.approve(writing_id, language, parse(ApprovalBody, raw).clerk)
        parse(EmptyBody, raw)
        return self._writer.go_on(writing_id, language)

    def _change(self, endpoint: str, raw: bytes, language: str | None) -> dict[str, Any]:
        if endpoint == "write_card":
            return self._writer.begin(parse(WritingBody, raw).model_dump(exclude_none=True), language)
        if endpoint == "card_tap":
            return self._writer.begin_tap(parse(CardTapBody, raw).model_dump(exclude_none=True), language)
        if endpoint == "record":
            return self._terminal.record(parse(RecordBody, raw))
        if endpoint == "receipt":
            return self._terminal.receipt(parse(ReceiptBody, raw))
        if endpoint == "tap":
            return self._terminal.tap(parse(TapBody, raw), language)
        return self._terminal.act(parse(ActionBody, raw), language)


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
