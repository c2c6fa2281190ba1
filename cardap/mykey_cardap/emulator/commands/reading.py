"""READ BINARY and READ RECORD, by the current file or by short identifier."""

from __future__ import annotations

from typing import Final

from mykey_cardap.apdu import SW, CommandApdu
from mykey_cardap.emulator.application import Application
from mykey_cardap.emulator.files import ElementaryFile, RecordEf, TransparentEf
from mykey_cardap.emulator.status import Refused

_BY_SFI: Final = 0x80
_SFI: Final = 0x1F
_RESERVED: Final = 0x60
_RECORD_BY_NUMBER: Final = 0x04
_RECORDS_TO_LAST: Final = 0x05


def read_binary(application: Application, command: CommandApdu) -> bytes:
    """READ BINARY: at most Le bytes from the offset; fewer with 9000 at the end, 6B00 at and past it."""
    wanted = _wanted(command)
    file, offset = _binary_target(application, command)
    if not isinstance(file, TransparentEf):
        raise Refused(SW.FILE_STRUCTURE)
    application.require(file.access)
    if offset >= len(file.content):
        raise Refused(SW.OFFSET_OUTSIDE_FILE)
    return file.content[offset : offset + wanted]


def _wanted(command: CommandApdu) -> int:
    if command.data or command.le is None:
        raise Refused(SW.WRONG_LENGTH)
    return command.le


def _binary_target(application: Application, command: CommandApdu) -> tuple[ElementaryFile, int]:
    if not command.p1 & _BY_SFI:
        return application.current_file(), command.p1 << 8 | command.p2
    if command.p1 & _RESERVED:
        raise Refused(SW.WRONG_P1_P2)
    file = application.by_short_identifier(command.p1 & _SFI)
    application.current = file  # the short form also selects (EMU-05)
    return file, command.p2


def read_record(application: Application, command: CommandApdu) -> bytes:
    """READ RECORD by number (P2 = sfi << 3 | 4); 6A81 for "from this record to the last" (P2 … | 5)."""
    wanted = _wanted(command)
    reference = command.p2 & 0x07
    if reference == _RECORDS_TO_LAST:
        raise Refused(SW.FUNCTION_NOT_SUPPORTED)
    if reference != _RECORD_BY_NUMBER:
        raise Refused(SW.WRONG_P1_P2)
    file = _record_file(application, command.p2 >> 3)
    application.require(file.access)
    if not 1 <= command.p1 <= len(file.records):
        raise Refused(SW.RECORD_NOT_FOUND)
    return file.records[command.p1 - 1][:wanted]


def _record_file(application: Application, sfi: int) -> RecordEf:
    if sfi:
        file = application.by_short_identifier(sfi)
        application.current = file
    else:
        file = application.current_file()
    if not isinstance(file, RecordEf):
        raise Refused(SW.FILE_STRUCTURE)
    return file
