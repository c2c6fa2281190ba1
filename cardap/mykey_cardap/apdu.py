"""Command and response APDUs (ISO/IEC 7816-4) and the constants that every application of the card shares.

Pure data: nothing here does input or output. Sending is the business of a transport (`transport.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique

SHORT_MAX_DATA = 255
SHORT_MAX_RESPONSE = 256
EXTENDED_MAX_RESPONSE = 65_536
_HEADER = 4


@unique
class Ins(IntEnum):
    """Instruction bytes that the My Number Card knows (JICSAP v1.1 and ISO/IEC 7816-4)."""

    VERIFY = 0x20
    CHANGE_REFERENCE_DATA = 0x24
    PERFORM_SECURITY_OPERATION = 0x2A
    JICSAP_CHANGE_KEY = 0x32
    GET_CHALLENGE = 0x84
    INTERNAL_AUTHENTICATE = 0x88
    SELECT = 0xA4
    SET_SESSION_KEY = 0xAE
    READ_BINARY = 0xB0
    READ_RECORD = 0xB2
    GET_DATA = 0xCA


@unique
class SW(IntEnum):
    """Status words of the JICSAP table (source: soltia48/myna-card `apdu.rs`); 63Cx is handled by value."""

    OK = 0x9000
    OUTPUT_DATA_BAD = 0x6281
    END_OF_FILE = 0x6282
    DF_LOCKED = 0x6283
    MISMATCH_UNLIMITED = 0x6300
    FILE_FULL = 0x6381
    MEMORY_FAILURE = 0x6581
    SECURITY_ENVIRONMENT = 0x66F1
    WRONG_LENGTH = 0x6700
    CHANNEL_NOT_SUPPORTED = 0x6881
    SECURE_MESSAGING_NOT_SUPPORTED = 0x6882
    FILE_STRUCTURE = 0x6981
    SECURITY_STATUS = 0x6982
    BLOCKED_ISO = 0x6983
    BLOCKED = 0x6984
    CONDITIONS_OF_USE = 0x6985
    NO_CURRENT_EF = 0x6986
    SM_OBJECT_MISSING = 0x6987
    SM_OBJECT_WRONG = 0x6988
    NO_SESSION_KEY = 0x69FC
    WRONG_DATA = 0x6A80
    FUNCTION_NOT_SUPPORTED = 0x6A81
    FILE_NOT_FOUND = 0x6A82
    RECORD_NOT_FOUND = 0x6A83
    NO_SPACE = 0x6A84
    LC_AGAINST_TLV = 0x6A85
    WRONG_P1_P2 = 0x6A86
    LC_AGAINST_P1_P2 = 0x6A87
    KEY_OR_OBJECT_NOT_FOUND = 0x6A88
    OFFSET_OUTSIDE_FILE = 0x6B00
    INS_NOT_SUPPORTED = 0x6D00
    CLASS_NOT_SUPPORTED = 0x6E00
    SELF_DIAGNOSIS = 0x6F00


class MalformedApduError(ValueError):
    """Bytes that are no command or response APDU. Never carries the bytes themselves (they may hold a PIN)."""


@dataclass(frozen=True, slots=True)
class CommandApdu:
    """One command APDU.

    `le` is the number of response bytes wanted: None when the field is absent, 256 for a short Le of 00,
    65,536 for an extended Le of 0000. `extended` forces the extended form of the length fields.
    `repr` shows the header only, because the data field may hold a PIN.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    le: int | None = None
    extended: bool = False

    def __repr__(self) -> str:
        return f"<CommandApdu {self.header.hex()} Lc={len(self.data)} Le={self.le}>"

    @property
    def header(self) -> bytes:
        """CLA INS P1 P2."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    def __bytes__(self) -> bytes:
        if self._needs_extended():
            return self.header + self._extended_lengths()
        encoded = self.header
        if self.data:
            encoded += bytes((len(self.data),)) + self.data
        if self.le is not None:
            encoded += bytes((self.le & 0xFF,))
        return encoded

    def _needs_extended(self) -> bool:
        return self.extended or len(self.data) > SHORT_MAX_DATA or (self.le or 0) > SHORT_MAX_RESPONSE

    def _extended_lengths(self) -> bytes:
        encoded = b""
        if self.data:
            encoded = b"\x00" + len(self.data).to_bytes(2, "big") + self.data
        if self.le is not None:
            encoded += (b"" if self.data else b"\x00") + (self.le & 0xFFFF).to_bytes(2, "big")
        return encoded

    @classmethod
    def from_bytes(cls, raw: bytes) -> CommandApdu:
        """Parse the four short and the four extended cases; `MalformedApduError` for anything else."""
        if len(raw) < _HEADER:
            raise MalformedApduError("a command APDU has at least four bytes")
        cla, ins, p1, p2 = raw[:_HEADER]
        body = raw[_HEADER:]
        if not body:
            return cls(cla, ins, p1, p2)
        extended = body[0] == 0 and len(body) > 1
        data, le = _parse_extended(body[1:]) if extended else _parse_short(body)
        return cls(cla, ins, p1, p2, data, le, extended)


def _parse_short(body: bytes) -> tuple[bytes, int | None]:
    if len(body) == 1:
        return b"", body[0] or SHORT_MAX_RESPONSE
    length = body[0]
    data, rest = body[1 : 1 + length], body[1 + length :]
    if len(data) != length or len(rest) > 1:
        raise MalformedApduError("Lc does not agree with the length of the command")
    return data, (rest[0] or SHORT_MAX_RESPONSE) if rest else None


def _parse_extended(body: bytes) -> tuple[bytes, int | None]:
    if len(body) == 2:  # noqa: PLR2004 - case 2E: only the two bytes of Le
        return b"", int.from_bytes(body, "big") or EXTENDED_MAX_RESPONSE
    if len(body) < 2:  # noqa: PLR2004
        raise MalformedApduError("the extended length field is cut short")
    length = int.from_bytes(body[:2], "big")
    data, rest = body[2 : 2 + length], body[2 + length :]
    if not length or len(data) != length or len(rest) not in {0, 2}:
        raise MalformedApduError("the extended Lc does not agree with the length of the command")
    return data, (int.from_bytes(rest, "big") or EXTENDED_MAX_RESPONSE) if rest else None


@dataclass(frozen=True, slots=True)
class ResponseApdu:
    """One response APDU: data and status word. `repr` shows no data, which may be personal."""

    data: bytes
    sw: int

    def __repr__(self) -> str:
        return f"<ResponseApdu {len(self.data)} bytes SW={self.sw:04X}>"

    def __bytes__(self) -> bytes:
        return self.data + self.sw.to_bytes(2, "big")

    @classmethod
    def from_bytes(cls, raw: bytes) -> ResponseApdu:
        """Split data and status word; `MalformedApduError` when fewer than two bytes came."""
        if len(raw) < 2:  # noqa: PLR2004 - SW1 SW2
            raise MalformedApduError("a response APDU has at least the two bytes of its status word")
        return cls(raw[:-2], int.from_bytes(raw[-2:], "big"))
