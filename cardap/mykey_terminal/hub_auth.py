"""Access tokens of a terminal: OAuth 2.0 client credentials with `private_key_jwt` (RFC 7523 §2.2).

One token is kept in memory, renewed before it runs out, and once more when the hub no longer takes it.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import httpx

from mykey_terminal.errors import HubAnswerError
from mykey_terminal.hub_http import read_answer

if TYPE_CHECKING:
    from collections.abc import Generator

    from mykey_terminal.clock import Clock
    from mykey_terminal.device_key import TerminalKey
    from mykey_terminal.enrolment import Enrolment

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_MARGIN = timedelta(seconds=30)


class TerminalAuth(httpx.Auth):
    """Adds `Authorization: Bearer`; one retry with a fresh token when the hub answers 401.

    A request that met 401 was not acted on, so repeating it is safe. May be used by several threads.
    """

    requires_response_body = True

    def __init__(self, enrolment: Enrolment, key: TerminalKey, *, clock: Clock) -> None:
        self._enrolment = enrolment
        self._key = key
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._good_until = datetime.min.replace(tzinfo=clock().tzinfo)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The flow of httpx: yield requests, get their responses."""
        with self._lock:  # held while a token is fetched, so that several threads fetch one token
            if self._clock() >= self._good_until:
                self._take(self._read((yield self._token_request())))
            token = self._token
        response = yield _with_token(request, token)
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return
        with self._lock:
            if self._token == token:
                self._take(self._read((yield self._token_request())))
            token = self._token
        yield _with_token(request, token)

    def _token_request(self) -> httpx.Request:
        assertion = self._key.assertion(
            subject=self._enrolment.terminal_id, audience=self._enrolment.audience, now=self._clock()
        )
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        return httpx.Request("POST", self._enrolment.token_endpoint, data=form)

    @staticmethod
    def _read(response: httpx.Response) -> tuple[str, timedelta]:
        response.read()
        answer = read_answer(response)
        token, lifetime = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not token.isascii() or not isinstance(lifetime, int | float):
            raise HubAnswerError("the hub's token endpoint answered no usable token")
        return token, timedelta(seconds=lifetime)

    def _take(self, answer: tuple[str, timedelta]) -> None:
        self._token, lifetime = answer
        self._good_until = self._clock() + max(lifetime - _MARGIN, lifetime / 2)


def _with_token(request: httpx.Request, token: str) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token}"
    return request
