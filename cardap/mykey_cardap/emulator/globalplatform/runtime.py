"""A card with logical channels, to which applications are added in the field (GlobalPlatform's OPEN).

It chooses applications, joins and splits long commands and answers, and leaves everything that it does not know
to the built-in applications of `VirtualCard`. What applications do is theirs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from mykey_cardap.apdu import (
    EXTENDED_MAX_RESPONSE,
    SHORT_MAX_RESPONSE,
    SW,
    CommandApdu,
    MalformedApduError,
    ResponseApdu,
)
from mykey_cardap.apdu import Ins as Instruction
from mykey_cardap.emulator.application import Application
from mykey_cardap.emulator.card import Behaviour, VirtualCard
from mykey_cardap.emulator.globalplatform.application import CardApplication, Factory, InertApplication, Selected
from mykey_cardap.emulator.globalplatform.contents import CardContents, CardState, ContentsMemory, Instance
from mykey_cardap.emulator.status import Refused

log = logging.getLogger(__name__)

GET_RESPONSE: Final = 0xC0
MANAGE_CHANNEL: Final = 0x70
_MORE_DATA: Final = 0x6100
_MAX_WHOLE: Final = 0xFFFF
_CHANNELS: Final = 20
_BASIC_CHANNELS: Final = 4
_BY_NAME: Final = 0x04
_FIRST, _NEXT, _NO_ANSWER = 0x00, 0x02, 0x0C
_NO_CLASS: Final = 0x68
_NO_CLASSES: Final = frozenset({0x08, 0x20, 0x28})
"""Bits of first interindustry classes that GlobalPlatform does not use: ISO secure messaging, and the reserved one."""
_CHAINED_BY_P1: Final = frozenset({0xE4, 0xE6, 0xD8})


@dataclass(slots=True)
class Channel:
    """A logical channel: what is selected on it, and what is on its way.

    `selected` None means that a built-in application is (basic channel only). `parts` are those of a command
    whose end has not come, `rest` is what GET RESPONSE has still to fetch.
    """

    selected: Selected | None = None
    aid: bytes = b""
    parts: list[CommandApdu] = field(default_factory=list)
    rest: ResponseApdu | None = None

    def put(self, aid: bytes, selected: Selected | None) -> None:
        """Select something else; what was selected has ended."""
        if self.selected is not None:
            self.selected.end()
        self.aid, self.selected = aid, selected
        self.parts.clear()
        self.rest = None


class OpenCard(VirtualCard):
    """A virtual card with an issuer security domain that installs applications.

    `domain` is that application, `domain_aids` its names, the true one first. `factories` are the programs behind
    module AIDs. `built_in` are the applications of `VirtualCard`, selected by their exact AID, basic channel only.
    """

    def __init__(
        self,
        memory: ContentsMemory,
        domain: CardApplication,
        *,
        domain_aids: tuple[bytes, ...],
        factories: Mapping[bytes, Factory] | None = None,
        built_in: Iterable[Application] = (),
        behaviour: Behaviour | None = None,
    ) -> None:
        super().__init__({found.aid: found for found in built_in}, behaviour=behaviour or Behaviour())
        self.memory = memory
        self._domain = domain
        self._domain_aids = domain_aids
        self._factories = dict(factories or {})
        self._programs: dict[bytes, CardApplication] = {}
        self._channels: dict[int, Channel] = {}

    @property
    def contents(self) -> CardContents:
        """What the card stores."""
        return self.memory.contents

    # -- power --------------------------------------------------------------------------------------------

    def power_on(self) -> bytes:
        """Apply power: the basic channel is open, the security domain selected."""
        atr = super().power_on()
        self.memory.recover()
        self._programs = {found.aid: self._program(found, fresh=False) for found in self.contents.instances}
        self._open(0)
        return atr

    def power_off(self) -> None:
        """Remove power: every channel and everything volatile is gone."""
        super().power_off()
        for channel in self._channels.values():
            channel.put(b"", None)
        self._channels.clear()

    def reset(self) -> bytes:
        """Warm reset: unlike the built-in applications, GlobalPlatform's end their sessions (GP 10.2.3)."""
        if not self.powered:
            return super().reset()
        built_in = self._channels[0].selected is None
        for number in [number for number in self._channels if number]:
            self._channels.pop(number).put(b"", None)
        if not built_in:
            self._open(0)
        return super().reset()

    def _open(self, number: int) -> None:
        channel = self._channels.setdefault(number, Channel())
        channel.put(self._domain_aids[0], self._domain.select())

    # -- applications -------------------------------------------------------------------------------------

    def install(self, instance: Instance) -> None:
        """Make a new application's program and memory; the registry entry is the caller's to commit."""
        self._programs[instance.aid] = self._program(instance, fresh=True)

    def remove(self, aid: bytes) -> None:
        """Forget an application that the registry no longer has."""
        program = self._programs.pop(aid, None)
        if program is not None:
            program.erase()

    def program(self, aid: bytes) -> CardApplication | None:
        """The program of an installed application."""
        return self._programs.get(aid)

    def is_selected(self, aid: bytes) -> bool:
        """Whether an application is selected on any channel."""
        return any(channel.aid == aid for channel in self._channels.values())

    def _program(self, instance: Instance, *, fresh: bool) -> CardApplication:
        return self._factories.get(instance.module, InertApplication)(instance, fresh)

    # -- commands -----------------------------------------------------------------------------------------

    def process(self, command: bytes) -> bytes:
        """Answer one command APDU. Never raises."""
        try:
            return self._respond(command)
        except Refused as refusal:
            return refusal.sw.to_bytes(2, "big")
        except MalformedApduError:
            return SW.WRONG_LENGTH.to_bytes(2, "big")
        except Exception:  # a card always answers; the traceback shows no command bytes
            log.exception("the emulated card failed")
            return SW.SELF_DIAGNOSIS.to_bytes(2, "big")

    def _respond(self, raw: bytes) -> bytes:
        if not self.powered:
            raise Refused(SW.SELF_DIAGNOSIS)
        command = CommandApdu.from_bytes(raw)
        if command.cla & _NO_CLASS in _NO_CLASSES:
            return self._outside(raw, SW.CLASS_NOT_SUPPORTED)
        number, plain_class, chained = _decode_class(command.cla)
        channel = self._channels.get(number)
        if channel is None:
            return self._outside(raw, SW.CHANNEL_NOT_SUPPORTED)
        if command.cla != plain_class:
            command = replace(command, cla=plain_class)
        if command.ins == GET_RESPONSE and channel.rest is not None:
            return bytes(_fit(channel, channel.rest))
        channel.rest = None
        if _is_managed(command):
            return bytes(self._manage(number, channel, command))
        if channel.selected is None:
            return super().process(raw)
        return bytes(_converse(channel, channel.selected, command, chained=chained))

    def _outside(self, raw: bytes, sw: int) -> bytes:
        """A class byte of no open channel: the built-in applications have their own answer to it."""
        basic = self._channels.get(0)
        if basic is not None and basic.selected is None:
            return super().process(raw)
        raise Refused(sw)

    def _manage(self, number: int, channel: Channel, command: CommandApdu) -> ResponseApdu:
        if command.ins == MANAGE_CHANNEL:
            return self._manage_channel(number, command)
        return self._select_by_name(number, channel, command)

    def _manage_channel(self, number: int, command: CommandApdu) -> ResponseApdu:
        """`00 70 00 00 01` opens the next free channel, `00 70 80 n` closes one."""
        if command.data:
            raise Refused(SW.WRONG_LENGTH)
        if (command.p1, command.p2) == (0x00, 0x00):
            free = next((found for found in range(_CHANNELS) if found not in self._channels), None)
            if free is None:
                raise Refused(SW.FUNCTION_NOT_SUPPORTED)
            self._open(free)
            return ResponseApdu(bytes((free,)), SW.OK)
        closing = command.p2 or number
        if command.p1 != 0x80 or not 0 < closing < _CHANNELS:  # noqa: PLR2004 - "close"
            raise Refused(SW.WRONG_P1_P2)
        closed = self._channels.pop(closing, None)
        if closed is None:
            return ResponseApdu(b"", 0x6200)
        closed.put(b"", None)
        return ResponseApdu(b"", SW.OK)

    # -- selection ----------------------------------------------------------------------------------------

    def _select_by_name(self, number: int, channel: Channel, command: CommandApdu) -> ResponseApdu:
        """SELECT by full or partial AID. A failed SELECT leaves what was selected, but ends its session."""
        if command.p2 in {_FIRST, _NEXT, _NO_ANSWER}:
            aids = [aid for aid in self._selectable_aids() if aid.startswith(command.data)]
            if command.p2 == _NEXT and channel.aid in aids:
                aids = aids[aids.index(channel.aid) + 1 :]
            if aids:
                answer = self._select_open(channel, aids[0])
                return answer if command.p2 != _NO_ANSWER else ResponseApdu(b"", answer.sw)
        return self._select_built_in(number, channel, command)

    def _selectable_aids(self) -> list[bytes]:
        locked = self.contents.state in {CardState.CARD_LOCKED, CardState.TERMINATED}
        return [
            *self._domain_aids,
            *(found.aid for found in self.contents.instances if found.selectable and not locked),
        ]

    def _select_open(self, channel: Channel, aid: bytes) -> ResponseApdu:
        program = self._domain if aid in self._domain_aids else self._programs[aid]
        elsewhere = any(other.aid == aid for other in self._channels.values() if other is not channel)
        if elsewhere and not program.multiselectable:
            raise Refused(SW.CONDITIONS_OF_USE)
        self._deselect()
        channel.put(aid, None)  # the old selection ends before the new one reads its memory
        selected = program.select()
        channel.put(aid, selected)
        locked = self.contents.state is CardState.CARD_LOCKED
        return _fit(channel, ResponseApdu(selected.fci, SW.DF_LOCKED if locked else SW.OK))

    def _select_built_in(self, number: int, channel: Channel, command: CommandApdu) -> ResponseApdu:
        if number == 0 and command.data in self.applications:
            channel.put(b"", None)
            return ResponseApdu.from_bytes(super().process(bytes(command)))
        if channel.selected is None:
            return ResponseApdu.from_bytes(super().process(bytes(command)))
        channel.selected.end()
        raise Refused(SW.FILE_NOT_FOUND)


