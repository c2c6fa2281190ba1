"""A card that left its factory with an issuer security domain only, and the load file that makes it one of ours.

The emulator runs no Java Card code, so the load file names its module and is otherwise filler; with a real card its
place is taken by the applet's CAP file.
"""

from __future__ import annotations

from typing import Final

from mykey_cardap.emulator.globalplatform.cards import default_keys, make_open_card
from mykey_cardap.emulator.globalplatform.contents import CardContents, VolatileMemory
from mykey_cardap.emulator.globalplatform.domain_session import DomainOptions
from mykey_cardap.emulator.globalplatform.runtime import OpenCard
from mykey_cardap.emulator.service_application.card_application import LOAD_FILE, MODULE, ServiceApplication

CARD_IMAGE_NUMBER: Final = 0x45
_HEADER, _APPLET, _METHOD = 1, 3, 7
_CAP: Final = bytes.fromhex("DECAFFED0102040001") + bytes((len(LOAD_FILE),)) + LOAD_FILE
_INSTALL_METHOD: Final = b"\x00\x08"


def load_file_image(size: int = 1_000) -> bytes:
    """The components of a CAP file (header, applet, `size` bytes of filler for methods), as LOAD sends them."""
    applets = bytes((1, len(MODULE))) + MODULE + _INSTALL_METHOD
    parts = ((_HEADER, _CAP), (_APPLET, applets), (_METHOD, bytes(size)))
    return b"".join(bytes((tag,)) + len(body).to_bytes(2, "big") + body for tag, body in parts)


def make_fresh_card(
    chip: bytes, *, application: ServiceApplication | None = None, options: DomainOptions | None = None
) -> OpenCard:
    """A card without power: the published test keys under version 30, the card image number `chip`, nothing else."""
    program = application or ServiceApplication()
    contents = CardContents(keys=(default_keys(),), objects={CARD_IMAGE_NUMBER: chip})
    return make_open_card(VolatileMemory(contents), factories={MODULE: program.factory}, options=options)
