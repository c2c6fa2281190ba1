"""Where a patron number goes: keystrokes into the window that has the focus, or a WebSocket on this computer.

A number is never a process argument, and never reaches a log.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Protocol, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Origin

from mykey_library.wedge.errors import NoKeyboardTool

_TOOLS: Final = {"xdotool": ("type", "--clearmodifiers", "--file", "-"), "ydotool": ("type", "--file", "-")}
_PATIENCE: Final = 10  # seconds


class Sink(Protocol):
    """Takes the dressed text of one patron number."""

    def send(self, text: str) -> None:
        """Hand it over."""
        ...


class Keyboard:
    """Types into the window that has the focus, by xdotool or ydotool; `NoKeyboardTool` when there is neither."""

    def __init__(self) -> None:
        found = next(((name, path) for name in _TOOLS if (path := shutil.which(name))), None)
        if found is None:
            raise NoKeyboardTool(tuple(_TOOLS))
        self._name, path = found
        self._command = (path, *_TOOLS[self._name])

    def send(self, text: str) -> None:
        """Type it."""
        try:
            done = subprocess.run(  # noqa: S603 - a fixed program with fixed arguments; the text is its input
                self._command, input=text.encode(), capture_output=True, timeout=_PATIENCE, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoKeyboardTool((self._name,), type(error).__name__) from None
        if done.returncode != 0:
            raise NoKeyboardTool((self._name,), f"it ended with {done.returncode}")


class LocalSocket:
    """A WebSocket on 127.0.0.1: every program that listens gets `{"patron": …}`.

    A web page may listen only when its origin is named, because any page could try; programs send no origin.
    """

    def __init__(self, port: int, origins: Sequence[str] = ()) -> None:
        self._listeners: set[ServerConnection] = set()
        self._lock = threading.Lock()
        allowed: list[Origin | None] = [None, *(Origin(origin) for origin in origins)]
        self._server: Server = serve(self._listen, "127.0.0.1", port, origins=allowed)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.socket.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.close()
        self._server.shutdown()
        self._thread.join(_PATIENCE)

    def send(self, text: str) -> None:
        """Tell all listeners; one that has gone is forgotten."""
        message = json.dumps({"patron": text})
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener.send(message)
            except ConnectionClosed:
                self._forget(listener)

    def _listen(self, connection: ServerConnection) -> None:
        with self._lock:
            self._listeners.add(connection)
        try:
            for _ in connection:  # whatever a listener says is not for us
                pass
        finally:
            self._forget(connection)

    def _forget(self, connection: ServerConnection) -> None:
        with self._lock:
            self._listeners.discard(connection)
