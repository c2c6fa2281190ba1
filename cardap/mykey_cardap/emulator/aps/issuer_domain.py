"""The issuer security domain: no files, only the data objects of GET DATA.

They answer at power-on state; selecting the domain brings that state back (`VirtualCard`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mykey_cardap.emulator.application import Application
from mykey_cardap.emulator.contents.issuer_domain import domain_objects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mykey_cardap.emulator.contents.holder import CardHolder

AID: Final = bytes.fromhex("A0000001510000")
CONTACT_ATR: Final = 0x5F51


def contact_atr_object(atr: bytes) -> Mapping[int, bytes]:
    """GET DATA 5F51, the ATR without its TS byte; also answered while an application is selected."""
    return {CONTACT_ATR: atr[1:]}


def issuer_domain_application(holder: CardHolder, *, contact_atr: bytes, lower_certificate: bool = True) -> Application:
    """The domain of this holder's card; `lower_certificate=False` is an older card without object 7F21."""
    objects = domain_objects(holder, lower_certificate=lower_certificate)
    return Application(
        name="issuer-domain",
        aid=AID,
        files={},
        commands={},
        data_objects={**objects, **contact_atr_object(contact_atr)},
    )
