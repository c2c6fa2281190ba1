"""An emulated card in the virtual reader of PC/SC: the client side of the vpcd protocol.

The driver (Debian package `vsmartcard-vpcd`, frankmorgner/vsmartcard) listens for the card on TCP, on ALL
interfaces: anyone who reaches the port may insert a card. For development and tests only.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from mykey_cardap.emulator.card import VirtualCard
from mykey_cardap.emulator.memory import PowerLost

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 35963
CONNECT_TIMEOUT: Final = 5.0
_LENGTH_SIZE: Final = 2
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0

_POWER_OFF: Final = 0x00
_POWER_ON: Final = 0x01
_RESET: Final = 0x02
_GET_ATR: Final = 0x04


class VpcdClosedError(Exception):
    """The reader driver closed the connection, or cannot be reached."""


class CardPulledError(Exception):
    """The card left the reader at the command that it was told to leave at."""


Observer = Callable[[bytes, bytes], None]
"""Called with every command and its response."""


def _ignore(command: bytes, response: bytes) -> None:
    """Observe nothing."""


@dataclass(slots=True)
class VpcdSlot:
    """One card in one slot of the virtual reader, while the connection lasts.

    `pull_at` = n takes the card out at its n-th command, counted over the life of this object.
    """

    card: VirtualCard
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    observe: Observer = _ignore
    pull_at: int | None = None
    commands: int = field(default=0, init=False)

    def serve(self, connected: Callable[[], None] = lambda: None) -> None:
        """Insert the card and answer until the connection ends (`VpcdClosedError`) or it is pulled."""
        try:
            with socket.create_connection((self.host, self.port), CONNECT_TIMEOUT) as connection:
                connection.settimeout(None)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connected()
                self._serve(_Frames(connection))
        except OSError as error:
            raise VpcdClosedError(f"no virtual reader at {self.host}:{self.port}") from error
        finally:
            self.card.power_off()

    def _serve(self, frames: _Frames) -> None:
        while True:
            payload = frames.receive()
            if len(payload) == 1:
                self._control(payload[0], frames)
            else:
                frames.send(self._answer(payload))

    def _answer(self, command: bytes) -> bytes:
        self.commands += 1
        if self.commands == self.pull_at:
            raise CardPulledError
        try:
            response = self.card.process(command)
        except PowerLost:
            raise CardPulledError from None
        self.observe(command, response)
        return response

    def _control(self, code: int, frames: _Frames) -> None:
        if code == _POWER_OFF:
            self.card.power_off()
        elif code == _POWER_ON:
            self.card.power_on()
        elif code == _RESET:
            self.card.reset()
        elif code == _GET_ATR:
            frames.send(self.card.behaviour.atr)


class _Frames:
    """Length-prefixed frames on a socket, received without the 40 ms of a delayed acknowledgement.

    Debian's vpcd sends length and payload in two packets, so Nagle's algorithm holds the second one back
    until the first is acknowledged. TCP_QUICKACK is not sticky: it is set before every receive.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = b""
        self._quickack = getattr(socket, "TCP_QUICKACK", None)  # Linux only

    def receive(self) -> bytes:
        """The payload of the next frame; `VpcdClosedError` at the end of the stream."""
        length = int.from_bytes(self._take(_LENGTH_SIZE), "big")
        return self._take(length)

    def send(self, payload: bytes) -> None:
        """Send one frame in one packet."""
        self._socket.sendall(len(payload).to_bytes(_LENGTH_SIZE, "big") + payload)

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            if self._quickack is not None:
                self._socket.setsockopt(socket.IPPROTO_TCP, self._quickack, 1)
            received = self._socket.recv(65_536)
            if not received:
                raise VpcdClosedError("the reader driver closed the connection")
            self._buffer += received
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken


def serve_forever(
    slot: VpcdSlot,
    *,
    notify: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Keep the card in the reader over restarts of the driver, until interrupted or pulled.

    `notify` is told "connected", "waiting" (once per outage) and "removed".
    """
    pause = _FIRST_PAUSE
    waiting = False

    def on_connect() -> None:
        nonlocal pause, waiting
        pause, waiting = _FIRST_PAUSE, False
        notify("connected")

    while True:
        try:
            slot.serve(on_connect)
        except CardPulledError:
            notify("removed")
            return
        except VpcdClosedError:
            if not waiting:
                notify("waiting")
            waiting = True
            sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
