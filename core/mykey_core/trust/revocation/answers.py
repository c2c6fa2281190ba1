"""Answering for one certificate out of the snapshots of a store.

This source says what the newest usable CRL says, how old it is, and refuses when it is not fresh. Whether a
stale answer may still be used is decided by `budget`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from mykey_core.trust.errors import RevocationDataError, RevocationUnavailable
from mykey_core.trust.revocation.reasons import NAME_OF, REMOVE_FROM_CRL, state_of
from mykey_core.trust.revocation.scope import CrlScope, issuer_key_of
from mykey_core.trust.revocation.sources import NO_GRACE
from mykey_core.trust.revocation.store import Current, SnapshotStore
from mykey_core.trust.types import (
    CaCertificate,
    RevocationAnswer,
    RevocationMode,
    RevocationState,
    ValidatedCertificate,
)

_LOOK_AGAIN_AFTER: Final = 1.0  # seconds between two looks at a pointer file


@dataclass(slots=True)
class _Seen:
    """One scope as this process last saw it. `looked_at` is of the monotonic clock, in seconds."""

    scope: CrlScope
    version: object = None
    current: Current | None = None
    looked_at: float = float("-inf")
    first_look: threading.Lock = field(default_factory=threading.Lock, repr=False)


class SnapshotSource:
    """A `RevocationSource` over a store of verified CRLs. Safe to share between threads.

    `look_again_after` (seconds) is how long a swap may stay unnoticed; `follow.following` lengthens it.
    """

    def __init__(
        self,
        store: SnapshotStore,
        *,
        name: str = "crl",
        look_again_after: float = _LOOK_AGAIN_AFTER,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._name = name
        self.look_again_after = look_again_after
        self._monotonic = monotonic
        self._seen: dict[CrlScope, _Seen] = {}
        self._of_certificates: dict[tuple[bytes, tuple[bytes | None, ...]], tuple[_Seen, ...]] = {}

    def refresh(self) -> None:
        """Follow the pointers of all scopes that were asked about; what `follow` does in the background."""
        for seen in list(self._seen.values()):
            self._look_again(seen, self._monotonic())

    def check(self, certificate: ValidatedCertificate, now: datetime) -> RevocationAnswer:
        """Answer from a CRL that is current at `now`; raises RevocationUnavailable otherwise."""
        return self.check_within(certificate, now, NO_GRACE)

    def check_within(self, certificate: ValidatedCertificate, now: datetime, grace: timedelta) -> RevocationAnswer:
        """As `check`, but a CRL may be over by less than `grace`; such an answer has mode GRACE."""
        found = self._in_use_for(certificate)
        if not found:
            raise RevocationUnavailable("no_crl", "no CRL for this CA and distribution point")
        serial = certificate.serial_number
        if len(found) == 1:
            return _answer(found[0], serial, now, grace, self._name)
        return self._gravest(found, serial, now, grace)

    def _gravest(self, found: list[Current], serial: int, now: datetime, grace: timedelta) -> RevocationAnswer:
        """Of several CRLs in scope a usable one that says revoked wins over every other that says good (V13)."""
        best: RevocationAnswer | None = None
        failure: RevocationUnavailable | None = None
        for current in found:
            try:
                answer = _answer(current, serial, now, grace, self._name)
            except RevocationUnavailable as error:
                failure = error
                continue
            if answer.state is RevocationState.REVOKED:
                return answer
            if best is None or answer.state is not RevocationState.GOOD:
                best = answer
        if best is None:
            raise failure or RevocationUnavailable("no_crl")
        return best

    def _in_use_for(self, certificate: ValidatedCertificate) -> list[Current]:
        """What is stored for the certificate's distribution points, and for the CA as a whole."""
        points = certificate.distribution_points or (certificate.distribution_point,)
        key = (certificate.issuer.fingerprint, points)
        scopes = self._of_certificates.get(key)
        if scopes is None:
            scopes = self._of_certificates[key] = self._scopes(certificate.issuer, points)
        now = self._monotonic()
        for seen in scopes:
            if now - seen.looked_at >= self.look_again_after:
                self._look_again(seen, now)
        return [seen.current for seen in scopes if seen.current is not None]

    def _scopes(self, issuer: CaCertificate, points: tuple[bytes | None, ...]) -> tuple[_Seen, ...]:
        """A certificate whose points are all of a kind that we do not use gets nothing (RFC 5280 6.3.3)."""
        usable: list[bytes | None] = [point for point in points if point]
        if usable or not any(point is not None for point in points):
            usable.append(None)
        key = issuer_key_of(issuer.certificate)
        found = (CrlScope(key, point) for point in usable)
        return tuple(self._seen.setdefault(scope, _Seen(scope)) for scope in found)

    def _look_again(self, seen: _Seen, now: float) -> None:
        """Follow the pointer when it moved; what cannot be opened leaves the snapshot in use.

        At the first look the others wait for it: there is no older snapshot from which they could answer meanwhile,
        and the first taps after a start must not be refused for that.
        """
        if seen.current is not None:
            seen.looked_at = now
            self._take_over(seen)
            return
        with seen.first_look:
            if seen.current is None:
                self._take_over(seen)
            seen.looked_at = now

    def _take_over(self, seen: _Seen) -> None:
        version = self._store.version(seen.scope)
        if version == seen.version:
            return
        try:
            current = self._store.current(seen.scope)
        except (RevocationDataError, OSError):
            return  # and the version stays, so that the next look tries again
        _warm(current, seen.current)
        seen.version, seen.current = version, current


def _warm(current: Current | None, before: Current | None) -> None:
    """Prepare what the old snapshot had in use, letting other threads run between the steps."""
    if current is None or before is None or current.complete is before.complete:
        return
    for _ in current.complete.warm_like(before.complete):
        time.sleep(0)


def _answer(current: Current, serial: int, now: datetime, grace: timedelta, name: str) -> RevocationAnswer:
    """What a CRL says at `now`. One that is over still proves a revocation, but no longer that all is well."""
    newest = current.newest
    if now < newest.this_update:
        raise RevocationUnavailable("crl_not_yet_valid", "thisUpdate is in the future: compare the clocks")
    code = _find(current, serial)
    if code is None and now >= current.next_update + grace:
        raise RevocationUnavailable("crl_stale", "nextUpdate is over")
    return RevocationAnswer(
        state=RevocationState.GOOD if code is None else state_of(code),
        source=f"{name}:{newest.sha256[:16]}",
        this_update=newest.this_update,
        next_update=current.next_update,
        mode=RevocationMode.FRESH if now < current.next_update else RevocationMode.GRACE,
        reason=None if code is None else NAME_OF[code],
    )


def _find(current: Current, serial: int) -> int | None:
    """The reason code, or None for good. A delta adds and changes; it never releases (§5.5: a hold is final)."""
    if current.delta is not None and current.delta.is_revoked(serial):
        code = current.delta.find(serial)
        if code != REMOVE_FROM_CRL:
            return code
    return current.complete.find(serial) if current.complete.is_revoked(serial) else None
