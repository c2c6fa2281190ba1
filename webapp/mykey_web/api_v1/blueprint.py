"""The routes of /api/v1. Views translate between HTTP and the core and decide nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from apiflask import APIBlueprint, HTTPError
from flask import Flask, Response, g, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException

from mykey_core.audit.records import append
from mykey_core.authentication import strict_json
from mykey_core.errors import Refusal
from mykey_core.hub import Hub
from mykey_core.plugins.manifest import Action, Service
from mykey_core.storage.idempotency import IdempotencyKey
from mykey_core.taps.errors import TapRefused
from mykey_core.taps.replies import TapReply
from mykey_core.taps.wording import localise
from mykey_core.terminals.errors import TerminalRefused
from mykey_core.terminals.registry import Terminal
from mykey_core.translations import Catalogue, load_catalogue
from mykey_core.uploads.states import UploadRefused
from mykey_web import problems
from mykey_web.api_v1 import models
from mykey_web.api_v1.lane import OUTCOME, ProofLane
from mykey_web.api_v1.oauth import make_authorization_server
from mykey_web.api_v1.uploads import add_upload_routes
from mykey_web.api_v1.writing import add_writing_routes

P = ParamSpec("P")
R = TypeVar("R")
_SECURITY = "terminal"  # every route but enrolment and tokens
_TOKEN_PATH = "/api/v1/oauth/token"  # noqa: S105 - a path
_OPEN_PATHS = frozenset({_TOKEN_PATH, "/api/v1/terminals/enrolments"})


def make_api(app: Flask, hub: Hub) -> APIBlueprint:
    """The blueprint of the API, bound to one hub."""
    api = APIBlueprint("api_v1", __name__, url_prefix="/api/v1", tag="terminals")
    view = _Views(hub)
    authorization = make_authorization_server(app, hub.terminals, view.token_endpoint)
    lane = ProofLane(app.wsgi_app, hub, view.reply_in, app.config["MAX_CONTENT_LENGTH"])
    app.wsgi_app = lane  # type: ignore[method-assign]  # Flask's own way to wrap it
    api.before_request(view.admit)
    api.register_error_handler(Refusal, view.refused)
    api.register_error_handler(HTTPException, view.refused_by_framework)
    api.register_error_handler(HTTPError, view.refused_by_model)
    _add_terminal_routes(api, view, authorization)
    _add_tap_routes(api, view)
    add_writing_routes(api, hub, _takes)
    add_upload_routes(api, hub, _takes)
    return api


def _strict(body: bytes) -> dict[str, Any]:
    """Read the body, refusing what parsers read differently: members twice, a byte order mark, wrong UTF-8."""
    try:
        value = strict_json.loads(body.decode("utf-8"))
    except ValueError as error:
        raise Refusal("request_malformed", "the body is no strict JSON") from error
    if not isinstance(value, dict):
        raise Refusal("request_malformed", "the body is no JSON object")
    return value


def _takes(api: APIBlueprint, model: type[BaseModel]) -> Callable[[Callable[..., R]], Callable[..., R]]:
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


def _add_terminal_routes(api: APIBlueprint, view: _Views, authorization: Any) -> None:
    @api.post("/terminals/enrolments")
    @_takes(api, models.EnrolmentRequest)
    @api.output(models.EnrolmentReply, status_code=201)
    def enrol(body: models.EnrolmentRequest) -> models.EnrolmentReply:
        """Enrol a terminal with its one-time code."""
        return view.enrol(body)

    @api.post("/oauth/token")
    @api.doc(summary="An access token for a terminal", description="Client credentials with private_key_jwt (Ed25519).")
    def token() -> Any:
        return authorization.create_token_response()

    @api.get("/services")
    @api.output(models.ServicesReply)
    @api.doc(security=_SECURITY)
    @view.terminal_only
    def services(terminal: Terminal) -> models.ServicesReply:
        """What this terminal may offer, in the language of the request."""
        return view.services(terminal)


def _add_tap_routes(api: APIBlueprint, view: _Views) -> None:
    @api.post("/taps")
    @_takes(api, models.TapRequestBody)
    @api.output(models.ChallengeReply, status_code=201)
    @api.doc(security=_SECURITY)
    @view.terminal_only
    def begin(terminal: Terminal, body: models.TapRequestBody) -> models.ChallengeReply:
        """Ask for a tap and get the challenge that the card signs."""
        return view.begin(terminal, body)

    @api.post("/taps/<tap_id>/proof")
    @_takes(api, models.ProofRequest)
    @api.output(models.ResultReply)
    @api.doc(security=_SECURITY)
    @view.terminal_only
    def prove(terminal: Terminal, tap_id: str, body: models.ProofRequest) -> models.ResultReply:
        """Hand in the proof; the nonce is used up whatever the answer is."""
        return view.prove(terminal, tap_id, body)

    @api.get("/taps/<tap_id>")
    @api.output(models.StatusReply)
    @api.doc(security=_SECURITY)
    @view.terminal_only
    def find(terminal: Terminal, tap_id: str) -> models.StatusReply:
        """What became of a tap, for a terminal that lost the reply."""
        return view.find(terminal, tap_id)

    @api.post("/actions")
    @_takes(api, models.ActionRequest)
    @api.output(models.ResultReply)
    @api.doc(security=_SECURITY)
    @view.terminal_only
    def act(terminal: Terminal, body: models.ActionRequest) -> models.ResultReply:
        """Act without a new tap: within a visit, or for the staff."""
        return view.act(terminal, body)

    @api.delete("/visits/<visit_id>")
    @api.output({}, status_code=204)
    @api.doc(security=_SECURITY)
    @view.terminal_only
    def end_visit(terminal: Terminal, visit_id: str) -> Any:
        """End a visit, because the card has left the reader."""
        view.end_visit(terminal, visit_id)
        return ""


def _uuid(text: str, code: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise TapRefused(code) from error


def _key(terminal: Terminal) -> IdempotencyKey | None:
    """The request's Idempotency-Key, bound to its path and body; None without the header."""
    text = request.headers.get("Idempotency-Key")
    if text is None:
        return None
    content = b"\0".join((request.method.encode(), request.path.encode(), request.get_data()))
    return IdempotencyKey.of(terminal.id, text, content)


