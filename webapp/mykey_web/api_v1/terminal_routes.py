"""The routes by which a terminal enrols, gets its tokens, and learns what it may offer."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Flask, request

from mykey_core.hub import Hub
from mykey_core.terminals.registry import Terminal
from mykey_web import problems
from mykey_web.api_v1 import models
from mykey_web.api_v1.admission import TOKEN_PATH, takes, terminal_only
from mykey_web.api_v1.conditional import may_be_kept
from mykey_web.api_v1.oauth import make_authorization_server
from mykey_web.api_v1.paging import PageQuery, cut, paged
from mykey_web.api_v1.views import in_language, point_view, service_view

_SECURITY = "terminal"  # every route but enrolment and tokens


def add_terminal_routes(api: APIBlueprint, app: Flask, hub: Hub) -> None:
    """Add the routes."""
    view = _TerminalViews(hub)
    authorization = make_authorization_server(app, hub.terminals, view.token_endpoint)

    @api.post("/terminals/enrolments")
    @takes(api, models.EnrolmentRequest)
    @api.output(models.EnrolmentReply, status_code=201)
    def enrol(body: models.EnrolmentRequest) -> models.EnrolmentReply:
        """Enrol a terminal with its one-time code."""
        return view.enrol(body)

    @api.post("/oauth/token")
    @api.doc(summary="An access token for a terminal", description="Client credentials with private_key_jwt (Ed25519).")
    def token() -> Any:
        return authorization.create_token_response()

    @api.get("/services")
    @paged(api)
    @api.output(models.ServicesReply)
    @api.doc(security=_SECURITY)
    @terminal_only
    def services(terminal: Terminal, page: PageQuery) -> models.ServicesReply:
        """What this terminal may offer, in the language of the request."""
        may_be_kept()
        return view.services(terminal, page)


class _TerminalViews:
    """The views, bound to one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def token_endpoint(self) -> str:
        """The address at which this request's caller gets tokens, and the audience of its assertions.

        The origin is the hub's setting. The path in front is the server's own (SCRIPT_NAME): a town's path prefix.
        """
        return f"{self._hub.settings.origin}{request.script_root}{TOKEN_PATH}"

    def enrol(self, body: models.EnrolmentRequest) -> models.EnrolmentReply:
        endpoint = self.token_endpoint()
        terminal = self._hub.terminals.enrol(body.code, body.public_key, body.name, body.version)
        return models.EnrolmentReply(
            terminal_id=str(terminal.id),
            municipality=terminal.municipality,
            service_point=point_view(terminal, problems.request_language()),
            services=self._hub.plugins.offered(terminal.services, terminal.service_point),
            token_endpoint=endpoint,
            audience=endpoint,
            origin=self._hub.settings.origin,
            configuration_key=self._hub.configurations.public_jwk(),
        )

    def services(self, terminal: Terminal, page: PageQuery) -> models.ServicesReply:
        language = problems.request_language()
        offered = self._hub.plugins.offered(terminal.services, terminal.service_point)
        names, following = cut(offered, page, str)
        routes = (self._hub.plugins.route(name) for name in names)
        settings = self._hub.settings
        return models.ServicesReply(
            municipality=models.MunicipalityView(
                code=settings.municipality, title=in_language(settings.municipality_title, language)
            ),
            service_point=point_view(terminal, language),
            services=[service_view(route.service, language) for route in routes if route],
            next=following,
        )
