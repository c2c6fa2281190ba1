"""Listing readers, choosing one, and opening the card in it.

The connection's own rules live in `connection.py`.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mykey_cardap.errors import NoCardError, NoReaderError, ReaderChoiceError
from mykey_cardap.pcsc.backends import load_backend
from mykey_cardap.pcsc.connection import CardConnection
from mykey_cardap.pcsc.winscard import ReaderState, Share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mykey_cardap.pcsc.winscard import Winscard


def list_readers(winscard: Winscard | None = None) -> list[ReaderState]:
    """The connected readers with their state; `NoReaderError` when the PC/SC service does not run."""
    winscard = winscard or load_backend()
    with _context(winscard) as context:
        names = winscard.list_readers(context)
        if not names:
            return []
        return winscard.get_status_change(context, 0, [ReaderState(name) for name in names])


def choose_reader(wanted: str | None = None, winscard: Winscard | None = None) -> str:
    """The reader to use: the one named (or containing `wanted`), else the only one that holds a card.

    Raises `NoReaderError`, `NoCardError`, and `ReaderChoiceError` when the choice is not clear.
    """
    readers = list_readers(winscard)
    if not readers:
        raise NoReaderError("no card reader is connected")
    if wanted is not None:
        return _by_name(readers, wanted)
    holding = [reader.reader for reader in readers if reader.card_present]
    if not holding:
        raise NoCardError("there is no card in the reader")
    if len(holding) > 1:
        raise ReaderChoiceError("several readers hold a card; choose one", readers=tuple(holding))
    return holding[0]


def open_card(
    reader: str | None = None, *, winscard: Winscard | None = None, share: Share = Share.SHARED
) -> CardConnection:
    """Connect to the card in a reader (see `choose_reader`); close it, or use it as a context manager."""
    winscard = winscard or load_backend()
    return CardConnection(winscard, choose_reader(reader, winscard), share=share)


def _by_name(readers: list[ReaderState], wanted: str) -> str:
    names = [reader.reader for reader in readers]
    if wanted in names:
        return wanted
    matches = [name for name in names if wanted.lower() in name.lower()]
    if len(matches) != 1:
        raise ReaderChoiceError("no single reader has this name", readers=tuple(matches or names))
    return matches[0]


@contextmanager
def _context(winscard: Winscard) -> Iterator[int]:
    context = winscard.establish_context()
    try:
        yield context
    finally:
        winscard.release_context(context)
