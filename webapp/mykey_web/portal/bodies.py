"""What the scripts of the hub's pages send and get: JSON objects with a challenge for a card and the card's proof."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, jsonify, request

from mykey_core.authentication import strict_json
from mykey_core.errors import Refusal
from mykey_core.portal.challenges import Challenge
from mykey_web.sessions.browser import portal


def challenge_json(found: Challenge, **more: Any) -> Response:
    """A nonce for the card."""
    origin = portal().hub.settings.origin
    ends = found.expires_at.isoformat()
    return jsonify({"id": str(found.id), "nonce": found.nonce, "origin": origin, "expires_at": ends, **more})


def json_body() -> dict[str, Any]:
    """The JSON object of a request; members twice and the like are refused."""
    try:
        value = strict_json.loads(request.get_data().decode("utf-8"))
    except ValueError as error:
        raise Refusal("request_malformed", "the body is no strict JSON") from error
    if not isinstance(value, dict):
        raise Refusal("request_malformed", "the body is no JSON object")
    return value


def challenge_id(body: dict[str, Any]) -> UUID:
    """Which challenge is answered; `sign_in_expired` for what is no id."""
    try:
        return UUID(str(body.get("id")))
    except ValueError as error:
        raise Refusal("sign_in_expired") from error


def token_of(body: dict[str, Any]) -> dict[str, Any]:
    """The card's proof."""
    return member_of(body, "token")


def member_of(body: dict[str, Any], name: str) -> dict[str, Any]:
    """A member that is an object; `request_malformed` otherwise."""
    value = body.get(name)
    if not isinstance(value, dict):
        raise Refusal("request_malformed", f"no {name}")
    return value


def text_of(body: dict[str, Any], name: str) -> str:
    """A member that is a text; empty when it is missing or of another form."""
    value = body.get(name)
    return value if isinstance(value, str) else ""