class _Views:
    """The views, bound to one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def token_endpoint(self) -> str:
        """The address at which this request's caller gets tokens, and the audience of its assertions.

        The origin is the hub's setting. The path in front is the server's own (SCRIPT_NAME): a town's path prefix.
        """
        return f"{self._hub.settings.origin}{request.script_root}{_TOKEN_PATH}"

    def admit(self) -> None:
        """Before anything else: who is calling (but for the two doors of enrolment), and strict JSON only."""
        if request.path not in _OPEN_PATHS:
            g.terminal = self._caller()
        if request.method == "POST" and request.path != _TOKEN_PATH:
            if request.mimetype != "application/json":
                raise Refusal("unsupported_media_type")
            g.body = _strict(request.get_data())

    def _caller(self) -> Terminal:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TerminalRefused("terminal_unauthorized")
        return self._hub.terminals.authenticate(token.strip())

    def terminal_only(self, view: Callable[..., R]) -> Callable[..., R]:
        """Give the view the calling terminal as its first argument."""

        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> R:
            return view(g.terminal, *args, **kwargs)

        return guarded

    def enrol(self, body: models.EnrolmentRequest) -> models.EnrolmentReply:
        endpoint = self.token_endpoint()
        terminal = self._hub.terminals.enrol(body.code, body.public_key, body.name, body.version)
        return models.EnrolmentReply(
            terminal_id=str(terminal.id),
            municipality=terminal.municipality,
            service_point=_point_view(terminal, problems.request_language()),
            services=sorted(terminal.services),
            token_endpoint=endpoint,
            audience=endpoint,
            origin=self._hub.settings.origin,
            configuration_key=self._hub.configurations.public_jwk(),
        )

    def services(self, terminal: Terminal) -> models.ServicesReply:
        language = problems.request_language()
        routes = (self._hub.plugins.route(name) for name in sorted(terminal.services))
        settings = self._hub.settings
        return models.ServicesReply(
            municipality=models.MunicipalityView(
                code=settings.municipality, title=_in_language(settings.municipality_title, language)
            ),
            service_point=_point_view(terminal, language),
            services=[_service_view(route.service, language) for route in routes if route],
        )

    def begin(self, terminal: Terminal, body: models.TapRequestBody) -> models.ChallengeReply:
        challenge = self._hub.taps.begin(terminal, body.service, body.action, body.input, _key(terminal))
        return models.ChallengeReply(
            tap_id=str(challenge.tap_id),
            nonce=challenge.nonce,
            origin=challenge.origin,
            expires_at=challenge.expires_at.isoformat(),
            needs=list(challenge.needs),
        )

    def prove(self, terminal: Terminal, tap_id: str, body: models.ProofRequest) -> models.ResultReply:
        if OUTCOME in request.environ:
            raise request.environ[OUTCOME]
        tap = _uuid(tap_id, "tap_unknown")
        return self._reply(self._hub.taps.prove(terminal, tap, body.token, body.attributes, _key(terminal)))

    def act(self, terminal: Terminal, body: models.ActionRequest) -> models.ResultReply:
        visit = _uuid(body.visit_id, "visit_ended") if body.visit_id else None
        return self._reply(self._hub.taps.act(terminal, body.service, body.action, body.input, visit, _key(terminal)))

    def end_visit(self, terminal: Terminal, visit_id: str) -> None:
        self._hub.taps.end_visit(terminal, _uuid(visit_id, "visit_ended"))

    def find(self, terminal: Terminal, tap_id: str) -> models.StatusReply:
        status = self._hub.taps.find(terminal, _uuid(tap_id, "tap_unknown"))
        language = problems.request_language()
        reply = models.StatusReply(tap_id=str(status.tap_id), state=status.state)  # type: ignore[arg-type]
        if status.state == "done" and status.result is not None:
            reply.result = localise(status.result, language, self._catalogue)
        if status.state == "refused" and status.result is not None:
            extensions = {"offers": status.result["offers"]}
            reply.problem = problems.problem_body(status.result["code"], language, extensions)
        return reply

    def refused_by_framework(self, error: HTTPException) -> Any:
        """What werkzeug refuses: too large, wrong method, unknown path."""
        return self.refused(Refusal(problems.code_of(error))) if (error.code or 0) >= HTTPStatus.BAD_REQUEST else error

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
            extensions["evidence"] = {"checks": [_check_view(line) for line in checks], "audit": error.audit.as_json()}
        return problems.from_refusal(error, extensions)

    def _record(self, error: Refusal) -> None:
        now = self._hub.clock()
        facts = {"terminal": str(g.terminal.id), "code": error.code, "endpoint": request.endpoint}
        with self._hub.database.writing() as session:
            error.audit = append(session, self._hub.settings.municipality, now, "request.refused", facts)

    def _reply(self, reply: TapReply) -> models.ResultReply:
        return models.ResultReply(**self.reply_in(reply, problems.request_language()))

    def reply_in(self, reply: TapReply, language: str) -> dict[str, Any]:
        """The members of a reply in `language`."""
        result = localise(reply.result, language, self._catalogue)
        if self._hub.settings.show_evidence:
            checks = [_check_view(line) for line in reply.checks]
            result["evidence"] = {"checks": checks, "audit": reply.audit.as_json()}
        return {"tap_id": str(reply.tap_id) if reply.tap_id else None, "state": "done", "result": result}

    def _catalogue(self, domain: str) -> Catalogue | None:
        return load_catalogue("mykey_web", "hub") if domain == "hub" else self._hub.plugins.catalogue(domain)


def _check_view(line: Any) -> dict[str, str]:
    return {
        "check": line.check.value,
        "result": "passed" if line.passed else "failed",
        "detail": line.detail,
    }


def _in_language(texts: Mapping[Any, str], language: str) -> str:
    return texts.get(language) or texts.get("ja", "")


def _point_view(terminal: Terminal, language: str) -> models.ServicePointView:
    return models.ServicePointView(name=terminal.service_point, title=_in_language(terminal.title, language))


def _service_view(service: Service, language: str) -> models.ServiceView:
    return models.ServiceView(
        service=service.name,
        title=_in_language(service.title, language),
        description=_in_language(service.description, language),
        needs=list(service.needs),
        actions=[_action_view(action, language) for action in service.actions],
    )


def _action_view(action: Action, language: str) -> models.ActionView:
    fields = [
        models.FieldView(
            name=field.name,
            title=_in_language(field.title, language),
            type=field.type,
            required=field.required,
            pattern=field.pattern,
            max_length=field.max_length,
        )
        for field in action.fields
    ]
    title = _in_language(action.title, language)
    return models.ActionView(
        name=action.name, title=title, subject=action.subject, fields=fields, offline=action.offline
    )
