"""What the OpenAPI document says beyond routes and models: problems, tokens, headers, ids, examples and links.

Schemathesis holds the application to it (`webapp/tests/test_api_schemathesis.py`), and so does every other test of the
API (`webapp/tests/conftest.py`). What is no route of the blueprints stands in `programs`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from apiflask import APIFlask

from mykey_web.api_v1.examples import EXAMPLES, REPLIES
from mykey_web.api_v1.programs import OTHER_PATHS, OTHER_SCHEMAS, TOKEN_OPERATION, TOKEN_PATH
from mykey_web.api_v1.refusals import codes_of, problem_responses

Json = dict[Any, Any]
SPEC_PATH = "/api/v1/openapi.json"
_OF_ROUTES = re.compile("^[a-z]+_api_v1_")  # the method and the blueprint, in front of the view's own name
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; the texts are in the language of the request.",
    "required": ["type", "title", "status", "detail", "code", "what_to_do"],
    "properties": {
        "type": {"type": "string", "pattern": "^urn:mykey:problem:", "description": "urn:mykey:problem:<code>"},
        "title": {"type": "string", "minLength": 1},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "code": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
        "what_to_do": {"type": "string"},
        "offers": {"type": "array", "items": {"type": "string"}, "description": "Actions that can be taken instead."},
        "members": {"type": "array", "items": {"type": "string"}, "description": "Members of the body that are wrong."},
    },
    "additionalProperties": True,
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
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of the answer that the caller has.",
    "schema": {"type": "string"},
}
_ETAG = {"ETag": {"description": "Names this state.", "schema": {"type": "string"}}}
_IDEMPOTENT = frozenset({"/api/v1/taps", "/api/v1/taps/{tap_id}/proof", "/api/v1/actions"})
_KEPT = frozenset({"/api/v1/services", "/api/v1/card-profiles", "/api/v1/terminal/configuration"})
_TAP = {"tap_id": "$response.body#/tap_id"}
_WRITING = {"writing_id": "$response.body#/writing_id"}
_LINKS = {
    ("post", "/api/v1/taps"): {"proof": ("prove", _TAP), "outcome": ("find_tap", _TAP)},
    ("post", "/api/v1/card-writings"): {
        "exchange": ("exchange", _WRITING),
        "approval": ("approve", _WRITING),
        "outcome": ("find_writing", _WRITING),
    },
    ("post", "/api/v1/card-taps"): {"exchange": ("exchange", _WRITING), "outcome": ("find_writing", _WRITING)},
    ("post", "/api/v1/actions"): {"end": ("end_visit", {"visit_id": "$response.body#/result/visit/id"})},
    ("get", "/api/v1/services"): {"next": ("services", {"after": "$response.body#/next"})},
    ("get", "/api/v1/remote/people"): {"next": ("remote_people", {"after": "$response.body#/next"})},
}
"""What can follow a reply: link → (operation, where its parameters come from)."""
_TEXT = """\
What terminals, remote plugins and monitoring ask of the hub. Every refusal is a problem document (RFC 9457) with a
stable `code`. Lists come in pages (`limit`, `after`, `next`).
Within version 1 members, parameters, codes and operations are added and none is taken away: ignore what you do not
know. What is to go is marked `deprecated` here and announced by the headers `Deprecation` (RFC 9745) and `Sunset`
(RFC 8594) for at least twelve months. Routes of plugins (`/api/v1/plugins/<plugin>/`) are described by the plugin."""


def describe(app: APIFlask) -> None:
    """Let `app` make and serve the document."""
    app.description = _TEXT
    bearer = {"type": "http", "scheme": "bearer"}
    app.security_schemes = {
        "terminal": {**bearer, "description": "The access token of an enrolled terminal (`POST /api/v1/oauth/token`)."},
        "remote": {**bearer, "description": "An access token of a remote plugin by client credentials."},
        "citizen": {**bearer, "description": "An access token of a remote plugin by the code flow."},
        "metrics": {**bearer, "description": "The token of `metrics_token_file`."},
    }
    app.contact = {"name": "mykey contributors"}
    app.license = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    app.config["OPENAPI_VERSION"] = "3.1.0"
    for guessed in ("AUTO_404_RESPONSE", "AUTO_AUTH_ERROR_RESPONSE", "AUTO_VALIDATION_ERROR_RESPONSE"):
        app.config[guessed] = False  # described with all other problems
    app.config["AUTO_SERVERS"] = False  # it would repeat what the caller says its address is
    app.config["AUTO_OPERATION_ID"] = True
    app.spec_processor(complete)


def complete(document: Json | str) -> Json | str:
    """Complete the document; a text (YAML, which is not served) stays."""
    if isinstance(document, str):
        return document
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update({"Problem": _PROBLEM, **OTHER_SCHEMAS})
    for path, method, operation in list(_operations(document)):
        operation["operationId"] = _OF_ROUTES.sub("", operation["operationId"])
        if path == TOKEN_PATH:
            operation.update(TOKEN_OPERATION)
        else:
            _complete(path, method, operation)
    document["paths"].update(OTHER_PATHS)
    return document


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def _complete(path: str, method: str, operation: Json) -> None:
    responses = operation.setdefault("responses", {})
    for status in [status for status in responses if status.startswith(("4", "5"))]:
        del responses[status]  # the framework's guess
    responses.update(problem_responses(codes_of(method, path)))
    for parameter in (parameters := operation.setdefault("parameters", [])):
        if parameter["in"] == "path" and parameter["name"].endswith("_id"):
            parameter["schema"] = {"type": "string", "format": "uuid"}
    parameters.append(_LANGUAGE)
    if path in _IDEMPOTENT:
        parameters.append(_IDEMPOTENCY)
    if path in _KEPT:
        parameters.append(_IF_NONE_MATCH)
        responses["200"]["headers"] = _ETAG
        responses["304"] = {"description": "The caller has it.", "headers": _ETAG}
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
    _exemplify(path, method, operation)
    _link(path, method, responses)


def _exemplify(path: str, method: str, operation: Json) -> None:
    if "requestBody" in operation:
        _set_example(operation["requestBody"], EXAMPLES[path])
    reply = next(line for status, line in operation["responses"].items() if status.startswith("2"))
    if "content" in reply:
        _set_example(reply, REPLIES[(method, path)])


def _set_example(holder: Json, example: Any) -> None:
    holder["content"]["application/json"]["examples"] = {"example": {"value": example}}


def _link(path: str, method: str, responses: Json) -> None:
    for name, (operation, parameters) in _LINKS.get((method, path), {}).items():
        reply = next(line for status, line in responses.items() if status.startswith("2"))
        reply.setdefault("links", {})[name] = {"operationId": operation, "parameters": dict(parameters)}
