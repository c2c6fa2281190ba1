"""What the application tells: FCI, directory, meta data, files and state. Nothing here changes anything.

Who may read what is decided here, too, because it is a property of each file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final

from mykey_cardap.apdu import SW
from mykey_cardap.emulator.contents.encode import ber
from mykey_cardap.emulator.service_application.contents import Contents, Slot
from mykey_cardap.emulator.service_application.payloads import SLOTS, Service
from mykey_cardap.emulator.status import Refused
from mykey_cardap.service_application.numbers import (
    AID,
    FREE,
    LOG_RECORD_SIZE,
    LOG_RECORDS,
    OPERATION_ID_SIZE,
    ROOT_SERVICE,
    AccessRule,
    DataObject,
    FileId,
    Role,
)

_ROOT_LABEL: Final = b"mykey"
_STATE: Final = struct.Struct(f">BBiiiIHHHHHI8sB{OPERATION_ID_SIZE}s{LOG_RECORD_SIZE}s")
_VALUE: Final = struct.Struct(">iii")
_RIDES: Final = struct.Struct(">HHH")
_CHANGING: Final = (
    AccessRule.VALUE_DEBIT,
    AccessRule.VALUE_CREDIT,
    AccessRule.RIDES_DEBIT,
    AccessRule.RIDES_CREDIT,
)
_READERS: Final[Mapping[FileId, tuple[AccessRule, ...]]] = {
    FileId.PROFILE: (AccessRule.PROFILE_READ, AccessRule.PROFILE_WRITE),
    FileId.VALUE: (AccessRule.VALUE_READ, AccessRule.VALUE_DEBIT, AccessRule.VALUE_CREDIT),
    FileId.RIDES: (AccessRule.RIDES_READ, AccessRule.RIDES_DEBIT, AccessRule.RIDES_CREDIT),
    FileId.LOG: (AccessRule.LOG_READ, *_CHANGING),
    FileId.TRANSACTION_MAC: (AccessRule.LOG_READ, *_CHANGING),
}
"""The rule of reading a file first, then the changes that imply it."""


def require_reader(service: Service, key: int | None, *files: FileId) -> None:
    """6982 unless `key` (the session's; None: no session) may read all of these files."""
    for file in files:
        rules = _READERS[file]
        nibbles = {service.allowed(rule) for rule in (*rules, AccessRule.CHANGE_ACCESS)}
        if service.allowed(rules[0]) != FREE and (key is None or key not in nibbles):
            raise Refused(SW.SECURITY_STATUS)


def root_fci(contents: Contents) -> bytes:
    """The answer to SELECT of the whole application."""
    root = contents.root
    generations = bytes((root.generation_floor, root.keys.current.generation))
    proprietary = (
        ber(0x80, root.serial),
        ber(0x81, root.issuer),
        ber(0x82, generations),
        ber(0x83, contents.card_counter.to_bytes(4, "big")),
    )
    return ber(0x6F, ber(0x84, AID), ber(0xA5, *proprietary))


def service_fci(contents: Contents, slot: Slot) -> bytes:
    """The answer to SELECT of a service: what a terminal needs to derive its keys, and the counter."""
    root, service = contents.root, slot.service
    generations = bytes((root.generation_floor, *(pair.current.generation for pair in service.keys)))
    proprietary = (
        ber(0x80, root.serial),
        ber(0x81, service.issuer),
        ber(0x82, generations),
        ber(0x83, slot.counter.to_bytes(4, "big")),
    )
    return ber(
        0x6F, ber(0x84, _name(service.service)), ber(0x8A, bytes((service.life_cycle,))), ber(0xA5, *proprietary)
    )


def directory(contents: Contents) -> bytes:
    """EF.DIR: an application template for the root and for each service."""
    schema = contents.root.schema
    entries = [_entry(AID, _ROOT_LABEL, schema, ROOT_SERVICE)]
    for slot in contents.slots():
        service = slot.service
        entries.append(_entry(_name(service.service), service.label, schema, service.service))
    return b"".join(entries)


def meta(contents: Contents) -> bytes:
    """EF.META: serial, schema, generation floor, card TMC, slots, and how far each service is personalised."""
    root = contents.root
    services = [
        ber(0x86, service.service.to_bytes(2, "big"), bytes((service.life_cycle, service.progress())))
        for service in (slot.service for slot in contents.slots())
    ]
    return ber(
        0x70,
        ber(0x80, root.serial),
        ber(0x81, bytes((root.schema,))),
        ber(0x82, bytes((root.generation_floor,))),
        ber(0x83, contents.card_counter.to_bytes(4, "big")),
        ber(0x84, bytes((SLOTS, len(services)))),
        ber(0xA5, *services),
    )


def transparent(slot: Slot, file: FileId) -> bytes:
    """A file of bytes of a service."""
    return _TRANSPARENT[file](slot)


def records(slot: Slot, first: int) -> tuple[bytes, ...]:
    """Log records from number `first` (1: the newest). 6A83 when there is none."""
    found = slot.purse.log[first - 1 :] if 1 <= first <= LOG_RECORDS else ()
    if not found:
        raise Refused(SW.RECORD_NOT_FOUND)
    return found


def data_object(slot: Slot, tag: DataObject) -> bytes:
    """GET DATA of a service: its state, parameters or access rules."""
    service = slot.service
    if tag is DataObject.PARAMETERS:
        return service.parameters.to_bytes()
    return service.access if tag is DataObject.ACCESS else state(slot)


def state(slot: Slot) -> bytes:
    """Everything that a terminal needs before a COMMIT, in one answer of 85 bytes."""
    service, purse = slot.service, slot.purse
    limits = service.parameters
    last = purse.log[0] if purse.log else bytes(LOG_RECORD_SIZE)
    return _STATE.pack(
        service.life_cycle,
        limits.flags,
        purse.value,
        limits.lower,
        limits.upper,
        limits.cap,
        purse.left,
        purse.used,
        purse.period,
        limits.allowance,
        limits.last_period,
        slot.counter,
        purse.transaction_mac,
        service.keys[Role.TRANSACTION_MAC].current.generation,
        last[1 : 1 + OPERATION_ID_SIZE],
        last,
    )


def _value(slot: Slot) -> bytes:
    limits = slot.service.parameters
    return _VALUE.pack(slot.purse.value, limits.lower, limits.upper)


def _rides(slot: Slot) -> bytes:
    return _RIDES.pack(slot.purse.left, slot.purse.used, slot.purse.period)


def _transaction_mac(slot: Slot) -> bytes:
    return slot.counter.to_bytes(4, "big") + slot.purse.transaction_mac


def _profile(slot: Slot) -> bytes:
    return slot.service.profile


_TRANSPARENT: Final[Mapping[FileId, Callable[[Slot], bytes]]] = {
    FileId.PROFILE: _profile,
    FileId.VALUE: _value,
    FileId.RIDES: _rides,
    FileId.TRANSACTION_MAC: _transaction_mac,
}


def _name(service: int) -> bytes:
    return AID + service.to_bytes(2, "big")


def _entry(name: bytes, label: bytes, schema: int, service: int) -> bytes:
    detail = ber(0x73, ber(0x80, bytes((schema,))), ber(0x81, service.to_bytes(2, "big")))
    return ber(0x61, ber(0x4F, name), ber(0x50, label), detail)
