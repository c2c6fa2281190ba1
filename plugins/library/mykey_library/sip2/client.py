"""A connection to a library system as its self-check machine: socket, TLS, login, time-outs.

What is believed of the answers stands in `dialogue`, what they mean for a loan in `remote`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from mykey_library.sip2 import requests, responses
from mykey_library.sip2.dialogue import Dialogue
from mykey_library.sip2.errors import ConnectionFailed, LineBroken, LoginRefused, MessageTooLong
from mykey_library.sip2.framing import DEFAULT_LIMIT, Framer
from mykey_library.sip2.profiles import SystemProfile, system_profile
from mykey_library.sip2.table import Message

_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Peer:
    """A library system: where it is, what it is, and who we are there.

    `tls_authority` is a PEM file of the certificate authority; None trusts those of the computer. `user` may be empty
    for a system that is open to its own network; then no login is sent.
    """

    host: str
    port: int
    institution: str
    profile: SystemProfile = field(default_factory=lambda: system_profile("standard"))
    user: str = ""
    password: str = field(default="", repr=False)
    location: str = ""
    terminal_password: str = field(default="", repr=False)
    tls: bool = False
    tls_authority: Path | None = None


class Sip2Connection:
    """One connection, opened at the first request and again after a fault. Use it from one thread at a time.

    `clock` gives seconds that only rise.
    """

    def __init__(self, peer: Peer, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.peer = peer
        self.status: responses.AcsStatus | None = None
        self._clock = clock
        self._socket: socket.socket | None = None
        self._framer = Framer()
        self._frames: deque[bytes] = deque()
        self._dialogue = Dialogue(peer.profile)
        self._reply_seconds = peer.profile.reply_seconds
        self._used_at = self._deadline = 0.0

    def open(self) -> None:
        """Connect, log in and ask for the status; `ConnectionFailed` or `LoginRefused` when that fails."""
        self.close()
        try:
            self._socket = self._connect()
            self._log_in()
        except LineBroken as error:
            self.close()
            raise ConnectionFailed("the library system does not answer at the login") from error
        except (OSError, ConnectionFailed) as error:
            self.close()
            raise error if isinstance(error, ConnectionFailed) else ConnectionFailed(_why(error)) from None

    def close(self) -> None:
        """End the connection; what was not answered stays unknown."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket = None

    def exchange(self, request: Message) -> Message:
        """Send a request and give its answer.

        `ConnectionFailed` when it was not sent at all; `LineBroken` when it was and no answer can be trusted. The
        connection is closed then, and the next request opens another.
        """
        self._ensure_open()
        try:
            return self._exchange(request)
        except (OSError, MessageTooLong):
            self.close()
            raise LineBroken(request.message_id) from None
        except LineBroken:
            self.close()
            raise

    def keep_alive(self) -> None:
        """Ask for the status when nothing was sent for the profile's time; systems drop idle connections."""
        if self._socket is not None and self._clock() - self._used_at >= self.peer.profile.keepalive_seconds:
            self.exchange(requests.ScStatus())

    def _connect(self) -> socket.socket:
        peer = self.peer
        plain = socket.create_connection((peer.host, peer.port), timeout=self._reply_seconds)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not peer.tls:
            return plain
        context = ssl.create_default_context(cafile=None if peer.tls_authority is None else str(peer.tls_authority))
        return context.wrap_socket(plain, server_hostname=peer.host)

    def _log_in(self) -> None:
        peer = self.peer
        self._framer, self._dialogue = Framer(DEFAULT_LIMIT), Dialogue(peer.profile)
        self._frames.clear()
        if peer.user:
            login = requests.Login(user=peer.user, password=peer.password, location=peer.location or None)
            answer = self._exchange(login)
            if not (isinstance(answer, responses.LoginResponse) and answer.ok):
                raise LoginRefused("the library system does not accept this user and password")
        status = self._exchange(requests.ScStatus())
        if isinstance(status, responses.AcsStatus):
            self.status = status
            told = status.timeout if peer.profile.obeys_timeout else None
            if told is not None and told >= timedelta(seconds=1):
                self._reply_seconds = min(told.total_seconds(), 60.0)

    def _ensure_open(self) -> None:
        if self._socket is None:
            self.open()

    def _exchange(self, request: Message) -> Message:
        self._send(self._dialogue.begin(request))
        while True:
            frame = self._next_frame()
            step = self._dialogue.timed_out() if frame is None else self._dialogue.received(frame)
            if isinstance(step, bytes):
                self._send(step)
            elif step is not None:
                self._used_at = self._clock()
                return step

    def _send(self, data: bytes) -> None:
        if self._socket is None:
            raise ConnectionFailed("the connection is closed")
        self._deadline = self._clock() + self._reply_seconds
        self._socket.settimeout(self._reply_seconds)
        self._socket.sendall(data)

    def _next_frame(self) -> bytes | None:
        """The next message, or None when the time is over."""
        while not self._frames:
            left = self._deadline - self._clock()
            if left <= 0 or self._socket is None:
                return None
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(_CHUNK)
            except TimeoutError:
                return None
            if not data:
                raise ConnectionResetError
            self._frames.extend(self._framer.feed(data))
        return self._frames.popleft()


def _why(error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return f"the library system cannot be reached: {reason}"
