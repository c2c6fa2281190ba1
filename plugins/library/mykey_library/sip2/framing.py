"""From a stream of bytes to single messages and back: terminators, sequence number AY, checksum AZ.

What a message means does not live here. Everything is done on bytes, before any decoding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from mykey_library.sip2.errors import ChecksumError, DamagedTrailer, MessageTooLong, UnsealedMessage

RESEND_BY_CLIENT = b"97AZFEF5"
RESEND_BY_SERVER = b"96AZFEF6"
DEFAULT_LIMIT = 65536

_ENDS = re.compile(rb"[\r\n]")
_TRAILER = re.compile(rb"AY([0-9])AZ([0-9A-F]{4})$")
_BARE = re.compile(rb"^9[67]AZ([0-9A-Fa-f]{4})$")
_AZ_END = re.compile(rb"AZ[0-9A-Fa-f]{4}$")
_AY_FIELD = re.compile(rb"(?:\||^9[34][0-9]{1,2}|^99[0-9 ]{4}[0-9. ]{4})AY[0-9]")
_AY_NEAR_END = re.compile(rb"AY[0-9].{2}[0-9A-Fa-f]{4}$", re.DOTALL)


class Terminator(StrEnum):
    """What ends a message on the wire."""

    CR = "CR"
    LF = "LF"
    CRLF = "CRLF"

    @property
    def octets(self) -> bytes:
        """The bytes."""
        return {"CR": b"\r", "LF": b"\n", "CRLF": b"\r\n"}[self.value]


class ErrorDetection(StrEnum):
    """Whether messages must carry AY and AZ.

    STICKY: once one message of a connection has, all must; a bit that flips into a terminator would otherwise make
    the first half of a message look like a message of somebody who uses none.
    """

    OPTIONAL = "optional"
    STICKY = "sticky"
    REQUIRED = "required"


def checksum(data: bytes) -> bytes:
    """AZ of the bytes up to and including `AZ`: two's complement of their sum, four upper-case digits."""
    return b"%04X" % (-sum(data) & 0xFFFF)


def seal(body: bytes, sequence: int | None) -> bytes:
    """`body` with AY and AZ, without a terminator; `sequence` is one digit, or None for AZ alone."""
    data = body + b"AZ" if sequence is None else b"%bAY%dAZ" % (body, sequence)
    return data + checksum(data)


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message as it came, without its terminator. `sequence` is None when it carries no AY."""

    body: bytes
    sequence: int | None
    sealed: bool

    @property
    def message_id(self) -> str:
        """The first two bytes, as text."""
        return self.body[:2].decode("ascii", "replace")


def unseal(frame: bytes, *, must_be_sealed: bool = False, sequence_may_miss: bool = False) -> Envelope:
    """Check the trailer of `frame` over its raw bytes; a `FramingError` when it is not whole.

    `sequence_may_miss` accepts AZ without AY: some systems repeat a reply (after 97) like that.
    """
    bare = _BARE.match(frame)
    if bare is not None:
        return _checked(frame, Envelope(frame[:2], None, sealed=True))
    trailer = _TRAILER.search(frame)
    if trailer is not None:
        return _checked(frame, Envelope(frame[: trailer.start()], int(trailer.group(1)), sealed=True))
    if sequence_may_miss and _AZ_END.search(frame):
        return _checked(frame, Envelope(frame[:-6], None, sealed=True))
    if _AZ_END.search(frame) or _AY_FIELD.search(frame) or _AY_NEAR_END.search(frame):
        raise DamagedTrailer("the message carries one half of AY and AZ")
    if must_be_sealed:
        raise UnsealedMessage("the message carries no AY and AZ")
    return Envelope(frame, None, sealed=False)


def _checked(frame: bytes, envelope: Envelope) -> Envelope:
    if checksum(frame[:-4]) != frame[-4:]:
        raise ChecksumError("the checksum does not fit the message")
    return envelope


class Framer:
    """Collects bytes of one connection and gives whole messages, whatever the pieces they came in."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes, without terminators; empty ones are left out.

        `MessageTooLong` when a message exceeds the limit: the connection cannot go on, for nobody knows where the
        next message begins.
        """
        self._rest += data
        whole: list[bytes] = []
        if _ENDS.search(data):
            *whole, rest = _ENDS.split(bytes(self._rest))
            self._rest = bytearray(rest)
        if len(self._rest) > self._limit or any(len(frame) > self._limit for frame in whole):
            raise MessageTooLong(self._limit)
        return [frame for frame in whole if frame]

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished message wait."""
        return len(self._rest)
