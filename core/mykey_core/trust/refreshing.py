"""Looking for newer revocation data from time to time, while the hub serves."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from mykey_core.trust.types import RevocationAnswer, ValidatedCertificate

_log = logging.getLogger(__name__)


class Refreshable(Protocol):
    """A revocation source that can take in newer data."""

    def check(self, certificate: ValidatedCertificate, now: datetime) -> RevocationAnswer:
        """Answer, or raise `RevocationUnavailable`."""
        ...

    def refresh(self) -> None:
        """Take in what is new; what must not be used is left out and the older data stays."""
        ...


class RefreshingSource:
    """Refreshes a source at most every `interval` seconds, by whichever tap comes first after that.

    Only one thread refreshes; the others answer from what is there.
    """

    def __init__(
        self, source: Refreshable, *, interval: float = 60.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._interval = interval
        self._monotonic = monotonic
        self._due = monotonic() + interval
        self._busy = threading.Lock()

    def check(self, certificate: ValidatedCertificate, now: datetime) -> RevocationAnswer:
        """Answer from the source, refreshed when it is due."""
        if self._monotonic() >= self._due:
            self._refresh()
        return self._source.check(certificate, now)

    def _refresh(self) -> None:
        if not self._busy.acquire(blocking=False):
            return
        try:
            self._due = self._monotonic() + self._interval
            self._source.refresh()
        except OSError as error:
            _log.warning("revocation data could not be refreshed: %s", type(error).__name__)
        finally:
            self._busy.release()
