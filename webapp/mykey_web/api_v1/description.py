"""What the OpenAPI document says beyond the routes: that every refusal of the API is a problem document."""

from __future__ import annotations

from typing import Any

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
_ANSWER = {
    "description": "Refused; `code` says why.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_OAUTH_PATH = "/api/v1/oauth/token"  # answers errors as RFC 6749 §5.2 has them


def add_problems(document: dict[Any, Any] | str) -> dict[Any, Any] | str:
    """Give every operation a default answer, the problem document; a text (YAML, which is not served) stays."""
    if isinstance(document, str):
        return document
    document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
    for path, operations in document["paths"].items():
        if path == _OAUTH_PATH:
            continue
        for operation in operations.values():
            operation.setdefault("responses", {})["default"] = _ANSWER
    return document
