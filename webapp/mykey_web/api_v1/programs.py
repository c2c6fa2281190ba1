"""The parts of the OpenAPI document that are not made from our models: tokens, OpenID provider, probes. Data only.

Their forms are those of other standards (RFC 6749, OpenID Connect Core, RFC 7009, Prometheus), and Authlib reads and
writes them.
"""

from __future__ import annotations

from typing import Any, Final

Json = dict[str, Any]
TOKEN_PATH: Final = "/api/v1/oauth/token"  # noqa: S105 - a path
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_TEXT: Final = {"type": "string"}


def _answer(description: str, schema: Json | None = None, media_type: str = "application/json", **more: Any) -> Json:
    content = {} if schema is None else {"content": {media_type: {"schema": schema, **more}}}
    return {"description": description, **content}


def _form(required: list[str], properties: Json) -> Json:
    schema = {"type": "object", "required": required, "properties": properties}
    return {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}


def _problem(description: str) -> Json:
    return _answer(description, {"$ref": "#/components/schemas/Problem"}, "application/problem+json")


_PROVEN: Final = {
    "client_assertion_type": {"const": _ASSERTION},
    "client_assertion": {
        "type": "string",
        "description": "A JWT signed with Ed25519: iss and sub = the caller's id, aud = this endpoint, iat, "
        "exp at most 300 s later, and a jti that is used once.",
    },
}
_ERROR: Final = {"$ref": "#/components/schemas/OAuthError"}
_FAULTS: Final = {
    "500": _problem("Internal Server Error: internal_error"),
    "503": _problem("Service Unavailable: storage_unavailable"),
}
_TOO_LARGE: Final = {"413": _problem("Content Too Large: body_too_large")}
_REFUSED: Final = {
    "400": _answer("Refused (RFC 6749 §5.2).", _ERROR, example={"error": "unsupported_grant_type"}),
    "401": _answer("The caller is not known (RFC 6749 §5.2).", _ERROR, example={"error": "invalid_client"}),
    **_TOO_LARGE,
    **_FAULTS,
}
_TOKEN_REPLY: Final = {
    "type": "object",
    "required": ["access_token", "token_type", "expires_in"],
    "properties": {
        "access_token": _TEXT,
        "token_type": {"const": "Bearer"},
        "expires_in": {"type": "integer"},
        "scope": _TEXT,
        "id_token": {**_TEXT, "description": "Of the code flow: a JWT signed with ES256."},
    },
}
TOKEN_OPERATION: Final = {
    "operationId": "token",
    "requestBody": _form(
        ["grant_type", "client_assertion_type", "client_assertion"],
        {"grant_type": {"const": "client_credentials"}, **_PROVEN},
    ),
    "responses": {
        "200": _answer(
            "An access token for five minutes (RFC 6749 §5.1).",
            _TOKEN_REPLY,
            example={"access_token": "mk_…", "token_type": "Bearer", "expires_in": 300},
        ),
        **_REFUSED,
    },
}
OTHER_SCHEMAS: Final = {
    "OAuthError": {
        "type": "object",
        "description": "RFC 6749 §5.2.",
        "required": ["error"],
        "properties": {"error": _TEXT, "error_description": _TEXT, "error_uri": _TEXT},
    },
    "KeySet": {
        "type": "object",
        "description": "RFC 7517.",
        "required": ["keys"],
        "properties": {"keys": {"type": "array", "items": {"type": "object", "required": ["kty", "kid"]}}},
    },
}
_METADATA: Final = {
    "type": "object",
    "required": ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"],
    "properties": {
        name: {**_TEXT, "format": "uri"}
        for name in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
    },
}
_METADATA_EXAMPLE: Final = {
    "issuer": "https://hub.example.jp",
    "authorization_endpoint": "https://hub.example.jp/oidc/authorize",
    "token_endpoint": "https://hub.example.jp/oidc/token",
    "jwks_uri": "https://hub.example.jp/oidc/jwks.json",
    "userinfo_endpoint": "https://hub.example.jp/oidc/userinfo",
}
_KID: Final = "SH0ReXW36M6Q5a_VCPycgxg2hasawwABCEmUNFjghQg"
_X: Final = "hicXXBvoov05HepxjgxsIS497T6agmk6qpfpCbLPWsM"
_Y: Final = "g4EWkqQTHrsjAnr6gHYw_mnFGwcLcN_Z9DIbqStVxeM"
_P256: Final = {"kty": "EC", "crv": "P-256", "x": _X, "y": _Y, "kid": _KID, "use": "sig", "alg": "ES256"}
_ED25519: Final = {"kty": "OKP", "crv": "Ed25519", "x": _X, "kid": _KID, "use": "sig", "alg": "Ed25519"}
_CLAIMS: Final = {
    "type": "object",
    "required": ["sub"],
    "properties": {
        "sub": {**_TEXT, "description": "The plugin's own pairwise id."},
        "attributes": {"type": "object", "description": "Purpose → what its consent gives at this moment."},
        "denied": {"type": "object", "description": "Purpose → why it gives nothing."},
    },
}
_ASKED: Final = {
    "response_type": {"const": "code"},
    "client_id": _TEXT,
    "redirect_uri": {**_TEXT, "format": "uri"},
    "scope": {**_TEXT, "description": "`openid`, and `purpose:NAME` for purposes of the manifest."},
    "state": _TEXT,
    "nonce": _TEXT,
    "code_challenge": {**_TEXT, "pattern": "^[A-Za-z0-9_-]{43}$"},
    "code_challenge_method": {"const": "S256"},
    "prompt": _TEXT,
    "max_age": {"type": "integer", "minimum": 0},
    "id_token_hint": _TEXT,
}
_HTML: Final = {"text/html": {"schema": _TEXT}}
_PAGE_PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}, **_HTML}


