"""Card readers of a terminal: what one must be able to do; each kind lives in a module of its own.

Speaking PC/SC and emulating cards is the business of `mykey_cardap`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable
    from contextlib import AbstractContextManager

    from mykey_cardap.transport import Transport

ReaderKind = Literal["virtual", "pcsc"]


class CardReader(Protocol):
    """A reader with at most one card in it."""

    @property
    def name(self) -> str:
        """The reader's name for people."""
        ...

    @property
    def kind(self) -> ReaderKind:
        """Whether it is a device or a tray of emulated cards."""
        ...

    def card_present(self) -> bool:
        """Whether a card is in the reader now. Raises `NoReaderError` when there is no reader."""
        ...

    @property
    def movements(self) -> int:
        """A number that changes whenever a card comes or goes: two quick hands cannot exchange cards unseen.

        Raises `NoReaderError`.
        """
        ...

    @property
    def insertion(self) -> Hashable | None:
        """What differs between any two insertions of cards, also of the same card; None without a card.

        It stays on this computer: pages get a random id instead (`agent.insertions`). Raises `NoReaderError`.
        """
        ...

    def open(self) -> AbstractContextManager[Transport]:
        """Hold the card for one operation, alone; leaving takes away its power and with it every verified PIN.

        Raises `NoReaderError`, `NoCardError` and `ReaderBusyError`.
        """
        ...
