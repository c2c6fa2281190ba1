"""A transport to an emulated card in the same process: no reader, no PC/SC service."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from mykey_cardap.emulator.card import VirtualCard
from mykey_cardap.emulator.memory import PowerLost
from mykey_cardap.errors import CardRemovedError


class InProcessTransport:
    """A `Transport` to `card`. It powers the card on when it is made and off when it is closed.

    With `pull_at` = n the card is "pulled" at the n-th command (from 1): that one and all later ones raise
    `CardRemovedError`, and the card has lost its power.
    """

    def __init__(self, card: VirtualCard, *, pull_at: int | None = None) -> None:
        self.card = card
        self.atr = card.power_on()
        self._left = None if pull_at is None else pull_at - 1

    def send_apdu(self, command: bytes) -> bytes:
        """Let the card answer `command`; `CardRemovedError` once it is pulled or closed."""
        if self._left == 0:
            self.card.power_off()
        if not self.card.powered:
            raise CardRemovedError("the card was removed")
        if self._left is not None:
            self._left -= 1
        try:
            return self.card.process(command)
        except PowerLost:
            self.card.power_off()
            raise CardRemovedError("the card lost its power") from None

    def close(self) -> None:
        """Take the card out."""
        self.card.power_off()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
