"""What a session needs of a connection to a card: one method.

In-process cards, PC/SC readers and relays implement `Transport`; sessions never ask which one they have.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Transport(Protocol):
    """A way to one card."""

    def send_apdu(self, command: bytes) -> bytes:
        """Send one encoded command APDU and return the encoded response (data, SW1, SW2).

        Raises `mykey_cardap.errors.TransportError` when the card or the reader did not answer. A status
        word other than 9000 is an answer, not an error of the transport.
        """
        ...


@runtime_checkable
class SecretTransport(Transport, Protocol):
    """A transport that can send a command from a buffer that the caller overwrites afterwards."""

    def send_secret_apdu(self, command: bytearray) -> bytes:
        """Like `send_apdu`, for commands that hold a PIN: no copy of `command` outlives the call."""
        ...
