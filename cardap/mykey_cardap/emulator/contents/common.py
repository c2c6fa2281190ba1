"""Records of the common AP (共通カードAP) and of the resident-register AP (住基AP).

Layout after soltia48/myna-card (`src/ap/{common,juki}.rs`). Keys and PINs of both are in the APs themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mykey_cardap.emulator.contents.encode import simple
from mykey_cardap.emulator.contents.signing import key_id

if TYPE_CHECKING:
    from mykey_cardap.emulator.contents.holder import CardHolder


def card_info_record(holder: CardHolder) -> bytes:
    """Common EF 0001, record 1: `01 1C`, serial (15), municipality (5), expiry YYYYMMDD: 28 digits."""
    digits = f"{holder.manufacture_serial}{holder.municipality_code_on_card}{holder.card_expiry:%Y%m%d}"
    return simple(0x01, digits.encode("ascii"))


def key_reference_record(holder: CardHolder) -> bytes:
    """EF 0002, record 1, the same bytes in both APs: one key id of 16 bytes. Its tag 01 is unverified."""
    return simple(0x01, key_id(f"9{holder.municipality_code_on_card}1"))
