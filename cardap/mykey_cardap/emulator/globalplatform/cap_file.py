"""Which modules a load file has: the Applet component of a Java Card CAP file (JCVM 3.1, section 6.6).

The emulator does not run Java Card code; a module's program is chosen by its AID.
"""

from __future__ import annotations

from typing import Final

from mykey_cardap.apdu import SW
from mykey_cardap.emulator.globalplatform.fields import Fields
from mykey_cardap.emulator.status import Refused

_HEADER, _APPLET = 1, 3
_MAGIC: Final = bytes.fromhex("DECAFFED")


def modules_of(code: bytes) -> tuple[bytes, ...]:
    """AIDs of the applets; 6A80 for what is no CAP file."""
    components = _components(code)
    if not components.get(_HEADER, b"").startswith(_MAGIC):
        raise Refused(SW.WRONG_DATA)
    applets = Fields(components.get(_APPLET, b"\x00"))
    found = []
    for _ in range(applets.byte()):
        found.append(applets.take(applets.byte()))
        applets.take(2)  # offset of the install method
    return tuple(found)


def _components(code: bytes) -> dict[int, bytes]:
    cursor = Fields(code)
    found: dict[int, bytes] = {}
    while not cursor.finished:
        tag = cursor.byte()
        found[tag] = cursor.take(int.from_bytes(cursor.take(2), "big"))
    return found
