"""How a command handler of the emulator refuses: one exception that carries the status word.

Never leaves the emulator; `VirtualCard.process` turns it into two bytes.
"""

from __future__ import annotations

from typing import Final

from mykey_cardap.apdu import SW

_COUNTER: Final = 0x63C0


class Refused(Exception):
    """The card answers with the status word `sw` and no data."""

    def __init__(self, sw: int) -> None:
        super().__init__(sw)
        self.sw = sw


def tries_left(remaining: int) -> int:
    """The status word 63Cx."""
    return _COUNTER | min(max(remaining, 0), 0x0F)


OK_TRAILER: Final = SW.OK.to_bytes(2, "big")
