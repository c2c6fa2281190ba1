"""GET STATUS and SET STATUS of the issuer security domain (GP 2.3.1, sections 11.4 and 11.10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from mykey_cardap.apdu import SW, CommandApdu, ResponseApdu
from mykey_cardap.emulator.contents.encode import ber
from mykey_cardap.emulator.globalplatform.contents import LOCKED, ApplicationState, CardState, Instance, LoadFile
from mykey_cardap.emulator.globalplatform.domain_session import DomainSession
from mykey_cardap.emulator.globalplatform.fields import objects
from mykey_cardap.emulator.status import Refused

MORE_DATA: Final = 0x6310
LONGEST_ANSWER: Final = 239
"""Plain bytes of one answer that still fit a short APDU with S16, R-MAC and R-ENC."""

_DOMAIN, _APPLICATIONS, _LOAD_FILES, _WITH_MODULES = 0x80, 0x40, 0x20, 0x10
_FIRST, _NEXT = 0x02, 0x03
_DOMAIN_PRIVILEGES: Final = bytes.fromhex("9EFE80")
_APPLICATION_SPECIFIC: Final = 0x07
_CARD_TRANSITIONS: Final = frozenset(
    {
        (CardState.OP_READY, CardState.INITIALIZED),
        (CardState.INITIALIZED, CardState.SECURED),
        (CardState.SECURED, CardState.CARD_LOCKED),
        (CardState.CARD_LOCKED, CardState.SECURED),
    }
)


def get_status(session: DomainSession, command: CommandApdu) -> ResponseApdu:
    """Registry entries, as many as fit; 6310 says that P2 = 03 gives more."""
    if command.p1 not in {_DOMAIN, _APPLICATIONS, _LOAD_FILES, _WITH_MODULES} or command.p2 not in {_FIRST, _NEXT}:
        raise Refused(SW.WRONG_P1_P2)
    if command.p2 == _FIRST:
        session.listing = _entries(session, command)
        if not session.listing:
            raise Refused(SW.KEY_OR_OBJECT_NOT_FOUND)
    elif not session.listing:
        raise Refused(SW.CONDITIONS_OF_USE)
    page = bytearray()
    while session.listing and len(page) + len(session.listing[0]) <= LONGEST_ANSWER:
        page += session.listing.pop(0)
    if not page:
        page += session.listing.pop(0)
    return ResponseApdu(bytes(page), MORE_DATA if session.listing else SW.OK)


def _entries(session: DomainSession, command: CommandApdu) -> list[bytes]:
    criteria = dict(objects(command.data))
    prefix = criteria.get(0x4F)
    if prefix is None:
        raise Refused(SW.WRONG_DATA)
    wanted = frozenset(_tags(criteria.get(0x5C, b"")))
    entries = [entry for entry in _described(session, command.p1) if entry[0][1].startswith(prefix)]
    return [ber(0xE3, *(ber(tag, value) for tag, value in entry if not wanted or tag in wanted)) for entry in entries]


def _tags(data: bytes) -> Iterator[int]:
    """A list of tags of one or two bytes."""
    position = 0
    while position < len(data):
        size = 2 if data[position] & 0x1F == 0x1F else 1  # noqa: PLR2004 - X.690: the tag goes on
        yield int.from_bytes(data[position : position + size], "big")
        position += size


Entry = list[tuple[int, bytes]]


def _described(session: DomainSession, kind: int) -> Iterator[Entry]:
    contents = session.contents
    if kind == _DOMAIN:
        yield [(0x4F, session.options.aid), (0x9F70, _state(session, contents.state)), (0xC5, _DOMAIN_PRIVILEGES)]
    elif kind == _APPLICATIONS:
        yield from (_application(session, found) for found in contents.instances)
    else:
        yield from (_load_file(session, found, modules=kind == _WITH_MODULES) for found in contents.load_files)


def _application(session: DomainSession, found: Instance) -> Entry:
    return [
        (0x4F, found.aid),
        (0x9F70, _state(session, found.state)),
        (0xC5, found.privileges),
        (0xC4, found.load_file),
        (0xCC, session.options.aid),
    ]


def _load_file(session: DomainSession, found: LoadFile, *, modules: bool) -> Entry:
    entry = [(0x4F, found.aid), (0x9F70, _state(session, ApplicationState.LOADED))]
    if modules:
        entry += [(0x84, module) for module in found.modules]
    return [*entry, (0xCC, session.options.aid)]


def _state(session: DomainSession, state: int) -> bytes:
    return bytes((state, 0)) if session.options.two_byte_states else bytes((state,))


def set_status(session: DomainSession, command: CommandApdu) -> bytes:
    """Change the card's state (P1 = 80) or an application's (P1 = 40). Asking for the present state is refused."""
    if command.p1 == _DOMAIN:
        _set_card_state(session, command.p2)
    elif command.p1 == _APPLICATIONS:
        _set_application_state(session, command.data, command.p2)
    else:
        raise Refused(SW.WRONG_P1_P2)
    return b""


def _set_card_state(session: DomainSession, wanted: int) -> None:
    try:
        state = CardState(wanted)
    except ValueError:
        raise Refused(SW.WRONG_DATA) from None
    present = session.contents.state
    terminates = state is CardState.TERMINATED and present is not state
    if not terminates and (present, state) not in _CARD_TRANSITIONS:
        raise Refused(SW.CONDITIONS_OF_USE)
    session.commit(replace(session.contents, state=state))


def _set_application_state(session: DomainSession, aid: bytes, wanted: int) -> None:
    """Bit 8 locks or unlocks and keeps the state below; other bits are the application's own states."""
    instance = session.contents.instance(aid)
    if instance is None:
        raise Refused(SW.KEY_OR_OBJECT_NOT_FOUND)
    state = _next_state(instance.state, wanted)
    if state == instance.state:
        raise Refused(SW.CONDITIONS_OF_USE)
    session.commit(session.contents.with_instance(replace(instance, state=state)))


def _next_state(present: int, wanted: int) -> int:
    if wanted & LOCKED:
        return present | LOCKED
    if present & LOCKED:
        return present & ~LOCKED
    if wanted & _APPLICATION_SPECIFIC != _APPLICATION_SPECIFIC or present == ApplicationState.INSTALLED:
        raise Refused(SW.WRONG_DATA)
    return wanted
