"""Authlib's authorization server for remote plugins: the code grant with PKCE and ID token, and client credentials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import InvalidScopeError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, request

from mykey_core.hub import Hub
from mykey_core.portal.sessions import WebSession
from mykey_core.remote.keys import ALGORITHMS, Key, ProviderKeys, Use
from mykey_core.remote.provider import TOKEN_LIFETIME, Authorizations, Code, CodeRequest, sid_of
from mykey_web.oidc.clients import ASSERTION_METHOD, PluginAssertion, RemoteClient, find_client

ACR = {"card": "urn:mykey:acr:card", "hand-over": "urn:mykey:acr:card:other-device", "passkey": "urn:mykey:acr:passkey"}
"""How the person signed in at the hub, as `acr`. The first two have proven the card and its PIN."""
AMR = {"card": ["sc", "pin"], "hand-over": ["sc", "pin"], "passkey": ["hwk", "user"]}  # RFC 8176


@dataclass(frozen=True, slots=True)
class Provider:
    """The provider of one hub."""

    hub: Hub
    keys: ProviderKeys
    store: Authorizations
    server: AuthorizationServer


def issuer() -> str:
    """The issuer of the hub that answers this request: its origin, with the path of its town if it has one."""
    from mykey_web.sessions.browser import portal  # noqa: PLC0415 - the portal is mounted later than this is made

    return portal().hub.settings.origin + request.script_root


class _StoredCode:
    """A stored code as Authlib asks for it."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.code_challenge = code.request.code_challenge
        self.code_challenge_method = "S256"
        self.subject: str | None = None

    def get_redirect_uri(self) -> str:
        return self.code.request.redirect_uri

    def get_scope(self) -> str:
        return self.code.request.scope

    def get_nonce(self) -> str | None:
        return self.code.request.nonce

    def get_auth_time(self) -> int:
        return int(self.code.auth_time.timestamp())

    def get_acr(self) -> str:
        return ACR.get(self.code.method, ACR["card"])

    def get_amr(self) -> list[str]:
        return AMR.get(self.code.method, AMR["card"])


class _S256(CodeChallenge):  # type: ignore[misc]  # Authlib has no types
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)
    DEFAULT_CODE_CHALLENGE_METHOD = "S256"


class _IdToken(OpenIDCode):  # type: ignore[misc]  # Authlib has no types
    def __init__(self, keys: ProviderKeys, hub: Hub) -> None:
        super().__init__(require_nonce=False)
        self._keys = keys
        self._hub = hub

    def exists_nonce(self, nonce: str, request: Any) -> bool:  # noqa: ARG002 - Authlib's signature
        """The nonce is the client's to remember; a code is used once anyway."""
        return False

    def get_client_algorithm(self, client: RemoteClient) -> str:  # noqa: ARG002 - Authlib's signature
        return ALGORITHMS[Use.ID_TOKEN]

    def resolve_client_private_key(self, client: RemoteClient) -> Key:  # noqa: ARG002 - Authlib's signature
        return self._keys.signing(Use.ID_TOKEN)

    def get_encode_header(self, client: RemoteClient) -> dict[str, str]:  # noqa: ARG002 - Authlib's signature
        return {"alg": ALGORITHMS[Use.ID_TOKEN], "kid": self._keys.key_id(Use.ID_TOKEN)}

    def get_compatible_claims(self, request: Any) -> dict[str, Any]:
        """By the hub's own clock; Authlib would take the system's."""
        now = int(self._hub.clock().timestamp())
        lifetime = int(TOKEN_LIFETIME.total_seconds())
        return {"iss": issuer(), "aud": request.client.client_id, "iat": now, "exp": now + lifetime}

    def generate_user_info(self, user: _StoredCode, scope: str) -> dict[str, str]:  # noqa: ARG002 - Authlib's signature
        """`sub` and `sid` are this plugin's own; attributes are read at UserInfo, where consent is checked anew."""
        return {"sub": str(user.subject), "sid": sid_of(user.code.session_id, user.code.client)}


