"""The face AP (券面事項確認AP): three keys that open three amounts of what is printed on the card.

Access after soltia48/myna-card (`src/ap/surface.rs`); the bytes of the files come from `contents/face.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mykey_cardap.emulator.application import Application, Options, file_table
from mykey_cardap.emulator.aps.references import (
    BIRTH_DATE,
    NUMBER_A,
    NUMBER_B,
    REFERENCE_TRIES,
    birth_date,
    number_a,
    number_b,
)
from mykey_cardap.emulator.commands import STANDARD
from mykey_cardap.emulator.contents.face import face_files
from mykey_cardap.emulator.contents.keys import card_keys
from mykey_cardap.emulator.files import FREE, Access, KeyEf, PinEf, TransparentEf, opened_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mykey_cardap.emulator.contents.holder import CardHolder

AID: Final = bytes.fromhex("D3921000310001010402")
OWN_KEY: Final = 0x001A

ACCESS: Final[Mapping[int, Access]] = {
    0x0001: opened_by(BIRTH_DATE),
    0x0002: opened_by(NUMBER_A, NUMBER_B),
    0x0003: FREE,
    0x0004: FREE,
    0x0005: opened_by(NUMBER_A),
    0x0006: opened_by(NUMBER_A, NUMBER_B),
}


def face_application(
    holder: CardHolder,
    *,
    reference_tries: int = REFERENCE_TRIES,
    birth_date_tries: int = REFERENCE_TRIES,
    options: Options | None = None,
    data_objects: Mapping[int, bytes] | None = None,
) -> Application:
    """The AP of this holder's card with full counters. It has no PIN, and nothing in it can be changed.

    B is EF 0012 and A is EF 0013 here: the reverse of the text AP's order.
    """
    keys = card_keys(holder.manufacture_serial)
    contents = face_files(holder, keys)
    return Application(
        name="face",
        aid=AID,
        files=file_table(
            *(TransparentEf(fid, content, ACCESS[fid]) for fid, content in contents.items()),
            PinEf(0x0011, birth_date(holder, birth_date_tries)),
            PinEf(0x0012, number_b(holder, reference_tries)),
            PinEf(0x0013, number_a(holder, reference_tries)),
            KeyEf(OWN_KEY, lambda: keys.face),
        ),
        commands=STANDARD,
        own_key=OWN_KEY,
        data_objects=data_objects or {},
        options=options or Options(),
    )
