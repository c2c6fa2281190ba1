"""The commands of the emulated card, a function each, and the tables that applications are built from.

A table maps (CLA, INS) to a function `(application, command) -> response data`; it refuses by raising
`mykey_cardap.emulator.status.Refused`.
"""

from __future__ import annotations

from typing import Final

from mykey_cardap.apdu import Ins
from mykey_cardap.emulator.application import Commands
from mykey_cardap.emulator.commands.keys import (
    refuse_conditions,
    refuse_length,
    refuse_security_environment,
    refuse_security_status,
    sign,
)
from mykey_cardap.emulator.commands.pins import change_pin, jicsap_change_key, verify
from mykey_cardap.emulator.commands.reading import read_binary, read_record

# Present on every application (§8 of the reference: "exist; municipality or issuer keys only").
STANDARD: Final[Commands] = {
    (0x00, Ins.READ_BINARY): read_binary,
    (0x00, Ins.READ_RECORD): read_record,
    (0x00, Ins.VERIFY): verify,
    (0x00, Ins.INTERNAL_AUTHENTICATE): refuse_conditions,
    (0x80, Ins.PERFORM_SECURITY_OPERATION): sign,
    (0x80, Ins.SET_SESSION_KEY): refuse_security_environment,
    (0x80, 0x50): refuse_security_status,  # LOCK DF
    (0x80, 0x52): refuse_security_status,  # UNLOCK DF
    (0x80, 0x54): refuse_security_status,  # UNLOCK KEY
    (0x80, 0x8A): refuse_security_status,  # MANAGE ATTRIBUTES
    (0x80, 0xA2): refuse_security_status,  # SET PUBLIC IC KEY
    (0x80, 0xFC): refuse_length,  # last-command indicator of the iPhone token; plastic cards answer 6700
}

# JPKI and text AP change a PIN with CHANGE REFERENCE DATA …
WITH_CHANGE: Final[Commands] = {**STANDARD, (0x00, Ins.CHANGE_REFERENCE_DATA): change_pin}

# … the resident-register and common APs with the CHANGE KEY of JICSAP.
WITH_JICSAP_CHANGE: Final[Commands] = {**STANDARD, (0x80, Ins.JICSAP_CHANGE_KEY): jicsap_change_key}

# Every instruction that the card knows, whatever the class: with a wrong class they give 6E00, not 6D00.
KNOWN_INSTRUCTIONS: Final = frozenset(
    {ins for table in (WITH_CHANGE, WITH_JICSAP_CHANGE) for _, ins in table}
    | {Ins.SELECT, Ins.GET_CHALLENGE, Ins.GET_DATA}
)

__all__ = ["KNOWN_INSTRUCTIONS", "STANDARD", "WITH_CHANGE", "WITH_JICSAP_CHANGE"]
