"""Cards in readers through PC/SC: list readers, watch them, open a card and run operations on it.

Nothing here knows an application of the card except to tell whether the card is still the same one.
"""

from mykey_cardap.pcsc.backends import load_backend
from mykey_cardap.pcsc.connection import CardConnection
from mykey_cardap.pcsc.monitor import EventKind, ReaderEvent, ReaderMonitor
from mykey_cardap.pcsc.readers import choose_reader, list_readers, open_card
from mykey_cardap.pcsc.winscard import ReaderState, Share

__all__ = [
    "CardConnection",
    "EventKind",
    "ReaderEvent",
    "ReaderMonitor",
    "ReaderState",
    "Share",
    "choose_reader",
    "list_readers",
    "load_backend",
    "open_card",
]
