"""The text AP (券面事項入力補助AP): who may read the number and the basic four.

Access after soltia48/myna-card (`src/ap/text.rs`); the bytes of the files come from `contents/text.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mykey_cardap.emulator.application import Application, Options, file_table
from mykey_cardap.emulator.aps.references import NUMBER_A, NUMBER_B, REFERENCE_TRIES, four_digit_pin, number_a, number_b
from mykey_cardap.emulator.aps.secure_messaging import COMMANDS as SECURE_COMMANDS
from mykey_cardap.emulator.aps.secure_messaging import SecureApplication
from mykey_cardap.emulator.commands import WITH_CHANGE
from mykey_cardap.emulator.contents.keys import card_keys
from mykey_cardap.emulator.contents.text import text_files
from mykey_cardap.emulator.files import FREE, Access, KeyEf, Pin, PinEf, TransparentEf, opened_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mykey_cardap.emulator.contents.holder import CardHolder

AID: Final = bytes.fromhex("D3921000310001010408")
PIN: Final = "text"
PIN_TRIES: Final = 3
OWN_KEY: Final = 0x0013

_ANY: Final = opened_by(PIN, NUMBER_A, NUMBER_B)

# EF 0003: one survey says "PIN or A", the later one "PIN or either"; EF 0008: unverified, like 0006 and 0007.
ACCESS: Final[Mapping[int, Access]] = {
    0x0001: opened_by(PIN, NUMBER_A),
    0x0002: opened_by(PIN, NUMBER_B),
    0x0003: _ANY,
    0x0004: FREE,
    0x0005: FREE,
    0x0006: _ANY,
    0x0007: _ANY,
    0x0008: _ANY,
}


def text_application(
    holder: CardHolder,
    *,
    pin: bytes | None,
    reference_tries: int = REFERENCE_TRIES,
    options: Options | None = None,
    data_objects: Mapping[int, bytes] | None = None,
) -> Application:
    """The AP of this holder's card with full counters. `pin` None: the card was issued without a PIN.

    `data_objects` are what GET DATA answers while the AP is selected.
    """
    keys = card_keys(holder.manufacture_serial)
    contents = text_files(holder, keys)
    return SecureApplication(
        name="text",
        aid=AID,
        files=file_table(
            *(TransparentEf(fid, content, ACCESS[fid]) for fid, content in contents.items()),
            PinEf(0x0011, four_digit_pin(PIN, pin, PIN_TRIES)),
            PinEf(0x0012, Pin(name="blocked-0012", value=None, tries=0, remaining=0)),
            KeyEf(OWN_KEY, lambda: keys.text),
            PinEf(0x0014, number_a(holder, reference_tries)),
            PinEf(0x0015, number_b(holder, reference_tries)),
        ),
        commands={**WITH_CHANGE, **SECURE_COMMANDS},
        own_key=OWN_KEY,
        data_objects=data_objects or {},
        options=options or Options(),
        delivery_key=keys.session,
        delivery_pin=PIN,
    )
