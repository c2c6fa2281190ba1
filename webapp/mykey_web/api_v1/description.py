"""What the OpenAPI document says beyond routes and models: problems, tokens, headers, ids, and examples.

Schemathesis holds the application to it (`webapp/tests/test_api_schemathesis.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mykey_web.api_v1.examples import EXAMPLES

Json = dict[Any, Any]
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; the texts are in the language of the request.",
    "required": ["type", "title", "status", "detail", "code", "what_to_do"],
    "properties": {
        "type": {"type": "string", "description": "urn:mykey:problem:<code>"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "what_to_do": {"type": "string"},
        "offers": {"type": "array", "items": {"type": "string"}, "description": "Actions that can be taken instead."},
        "members": {"type": "array", "items": {"type": "string"}, "description": "Members of the body that are wrong."},
    },
    "additionalProperties": True,
}
_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ANSWER = {"description": "Refused; `code` says why.", "content": _CONTENT}
_UNAUTHORIZED = {
    "description": "No access token, or one that has ended.",
    "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
    "content": _CONTENT,
}
_UNAVAILABLE = {
    "description": "Nothing was done; try again after the seconds of `Retry-After`, if there are any.",
    "headers": {"Retry-After": {"schema": {"type": "integer"}}},
    "content": _CONTENT,
}
_LANGUAGE = {
    "name": "Accept-Language",
    "in": "header",
    "description": "`ja` (default), `en` or `ja-Hira`: the language of texts.",
    "schema": {"type": "string", "examples": ["ja", "en", "ja-Hira"]},
}
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key with the same body gets the same answer again, and nothing happens twice.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{8,64}$"},
}
_IDEMPOTENT = frozenset({"/api/v1/taps", "/api/v1/taps/{tap_id}/proof", "/api/v1/actions"})
_OAUTH_PATH = "/api/v1/oauth/token"  # answers errors as RFC 6749 §5.2 has them
_OAUTH_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
}
_OAUTH = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type", "client_assertion_type", "client_assertion"],
                    "properties": {
                        "grant_type": {"const": "client_credentials"},
                        "client_assertion_type": {"const": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
                        "client_assertion": {
                            "type": "string",
                            "description": "A JWT (EdDSA, Ed25519) with iss and sub = the terminal's id, aud = the "
                            "`audience` of its enrolment, iat, exp at most 300 s later, and a jti used once.",
                        },
                    },
                }
            }
        },
    },
    "responses": {
        "200": {
            "description": "An access token for five minutes (RFC 6749 §5.1).",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["access_token", "token_type", "expires_in"],
                        "properties": {
                            "access_token": {"type": "string"},
                            "token_type": {"const": "Bearer"},
                            "expires_in": {"type": "integer"},
                        },
                    }
                }
            },
        },
        "default": {
            "description": "Refused (RFC 6749 §5.2).",
            "content": {"application/json": {"schema": _OAUTH_ERROR}},
        },
    },
}


def add_problems(document: Json | str) -> Json | str:
    """Complete the document; a text (YAML, which is not served) stays."""
    if isinstance(document, str):
        return document
    document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
    for path, operation in _operations(document):
        if path == _OAUTH_PATH:
            operation.update(_OAUTH)
        else:
            _complete(path, operation)
    return document


def _operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            yield path, operation


def _complete(path: str, operation: Json) -> None:
    responses = operation.setdefault("responses", {})
    responses["default"] = _ANSWER
    responses["503"] = _UNAVAILABLE
    if operation.get("security"):
        responses["401"] = _UNAUTHORIZED
    for parameter in (parameters := operation.setdefault("parameters", [])):
        if parameter["in"] == "path" and parameter["name"].endswith("_id"):
            parameter["schema"] = {"type": "string", "format": "uuid"}
    parameters.append(_LANGUAGE)
    if path in _IDEMPOTENT:
        parameters.append(_IDEMPOTENCY)
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
        _exemplify(path, operation["requestBody"])


def _exemplify(path: str, body: Json) -> None:
    example = EXAMPLES.get(path)
    if example is not None:
        body["content"]["application/json"]["examples"] = {"example": {"value": example}}
