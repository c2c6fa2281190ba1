"""The application while it is selected: its secure channel, the current file, and which command goes where.

What the commands do is in `reading.py`, `root_commands.py` and `service_commands.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from mykey_cardap.apdu import SW, CommandApdu, ResponseApdu
from mykey_cardap.emulator.globalplatform.secure_channel import R_ENC, R_MAC, ChannelOptions, SecureChannel
from mykey_cardap.emulator.memory import MemoryFault
from mykey_cardap.emulator.service_application import reading
from mykey_cardap.emulator.service_application.contents import Contents, Slot
from mykey_cardap.emulator.service_application.keys import SessionKeySets
from mykey_cardap.emulator.status import Refused
from mykey_cardap.service_application.numbers import (
    AID,
    DIR_SHORT,
    FULL_SECURITY,
    ROOT_SERVICE,
    FileId,
    Role,
    RootFile,
    ServiceIns,
)

_CHILD, _FILE = 0x01, 0x02
_SELECT_P2: Final = frozenset({0x00, 0x0C})
_NO_ANSWER: Final = 0x0C
_SHORT: Final = 0x80
_SHORT_MASK: Final = 0x1F
_MAX_ANSWER: Final = 224
_KEY_NUMBER: Final = 0x07
_ROOT_FILES: Final = {DIR_SHORT: RootFile.DIR, 0x01: RootFile.META}
_SERVICE_FILES: Final = {
    int(file): file for file in (FileId.PROFILE, FileId.VALUE, FileId.RIDES, FileId.LOG, FileId.TRANSACTION_MAC)
}

File: TypeAlias = FileId | RootFile

Command: TypeAlias = Callable[["Directory", CommandApdu], bytes]
"""Answers a plain command with response data, or raises `Refused`."""


@dataclass(slots=True)
class Directory:
    """The root or one service, selected: `slot` is None for the root. All of it is volatile."""

    contents: Contents
    service: int
    channel: SecureChannel
    files: Mapping[int, File]
    current: File | None = field(default=None)

    @classmethod
    def of(cls, contents: Contents, service: int, random: Callable[[int], bytes]) -> Directory:
        """The root, or a service; 6A82 when the card does not have it."""
        slot = contents.slot(service)
        if service != ROOT_SERVICE and slot is None:
            raise Refused(SW.FILE_NOT_FOUND)
        pair = slot.service.keys[Role.ADMIN] if slot else contents.root.keys
        name = AID + service.to_bytes(2, "big") if slot else AID
        options = ChannelOptions(
            parameter=R_MAC | R_ENC,
            diversification=contents.root.serial + service.to_bytes(2, "big") + bytes((pair.current.generation,)),
            required_level=FULL_SECURITY,
            random=random,
        )
        channel = SecureChannel(SessionKeySets(contents, service), name, options)
        return cls(contents, service, channel, _SERVICE_FILES if slot else _ROOT_FILES)

    @property
    def slot(self) -> Slot:
        """The slot of the selected service."""
        slot = self.contents.slot(self.service)
        if slot is None:
            raise Refused(SW.CONDITIONS_OF_USE)
        return slot

    @property
    def fci(self) -> bytes:
        """The answer to SELECT."""
        if self.service == ROOT_SERVICE:
            return reading.root_fci(self.contents)
        return reading.service_fci(self.contents, self.slot)

    @property
    def key(self) -> int | None:
        """The number of the key that the session was opened with; None outside a session."""
        keys = self.channel.key_set
        return keys.version & _KEY_NUMBER if keys else None

    @property
    def dek(self) -> bytes:
        """Key-DEK of the session's key set."""
        if self.channel.key_set is None:
            raise Refused(SW.SECURITY_STATUS)
        return self.channel.key_set.dek

    def require_key(self, number: int) -> None:
        """6982 unless the session was opened with this key."""
        if self.key != number:
            raise Refused(SW.SECURITY_STATUS)


