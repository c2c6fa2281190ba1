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

from mykey_cardap.kinds import CertificateKind
from mykey_core.trust import fast_path
from mykey_core.trust.fast_path import KnownCertificate
from mykey_core.trust.store import TrustStore

DEFAULT_SIZE = 4096  # certificates; about 10 KB each


class CertificateCache:
    """A bounded cache of validated certificates, the least recently used one leaves first. Thread-safe."""

    def __init__(
        self, *, store: TrustStore, kind: CertificateKind, policy_oids: AbstractSet[str], size: int = DEFAULT_SIZE
    ) -> None:
        self._store = store
        self._kind = kind
        self._policy_oids = policy_oids
        self._size = size
        self._known: OrderedDict[bytes, KnownCertificate] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._known)

    def validate(self, der: bytes, now: datetime) -> KnownCertificate:
        """As `fast_path.validate`, from memory where the same bytes were validated before and are still in time."""
        fingerprint = hashlib.sha256(der).digest()
        with self._lock:
            known = self._known.get(fingerprint)
            if known is not None:
                self._known.move_to_end(fingerprint)
        if known is not None and is_still_in_time(known, now):
            return known
        known = fast_path.validate_known(
            der, fingerprint, store=self._store, kind=self._kind, policy_oids=self._policy_oids, now=now
        )
        with self._lock:
            self._known[fingerprint] = known
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        return known


def is_still_in_time(known: KnownCertificate, now: datetime) -> bool:
    """Whether certificate and CA are valid at `now`, as on the first look."""
    return known.begin <= now <= known.end
