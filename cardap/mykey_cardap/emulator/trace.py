"""Writing down what a card was told and answered, without the PINs.

The data field of VERIFY, CHANGE REFERENCE DATA and CHANGE KEY (INS 20, 24, 32) is replaced by `**`; answers
are cut, because files hold names and numbers.
"""

from __future__ import annotations

from typing import Final

from mykey_cardap.apdu import CommandApdu, Ins, MalformedApduError

_SECRET: Final = frozenset({Ins.VERIFY, Ins.CHANGE_REFERENCE_DATA, Ins.JICSAP_CHANGE_KEY})
_INS_OFFSET: Final = 1
_HEADER: Final = 4
_SHOWN: Final = 16

_NAMES: Final = {ins.value: ins.name.replace("_", " ") for ins in Ins}


def masked_command(command: bytes) -> str:
    """Hexadecimal, with every byte of a PIN as `**`. A malformed PIN command shows its header only."""
    if len(command) <= _HEADER or command[_INS_OFFSET] not in _SECRET:
        return command.hex().upper()
    head = command[:_HEADER].hex().upper()
    try:
        parsed = CommandApdu.from_bytes(command)
    except MalformedApduError:
        return f"{head} {'**' * (len(command) - _HEADER)}"
    if not parsed.data:
        return command.hex().upper()
    return f"{head}{len(parsed.data):02X}{'**' * len(parsed.data)}"


def shortened_response(response: bytes) -> str:
    """At most 16 bytes of data, how many there were, and the status word."""
    data, status = response[:-2], response[-2:].hex().upper()
    if not data:
        return status
    more = f"…({len(data)} bytes)" if len(data) > _SHOWN else ""
    return f"{data[:_SHOWN].hex().upper()}{more} {status}"


def line(command: bytes, response: bytes) -> str:
    """One line of a trace: name of the instruction, command, answer."""
    name = _NAMES.get(command[_INS_OFFSET], "?") if len(command) > _INS_OFFSET else "?"
    return f"{name:<26} > {masked_command(command)}\n{'':<26} < {shortened_response(response)}"
