"""Virtual cards for tests that go wrong on purpose: a card that is pulled away in the middle."""

from __future__ import annotations

from mykey_cardap.emulator import InProcessTransport
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.errors import CardRemovedError
from mykey_core.clock import tokyo_date
from mykey_testkit.clock import ManualClock


class TornTransport:
    """A virtual card that is pulled from the reader after `commands` APDUs: the next one raises `CardRemovedError`."""

    def __init__(self, persona: str, commands: int) -> None:
        self._transport = InProcessTransport(make_card(persona, today=tokyo_date(ManualClock().now)))
        self._left = commands

    def send_apdu(self, command: bytes) -> bytes:
        """The card's answer while it is there."""
        if self._left == 0:
            self._transport.close()
            raise CardRemovedError("the test has pulled the card away")
        self._left -= 1
        return self._transport.send_apdu(command)
