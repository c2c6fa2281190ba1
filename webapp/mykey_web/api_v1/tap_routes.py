"""The routes of a tap: its challenge, its proof, what became of it, and acts within the visit that follows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Flask, request

from mykey_core.hub import Hub
from mykey_core.storage.idempotency import IdempotencyKey
from mykey_core.taps.errors import TapRefused
from mykey_core.taps.replies import TapReply
from mykey_core.taps.wording import localise
from mykey_core.terminals.registry import Terminal
from mykey_core.translations import Catalogue, load_catalogue
from mykey_web import problems
from mykey_web.api_v1 import models
from mykey_web.api_v1.admission import takes, terminal_only
from mykey_web.api_v1.lane import OUTCOME, ProofLane
from mykey_web.api_v1.views import check_view
from mykey_web.design.dates import date_text

_SECURITY = "terminal"


def add_tap_routes(api: APIBlueprint, app: Flask, hub: Hub) -> None:
    """Add the routes, and the lane in front of the application for the proof when all is well."""
    view = _TapViews(hub)
    lane = ProofLane(app.wsgi_app, hub, view.reply_in, app.config["MAX_CONTENT_LENGTH"])
    app.wsgi_app = lane  # type: ignore[method-assign]  # Flask's own way to wrap it

    @api.post("/taps")
    @takes(api, models.TapRequestBody)
    @api.output(models.ChallengeReply, status_code=201)
    @api.doc(security=_SECURITY)
    @terminal_only
    def begin_tap(terminal: Terminal, body: models.TapRequestBody) -> models.ChallengeReply:
        """Ask for a tap and get the challenge that the card signs."""
        return view.begin(terminal, body)

    @api.post("/taps/<tap_id>/proof")
    @takes(api, models.ProofRequest)
    @api.output(models.ResultReply)
    @api.doc(security=_SECURITY)
    @terminal_only
    def prove(terminal: Terminal, tap_id: str, body: models.ProofRequest) -> models.ResultReply:
        """Hand in the proof; the nonce is used up whatever the answer is."""
        return view.prove(terminal, tap_id, body)

    @api.get("/taps/<tap_id>")
    @api.output(models.StatusReply)
    @api.doc(security=_SECURITY)
    @terminal_only
    def find_tap(terminal: Terminal, tap_id: str) -> models.StatusReply:
        """What became of a tap, for a terminal that lost the reply."""
        return view.find(terminal, tap_id)

    @api.post("/actions")
    @takes(api, models.ActionRequest)
    @api.output(models.ResultReply)
    @api.doc(security=_SECURITY)
    @terminal_only
    def act(terminal: Terminal, body: models.ActionRequest) -> models.ResultReply:
        """Act without a new tap: within a visit, or for the staff."""
        return view.act(terminal, body)

    @api.delete("/visits/<visit_id>")
    @api.output({}, status_code=204)
    @api.doc(security=_SECURITY)
    @terminal_only
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


class _TapViews:
    """The views, bound to one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

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
            reply.result = localise(status.result, language, self._catalogue, date_text)
        if status.state == "refused" and status.result is not None:
            extensions = {"offers": status.result["offers"]}
            reply.problem = problems.problem_body(status.result["code"], language, extensions)
        return reply

    def _reply(self, reply: TapReply) -> models.ResultReply:
        return models.ResultReply(**self.reply_in(reply, problems.request_language()))

    def reply_in(self, reply: TapReply, language: str) -> dict[str, Any]:
        """The members of a reply in `language`."""
        result = localise(reply.result, language, self._catalogue, date_text)
        if self._hub.settings.show_evidence:
            checks = [check_view(line) for line in reply.checks]
            result["evidence"] = {"checks": checks, "audit": reply.audit.as_json()}
        return {"tap_id": str(reply.tap_id) if reply.tap_id else None, "state": "done", "result": result}

    def _catalogue(self, domain: str) -> Catalogue | None:
        return load_catalogue("mykey_web", "hub") if domain == "hub" else self._hub.plugins.catalogue(domain)
