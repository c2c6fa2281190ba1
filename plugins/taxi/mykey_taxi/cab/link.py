"""The way to the terminal of the cab: JSON lines over its local socket (docs/reference/headless-terminal.md)."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, Final, Protocol

from mykey_taxi.errors import TaxiError

_LONGEST: Final = 120.0  # seconds; a transaction on a slow card takes about one
_MAX_LINE: Final = 65_536


class CabError(TaxiError):
    """The terminal or the card refused; `code` is the terminal's (`no_card`, `tap_unknown`, `no_rides_left`, …)."""

    def __init__(self, code: str) -> None:
        super().__init__(code, f"the cab's terminal says {code}")


class Link(Protocol):
    """Asks the terminal. `CabError` for a refusal."""

    def ask(self, op: str, **members: Any) -> dict[str, Any]:
        """One request and its answer."""
        ...


class SocketLink:
    """A connection to `terminal.sock`; opened again after it broke."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: Any = None

    def ask(self, op: str, **members: Any) -> dict[str, Any]:
        """See `Link.ask`; `terminal_unreachable` when no terminal listens there."""
        line = json.dumps({"op": op, **members}).encode() + b"\n"
        try:
            stream = self._connected()
            stream.write(line)
            stream.flush()
            answer = json.loads(stream.readline(_MAX_LINE) or b"{}")
        except (OSError, ValueError) as error:
            self.close()
            raise CabError("terminal_unreachable") from error
        if not answer.get("ok"):
            raise CabError(str(answer.get("problem", {}).get("code", "terminal_unreachable")))
        return dict(answer)

    def close(self) -> None:
        """Close the connection."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _connected(self) -> Any:
        if self._stream is None:
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            client.settimeout(_LONGEST)
            client.connect(str(self._path))
            self._stream = client.makefile("rwb")
            client.close()  # the stream keeps the connection
        return self._stream
