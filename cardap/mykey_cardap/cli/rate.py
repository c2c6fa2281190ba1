"""Measuring short APDUs through PC/SC, for `mykey card simulate --benchmark`.

Runs as a process of its own (`python -m mykey_cardap.cli.rate ATR COUNT`), because the card answers meanwhile.
"""

from __future__ import annotations

import sys
import time

from mykey_cardap.errors import NoCardError, TransportError
from mykey_cardap.pcsc import list_readers, load_backend
from mykey_cardap.pcsc.winscard import Disposition, Share, Winscard

_GET_CHALLENGE = bytes.fromhex("0084000008")
_PATIENCE = 5.0
_PAUSE = 0.05


def _reader_with(winscard: Winscard, atr: bytes) -> str:
    """The first reader that holds a card of this ATR, waiting a little for PC/SC to notice the card."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        for state in list_readers(winscard):
            if state.card_present and state.atr == atr:
                return state.reader
        time.sleep(_PAUSE)
    raise NoCardError("no reader of this computer shows the card")


def measure(winscard: Winscard, reader: str, count: int) -> float:
    """APDUs per second: `count` times GET CHALLENGE of eight bytes over a shared connection."""
    context = winscard.establish_context()
    handle, protocol = winscard.connect(context, reader, Share.SHARED)
    start = time.perf_counter()
    for _ in range(count):
        winscard.transmit(handle, protocol, _GET_CHALLENGE)
    elapsed = time.perf_counter() - start
    winscard.disconnect(handle, Disposition.LEAVE)
    winscard.release_context(context)
    return count / elapsed


def main() -> int:
    """Print one line; 1 when the reader did not answer."""
    atr, count = bytes.fromhex(sys.argv[1]), int(sys.argv[2])
    try:
        winscard = load_backend("ctypes")
        reader = _reader_with(winscard, atr)
        result = measure(winscard, reader, count)
    except TransportError as error:
        sys.stderr.write(f"not measured: {error}\n")
        return 1
    sys.stderr.write(f"{count} short APDUs through PC/SC ({reader}): {result:,.0f} per second\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
