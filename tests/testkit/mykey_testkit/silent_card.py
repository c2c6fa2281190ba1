"""A card that lies on its wrong side: the reader feels it, and it does not answer.

Run as a program inside a private pcscd (`PrivatePcscd.insert_silent`). Its ATR is longer than the 33 bytes that ISO
7816-3 allows, so that the reader's driver cannot power it up; PC/SC then reports a mute card.
"""

from __future__ import annotations

import socket
import sys

_ATR = b"\x3b" + bytes(39)
_GET_ATR = 4


def main(port: int) -> None:
    """Be the card until the reader or the test ends it."""
    with socket.create_connection(("127.0.0.1", port)) as reader, reader.makefile("rb") as frames:
        while len(head := frames.read(2)) == 2:
            payload = frames.read(int.from_bytes(head, "big"))
            if len(payload) == 1 and payload[0] == _GET_ATR:
                reader.sendall(len(_ATR).to_bytes(2, "big") + _ATR)


if __name__ == "__main__":
    main(int(sys.argv[1]))
