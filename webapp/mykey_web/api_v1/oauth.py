"""Access tokens for terminals: the client-credentials grant with `private_key_jwt`, on Authlib."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from flask import Flask
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from mykey_core.terminals.registry import TOKEN_LIFETIME, Terminal, TerminalRegistry

MAX_ASSERTION_SECONDS = 300


class TerminalClient:
    """A terminal as Authlib's client: one grant, one way to authenticate, no redirects, no secret."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.client_id = str(terminal.id)

    def check_grant_type(self, grant_type: str) -> bool:
        """Only client credentials."""
        return grant_type == "client_credentials"

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002 - Authlib's signature
        """Only the signed assertion."""
        return method == "client_assertion_jwt"

    def get_allowed_scope(self, scope: str | None) -> str:  # noqa: ARG002 - Authlib's signature
        """Terminals have rights by enrolment, not by scope."""
        return ""


class DeviceAssertion(JWTBearerClientAssertion):  # type: ignore[misc]  # Authlib has no types
    """A client assertion signed with the terminal's Ed25519 device key."""

    def __init__(self, terminals: TerminalRegistry, audience: Callable[[], str]) -> None:
        super().__init__(leeway=30)
        self._terminals = terminals
        self._audience = audience

    def get_audiences(self) -> list[str]:
        """The token endpoint of this hub and nothing else."""
        return [self._audience()]

    def resolve_client_public_key(self, client: TerminalClient) -> OKPKey:
        """The key that was registered at enrolment; a key in the assertion's header is never used."""
        return OKPKey.import_key(dict(client.terminal.public_key))

    def process_assertion_claims(self, assertion: str, resolve_key: OKPKey) -> dict[str, Any]:
        """Verify with Ed25519 only (Authlib would take what joserfc recommends), then check the claims."""
        try:
            token = jwt.decode(assertion, resolve_key, algorithms=["Ed25519"])
        except (JoseError, ValueError) as error:
            raise InvalidClientError(description="the assertion's signature is not valid") from error
        self.verify_claims(token.claims)
        if token.claims["exp"] - token.claims.get("iat", 0) > MAX_ASSERTION_SECONDS:
            raise InvalidClientError(description="the assertion lives too long")
        return dict(token.claims)

    def validate_jti(self, claims: dict[str, Any], jti: str) -> bool:
        """Each assertion is used once."""
        return self._terminals.remember_assertion(f"{claims['sub']}:{jti}")


class _Grant(ClientCredentialsGrant):  # type: ignore[misc]  # Authlib has no types
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_assertion_jwt",)


def make_authorization_server(
    app: Flask, terminals: TerminalRegistry, audience: Callable[[], str]
) -> AuthorizationServer:
    """Authlib's server with this one grant; tokens live five minutes. `audience` is asked within a request."""

    def query_client(client_id: str) -> TerminalClient | None:
        try:
            terminal = terminals.get(UUID(client_id))
        except ValueError:
            return None
        return TerminalClient(terminal) if terminal else None

    def save_token(token: dict[str, Any], oauth_request: Any) -> None:
        terminals.save_token(token["access_token"], oauth_request.client.terminal.id)

    app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"client_credentials": int(TOKEN_LIFETIME.total_seconds())}
    server = AuthorizationServer(app, query_client=query_client, save_token=save_token)
    server.register_client_auth_method("client_assertion_jwt", DeviceAssertion(terminals, audience))
    server.register_grant(_Grant)
    return server
