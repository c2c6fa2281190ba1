"""CRLs that come with the question: verified and looked up in memory, for batch verification and tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from mykey_core.trust.errors import RevocationDataError
from mykey_core.trust.revocation.answers import SnapshotSource
from mykey_core.trust.revocation.crl import verify_crl
from mykey_core.trust.revocation.store import MemoryStore
from mykey_core.trust.types import CaCertificate, RevocationAnswer, ValidatedCertificate


class CrlBytesSource:
    """A `RevocationSource` over CRLs given as bytes; those that must not be used are listed in `problems`.

    `problems` has one (position, code) for each refused CRL. Nothing is kept after the object is gone.
    """

    def __init__(self, crls: Iterable[bytes], issuers: Iterable[CaCertificate]) -> None:
        self.problems: list[tuple[int, str]] = []
        store = MemoryStore()
        pinned = tuple(issuers)
        usable = []
        for position, data in enumerate(crls):
            try:
                usable.append((position, verify_crl(data, pinned)))
            except RevocationDataError as error:
                self.problems.append((position, error.code))
        for position, crl in sorted(usable, key=lambda pair: (pair[1].base_number is not None, pair[1].this_update)):
            try:
                store.publish(crl)
            except RevocationDataError as error:
                self.problems.append((position, error.code))
        self._answers = SnapshotSource(store, name="crl")

    def check(self, certificate: ValidatedCertificate, now: datetime) -> RevocationAnswer:
        """See `RevocationSource.check`."""
        return self._answers.check(certificate, now)