class Selection:
    """What `OpenCard` talks to between two SELECTs by name."""

    def __init__(
        self,
        contents: Contents,
        service: int,
        *,
        tables: Callable[[int], Mapping[tuple[int, int], Command]],
        random: Callable[[int], bytes],
    ) -> None:
        self._contents = contents
        self._tables = tables
        self._random = random
        self.directory = Directory.of(contents, service, random)

    @property
    def fci(self) -> bytes:
        """The answer to SELECT."""
        return self.directory.fci

    def process(self, command: CommandApdu) -> ResponseApdu:
        """Answer a command of class 00, 04, 80 or 84."""
        if (command.cla, command.ins, command.p1) == (0x00, ServiceIns.SELECT, _CHILD):
            return self._select_service(command)
        return self.directory.channel.answer(command, self._plain)

    def end(self) -> None:
        """End the secure session."""
        self.directory.channel.end()

    def _select_service(self, command: CommandApdu) -> ResponseApdu:
        """`00 A4 01 00 02 service`: a service instead of what was selected; the session ends also on failure."""
        self.end()
        if command.p2 not in _SELECT_P2 or len(command.data) != 2:  # noqa: PLR2004 - a file identifier
            return ResponseApdu(b"", SW.WRONG_P1_P2 if command.p2 not in _SELECT_P2 else SW.WRONG_LENGTH)
        service = int.from_bytes(command.data, "big")
        if not service:
            return ResponseApdu(b"", SW.FILE_NOT_FOUND)
        try:
            self.directory = Directory.of(self._contents, service, self._random)
        except Refused as refusal:
            return ResponseApdu(b"", refusal.sw)
        return ResponseApdu(b"" if command.p2 == _NO_ANSWER else self.fci, SW.OK)

    def _plain(self, command: CommandApdu) -> ResponseApdu:
        table = self._tables(self.directory.service)
        handler = table.get((command.cla & 0x80, command.ins))
        if handler is None:
            known = any(ins == command.ins for _, ins in table)
            raise Refused(SW.CLASS_NOT_SUPPORTED if known else SW.INS_NOT_SUPPORTED)
        try:
            return ResponseApdu(handler(self.directory, command), SW.OK)
        except MemoryFault:
            raise Refused(SW.MEMORY_FAILURE) from None


# -- commands of both kinds of directory -----------------------------------------------------------------


def select_file(directory: Directory, command: CommandApdu) -> bytes:
    """`00 A4 02 0C 02 file`: make an elementary file the current one."""
    if command.p1 != _FILE or command.p2 not in _SELECT_P2:
        raise Refused(SW.WRONG_P1_P2)
    by_identifier = {file.to_bytes(2, "big"): file for file in directory.files.values()}
    if command.data not in by_identifier:
        raise Refused(SW.FILE_NOT_FOUND)
    directory.current = by_identifier[command.data]
    return b""


def addressed(directory: Directory, p1: int, p2: int) -> tuple[File, int]:
    """File and offset of a READ or UPDATE BINARY: `80|SFI, offset` or the current file and 15 bits of offset."""
    if not p1 & _SHORT:
        if directory.current is None:
            raise Refused(SW.NO_CURRENT_EF)
        return directory.current, p1 << 8 | p2
    if p1 & ~(_SHORT | _SHORT_MASK):
        raise Refused(SW.WRONG_P1_P2)
    return by_short_identifier(directory, p1 & _SHORT_MASK), p2


def by_short_identifier(directory: Directory, identifier: int) -> File:
    """The file with this short identifier, which becomes the current one. 6A82: there is none."""
    try:
        directory.current = directory.files[identifier]
    except KeyError:
        raise Refused(SW.FILE_NOT_FOUND) from None
    return directory.current


def cut(content: bytes, offset: int, le: int | None) -> bytes:
    """What READ BINARY answers: at most 224 bytes, so that it fits a protected answer. 6B00: behind the end."""
    if offset > len(content):
        raise Refused(SW.OFFSET_OUTSIDE_FILE)
    return content[offset : offset + min(_MAX_ANSWER, le or _MAX_ANSWER)]


def without_data(command: CommandApdu) -> None:
    """6700 when a command without data field has one."""
    if command.data:
        raise Refused(SW.WRONG_LENGTH)