def _redirect(example: str) -> Json:
    return {"headers": {"Location": {"schema": _TEXT, "example": example}}, "content": _HTML}


def _operation(operation: str, summary: str, tag: str, responses: Json, **more: Any) -> Json:
    return {"operationId": operation, "summary": summary, "tags": [tag], "responses": responses, **more}


_OIDC: Final = "OpenID provider"
_PROBES: Final = "monitoring"
_USERINFO: Final = {
    "200": _answer("What the token shows.", _CLAIMS, example={"sub": "q" * 43}),
    "401": {
        **_answer("No good token (RFC 6750 §3.1).", _ERROR, example={"error": "invalid_token"}),
        "headers": {"WWW-Authenticate": {"schema": _TEXT}},
    },
    **_FAULTS,
}
OTHER_PATHS: Final[Json] = {
    "/api/v1/openapi.json": {
        "get": _operation(
            "document", "This document", _PROBES,
            {"200": _answer("OpenAPI 3.1.", {"type": "object"}, example={"openapi": "3.1.0"})},
        ),
    },
    "/.well-known/openid-configuration": {
        "get": _operation(
            "discovery", "What the provider can do (OpenID Connect Discovery)", _OIDC,
            {"200": _answer("The metadata.", _METADATA, example=_METADATA_EXAMPLE)},
        ),
    },
    "/oidc/jwks.json": {
        "get": _operation(
            "jwks", "Keys of ID tokens and logout tokens", _OIDC,
            {"200": _answer("The keys.", {"$ref": "#/components/schemas/KeySet"}, example={"keys": [_P256]}),
             **_FAULTS},
        ),
    },
    "/oidc/webhook-keys.json": {
        "get": _operation(
            "webhook_keys", "Keys of webhooks", _OIDC,
            {"200": _answer("The keys.", {"$ref": "#/components/schemas/KeySet"}, example={"keys": [_ED25519]}),
             **_FAULTS},
        ),
    },
    "/oidc/authorize": {
        "get": _operation(
            "authorize", "Send the browser here to sign a citizen in (OIDC Core 3.1.2)", _OIDC,
            {
                "200": {"description": "The citizen is asked.", "content": _HTML},
                "302": {"description": "Back to the client, with a code or an error.",
                        **_redirect("https://taxi.example.jp/back?code=4Vt0ZJ&state=af0ifj")},
                "303": {"description": "To the hub's own sign-in page.",
                        **_redirect("/sign-in/?next=/oidc/authorize?client_id%3Dtaxi")},
                "400": {"description": "Client or way back are not known.", "content": _PAGE_PROBLEM},
                "429": {"description": "Too many requests.", "content": _PAGE_PROBLEM,
                        "headers": {"Retry-After": {"schema": {"type": "integer"}}}},
                **_FAULTS,
            },
            parameters=[
                {"name": name, "in": "query", "schema": schema, "required": name in {"client_id", "redirect_uri"}}
                for name, schema in _ASKED.items()
            ],
        ),
        "post": _operation(
            "authorize_by_post", "The same by a form", _OIDC,
            {"303": {"description": "To the same by GET.",
                     **_redirect("/oidc/authorize?response_type=code&client_id=taxi")}, **_TOO_LARGE, **_FAULTS},
            requestBody=_form([], _ASKED),
        ),
    },
    "/oidc/token": {
        "post": _operation(
            "oidc_token", "Tokens for a code, or for the plugin itself", _OIDC,
            {
                "200": _answer("Tokens for five minutes.", _TOKEN_REPLY,
                               example={"access_token": "…", "token_type": "Bearer", "expires_in": 300}),
                **_REFUSED,
            },
            requestBody=_form(
                ["grant_type", "client_assertion_type", "client_assertion"],
                {
                    "grant_type": {"enum": ["authorization_code", "client_credentials"]},
                    "code": _TEXT,
                    "redirect_uri": _TEXT,
                    "code_verifier": _TEXT,
                    "scope": _TEXT,
                    **_PROVEN,
                },
            ),
        ),
    },
    "/oidc/revoke": {
        "post": _operation(
            "revoke", "End a token (RFC 7009)", _OIDC,
            {"200": _answer("It is no more, or never was.", {"type": "object"}, example={}), **_REFUSED},
            requestBody=_form(
                ["token", "client_assertion_type", "client_assertion"],
                {"token": _TEXT, "token_type_hint": _TEXT, **_PROVEN},
            ),
        ),
    },
    "/oidc/userinfo": {
        "get": _operation("userinfo", "Who signed in", _OIDC, _USERINFO, security=[{"citizen": []}]),
        "post": _operation("userinfo_by_post", "The same by POST", _OIDC, _USERINFO, security=[{"citizen": []}]),
    },
    "/oidc/logout": {
        "get": _operation(
            "logout", "Send the browser here to sign out (RP-Initiated Logout)", _OIDC,
            {
                "200": {"description": "The citizen is asked.", "content": _HTML},
                "303": {"description": "Nobody is signed in: back to the client, or to the sign-in page.",
                        **_redirect("https://taxi.example.jp/signed-out?state=af0ifj")},
                "400": {"description": "Client or way back are not known.", "content": _PAGE_PROBLEM},
                **_FAULTS,
            },
            parameters=[
                {"name": name, "in": "query", "schema": _TEXT}
                for name in ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")
            ],
        ),
    },
    "/healthz": {
        "get": _operation(
            "healthz", "The process lives", _PROBES,
            {"200": _answer("It does.", {"type": "object", "properties": {"status": {"const": "ok"}}},
                            example={"status": "ok"}),
             **_FAULTS},
        ),
    },
    "/readyz": {
        "get": _operation(
            "readyz", "It can answer a tap now", _PROBES,
            {
                str(status): _answer(text, {
                    "type": "object",
                    "required": ["status", "failed"],
                    "properties": {"status": {"const": word}, "failed": {"type": "array", "items": _TEXT}},
                }, example={"status": word, "failed": failed})
                for status, text, word, failed in (
                    (200, "It can.", "ok", []), (503, "`failed` says why not.", "failed", ["revocation.crl_over"])
                )
            },
        ),
    },
    "/metrics": {
        "get": _operation(
            "metrics", "Numbers for Prometheus", _PROBES,
            {
                "200": _answer("Prometheus's text format.", _TEXT, "text/plain",
                               example="# TYPE mykey_taps_total counter\n"
                               'mykey_taps_total{municipality="mihon",outcome="done",service="library-desk"} 12.0\n'),
                "401": {
                    "description": "No token, or another one.",
                    "headers": {"WWW-Authenticate": {"schema": _TEXT}},
                },
                "404": _problem("No token is configured."),
                **_FAULTS,
            },
            security=[{"metrics": []}],
        ),
    },
}  # fmt: skip
