"""Requests to the hub over HTTP: time-outs, languages, and every answer that is no success as a typed error.

What is asked of the hub is in `hub`, how the terminal proves itself in `hub_auth`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import httpx

from mykey_terminal.errors import HubAnswerError, HubProblemError, HubUnreachableError
from mykey_terminal.hub_address import is_loopback
from mykey_terminal.problems import Problem
from mykey_terminal.version import VERSION

if TYPE_CHECKING:
    from types import TracebackType

API = "/api/v1"
TIMEOUT = httpx.Timeout(connect=3.0, read=10.0, write=10.0, pool=3.0)
"""Seconds. The hub answers a tap in milliseconds; ten seconds mean that it will not."""
_NEVER_ARRIVED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class HubHttp:
    """A connection pool to one hub: its origin, and the path of a town behind it where there is one.

    Redirects are not followed: a hub that moves is enrolled with anew.
    """

    def __init__(
        self, address: str, *, auth: httpx.Auth | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._client = httpx.Client(
            base_url=address,
            auth=auth,
            transport=transport,
            timeout=TIMEOUT,
            headers={"User-Agent": f"mykey-terminal/{VERSION}"},
            # A proxy of the office's network cannot reach this computer's own loopback.
            trust_env=not is_loopback(httpx.URL(address).host),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def get(self, path: str, *, language: str | None = None) -> dict[str, Any]:
        """GET a JSON object."""
        return self._send(self._client.build_request("GET", path, headers=_headers(language)))

    def post(
        self, path: str, body: dict[str, Any], *, language: str | None = None, key: str | None = None
    ) -> dict[str, Any]:
        """POST a JSON object and return the one that the hub answers; `key` is an Idempotency-Key."""
        headers = _headers(language) | ({"Idempotency-Key": key} if key else {})
        return self._send(self._client.build_request("POST", path, json=body, headers=headers))

    def delete(self, path: str) -> None:
        """DELETE; the hub answers nothing (204)."""
        self._send(self._client.build_request("DELETE", path, headers=_headers(None)))

    def _send(self, request: httpx.Request) -> dict[str, Any]:
        try:
            response = self._client.send(request)
        except _NEVER_ARRIVED as error:
            raise HubUnreachableError("the hub cannot be reached", sent=False) from error
        except httpx.TransportError as error:
            raise HubUnreachableError("the hub gave no answer", sent=True) from error
        except httpx.HTTPError as error:
            raise HubAnswerError("the hub's answer cannot be read") from error
        return read_answer(response)


def read_answer(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of a successful answer; `HubProblemError` or `HubAnswerError` for any other."""
    if response.status_code == httpx.codes.NO_CONTENT:
        return {}
    document = _json_object(response)
    if response.is_success:
        if document is None:
            raise HubAnswerError("the hub's answer is no JSON object")
        return document
    if response.status_code < httpx.codes.BAD_REQUEST:
        raise HubAnswerError(f"the hub answered {response.status_code} (moved?)")
    raise HubProblemError(_problem(response.status_code, document or {}))


def _problem(status: int, document: dict[str, Any]) -> Problem:
    if "code" in document or "type" in document:
        return Problem.from_json(status, document)
    if isinstance(document.get("error"), str):  # the token endpoint speaks OAuth (RFC 6749 §5.2)
        return Problem(status, "terminal_not_accepted", extensions={"oauth_error": document["error"]})
    return Problem(status, "hub_error")


def _json_object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        document = response.json()
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _headers(language: str | None) -> dict[str, str]:
    return {"Accept": "application/json", **({"Accept-Language": language} if language else {})}
