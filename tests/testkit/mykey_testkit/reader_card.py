"""An emulated card of a town, or a fresh one, for the virtual reader: `python -m mykey_testkit.reader_card …`.

`KIND PORT SERIAL [PULL_AT [DELAY]]`: KIND is `town` (our application and card-level key are there), `other` (another
town's) or `fresh` (an issuer domain only; SERIAL is its card image number). With PULL_AT (0: never) the card leaves
at that command and comes back a second later with what it had. DELAY: milliseconds that it takes for each command.
"""

from __future__ import annotations

import signal
import sys
import time

from mykey_cardap.emulator.card import Behaviour
from mykey_cardap.emulator.globalplatform.runtime import OpenCard
from mykey_cardap.emulator.service_application.fresh_cards import make_fresh_card
from mykey_cardap.emulator.service_application.persona_cards import blank_memory, with_service_application
from mykey_cardap.emulator.vpcd import CardPulledError, VpcdSlot
from mykey_testkit.card_writing import OTHER_TOWN, TOWN

_BACK_AFTER = 1.0


def make(kind: str, serial: bytes) -> OpenCard:
    """The card, without power. Keys of `town` and `other` come from the published master key."""
    if kind == "fresh":
        return make_fresh_card(serial)
    return with_service_application(
        [],
        serial=serial,
        issuer=TOWN if kind == "town" else OTHER_TOWN,
        memory=blank_memory(),
        objects={},
        behaviour=Behaviour(),
    )


def main() -> None:
    """Stay in the reader until the process is ended."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    kind, port, serial, *numbers = sys.argv[1:]
    pull_at, delay = (*map(int, numbers), *(0, 0))[:2]
    card = make(kind, bytes.fromhex(serial))
    slot = VpcdSlot(card, port=int(port), pull_at=pull_at or None, observe=lambda *_: time.sleep(delay / 1000))
    try:
        slot.serve()
    except CardPulledError:
        time.sleep(_BACK_AFTER)
        VpcdSlot(card, port=int(port)).serve()


if __name__ == "__main__":
    main()
