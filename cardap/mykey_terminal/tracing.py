"""A record of the APDUs of one operation that can be shown: PINs masked, long answers cut short.

Wraps any transport; sessions do not notice. Logs of the hub or the agent never contain a trace.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mykey_cardap.apdu import Ins
from mykey_cardap.transport import SecretTransport

if TYPE_CHECKING:
    from mykey_cardap.transport import Transport

_MASKED = frozenset({Ins.VERIFY, Ins.CHANGE_REFERENCE_DATA, Ins.JICSAP_CHANGE_KEY})
_HEADER = 4
_SHOWN_DATA = 8
"""Bytes of an answer that are shown. A certificate's serial number begins behind them."""
_FILE_HEAD = 8
"""Reads from this offset on show no data at all: there stand serial numbers and names."""
_BY_NAME = 0x04

_NOTES = {
    Ins.READ_BINARY: "read",
    Ins.READ_RECORD: "read",
    Ins.PERFORM_SECURITY_OPERATION: "sign",
    Ins.CHANGE_REFERENCE_DATA: "change-pin",
    Ins.JICSAP_CHANGE_KEY: "change-pin",
    Ins.GET_CHALLENGE: "get-challenge",
    Ins.GET_DATA: "get-data",
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command and its answer in upper-case hex with blanks; `note` is a word for machines.

    `**` stands for a byte of a PIN; `response` ends with the status word, or is empty when none came.
    """

    command: str
    response: str
    note: str


@dataclass(slots=True)
class TracingTransport:
    """A `Transport` (and `SecretTransport`) that notes what passes through it in `exchanges`."""

    inner: Transport
    exchanges: list[Exchange] = field(default_factory=list)

    def send_apdu(self, command: bytes) -> bytes:
        """Pass a command on and note it."""
        response = b""
        try:
            response = self.inner.send_apdu(command)
        finally:
            self._note(command, response)
        return response

    def send_secret_apdu(self, command: bytearray) -> bytes:
        """Pass a command with a PIN on, without a copy of our own, and note it masked."""
        if not isinstance(self.inner, SecretTransport):
            return self.send_apdu(bytes(command))
        response = b""
        try:
            response = self.inner.send_secret_apdu(command)
        finally:
            self._note(command, response)
        return response

    def _note(self, command: bytes | bytearray, response: bytes) -> None:
        shown = 0 if _reads_inside(command) else _SHOWN_DATA
        self.exchanges.append(Exchange(_shown_command(command), _shown_response(response, shown), _note(command)))


def _shown_command(command: bytes | bytearray) -> str:
    if len(command) <= _HEADER + 1 or command[1] not in _MASKED:
        return command.hex(" ").upper()
    shown = _HEADER + 1 if command[_HEADER] else _HEADER  # an extended length field is masked as well
    return command[:shown].hex(" ").upper() + " **" * (len(command) - shown)


def _shown_response(response: bytes, limit: int) -> str:
    data, status = response[:-2], response[-2:]
    parts = [data[:limit].hex(" ").upper(), status.hex(" ").upper()]
    if len(data) > limit:
        parts.insert(1, f"… ({len(data)} bytes)")
    return " ".join(part for part in parts if part)


def _reads_inside(command: bytes | bytearray) -> bool:
    """Whether the command reads from the middle of a file (READ BINARY with an offset of 15 bits)."""
    return len(command) >= _HEADER and command[1] == Ins.READ_BINARY and command[2:4] >= bytes((0, _FILE_HEAD))


def _note(command: bytes | bytearray) -> str:
    if len(command) < _HEADER:
        return "malformed"
    ins = command[1]
    if ins == Ins.SELECT:
        return "select-application" if command[2] == _BY_NAME else f"select-file-{command[5:7].hex().upper()}"
    if ins == Ins.VERIFY:
        return "verify-pin" if len(command) > _HEADER + 1 else "ask-attempts"
    return _NOTES.get(Ins(ins), "other") if ins in set(Ins) else "other"
