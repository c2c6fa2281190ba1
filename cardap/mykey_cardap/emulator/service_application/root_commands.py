"""Commands of the whole application: its two free files, and what the card-level key K0 may do.

Creating and deleting services, raising the generation floor, and replacing K0 itself.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from mykey_cardap.apdu import SW, CommandApdu
from mykey_cardap.emulator.service_application import reading
from mykey_cardap.emulator.service_application.contents import EXISTS
from mykey_cardap.emulator.service_application.keys import KCV_SIZE, checked, key_blocks, replaced, unwrapper
from mykey_cardap.emulator.service_application.payloads import KeyPair, Parameters, Purse, Service, StoredKey
from mykey_cardap.emulator.service_application.selection import (
    Command,
    Directory,
    addressed,
    cut,
    select_file,
    without_data,
)
from mykey_cardap.emulator.status import Refused
from mykey_cardap.service_application.numbers import (
    FREE,
    KEY_SIZE,
    KEY_VERSION,
    MAX_LABEL,
    MAX_PROFILE,
    MAX_SERVICE,
    NEVER,
    AccessRule,
    DataObject,
    LifeCycle,
    Role,
    RootFile,
    ServiceIns,
)

_NEW: Final = struct.Struct(">H3s5s21siHHBB")
_NEW_KEY: Final = struct.Struct(f">B{3 * KEY_SIZE}s{3 * KCV_SIZE}s")
_WHOLE_SET: Final = 0x81
_READING: Final = frozenset(
    {AccessRule.PROFILE_READ, AccessRule.VALUE_READ, AccessRule.RIDES_READ, AccessRule.LOG_READ}
)
_OTHER_ROLES: Final = (KeyPair(), KeyPair(), KeyPair(), KeyPair())


@dataclass(frozen=True, slots=True)
class _NewService:
    service: Service
    purse: Purse
    wrapped: bytes
    check_values: bytes


def read_binary(directory: Directory, command: CommandApdu) -> bytes:
    """EF.DIR and EF.META, free for everybody."""
    without_data(command)
    file, offset = addressed(directory, command.p1, command.p2)
    read = reading.directory if file is RootFile.DIR else reading.meta
    return cut(read(directory.contents), offset, command.le)


def create(directory: Directory, command: CommandApdu) -> bytes:
    """`00 E0 00 00`: a new service with its K0, in state INITIALISATION."""
    directory.require_key(Role.ADMIN)
    _require_no_parameters(command)
    new = _parse(command.data)
    if directory.contents.slot(new.service.service):
        raise Refused(EXISTS)
    admin = StoredKey(new.service.keys[0].current.generation, _unwrapped_set(directory.dek, new))
    if admin.generation < directory.contents.root.generation_floor:
        raise Refused(SW.CONDITIONS_OF_USE)
    directory.contents.create(replace(new.service, keys=(KeyPair(admin), *_OTHER_ROLES)), new.purse)
    return b""


def delete(directory: Directory, command: CommandApdu) -> bytes:
    """`00 E4 00 00 02 service`: only a service that is not activated."""
    directory.require_key(Role.ADMIN)
    _require_no_parameters(command)
    if len(command.data) != 2:  # noqa: PLR2004 - a file identifier
        raise Refused(SW.WRONG_LENGTH)
    slot = directory.contents.slot(int.from_bytes(command.data, "big"))
    if slot is None:
        raise Refused(SW.FILE_NOT_FOUND)
    if slot.service.life_cycle is LifeCycle.ACTIVATED:
        raise Refused(SW.CONDITIONS_OF_USE)
    directory.contents.delete(slot.service.service)
    return b""


def put_data(directory: Directory, command: CommandApdu) -> bytes:
    """`80 DA DF 03 01 generation`: raise the floor; never above a K0, which would lock its owner out."""
    directory.require_key(Role.ADMIN)
    if command.p1 << 8 | command.p2 != DataObject.GENERATION_FLOOR:
        raise Refused(SW.KEY_OR_OBJECT_NOT_FOUND)
    if len(command.data) != 1:
        raise Refused(SW.WRONG_LENGTH)
    contents, floor = directory.contents, command.data[0]
    if floor == contents.root.generation_floor:
        return b""
    admins = [contents.root.keys, *(slot.service.keys[Role.ADMIN] for slot in contents.slots())]
    if floor < contents.root.generation_floor or any(floor > pair.current.generation for pair in admins):
        raise Refused(SW.CONDITIONS_OF_USE)
    contents.change_root(replace(contents.root, generation_floor=floor))
    return b""


def put_key(directory: Directory, command: CommandApdu) -> bytes:
    """`80 D8 generation 81`: the next K0 of the card."""
    directory.require_key(Role.ADMIN)
    if command.p2 != _WHOLE_SET or not command.p1:
        raise Refused(SW.WRONG_P1_P2)
    if command.data[:1] != bytes((KEY_VERSION,)):
        raise Refused(SW.WRONG_DATA)
    keys, check_values = key_blocks(command.data[1:], directory.dek)
    if len(keys) != 3:  # noqa: PLR2004 - ENC, MAC, DEK
        raise Refused(SW.WRONG_DATA)
    contents = directory.contents
    root = contents.root
    pair = replaced(root.keys, StoredKey(command.p1, b"".join(keys)), root.generation_floor)
    if pair != root.keys:
        contents.change_root(replace(root, keys=pair))
    return bytes((KEY_VERSION,)) + check_values


COMMANDS: Final[Mapping[tuple[int, int], Command]] = {
    (0x00, ServiceIns.SELECT): select_file,
    (0x00, ServiceIns.READ_BINARY): read_binary,
    (0x00, ServiceIns.CREATE): create,
    (0x00, ServiceIns.DELETE): delete,
    (0x80, ServiceIns.PUT_DATA): put_data,
    (0x80, ServiceIns.PUT_KEY): put_key,
}


def check_access(access: bytes) -> None:
    """6A80 for a nibble that means nothing: K4 opens no session, and only reading can be free."""
    for rule in AccessRule:
        byte = access[rule // 2]
        nibble = byte & 0x0F if rule % 2 else byte >> 4
        if nibble not in {0, 1, 2, 3, NEVER} and not (nibble == FREE and rule in _READING):
            raise Refused(SW.WRONG_DATA)


def parameters(raw: bytes) -> Parameters:
    """The limits of a service; 6A80 when they contradict each other."""
    try:
        return Parameters.from_bytes(raw)
    except ValueError:
        raise Refused(SW.WRONG_DATA) from None


def _parse(data: bytes) -> _NewService:
    if len(data) < _NEW.size:
        raise Refused(SW.WRONG_LENGTH)
    number, issuer, access, limits, value, left, period, size, label_size = _NEW.unpack_from(data)
    if len(data) != _NEW.size + label_size + _NEW_KEY.size:
        raise Refused(SW.WRONG_LENGTH)
    if not 0 < number <= MAX_SERVICE or size > MAX_PROFILE or not 0 < label_size <= MAX_LABEL:
        raise Refused(SW.WRONG_DATA)
    check_access(access)
    bounds = parameters(limits)
    generation, wrapped, check_values = _NEW_KEY.unpack_from(data, _NEW.size + label_size)
    if not generation or not bounds.lower <= value <= bounds.upper or period > bounds.last_period:
        raise Refused(SW.WRONG_DATA)
    label = data[_NEW.size : _NEW.size + label_size]
    keys = (KeyPair(StoredKey(generation)), *_OTHER_ROLES)
    service = Service(number, LifeCycle.INITIALISATION, issuer, access, bounds, 0, label, size, b"", keys)
    return _NewService(service, Purse(value, left, 0, period), wrapped, check_values)


def _unwrapped_set(dek: bytes, new: _NewService) -> bytes:
    keys, unwrap = [], unwrapper(dek)
    for index in range(3):
        cipher = new.wrapped[index * KEY_SIZE : (index + 1) * KEY_SIZE]
        keys.append(checked(unwrap, cipher, new.check_values[index * KCV_SIZE : (index + 1) * KCV_SIZE]))
    return b"".join(keys)


def _require_no_parameters(command: CommandApdu) -> None:
    if command.p1 or command.p2:
        raise Refused(SW.WRONG_P1_P2)
