"""A TCP relay in front of the hub, as a town's reverse proxy would be, that can lose the reply to a proof."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

_CHUNK = 65_536


class LossyProxy:
    """Relays connections from its own port to the hub's; `lose_next_reply` makes it fail once, at a chosen moment.

    With `after_commit` the hub's answer to the next proof is read (so the hub has committed) and thrown away; without
    it the connection breaks as soon as the proof has been passed on. In both cases `then` is called, which kills the
    hub.
    """

    def __init__(self, hub_port: int) -> None:
        self._hub_port = hub_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._trap: tuple[bool, Callable[[], None]] | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def lose_next_reply(self, then: Callable[[], None], *, after_commit: bool) -> None:
        """Set the trap for the next proof."""
        self._trap = (after_commit, then)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        try:
            hub = socket.create_connection(("127.0.0.1", self._hub_port), timeout=30)
        except OSError:
            client.close()
            return
        sprung = threading.Event()
        back = threading.Thread(target=self._back, args=(hub, client, sprung), daemon=True)
        back.start()
        self._forth(client, hub, sprung)

    def _forth(self, client: socket.socket, hub: socket.socket, sprung: threading.Event) -> None:
        with client, hub:
            while chunk := _receive(client):
                if self._trap is not None and b"/proof HTTP/1.1\r\n" in chunk:
                    sprung.set()
                try:
                    hub.sendall(chunk)
                except OSError:
                    return
                if sprung.is_set() and self._trap is not None and not self._trap[0] and chunk.endswith(b"}"):
                    self._spring(hub, client)
                    return

    def _back(self, hub: socket.socket, client: socket.socket, sprung: threading.Event) -> None:
        while chunk := _receive(hub):
            if sprung.is_set() and self._trap is not None:
                self._spring(hub, client)
                return
            try:
                client.sendall(chunk)
            except OSError:
                return
        _shut(client)

    def _spring(self, hub: socket.socket, client: socket.socket) -> None:
        trap, self._trap = self._trap, None
        _shut(hub)
        _shut(client)
        if trap is not None:
            trap[1]()


def _receive(source: socket.socket) -> bytes:
    try:
        return source.recv(_CHUNK)
    except OSError:
        return b""


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
