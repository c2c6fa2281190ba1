"""The PC/SC functions that we use, as one interface that two back ends fill (pyscard, and ctypes on pcsc-lite).

Thin on purpose: no rule about transactions, retries or PINs lives here. Every function raises the typed errors
of `codes.py` instead of returning a code.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag, unique
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

PNP_NOTIFICATION = r"\\?PnP?\Notification"
"""The pseudo reader whose state changes when a reader is plugged in or out."""


@unique
class Share(IntEnum):
    """How a card is shared with other programs (SCARD_SHARE_*)."""

    EXCLUSIVE = 1
    SHARED = 2


@unique
class Disposition(IntEnum):
    """What happens to the card when it is let go (SCARD_*_CARD)."""

    LEAVE = 0
    RESET = 1
    UNPOWER = 2


class State(IntFlag):
    """State of a reader (SCARD_STATE_*); the upper 16 bits count insertions and removals."""

    UNAWARE = 0x0000
    CHANGED = 0x0002
    UNKNOWN = 0x0004
    UNAVAILABLE = 0x0008
    EMPTY = 0x0010
    PRESENT = 0x0020
    MUTE = 0x0200


@dataclass(frozen=True, slots=True)
class ReaderState:
    """A reader and its state as PC/SC last reported it; `state` is the raw word incl. the event counter."""

    reader: str
    state: int = State.UNAWARE
    atr: bytes = b""

    @property
    def card_present(self) -> bool:
        """Whether a card is in the reader and answers."""
        return bool(self.state & State.PRESENT) and not self.state & State.MUTE

    @property
    def exists(self) -> bool:
        """Whether PC/SC knows a reader of this name."""
        return not self.state & (State.UNKNOWN | State.UNAVAILABLE)

    @property
    def event_count(self) -> int:
        """How often a card came or went since the service started."""
        return self.state >> 16


class Winscard(Protocol):
    """The functions. Contexts and handles are opaque integers; one context serves one thread at a time."""

    name: str

    def establish_context(self) -> int:
        """SCardEstablishContext."""
        ...

    def release_context(self, context: int) -> None:
        """SCardReleaseContext."""
        ...

    def cancel(self, context: int) -> None:
        """SCardCancel: ends a `get_status_change` of another thread."""
        ...

    def list_readers(self, context: int) -> list[str]:
        """SCardListReaders; empty when no reader is connected."""
        ...

    def connect(self, context: int, reader: str, share: Share) -> tuple[int, int]:
        """SCardConnect with T=0 or T=1; returns handle and protocol."""
        ...

    def disconnect(self, handle: int, disposition: Disposition) -> None:
        """SCardDisconnect."""
        ...

    def begin_transaction(self, handle: int) -> None:
        """SCardBeginTransaction; waits while another program has one."""
        ...

    def end_transaction(self, handle: int, disposition: Disposition) -> None:
        """SCardEndTransaction."""
        ...

    def transmit(self, handle: int, protocol: int, command: bytes | bytearray) -> bytes:
        """SCardTransmit; keeps no copy of `command`."""
        ...

    def get_atr(self, handle: int) -> bytes:
        """The ATR from SCardStatus."""
        ...

    def get_status_change(self, context: int, timeout_ms: int, known: Sequence[ReaderState]) -> list[ReaderState]:
        """SCardGetStatusChange: wait until a reader's state differs from `known`; the same list on time-out."""
        ...
