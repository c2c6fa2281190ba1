"""Listening on this computer's loopback addresses, and nowhere else.

The application is `app`; waitress serves it.
"""

from __future__ import annotations

import errno
import json
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from waitress import create_server

from mykey_terminal.agent.app import PREFIX
from mykey_terminal.errors import TerminalError
from mykey_terminal.files import write_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from wsgiref.types import WSGIApplication

    from waitress.server import BaseWSGIServer, MultiSocketServer

_THREADS = 6
_RECEIVE_LIMIT = 65_536
"""Bytes that are read from a connection at most; the application refuses far less, with a document."""
_BACKLOG = 16
_IDLE_SECONDS = 30


class PortTakenError(TerminalError):
    """Another program listens on the port; choose another one, or 0 for any."""

    code = "agent_port_taken"


def loopback_sockets(port: int) -> list[socket.socket]:
    """Listening sockets on 127.0.0.1 and, where the computer has it, ::1, with one port (0: any free one)."""
    first = _listen(socket.AF_INET, "127.0.0.1", port)
    chosen = first.getsockname()[1]
    try:
        second = _listen(socket.AF_INET6, "::1", chosen)
    except (OSError, PortTakenError):
        # No IPv6, or somebody else's program there: browsers then use 127.0.0.1, which is ours.
        return [first]
    return [first, second]


def make_server(app: WSGIApplication, sockets: list[socket.socket]) -> MultiSocketServer | BaseWSGIServer:
    """A waitress server on open sockets; `.run()` serves until `.close()`."""
    return create_server(
        app,
        sockets=sockets,
        threads=_THREADS,
        ident=None,
        max_request_body_size=_RECEIVE_LIMIT,
        channel_timeout=_IDLE_SECONDS,
        clear_untrusted_proxy_headers=True,
        backlog=_BACKLOG,
    )


@dataclass(slots=True)
class Announcement:
    """Says where the agent is and which pairing code is good now, as one JSON line each time it changes.

    Members: `address`, `api` (address with the path of the API), `pairing_code`. With `file` the line goes into
    that file (mode 0600, replaced whole), otherwise to `write`.
    """

    port: int
    write: Callable[[str], None]
    file: Path | None = None

    def __call__(self, code: str) -> None:
        """Announce a new code."""
        address = f"http://127.0.0.1:{self.port}"
        line = json.dumps({"address": address, "api": address + PREFIX, "pairing_code": code}) + "\n"
        if self.file is None:
            self.write(line)
        else:
            write_private(self.file, line.encode())


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(f"port {port} is taken by another program") from error
        raise
    return listener
