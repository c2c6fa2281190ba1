"""The resident-register AP (住基AP): a key reference and a PIN, and nothing else that is known.

After soltia48/myna-card (`src/ap/juki.rs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mykey_cardap.apdu import Ins
from mykey_cardap.emulator.application import Application, Commands, Options, file_table
from mykey_cardap.emulator.aps.references import four_digit_pin
from mykey_cardap.emulator.commands import WITH_JICSAP_CHANGE
from mykey_cardap.emulator.commands.keys import refuse_security_status
from mykey_cardap.emulator.contents.common import key_reference_record
from mykey_cardap.emulator.files import PinEf, RecordEf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mykey_cardap.emulator.contents.holder import CardHolder

AID: Final = bytes.fromhex("D3921000310001010401")
PIN: Final = "juki"
PIN_TRIES: Final = 3

# Here and in the JPKI AP session keys are configured for somebody else: 6982 instead of 66F1 (§19).
COMMANDS: Final[Commands] = {
    **WITH_JICSAP_CHANGE,
    (0x80, Ins.SET_SESSION_KEY): refuse_security_status,
}


def juki_application(
    holder: CardHolder,
    *,
    pin: bytes | None,
    options: Options | None = None,
    data_objects: Mapping[int, bytes] | None = None,
) -> Application:
    """The AP of this holder's card with a full counter. `pin` None: the card was issued without a PIN."""
    return Application(
        name="juki",
        aid=AID,
        files=file_table(
            RecordEf(0x0002, (key_reference_record(holder),)),
            PinEf(0x001C, four_digit_pin(PIN, pin, PIN_TRIES)),
        ),
        commands=COMMANDS,
        data_objects=data_objects or {},
        options=options or Options(),
    )
