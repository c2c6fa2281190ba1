"""CRLs fetched over HTTP and put into the store. Fetching never happens in a tap: an updater process does it.

Answers come from the store (`answers`); what each address said last is remembered for conditional requests and
for the status report.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from mykey_core.trust.errors import RevocationDataError
from mykey_core.trust.revocation.crl import require_current, verify_crl
from mykey_core.trust.revocation.fetch import Fetcher, FetchError
from mykey_core.trust.revocation.store import SnapshotStore, write_atomically
from mykey_core.trust.types import CaCertificate


@dataclass(frozen=True, slots=True)
class FetchState:
    """What is known of one address: validators of the last CRL that was taken in, and how the last fetch went.

    `succeeded_at` and `tried_at` are ISO 8601 in UTC; `problem` is the code of the last failure, None after success.
    """

    url: str
    etag: str | None = None
    last_modified: str | None = None
    succeeded_at: str | None = None
    tried_at: str | None = None
    problem: str | None = None


class FetchStates:
    """One small JSON file for each address, so that updates of different addresses do not disturb each other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, url: str) -> FetchState:
        """The state of `url`; a fresh one when there is none or it cannot be read."""
        try:
            return FetchState(**json.loads(self._path(url).read_bytes()))
        except (OSError, ValueError, TypeError):
            return FetchState(url)

    def save(self, state: FetchState) -> None:
        """Replace the state of `state.url`."""
        write_atomically(self._path(state.url), json.dumps(asdict(state)).encode())

    def _path(self, url: str) -> Path:
        return self._folder / f"{sha256(url.encode()).hexdigest()[:40]}.json"


class CrlUpdater:
    """Brings the CRLs of some addresses into a store; a CRL that must not be used changes nothing there."""

    def __init__(
        self,
        urls: Iterable[str],
        *,
        issuers: Iterable[CaCertificate],
        store: SnapshotStore,
        fetcher: Fetcher,
        states: FetchStates,
        max_bytes: int,
    ) -> None:
        self._urls = tuple(urls)
        self._issuers = tuple(issuers)
        self._store = store
        self._fetcher = fetcher
        self._states = states
        self._max_bytes = max_bytes

    def update(self, now: datetime) -> tuple[FetchState, ...]:
        """Ask every address once; the states tell how it went. Never raises for what a server does."""
        return tuple(self._update_one(url, now) for url in self._urls)

    def states(self) -> tuple[FetchState, ...]:
        """How the last update of each address went, without asking anybody."""
        return tuple(self._states.load(url) for url in self._urls)

    def _update_one(self, url: str, now: datetime) -> FetchState:
        before = replace(self._states.load(url), tried_at=now.isoformat())
        try:
            after = self._fetch(before, now)
        except (FetchError, RevocationDataError) as error:
            after = replace(before, problem=error.code)
        self._states.save(after)
        return after

    def _fetch(self, state: FetchState, now: datetime) -> FetchState:
        fetched = self._fetcher.get(state.url, _conditions(state))
        done = replace(state, succeeded_at=now.isoformat(), problem=None)
        if fetched.not_modified:
            return done
        crl = verify_crl(fetched.body, self._issuers, max_bytes=self._max_bytes)
        require_current(crl, now)
        self._store.publish(crl)
        return replace(done, etag=fetched.etag, last_modified=fetched.last_modified)


def _conditions(state: FetchState) -> dict[str, str]:
    """Validators go only with a CRL that was taken in, so that a refused one is asked for again."""
    conditions = {"If-None-Match": state.etag, "If-Modified-Since": state.last_modified}
    return {name: value for name, value in conditions.items() if value}
