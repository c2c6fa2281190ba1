"""Keeping the log while a hub runs: sealing every few seconds, a sweep and a checkpoint every hour.

Several processes may do so; whoever is later finds nothing to do.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from mykey_core.audit.checkpoints import make_checkpoint, newest_checkpoint
from mykey_core.audit.keys import FileSigner, load_audit_key, origin_line
from mykey_core.audit.note import NoteSigner
from mykey_core.audit.sealer import Sealer
from mykey_core.audit.tree import TreeReader
from mykey_core.clock import Clock
from mykey_core.errors import MykeyError
from mykey_core.settings import HubSettings
from mykey_core.storage.database import Database

PERIOD = timedelta(seconds=2)
CHECKPOINT_EVERY = timedelta(hours=1)
CHECKPOINT_RECORDS = 10_000
_log = logging.getLogger(__name__)


class AuditKeeper:
    """Seals and signs for one municipality: by `tick`, or by itself between `start` and `stop`."""

    def __init__(self, database: Database, municipality: str, signer: NoteSigner, clock: Clock) -> None:
        self._database = database
        self._municipality = municipality
        self._signer = signer
        self._clock = clock
        self._sealer = Sealer(database, municipality, clock)
        self._swept: datetime | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def tick(self) -> int:
        """Seal what is new, and sign when it is time; returns how many records were sealed."""
        now = self._clock()
        sweep = self._swept is None or not timedelta(0) <= now - self._swept < CHECKPOINT_EVERY
        sealed = self._sealer.seal(sweep=sweep)
        if sweep:
            self._swept = now
        if self._is_due(now):
            make_checkpoint(self._database, self._municipality, self._signer, now)
        return sealed

    def start(self, period: timedelta = PERIOD) -> None:
        """Tick in a thread of its own until `stop`."""
        self._thread = threading.Thread(target=self._run, args=(period.total_seconds(),), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and seal once more what its last round did not see."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._tick_safely()

    @contextmanager
    def running(self, period: timedelta = PERIOD) -> Iterator[None]:
        """Ticking by itself while the block runs."""
        self.start(period)
        try:
            yield
        finally:
            self.stop()

    def _run(self, seconds: float) -> None:
        while not self._ended.wait(seconds):
            self._tick_safely()

    def _tick_safely(self) -> None:
        """A database that is busy or gone is tried again in the next round; a broken log is logged."""
        try:
            self.tick()
        except MykeyError as error:
            _log.error("the audit log could not be sealed: %s", error)
        except Exception as error:  # noqa: BLE001 - nothing may end the thread, or the log would stay open unnoticed
            _log.error("the audit log could not be sealed: %s", type(error).__name__)

    def _is_due(self, now: datetime) -> bool:
        with self._database.reading() as session:
            newest = newest_checkpoint(session, self._municipality)
            size = TreeReader(session, self._municipality).size()
        if newest is None:
            return size > 0
        more = size - newest.size
        return more >= CHECKPOINT_RECORDS or (more != 0 and now - newest.signed_at >= CHECKPOINT_EVERY)


def signer_of(settings: HubSettings) -> FileSigner:
    """The key of a hub's log; `ConfigurationError` when there is none."""
    return load_audit_key(settings.audit_key_file, origin_line(settings.origin, settings.municipality))


def keeper_of(settings: HubSettings, database: Database, clock: Clock) -> AuditKeeper:
    """The keeper of a hub's log."""
    return AuditKeeper(database, settings.municipality, signer_of(settings), clock)
