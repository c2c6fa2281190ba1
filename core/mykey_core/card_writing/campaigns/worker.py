"""A worker process: takes batches of cards from its pipe, writes them, and answers with counts.

It ends when the pipe closes, also because the campaign's own process was killed; its lock tells the next run when.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from mykey_core.card_writing.campaigns.journal import CardRow, Journal
from mykey_core.card_writing.campaigns.lanes import run_lanes
from mykey_core.card_writing.campaigns.setup import STOCK_FILE, Manufacturer, Setup
from mykey_core.card_writing.campaigns.stock import CardStock
from mykey_core.card_writing.desk import CardDesk
from mykey_core.card_writing.errors import CampaignError
from mykey_core.card_writing.writer import Writing, write_card

WORKERS_LOCK: Final = "workers.lock"


@contextmanager
def locked(path: Path, *, shared: bool) -> Iterator[None]:
    """Hold a lock on `path`; `CampaignError` when others hold it in a way that does not agree."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CampaignError("another run of this campaign is still at work in this folder") from error
        yield
    finally:
        os.close(handle)


def work(pipe: Connection, folder: Path) -> None:
    """The main function of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C ends the campaign's own process, which closes the pipe
    with locked(folder / WORKERS_LOCK, shared=True):
        journal = Journal(folder)
        bench = Bench(Setup.from_facts(journal.facts()), folder)
        try:
            while True:
                positions = pipe.recv()
                pipe.send(run_lanes(journal.rows(positions), journal, bench.begin))
        except (EOFError, BrokenPipeError):
            return
        finally:
            bench.close()
            journal.close()


class Bench:
    """Where cards are put in: the simulated stock, and the keys."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self._setup = setup
        self._keys = setup.open_keys()
        self._manufacturer = Manufacturer.of(setup, folder)
        self._stock = CardStock(folder / STOCK_FILE, setup.cards)

    def begin(self, row: CardRow) -> Writing:
        """Put a card in and begin to write it."""
        serial = bytes.fromhex(row.number)
        issuer = self._setup.issuer
        card = self._stock.insert(row.position, serial, issuer, self._manufacturer.personalization(serial))
        desk = CardDesk(card, self._keys, owner=issuer)
        return write_card(desk, self._setup.job(row))

    def close(self) -> None:
        """Give the stock's file back."""
        self._stock.close()
