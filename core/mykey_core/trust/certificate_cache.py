"""Certificates that were validated before, so that a card that comes again costs one signature instead of two.

What can change with time (validity of certificate and CA) is checked on every look-up, and revocation is not kept
here at all. A cache belongs to one trust store, kind and set of policies.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Set as AbstractSet
from datetime import datetime
from threading import Lock
from typing import NamedTuple

from mykey_cardap.kinds import CertificateKind
from mykey_core.trust import fast_path
from mykey_core.trust.fast_path import KnownCertificate
from mykey_core.trust.store import TrustStore

DEFAULT_SIZE = 4096  # certificates; about 10 KB each


class _Window(NamedTuple):
    """The instants between which nothing about the path changes: both ends included."""

    begin: datetime
    end: datetime
    known: KnownCertificate


class CertificateCache:
    """A bounded cache of validated certificates, the least recently used one leaves first. Thread-safe."""

    def __init__(
        self, *, store: TrustStore, kind: CertificateKind, policy_oids: AbstractSet[str], size: int = DEFAULT_SIZE
    ) -> None:
        self._store = store
        self._kind = kind
        self._policy_oids = policy_oids
        self._size = size
        self._windows: OrderedDict[bytes, _Window] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._windows)

    def validate(self, der: bytes, now: datetime) -> KnownCertificate:
        """As `fast_path.validate`, from memory where the same bytes were validated before and are still in time."""
        fingerprint = hashlib.sha256(der).digest()
        with self._lock:
            window = self._windows.get(fingerprint)
            if window is not None:
                self._windows.move_to_end(fingerprint)
        if window is not None and window.begin <= now <= window.end:
            return window.known
        known = fast_path.validate_known(
            der, fingerprint, store=self._store, kind=self._kind, policy_oids=self._policy_oids, now=now
        )
        self._keep(fingerprint, known)
        return known

    def _keep(self, fingerprint: bytes, known: KnownCertificate) -> None:
        certificate, issuer = known.validated.certificate, known.issuer
        begin = max(certificate.not_valid_before_utc, issuer.not_before)
        end = min(certificate.not_valid_after_utc, issuer.not_after)
        with self._lock:
            self._windows[fingerprint] = _Window(begin, end, known)
            if len(self._windows) > self._size:
                self._windows.popitem(last=False)