class _Issuer(IssuerParameter):  # type: ignore[misc]  # Authlib has no types
    def get_issuer(self) -> str:
        return issuer()


def make_provider(app: Flask, hub: Hub, audiences: Callable[[], list[str]]) -> Provider:
    """Authlib's server with these grants and no other; `audiences` are those of an assertion, within a request."""
    store, keys = Authorizations(hub), ProviderKeys(hub.settings.provider_key_file)

    def save_token(token: dict[str, Any], oauth: Any) -> None:
        code = getattr(oauth, "authorization_code", None)
        stored = None if code is None else code.code
        store.save_token(token["access_token"], oauth.client.client_id, token.get("scope", ""), stored)

    lifetimes = dict.fromkeys(("authorization_code", "client_credentials"), int(TOKEN_LIFETIME.total_seconds()))
    app.config["OAUTH2_TOKEN_EXPIRES_IN"] = lifetimes
    server = AuthorizationServer(app, query_client=lambda name: find_client(hub, name), save_token=save_token)
    server.register_client_auth_method(ASSERTION_METHOD, PluginAssertion(hub, audiences))
    server.register_grant(_code_grant(store), [_S256(required=True), _IdToken(keys, hub)])
    server.register_grant(_PluginGrant)
    server.register_extension(_Issuer())
    server.register_endpoint(_revocation(store))
    return Provider(hub, keys, store, server)


class _PluginGrant(ClientCredentialsGrant):  # type: ignore[misc]  # Authlib has no types
    """A token of the plugin itself, for the REST interface."""

    TOKEN_ENDPOINT_AUTH_METHODS = (ASSERTION_METHOD,)

    def validate_requested_scope(self) -> None:
        """Nothing that the town has not granted, and nothing without being asked for."""
        wanted = frozenset((self.request.payload.scope or "").split())
        if not wanted or wanted - self.request.client.api_scopes():
            raise InvalidScopeError


def _code_grant(store: Authorizations) -> type[AuthorizationCodeGrant]:
    class Grant(AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib has no types
        TOKEN_ENDPOINT_AUTH_METHODS = (ASSERTION_METHOD,)

        def save_authorization_code(self, code: str, oauth: Any) -> None:
            data = oauth.payload.data
            browser: WebSession = oauth.user
            scope = oauth.client.sign_in_scope(data.get("scope"))
            asked = CodeRequest(data["redirect_uri"], scope, data.get("nonce"), data["code_challenge"])
            store.save_code(code, oauth.client.client_id, browser, asked)

        def query_authorization_code(self, code: str, client: RemoteClient) -> _StoredCode | None:
            found = store.find_code(code, client.client_id)
            return None if found is None else _StoredCode(found)

        def delete_authorization_code(self, authorization_code: _StoredCode) -> None:
            """It stays for a while as used, so that a second use is noticed."""

        def authenticate_user(self, authorization_code: _StoredCode) -> _StoredCode | None:
            """Here, after every check and before any token, the code is used up."""
            authorization_code.subject = store.use_code(authorization_code.code, issuer())
            return authorization_code if authorization_code.subject is not None else None

    return Grant


def _revocation(store: Authorizations) -> type[RevocationEndpoint]:
    class Revocation(RevocationEndpoint):  # type: ignore[misc]  # Authlib has no types
        CLIENT_AUTH_METHODS = (ASSERTION_METHOD,)
        SUPPORTED_TOKEN_TYPES = ("access_token",)

        def authenticate_token(self, oauth: Any, client: RemoteClient) -> str:
            """Whatever it is: of another client, nothing is ended, and nothing is told (RFC 7009 2.2)."""
            self.check_params(oauth, client)
            store.revoke(oauth.form["token"], client.client_id)
            return ""

        def query_token(self, token_string: str, token_type_hint: str | None) -> None:
            """Done above."""

        def revoke_token(self, token: Any, request: Any) -> None:
            """Done above."""

    return Revocation
