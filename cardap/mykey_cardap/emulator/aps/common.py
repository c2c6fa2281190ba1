"""The common AP (共通カードAP): the card's identity, free to read, and the key of INTERNAL AUTHENTICATE.

After soltia48/myna-card (`src/ap/common.rs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mykey_cardap.apdu import SW, CommandApdu, Ins
from mykey_cardap.emulator.application import Application, Commands, Options, file_table
from mykey_cardap.emulator.aps.references import four_digit_pin
from mykey_cardap.emulator.commands import WITH_JICSAP_CHANGE
from mykey_cardap.emulator.commands.keys import named_key, pkcs1_of_message
from mykey_cardap.emulator.contents.common import card_info_record, key_reference_record
from mykey_cardap.emulator.contents.keys import card_keys
from mykey_cardap.emulator.files import NEVER, KeyEf, PinEf, RecordEf
from mykey_cardap.emulator.status import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mykey_cardap.emulator.contents.holder import CardHolder

AID: Final = bytes.fromhex("D3921000310001010100")
PIN: Final = "common"
PIN_TRIES: Final = 3
"""Assumed to be the same as in the resident-register AP."""
INTERNAL_KEY: Final = 0x0019


def internal_authenticate(application: Application, command: CommandApdu) -> bytes:
    """`00 88 00 99 Lc challenge 00`: SHA-256 PKCS#1 v1.5 over the challenge (1-255 bytes), without a PIN."""
    if command.p1:
        raise Refused(SW.WRONG_P1_P2)
    key = named_key(application, command.p2).load()
    if not isinstance(key, RSAPrivateKey):
        raise Refused(SW.CONDITIONS_OF_USE)
    return pkcs1_of_message(key, command.data)


COMMANDS: Final[Commands] = {
    **WITH_JICSAP_CHANGE,
    (0x00, Ins.INTERNAL_AUTHENTICATE): internal_authenticate,
}


def common_application(
    holder: CardHolder,
    *,
    pin: bytes | None,
    options: Options | None = None,
    data_objects: Mapping[int, bytes] | None = None,
) -> Application:
    """The AP of this holder's card with a full counter. `pin` None: the card was issued without a PIN."""
    keys = card_keys(holder.manufacture_serial)
    return Application(
        name="common",
        aid=AID,
        files=file_table(
            RecordEf(0x0001, (card_info_record(holder),)),
            RecordEf(0x0002, (key_reference_record(holder),)),
            # NEVER: no signing command uses it; INTERNAL AUTHENTICATE asks for nothing (our decision).
            KeyEf(INTERNAL_KEY, lambda: keys.internal, NEVER),
            PinEf(0x001C, four_digit_pin(PIN, pin, PIN_TRIES)),
        ),
        commands=COMMANDS,
        data_objects=data_objects or {},
        options=options or Options(),
    )