def _is_managed(command: CommandApdu) -> bool:
    """Whether a command is for the card itself and not for what is selected."""
    by_name = command.ins == Instruction.SELECT and command.p1 == _BY_NAME
    return not command.cla and (by_name or command.ins == MANAGE_CHANNEL)


def _decode_class(cla: int) -> tuple[int, int, bool]:
    """Channel, class without it (00, 04, 80, 84), and whether parts follow."""
    if cla & 0x40:
        return (cla & 0x0F) + _BASIC_CHANNELS, cla & 0x80 | (0x04 if cla & 0x20 else 0), bool(cla & 0x10)
    return cla & 0x03, cla & 0x84, bool(cla & 0x10)


def _converse(channel: Channel, selected: Selected, command: CommandApdu, *, chained: bool) -> ResponseApdu:
    whole = _join(channel, command, chained=chained)
    if whole is None:
        return ResponseApdu(b"", SW.OK)
    return _fit(channel, _answer(selected, whole), extended=command.extended)


def _join(channel: Channel, command: CommandApdu, *, chained: bool) -> CommandApdu | None:
    """The whole command, or None while parts follow. Parts of another command are forgotten."""
    by_p1 = command.cla & 0x80 and command.ins in _CHAINED_BY_P1 and command.p1 & 0x80
    same = not channel.parts or (channel.parts[0].cla, channel.parts[0].ins) == (command.cla, command.ins)
    if not same:
        channel.parts.clear()
    if chained or by_p1:
        channel.parts.append(command)
        if sum(len(part.data) for part in channel.parts) > _MAX_WHOLE:
            channel.parts.clear()
            raise Refused(SW.WRONG_LENGTH)
        return None
    if not channel.parts:
        return command
    data = b"".join(part.data for part in channel.parts) + command.data
    channel.parts.clear()
    if len(data) > _MAX_WHOLE:
        raise Refused(SW.WRONG_LENGTH)
    return replace(command, data=data, extended=True)


def _answer(selected: Selected, command: CommandApdu) -> ResponseApdu:
    try:
        return selected.process(command)
    except Refused as refusal:
        return ResponseApdu(b"", refusal.sw)


def _fit(channel: Channel, response: ResponseApdu, *, extended: bool = False) -> ResponseApdu:
    """As much of an answer as fits; the rest waits for GET RESPONSE. A missing Le counts as the longest one."""
    longest = EXTENDED_MAX_RESPONSE if extended else SHORT_MAX_RESPONSE
    if len(response.data) <= longest:
        channel.rest = None
        return response
    channel.rest = ResponseApdu(response.data[longest:], response.sw)
    left = len(channel.rest.data)
    return ResponseApdu(response.data[:longest], _MORE_DATA | (left if left <= 0xFF else 0))  # noqa: PLR2004 - a byte
