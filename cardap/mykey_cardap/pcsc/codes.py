"""From a PC/SC return code to the typed error that it means (codes: pcsc-lite `pcsclite.h`).

Nothing here decides what to do about an error.
"""

from __future__ import annotations

from enum import IntEnum, unique

from mykey_cardap.errors import (
    CardRemovedError,
    CardResetError,
    NoCardError,
    NoReaderError,
    ReaderBusyError,
    TransportError,
)


@unique
class Code(IntEnum):
    """The return codes that mean something to us; results are masked to 32 bits first."""

    SUCCESS = 0x00000000
    CANCELLED = 0x80100002
    INVALID_HANDLE = 0x80100003
    UNKNOWN_READER = 0x80100009
    TIMEOUT = 0x8010000A
    SHARING_VIOLATION = 0x8010000B
    NO_SMARTCARD = 0x8010000C
    NOT_TRANSACTED = 0x80100016
    READER_UNAVAILABLE = 0x80100017
    NO_SERVICE = 0x8010001D
    SERVICE_STOPPED = 0x8010001E
    NO_READERS_AVAILABLE = 0x8010002E
    UNSUPPORTED_CARD = 0x80100065
    UNRESPONSIVE_CARD = 0x80100066
    UNPOWERED_CARD = 0x80100067
    RESET_CARD = 0x80100068
    REMOVED_CARD = 0x80100069
    SECURITY_VIOLATION = 0x8010006A


_MEANING: dict[int, tuple[type[TransportError], str]] = {
    Code.INVALID_HANDLE: (CardResetError, "the connection to the card is no longer valid"),
    Code.UNKNOWN_READER: (NoReaderError, "there is no reader of this name"),
    Code.SHARING_VIOLATION: (ReaderBusyError, "another program is using the card"),
    Code.NO_SMARTCARD: (NoCardError, "there is no card in the reader"),
    Code.NOT_TRANSACTED: (CardRemovedError, "the card lost contact"),
    Code.READER_UNAVAILABLE: (NoReaderError, "the reader was unplugged"),
    Code.NO_SERVICE: (NoReaderError, "the PC/SC service (pcscd) is not running"),
    Code.SERVICE_STOPPED: (NoReaderError, "the PC/SC service (pcscd) was stopped"),
    Code.NO_READERS_AVAILABLE: (NoReaderError, "no card reader is connected"),
    Code.UNRESPONSIVE_CARD: (NoCardError, "the card does not answer: turn it over or wipe its contacts"),
    Code.UNSUPPORTED_CARD: (NoCardError, "the reader cannot talk to this card"),
    Code.UNPOWERED_CARD: (CardResetError, "the card was switched off by another program"),
    Code.RESET_CARD: (CardResetError, "the card was reset by another program"),
    Code.REMOVED_CARD: (CardRemovedError, "the card was removed"),
    Code.SECURITY_VIOLATION: (TransportError, "this user is not allowed to use the reader"),
}


def check(code: int) -> None:
    """Raise the error of a return code; return for SUCCESS. Accepts signed and unsigned codes."""
    masked = code & 0xFFFFFFFF
    if masked == Code.SUCCESS:
        return
    kind, wording = _MEANING.get(masked, (TransportError, f"the PC/SC service answered {masked:08X}"))
    raise kind(wording, code=masked)
