"""The provider's endpoints for programs: discovery, keys, tokens, UserInfo, revocation. Pages are in `pages`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from mykey_core.consent.errors import ConsentDenied
from mykey_core.consent.people import TapPeople
from mykey_core.remote.keys import ALGORITHMS, Use
from mykey_core.remote.provider import Token
from mykey_core.translations import LANGUAGES
from mykey_web.oidc.clients import API_SCOPES, OPENID, PURPOSE, find_client
from mykey_web.oidc.server import ACR, Provider, issuer

_CLAIMS = ("sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash", "attributes")
_JWKS_KEPT = "public, max-age=600"


def audiences() -> list[str]:
    """What an assertion may name as its audience."""
    return [issuer(), issuer() + "/oidc/token"]


def make_endpoints(provider: Provider) -> Blueprint:
    """The endpoints of one hub."""
    blueprint = Blueprint("oidc", __name__)

    @blueprint.get("/.well-known/openid-configuration")
    def discovery() -> Response:
        return _cached(jsonify(metadata()))

    @blueprint.get("/oidc/jwks.json")
    def jwks() -> Response:
        return _cached(jsonify({"keys": provider.keys.public(Use.ID_TOKEN)}))

    @blueprint.get("/oidc/webhook-keys.json")
    def webhook_keys() -> Response:
        return _cached(jsonify({"keys": provider.keys.public(Use.WEBHOOK)}))

    @blueprint.post("/oidc/authorize")
    def authorize_by_post() -> WerkzeugResponse:
        """As by GET (OIDC Core 3.1.2.1); a page of another site has sent the form, so it is not answered itself."""
        return redirect(f"{url_for('oidc_pages.authorize')}?{urlencode(list(request.form.items(multi=True)))}", 303)

    @blueprint.post("/oidc/token")
    def token() -> Response:
        return _fresh(provider.server.create_token_response())

    @blueprint.post("/oidc/revoke")
    def revoke() -> Response:
        return _fresh(provider.server.create_endpoint_response("revocation"))

    @blueprint.route("/oidc/userinfo", methods=["GET", "POST"])
    def userinfo() -> Response:
        found = bearer(provider)
        if found is None or found.person_id is None or OPENID not in found.scope:
            return unauthorized()
        claims = claims_of(provider, found)
        return unauthorized() if claims is None else _fresh(jsonify(claims))

    return blueprint


def metadata() -> dict[str, Any]:
    """The discovery document (OpenID Connect Discovery 1.0, RFC 8414)."""
    own = issuer()
    return {
        "issuer": own,
        "authorization_endpoint": f"{own}/oidc/authorize",
        "token_endpoint": f"{own}/oidc/token",
        "userinfo_endpoint": f"{own}/oidc/userinfo",
        "jwks_uri": f"{own}/oidc/jwks.json",
        "revocation_endpoint": f"{own}/oidc/revoke",
        "end_session_endpoint": f"{own}/oidc/logout",
        "scopes_supported": [OPENID, *(scope.value for scope in API_SCOPES)],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "acr_values_supported": sorted(set(ACR.values())),
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": [ALGORITHMS[Use.ID_TOKEN]],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["Ed25519"],
        "revocation_endpoint_auth_methods_supported": ["private_key_jwt"],
        "revocation_endpoint_auth_signing_alg_values_supported": ["Ed25519"],
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": list(_CLAIMS),
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "require_request_uri_registration": False,
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "ui_locales_supported": list(LANGUAGES),
    }


def bearer(provider: Provider) -> Token | None:
    """The access token of the Authorization header, if it is good now."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return provider.store.token(token.strip()) if scheme.lower() == "bearer" and token.strip() else None


def unauthorized() -> Response:
    """RFC 6750 3.1."""
    answer = jsonify({"error": "invalid_token"})
    answer.status_code = 401
    answer.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return _fresh(answer)


def claims_of(provider: Provider, token: Token) -> dict[str, Any] | None:
    """`sub`, and under `attributes` what each purpose of the token's scope allows at this moment.

    A purpose that the citizen has withdrawn, or whose attributes are not there, is missing from `attributes` and named
    in `denied` with the reason. None when the citizen has left the service since.
    """
    hub, client = provider.hub, find_client(provider.hub, token.client)
    if client is None or token.person_id is None:
        return None
    context = client.plugin.context
    purposes = sorted(name.removeprefix(PURPOSE) for name in token.scope if name.startswith(PURPOSE))
    with hub.database.writing() as session:
        subject = hub.people.subject_of(session, token.person_id, token.client)
        if subject is None:
            return None
        people = TapPeople(context.manifest, context.grants, hub.people, subject, hub.clock(), session)
        answer: dict[str, Any] = {"sub": subject}
        for purpose in purposes:
            try:
                values = {name.value: _json(value) for name, value in people.attributes(purpose).items()}
                answer.setdefault("attributes", {})[purpose] = values
            except ConsentDenied as denied:
                answer.setdefault("denied", {})[purpose] = denied.code
    return answer


def _json(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _cached(response: Response) -> Response:
    response.headers["Cache-Control"] = _JWKS_KEPT
    return response


def _fresh(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
