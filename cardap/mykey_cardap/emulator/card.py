"""The emulated card as a whole: power, the choice of an application, and the answer to every command.

Files and commands of applications live in `application.py` and `commands/`; persons in `personas.py`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from mykey_cardap.apdu import SHORT_MAX_RESPONSE, SW, CommandApdu, Ins, MalformedApduError
from mykey_cardap.emulator.application import Application
from mykey_cardap.emulator.commands import KNOWN_INSTRUCTIONS
from mykey_cardap.emulator.status import OK_TRAILER, Refused

log = logging.getLogger(__name__)

# The only ATR of this card in OpenSC's table; it has no historical bytes (§20).
DEFAULT_ATR: Final = bytes.fromhex("3BE000FF8131FE4514")

_SELECT_BY_NAME: Final = 0x04
_SELECT_FILE: Final = 0x02
_SELECT_P2: Final = frozenset({0x00, 0x0C})
_FID_SIZE: Final = 2
_CHANNEL_MASK: Final = 0x03
_SECURE_MESSAGING_MASK: Final = 0x0C
_PLAIN_CLASSES: Final = frozenset({0x00, 0x80})


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Options of a whole card (EMU-23): times in seconds; `first_command_6f00` is a fault seen on one card."""

    atr: bytes = DEFAULT_ATR
    delay: float = 0.0
    sign_delay: float = 0.0
    first_command_6f00: bool = False


