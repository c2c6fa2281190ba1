"""What must be true of an authorization request before anybody is asked anything (OIDC Core 3.1.2, RFC 9700).

A fault before the redirect address is known to be the client's stays on a page of the hub; any other goes back there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from mykey_core.errors import Refusal
from mykey_core.hub import Hub
from mykey_web.oidc.clients import OPENID, RemoteClient, find_client

AFTER: Final = "mykey_after"
"""Our own parameter of a request that was sent to signing in: signed in since this time (POSIX, in microseconds)."""
_PROMPTS: Final = {"none", "login", "consent", "select_account"}
_UNSUPPORTED: Final = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_LONGEST: Final = 500
_DIGITS: Final = 19


class RequestRefused(Exception):
    """Goes back to the client as `error`; its redirect address has been checked."""

    def __init__(self, asked: Asked, error: str, description: str = "") -> None:
        super().__init__(error)
        self.asked = asked
        self.error = error
        self.description = description


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may be answered."""

    client: RemoteClient
    redirect_uri: str
    state: str | None
    scope: str
    nonce: str | None
    code_challenge: str
    prompts: frozenset[str]
    max_age: int | None
    after: int | None
    hint: str | None

    @property
    def purposes(self) -> list[str]:
        """The purposes whose attributes are asked for."""
        return [name.partition(":")[2] for name in self.scope.split() if ":" in name]


def redirect_with(asked: Asked, issuer: str, **answer: str) -> str:
    """The client's address with the answer, the state and the issuer (RFC 9207)."""
    state = {} if asked.state is None else {"state": asked.state}
    joint = "&" if "?" in asked.redirect_uri else "?"
    return f"{asked.redirect_uri}{joint}{urlencode({**answer, **state, 'iss': issuer})}"


def check_request(hub: Hub, args: MultiDict[str, str]) -> Asked:
    """The request, or `Refusal` (for the person) or `RequestRefused` (for the client)."""
    client = find_client(hub, args.get("client_id", ""))
    redirect_uri = args.get("redirect_uri", "")
    if client is None or len(args.getlist("client_id")) != 1:
        raise Refusal("oidc_client_unknown")
    if not client.check_redirect_uri(redirect_uri) or len(args.getlist("redirect_uri")) != 1:
        raise Refusal("oidc_redirect_unknown")
    asked = Asked(
        client=client,
        redirect_uri=redirect_uri,
        state=args.get("state"),
        scope=client.sign_in_scope(args.get("scope")),
        nonce=args.get("nonce"),
        code_challenge=args.get("code_challenge", ""),
        prompts=frozenset(args.get("prompt", "").split()),
        max_age=_number(args.get("max_age")),
        after=_number(args.get(AFTER)),
        hint=args.get("id_token_hint"),
    )
    _check(asked, args)
    return asked


def _check(asked: Asked, args: MultiDict[str, str]) -> None:
    fault = next(iter(_faults(asked, args)), None)
    if fault is not None:
        raise RequestRefused(asked, *fault)


def _faults(asked: Asked, args: MultiDict[str, str]) -> list[tuple[str, str]]:
    twice = sorted(name for name in args if len(args.getlist(name)) > 1)
    long = sorted(name for name in ("state", "nonce") if len(args.get(name, "")) > _LONGEST)
    kind, mode = args.get("response_type"), args.get("response_mode", "query")
    rules = [
        (bool(twice), "invalid_request", f"given twice: {', '.join(twice)}"),
        (bool(long), "invalid_request", f"too long: {', '.join(long)}"),
        *((name in args, error, "") for name, error in _UNSUPPORTED.items()),
        (not kind, "invalid_request", "response_type is missing"),
        (kind != "code", "unsupported_response_type", ""),
        (mode != "query", "invalid_request", "response_mode is query"),
        (OPENID not in asked.scope.split(), "invalid_scope", "the scope names openid"),
        (args.get("code_challenge_method") != "S256", "invalid_request", "code_challenge_method is S256"),
        (not _CHALLENGE.fullmatch(asked.code_challenge), "invalid_request", "code_challenge is missing or malformed"),
        (bool(asked.prompts - _PROMPTS), "invalid_request", "prompt is unknown"),
        ("none" in asked.prompts and len(asked.prompts) > 1, "invalid_request", "prompt=none stands alone"),
        ("max_age" in args and asked.max_age is None, "invalid_request", "max_age is a number"),
    ]
    return [(error, description) for wrong, error, description in rules if wrong]


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < _DIGITS else None
