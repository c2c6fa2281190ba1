"""Data objects of the issuer security domain, which GET DATA returns while no application is selected.

Tags and meanings after soltia48/myna-card (`src/mf.rs`). The contact ATR (5F51) is the card's, not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mykey_cardap.emulator.contents.encode import ber
from mykey_cardap.emulator.contents.keys import IssuerKeyName, issuer_key
from mykey_cardap.emulator.contents.signing import CvKey, cv_certificate_contents, key_id

if TYPE_CHECKING:
    from mykey_cardap.emulator.contents.holder import CardHolder

# GlobalPlatform card recognition data (Card Specification 2.3.1, H.2) under 1.2.840.114283: recognition {1},
# card management type GP 2.1.1 {2 2 1 1}, identification scheme {3}, secure channel SCP02 i=15 {4 2 21}.
# Which versions and channel real cards name is unverified.
_RECOGNITION: Final = ber(
    0x66,
    ber(
        0x73,
        bytes.fromhex("06072a864886fc6b01"),
        bytes.fromhex("600c060a2a864886fc6b02020101"),
        bytes.fromhex("630906072a864886fc6b03"),
        bytes.fromhex("640b06092a864886fc6b040215"),
    ),
)


def domain_objects(holder: CardHolder, *, lower_certificate: bool = True) -> dict[int, bytes]:
    """Values by tag, as GET DATA returns them; `lower_certificate=False` gives an older card without 7F21.

    Certificates come without their 7F21 template. Only 0066 carries its own tag, as GlobalPlatform wants.
    """
    root, intermediate, leaf = _chain(holder)
    objects = {
        0x0042: key_id(f"9{holder.municipality_code_on_card}0"),
        0x0045: holder.manufacture_serial.encode("ascii"),
        0x0066: _RECOGNITION,
        0x00F0: holder.municipality_code_on_card.encode("ascii"),
        0x00F2: f"{holder.card_expiry:%Y%m%d}".encode("ascii"),
        0x00F7: intermediate.key_id,
        0x00F8: cv_certificate_contents(root, intermediate),
    }
    if lower_certificate:
        objects[0x7F21] = cv_certificate_contents(intermediate, leaf)
    return objects


def _chain(holder: CardHolder) -> tuple[CvKey, CvKey, CvKey]:
    return (
        CvKey(key_id("9000003"), issuer_key(IssuerKeyName.DOMAIN_ROOT)),
        CvKey(key_id("9000004"), issuer_key(IssuerKeyName.DOMAIN_INTERMEDIATE)),
        CvKey(key_id(f"9{holder.municipality_code_on_card}4"), issuer_key(IssuerKeyName.DOMAIN_LEAF)),
    )
