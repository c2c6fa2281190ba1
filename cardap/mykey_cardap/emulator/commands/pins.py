"""VERIFY, the question for the counter, and the two ways to change a PIN."""

from __future__ import annotations

from typing import Final

from mykey_cardap.apdu import SW, CommandApdu
from mykey_cardap.emulator.application import Application
from mykey_cardap.emulator.files import Pin, PinEf
from mykey_cardap.emulator.status import Refused, tries_left

_CURRENT: Final = 0x80
_SFI: Final = 0x1F
_RESERVED: Final = 0x60
_NEW_VALUE_ONLY: Final = 0x01


def verify(application: Application, command: CommandApdu) -> bytes:
    """VERIFY. Without data it answers 63Cx and costs nothing, also while the PIN is verified (EMU-04)."""
    pin = _named_pin(application, command)
    if command.p1:
        raise Refused(SW.WRONG_P1_P2)
    if not command.data:
        raise Refused(tries_left(pin.remaining))
    if pin.blocked:
        raise Refused(application.options.blocked_sw)
    if pin.present(command.data):
        application.verified.add(pin.name)
        return b""
    application.verified.discard(pin.name)  # EMU-11: our decision, not measured
    raise Refused(tries_left(pin.remaining))


def change_pin(application: Application, command: CommandApdu) -> bytes:
    """CHANGE REFERENCE DATA with the new value only (P1 = 01), after VERIFY."""
    if command.p1 != _NEW_VALUE_ONLY:
        raise Refused(SW.WRONG_P1_P2)
    return _change(application, command)


def jicsap_change_key(application: Application, command: CommandApdu) -> bytes:
    """CHANGE KEY of JICSAP (`80 32 00 80`), after VERIFY."""
    if command.p1:
        raise Refused(SW.WRONG_P1_P2)
    return _change(application, command)


def _change(application: Application, command: CommandApdu) -> bytes:
    pin = _named_pin(application, command)
    if pin.name not in application.verified:
        raise Refused(SW.SECURITY_STATUS)
    if not command.data:
        raise Refused(SW.WRONG_LENGTH)
    if not pin.policy.fullmatch(command.data):
        raise Refused(SW.WRONG_DATA)
    pin.change(command.data)
    return b""


def _named_pin(application: Application, command: CommandApdu) -> Pin:
    if not command.p2 & _CURRENT or command.p2 & _RESERVED:
        raise Refused(SW.WRONG_P1_P2)
    sfi = command.p2 & _SFI
    file = application.by_short_identifier(sfi) if sfi else application.current_file()
    if not isinstance(file, PinEf):
        raise Refused(SW.FILE_STRUCTURE)
    return file.pin
