"""What every request must pass before the agent looks at it: Host, Origin, method, pairing, type and size of body.

The order matters: a foreign page learns nothing but that it is foreign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mykey_terminal.errors import AgentError

if TYPE_CHECKING:
    from collections.abc import Collection

    from werkzeug.wrappers import Request

    from mykey_terminal.agent.pairing import PairingDesk

TOKEN_HEADER = "Mykey-Pairing"  # noqa: S105 - the name of a header
MAX_BODY = 16_384
"""Bytes. The longest request, a tap with its input, has a few hundred."""
_JSON = "application/json"


def own_hosts(port: int) -> frozenset[str]:
    """The values of `Host` under which a browser on this computer reaches the agent."""
    return frozenset(f"{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]"))


@dataclass(frozen=True, slots=True)
class Gate:
    """The checks of one agent. `hosts` guards against DNS rebinding, `origins` against foreign pages."""

    hosts: Collection[str]
    origins: Collection[str]
    desk: PairingDesk

    def check_origin(self, request: Request) -> str:
        """Return the page's origin. Raises `agent_host` (421) or `agent_origin` (403; also when absent)."""
        if request.environ.get("HTTP_HOST") not in self.hosts:
            raise AgentError("agent_host", 421)
        origin = request.headers.get("Origin")
        if origin is None or origin not in self.origins:
            raise AgentError("agent_origin", 403)
        return origin

    def check_paired(self, request: Request, origin: str) -> str:
        """A word for the pairing; `agent_not_paired` (401) unless the page sends the token of its origin."""
        return self.desk.check(request.headers.get(TOKEN_HEADER), origin)

    def read_body(self, request: Request) -> bytes:
        """The JSON text of a request with a body.

        Raises `agent_content_type` (415), `agent_length_required` (411) and `agent_body_too_large` (413).
        """
        if request.mimetype != _JSON:
            raise AgentError("agent_content_type", 415)
        if request.content_length is None:
            raise AgentError("agent_length_required", 411)
        if request.content_length > MAX_BODY:
            raise AgentError("agent_body_too_large", 413, max_bytes=MAX_BODY)
        return request.get_data(cache=False)