@dataclass(slots=True)
class VirtualCard:
    """A card. `issuer_domain` is the application that answers GET DATA at power-on state, if there is one.

    Not safe for use by several threads at once, like a real card.
    """

    applications: Mapping[bytes, Application]
    issuer_domain: Application | None = None
    behaviour: Behaviour = field(default_factory=Behaviour)
    selected: Application | None = field(default=None, init=False)
    powered: bool = field(default=False, init=False)
    _first_command: bool = field(default=True, init=False, repr=False)

    def power_on(self) -> bytes:
        """Apply power (a second call is a power cycle) and return the ATR."""
        self.power_off()
        self.powered = True
        self._first_command = True
        return self.behaviour.atr

    def power_off(self) -> None:
        """Remove power: nothing is selected and nothing is verified any more."""
        self.powered = False
        self._deselect()

    def reset(self) -> bytes:
        """Warm reset: selection and verified PINs stay (measured by MC; EMU-13). Returns the ATR."""
        return self.behaviour.atr

    def process(self, command: bytes) -> bytes:
        """Answer one command APDU with data and status word. Never raises."""
        try:
            return self._answer(command) + OK_TRAILER
        except Refused as refusal:
            return refusal.sw.to_bytes(2, "big")
        except MalformedApduError:
            return SW.WRONG_LENGTH.to_bytes(2, "big")
        except Exception:  # a card always answers; the traceback shows no command bytes
            log.exception("the emulated card failed")
            return SW.SELF_DIAGNOSIS.to_bytes(2, "big")

    def _answer(self, raw: bytes) -> bytes:
        if not self.powered or self._spoils_first_command():
            raise Refused(SW.SELF_DIAGNOSIS)
        command = CommandApdu.from_bytes(raw)
        self._wait(command.ins)
        if not self._has_protected(command):
            _check_class(command.cla)
        if command.ins == Ins.SELECT and command.cla == 0:
            return self._select(command)
        if command.ins == Ins.GET_CHALLENGE and command.cla == 0:
            return _get_challenge(command)
        if command.ins == Ins.GET_DATA and command.cla == 0:
            return self._get_data(command)
        return self._dispatch(command)

    def _has_protected(self, command: CommandApdu) -> bool:
        """Whether the selected application has a secure-messaging form of the command (text AP only)."""
        return self.selected is not None and (command.cla, command.ins) in self.selected.commands

    def _dispatch(self, command: CommandApdu) -> bytes:
        if command.ins not in KNOWN_INSTRUCTIONS:
            raise Refused(SW.INS_NOT_SUPPORTED)
        if self.selected is None:
            raise Refused(SW.NO_CURRENT_EF)
        handler = self.selected.commands.get((command.cla, command.ins))
        if handler is None:
            raise Refused(_without_handler(self.selected, command.ins))
        return handler(self.selected, command)

    def _select(self, command: CommandApdu) -> bytes:
        if command.p2 not in _SELECT_P2:
            raise Refused(SW.WRONG_P1_P2)
        if command.p1 == _SELECT_BY_NAME:
            self._select_application(command.data)
        elif command.p1 == _SELECT_FILE:
            self._select_file(command.data)
        else:
            self._select_master_file(command)
        return b""

    def _select_application(self, aid: bytes) -> None:
        application = self.applications.get(aid)  # exact: JICSAP's prefix match is not followed (§17)
        if application is None:
            raise Refused(SW.FILE_NOT_FOUND)
        self._deselect()
        if application is not self.issuer_domain:  # selecting the card manager restores the power-on state
            self.selected = application

    def _select_file(self, identifier: bytes) -> None:
        if len(identifier) != _FID_SIZE:
            raise Refused(SW.WRONG_LENGTH)
        file = self.selected.files.get(int.from_bytes(identifier, "big")) if self.selected else None
        if self.selected is None or file is None:
            raise Refused(SW.FILE_NOT_FOUND)
        self.selected.current = file

    def _select_master_file(self, command: CommandApdu) -> None:
        """P1 = 00: there is no master file. Without data it is harmless once an application is selected."""
        if command.p1:
            raise Refused(SW.WRONG_P1_P2)
        if command.data:
            raise Refused(SW.FILE_NOT_FOUND)
        if self.selected is None:
            raise Refused(SW.WRONG_P1_P2)

    def _get_data(self, command: CommandApdu) -> bytes:
        if command.data or command.le is None:
            raise Refused(SW.WRONG_LENGTH)
        source = self.selected or self.issuer_domain
        content = source and source.data_objects.get(command.p1 << 8 | command.p2)
        if not content:
            raise Refused(SW.KEY_OR_OBJECT_NOT_FOUND)
        if len(content) > command.le:
            raise Refused(SW.WRONG_LENGTH)
        return content

    def _deselect(self) -> None:
        if self.selected is not None:
            self.selected.clear()
        self.selected = None

    def _spoils_first_command(self) -> bool:
        first, self._first_command = self._first_command, False
        return first and self.behaviour.first_command_6f00

    def _wait(self, ins: int) -> None:
        seconds = self.behaviour.delay
        if ins == Ins.PERFORM_SECURITY_OPERATION:
            seconds += self.behaviour.sign_delay
        if seconds:
            time.sleep(seconds)


def _check_class(cla: int) -> None:
    if cla in _PLAIN_CLASSES:
        return
    if cla & ~(0x80 | _SECURE_MESSAGING_MASK | _CHANNEL_MASK):
        raise Refused(SW.CLASS_NOT_SUPPORTED)
    if cla & _CHANNEL_MASK:
        raise Refused(SW.CHANNEL_NOT_SUPPORTED)
    raise Refused(SW.SECURE_MESSAGING_NOT_SUPPORTED)


def _get_challenge(command: CommandApdu) -> bytes:
    if command.p1 or command.p2:
        raise Refused(SW.WRONG_P1_P2)
    if command.data or command.le is None:
        raise Refused(SW.WRONG_LENGTH)
    if command.extended or command.le > SHORT_MAX_RESPONSE:
        raise Refused(SW.CONDITIONS_OF_USE)
    return os.urandom(command.le)


def _without_handler(application: Application, ins: int) -> SW:
    """6E00 when the instruction exists with another class, 6D00 when this application has none of it."""
    known = any(known_ins == ins for _, known_ins in application.commands)
    return SW.CLASS_NOT_SUPPORTED if known else SW.INS_NOT_SUPPORTED


def by_aid(applications: Iterable[Application]) -> dict[bytes, Application]:
    """Applications by AID, for `VirtualCard.applications`."""
    return {application.aid: application for application in applications}
