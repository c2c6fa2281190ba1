"""Commands of a service: reading, personalising, and the one COMMIT that changes value, rides, log and MAC at once.

The rules of a transaction are in `transaction.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from mykey_cardap.apdu import SW, CommandApdu
from mykey_cardap.emulator.service_application import reading
from mykey_cardap.emulator.service_application.contents import Slot
from mykey_cardap.emulator.service_application.keys import key_blocks, replaced
from mykey_cardap.emulator.service_application.payloads import Service, StoredKey
from mykey_cardap.emulator.service_application.root_commands import check_access, parameters
from mykey_cardap.emulator.service_application.selection import (
    Command,
    Directory,
    addressed,
    by_short_identifier,
    cut,
    select_file,
    without_data,
)
from mykey_cardap.emulator.service_application.transaction import (
    Order,
    access_rule,
    apply,
    is_repeated,
    sealed,
    state_bytes,
)
from mykey_cardap.emulator.status import Refused
from mykey_cardap.service_application.numbers import (
    COMPLETE,
    KEY_VERSION,
    PARAMETERS_SIZE,
    AccessRule,
    DataObject,
    FileId,
    LifeCycle,
    Role,
    ServiceIns,
)

_ACCESS_SIZE: Final = 5
_WHOLE_SET, _SINGLE_KEY = 0x81, 0x01
_ONE_RECORD, _TO_THE_LAST = 0x04, 0x05
_MAX_RECORDS: Final = 7
_MAX_COUNTER: Final = 0xFFFFFFFF
_READABLE: Final = frozenset({DataObject.STATE, DataObject.PARAMETERS, DataObject.ACCESS})
_TRANSITIONS: Final[Mapping[int, tuple[LifeCycle, frozenset[LifeCycle]]]] = {
    ServiceIns.ACTIVATE: (LifeCycle.ACTIVATED, frozenset({LifeCycle.INITIALISATION, LifeCycle.DEACTIVATED})),
    ServiceIns.DEACTIVATE: (LifeCycle.DEACTIVATED, frozenset({LifeCycle.ACTIVATED})),
    ServiceIns.TERMINATE: (
        LifeCycle.TERMINATED,
        frozenset({LifeCycle.INITIALISATION, LifeCycle.ACTIVATED, LifeCycle.DEACTIVATED}),
    ),
}
"""Instruction -> the state it leads to, and from which."""


def read_binary(directory: Directory, command: CommandApdu) -> bytes:
    """A transparent file; 6981 for the log."""
    without_data(command)
    file, offset = addressed(directory, command.p1, command.p2)
    if file is FileId.LOG or not isinstance(file, FileId):
        raise Refused(SW.FILE_STRUCTURE)
    reading.require_reader(directory.slot.service, directory.key, file)
    return cut(reading.transparent(directory.slot, file), offset, command.le)


def read_record(directory: Directory, command: CommandApdu) -> bytes:
    """`00 B2 number SFI<<3|4`: one log record, 1 the newest; `…|5`: from there on, at most seven."""
    without_data(command)
    if command.p2 & 0x07 not in {_ONE_RECORD, _TO_THE_LAST}:
        raise Refused(SW.WRONG_P1_P2)
    if by_short_identifier(directory, command.p2 >> 3) is not FileId.LOG:
        raise Refused(SW.FILE_STRUCTURE)
    reading.require_reader(directory.slot.service, directory.key, FileId.LOG)
    found = reading.records(directory.slot, command.p1)
    return b"".join(found[: 1 if command.p2 & 0x07 == _ONE_RECORD else _MAX_RECORDS])


def get_data(directory: Directory, command: CommandApdu) -> bytes:
    """`80 CA DF xx`: state, parameters, access rules."""
    without_data(command)
    tag = command.p1 << 8 | command.p2
    if tag not in _READABLE:
        raise Refused(SW.KEY_OR_OBJECT_NOT_FOUND)
    slot = directory.slot
    reading.require_reader(slot.service, directory.key, FileId.VALUE, FileId.RIDES, FileId.LOG)
    return reading.data_object(slot, DataObject(tag))


def commit(directory: Directory, command: CommandApdu) -> bytes:
    """`80 C8 00 00 1B order`: the transaction; the same order again gets the same answer and changes nothing."""
    if command.p1 or command.p2:
        raise Refused(SW.WRONG_P1_P2)
    order = Order.from_bytes(command.data)
    slot = directory.slot
    service, purse = slot.service, slot.purse
    directory.require_key(service.allowed(access_rule(order.kind)))
    if not is_repeated(purse, order):
        _require_usable(slot, service)
        key = service.keys[Role.TRANSACTION_MAC].current
        changed = apply(purse, service.parameters, order)
        serial = directory.contents.root.serial
        slot.transact(sealed(changed, order, slot.counter + 1, key.material, key.generation, serial))
    return _receipt(slot)


def update_binary(directory: Directory, command: CommandApdu) -> bytes:
    """`00 D6 81 00 profile`: the whole profile at once. 6A84: longer than the service was created for."""
    service = _changeable(directory.slot)
    directory.require_key(service.allowed(AccessRule.PROFILE_WRITE))
    file, offset = addressed(directory, command.p1, command.p2)
    if file is not FileId.PROFILE:
        raise Refused(SW.FILE_STRUCTURE)
    if offset:
        raise Refused(SW.OFFSET_OUTSIDE_FILE)
    if not command.data:
        raise Refused(SW.WRONG_LENGTH)
    if len(command.data) > service.profile_size:
        raise Refused(SW.NO_SPACE)
    directory.slot.change(replace(service, profile=command.data))
    return b""


def put_data(directory: Directory, command: CommandApdu) -> bytes:
    """`80 DA DF 02` parameters or `80 DA DF 04` access rules, by the key that may change access."""
    service = _changeable(directory.slot)
    directory.require_key(service.allowed(AccessRule.CHANGE_ACCESS))
    tag, data = command.p1 << 8 | command.p2, command.data
    if tag not in {DataObject.PARAMETERS, DataObject.ACCESS}:
        raise Refused(SW.KEY_OR_OBJECT_NOT_FOUND)
    if len(data) != (PARAMETERS_SIZE if tag == DataObject.PARAMETERS else _ACCESS_SIZE):
        raise Refused(SW.WRONG_LENGTH)
    if tag == DataObject.PARAMETERS:
        directory.slot.change(replace(service, parameters=parameters(data)))
    else:
        check_access(data)
        directory.slot.change(replace(service, access=data))
    return b""


def put_key(directory: Directory, command: CommandApdu) -> bytes:
    """`80 D8 generation 81` a set K0–K3, `80 D8 generation 01` K4; by K0, under its Key-DEK."""
    service = _changeable(directory.slot)
    directory.require_key(Role.ADMIN)
    single = command.p2 == _SINGLE_KEY
    if command.p2 not in {_WHOLE_SET, _SINGLE_KEY} or not command.p1:
        raise Refused(SW.WRONG_P1_P2)
    role = command.data[0] - KEY_VERSION if command.data else -1
    if not (role == Role.TRANSACTION_MAC if single else Role.ADMIN <= role <= Role.CREDIT):
        raise Refused(SW.WRONG_DATA)
    keys, check_values = key_blocks(command.data[1:], directory.dek)
    if len(keys) != (1 if single else 3):
        raise Refused(SW.WRONG_DATA)
    old = service.keys[role]
    new = replaced(old, StoredKey(command.p1, b"".join(keys)), directory.contents.root.generation_floor)
    if new != old:
        directory.slot.change(service.with_keys(Role(role), new))
    return command.data[:1] + check_values


def change_life_cycle(directory: Directory, command: CommandApdu) -> bytes:
    """ACTIVATE, DEACTIVATE, TERMINATE by K0. Where it is already: nothing changes."""
    directory.require_key(Role.ADMIN)
    without_data(command)
    if command.p1 or command.p2:
        raise Refused(SW.WRONG_P1_P2)
    service = directory.slot.service
    target, sources = _TRANSITIONS[command.ins]
    if service.life_cycle is target:
        return b""
    incomplete = target is LifeCycle.ACTIVATED and service.progress() != COMPLETE
    if service.life_cycle not in sources or incomplete:
        raise Refused(SW.CONDITIONS_OF_USE)
    directory.slot.change(replace(service, life_cycle=target))
    return b""


COMMANDS: Final[Mapping[tuple[int, int], Command]] = {
    (0x00, ServiceIns.SELECT): select_file,
    (0x00, ServiceIns.READ_BINARY): read_binary,
    (0x00, ServiceIns.READ_RECORD): read_record,
    (0x00, ServiceIns.UPDATE_BINARY): update_binary,
    (0x00, ServiceIns.ACTIVATE): change_life_cycle,
    (0x00, ServiceIns.DEACTIVATE): change_life_cycle,
    (0x00, ServiceIns.TERMINATE): change_life_cycle,
    (0x80, ServiceIns.GET_DATA): get_data,
    (0x80, ServiceIns.PUT_DATA): put_data,
    (0x80, ServiceIns.PUT_KEY): put_key,
    (0x80, ServiceIns.COMMIT): commit,
}


def _changeable(slot: Slot) -> Service:
    """The service, unless it is terminated."""
    service = slot.service
    if service.life_cycle is LifeCycle.TERMINATED:
        raise Refused(SW.CONDITIONS_OF_USE)
    return service


def _require_usable(slot: Slot, service: Service) -> None:
    limit = min(service.parameters.transaction_limit, _MAX_COUNTER)
    if service.life_cycle is not LifeCycle.ACTIVATED or slot.counter >= limit:
        raise Refused(SW.CONDITIONS_OF_USE)


def _receipt(slot: Slot) -> bytes:
    purse = slot.purse
    return slot.counter.to_bytes(4, "big") + purse.transaction_mac + state_bytes(purse)
