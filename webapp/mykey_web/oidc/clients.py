"""Remote plugins as OAuth clients: registered by their manifests, proven by a signed assertion, limited by grants."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from mykey_core.hub import Hub
from mykey_core.plugins.loader import LoadedPlugin
from mykey_core.plugins.manifest import Capability, Manifest, Remote

ASSERTION_METHOD = "client_assertion_jwt"
API_SCOPES = (Capability.AUDIT, Capability.EVENTS, Capability.PEOPLE)
"""The capabilities that open something in the REST interface; each is the scope of the same name."""
PURPOSE = "purpose:"
OPENID = "openid"
MAX_ASSERTION_SECONDS = 300
_MAX_ASSERTION = 4096


class RemoteClient:
    """A remote plugin as Authlib's client."""

    def __init__(self, plugin: LoadedPlugin, remote: Remote) -> None:
        self.plugin = plugin
        self.remote = remote
        self.client_id = plugin.context.name

    @property
    def manifest(self) -> Manifest:
        """What the plugin says of itself."""
        return self.plugin.context.manifest

    def get_client_id(self) -> str:
        """See Authlib."""
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """None: the address is always named (OIDC Core 3.1.2.1)."""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Letter by letter."""
        return redirect_uri in self.remote.redirect_uris

    def check_response_type(self, response_type: str) -> bool:
        """Only codes."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """No refresh tokens: what a plugin does without the person, it does by itself."""
        return grant_type in {"authorization_code", "client_credentials"}

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002 - Authlib's signature
        """Only the signed assertion, at every endpoint."""
        return method == ASSERTION_METHOD

    def get_allowed_scope(self, scope: str | None) -> str:
        """Of what is asked for, what there is at all; which grant gives what is decided there."""
        known = self._sign_in_scopes() | self.api_scopes()
        return " ".join(name for name in (scope or "").split() if name in known)

    def sign_in_scope(self, scope: str | None) -> str:
        """Of what is asked for, what signs a person in: `openid` and the purposes of the manifest."""
        known = self._sign_in_scopes()
        return " ".join(dict.fromkeys(name for name in (scope or "").split() if name in known))

    def _sign_in_scopes(self) -> frozenset[str]:
        return frozenset({OPENID, *(PURPOSE + purpose.name for purpose in self.manifest.purposes)})

    def api_scopes(self) -> frozenset[str]:
        """What the plugin itself may use of the REST interface."""
        return frozenset(scope.value for scope in API_SCOPES if self.plugin.context.may(scope))


def find_client(hub: Hub, client_id: str) -> RemoteClient | None:
    """The active remote plugin of this name, or None."""
    plugin = hub.plugins.plugins.get(client_id)
    remote = None if plugin is None else plugin.context.manifest.remote
    return None if plugin is None or remote is None else RemoteClient(plugin, remote)


class PluginAssertion(JWTBearerClientAssertion):  # type: ignore[misc]  # Authlib has no types
    """`private_key_jwt` with the Ed25519 key of the manifest; a key in the header is never used."""

    def __init__(self, hub: Hub, audiences: Any) -> None:
        super().__init__(leeway=30)
        self._hub = hub
        self._audiences = audiences

    def get_audiences(self) -> list[str]:
        """The issuer or its token endpoint, and nothing else."""
        found: list[str] = self._audiences()
        return found

    def resolve_client_public_key(self, client: RemoteClient) -> OKPKey:
        """The key of the manifest."""
        return OKPKey.import_key({**client.remote.public_key})

    def process_assertion_claims(self, assertion: str, resolve_key: OKPKey) -> dict[str, Any]:
        """Verify with Ed25519 only, then check the claims."""
        try:
            token = jwt.decode(assertion[:_MAX_ASSERTION], resolve_key, algorithms=["Ed25519"])
        except (JoseError, ValueError) as error:
            raise InvalidClientError(description="the assertion's signature is not valid") from error
        self.verify_claims(token.claims)
        if token.claims["exp"] - token.claims.get("iat", 0) > MAX_ASSERTION_SECONDS:
            raise InvalidClientError(description="the assertion lives too long")
        return dict(token.claims)

    def validate_jti(self, claims: dict[str, Any], jti: str) -> bool:
        """Each assertion is used once."""
        return self._hub.terminals.remember_assertion(f"remote:{claims['sub']}:{jti}")
