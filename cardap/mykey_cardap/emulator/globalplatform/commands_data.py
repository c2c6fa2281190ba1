"""GET DATA and STORE DATA of the issuer security domain (GP 2.3.1, sections 11.3 and 11.11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from mykey_cardap.apdu import SW, CommandApdu
from mykey_cardap.emulator.contents.encode import ber
from mykey_cardap.emulator.globalplatform.commands_keys import load_key_groupings
from mykey_cardap.emulator.globalplatform.domain_session import DomainSession, Storing
from mykey_cardap.emulator.globalplatform.fields import groupings, objects
from mykey_cardap.emulator.status import Refused

RECOGNITION: Final = 0x0066
KEY_INFORMATION: Final = 0x00E0
SEQUENCE_COUNTER: Final = 0x00C1
DIVERSIFICATION: Final = 0x00CF
SECURITY_LEVEL: Final = 0x00D3
APPLICATIONS: Final = 0x2F00
RESOURCES: Final = 0xFF21
WRITABLE: Final = frozenset({0x42, 0x45, 0x4F, 0x66, 0x67})
"""Objects that STORE DATA may set; the card makes all others itself."""

_APPLICATIONS_QUERY: Final = bytes.fromhex("5C00")
_LAST: Final = 0x80
_FORMAT: Final = 0x18
_DGI: Final = 0x08
_ENCRYPTED: Final = 0x60
_BER_IN_DGI: Final = 0x0070
_KEY_DGIS: Final = frozenset({0x00B9, 0x8113})
_MAX_STORED: Final = 0x2000
_AES: Final = 0x88


def get_data(session: DomainSession, command: CommandApdu) -> bytes:
    """The whole object under class 80, its value under class 00."""
    tag = command.p1 << 8 | command.p2
    if command.data and (tag != APPLICATIONS or command.data != _APPLICATIONS_QUERY):
        raise Refused(SW.WRONG_DATA)
    value = _value(session, tag)
    return ber(tag, value) if command.cla else value


def _value(session: DomainSession, tag: int) -> bytes:
    stored = session.contents.objects.get(tag)
    if stored is not None:
        return stored
    if tag in session.options.built_in_objects:
        return session.options.built_in_objects[tag]
    if tag not in _MADE:
        raise Refused(SW.KEY_OR_OBJECT_NOT_FOUND)
    return _MADE[tag](session)


def _key_information(session: DomainSession) -> bytes:
    entries = (
        ber(0xC0, bytes((kid, keys.version, _AES, len(value))))
        for keys in session.contents.keys
        for kid, value in sorted(keys.keys.items())
    )
    return b"".join(entries)


def _sequence_counter(session: DomainSession) -> bytes:
    keys = session.contents.keys
    return (keys[0].counter if keys else 0).to_bytes(3, "big")


def _applications(session: DomainSession) -> bytes:
    return b"".join(ber(0x61, ber(0x4F, found.aid)) for found in session.contents.instances)


def _resources(session: DomainSession) -> bytes:
    contents = session.contents
    count = min(len(contents.instances), 0xFF)
    return ber(0x81, bytes((count,))) + ber(0x82, max(contents.free(), 0).to_bytes(4, "big")) + ber(0x83, bytes(4))


_MADE: Final[dict[int, Callable[[DomainSession], bytes]]] = {
    RECOGNITION: lambda session: session.options.recognition,
    KEY_INFORMATION: _key_information,
    SEQUENCE_COUNTER: _sequence_counter,
    DIVERSIFICATION: lambda session: session.options.channel.diversification,
    SECURITY_LEVEL: lambda session: bytes((session.channel.level or 0,)),
    APPLICATIONS: _applications,
    RESOURCES: _resources,
}
"""Objects that the card makes."""


def store_data(session: DomainSession, command: CommandApdu) -> bytes:
    """Take one block; the last one of the domain's own data stores all of them at once."""
    storing, last = session.storing, bool(command.p1 & _LAST)
    if command.p2 != storing.next_block:
        session.storing = Storing()
        raise Refused(SW.WRONG_P1_P2)
    try:
        if storing.target is not None:
            _personalize(session, storing.target, command)
        else:
            _collect(session, storing, command)
    except Refused:
        session.storing = Storing()
        raise
    storing.next_block = (storing.next_block + 1) % 0x100
    if last:
        session.storing = Storing()
    return b""


def _personalize(session: DomainSession, target: bytes, command: CommandApdu) -> None:
    program = session.card.program(target)
    if program is None:
        raise Refused(SW.KEY_OR_OBJECT_NOT_FOUND)
    program.personalize(command)


def _collect(session: DomainSession, storing: Storing, command: CommandApdu) -> None:
    storing.received += command.data
    if len(storing.received) > _MAX_STORED:
        raise Refused(SW.NO_SPACE)
    if not command.p1 & _LAST:
        return
    if command.p1 & _ENCRYPTED:
        raise Refused(SW.WRONG_DATA)  # whole-field encryption under the DEK is not supported
    data = bytes(storing.received)
    if command.p1 & _FORMAT == _DGI:
        _store_groupings(session, data)
    else:
        _store_objects(session, data)


def _store_objects(session: DomainSession, data: bytes) -> None:
    found = dict(objects(data))
    if not found or not found.keys() <= WRITABLE:
        raise Refused(SW.WRONG_DATA)
    session.commit(replace(session.contents, objects=session.contents.objects | found))


def _store_groupings(session: DomainSession, data: bytes) -> None:
    found = list(groupings(data))
    identifiers = {identifier for identifier, _ in found}
    if identifiers == {_BER_IN_DGI}:
        _store_objects(session, b"".join(value for _, value in found))
    elif identifiers and identifiers <= _KEY_DGIS:
        load_key_groupings(session, found)
    else:
        raise Refused(SW.WRONG_DATA)
