"""CRLs that come with the question: verified and looked up in memory, for the command line and tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from mykey_core.trust.errors import RevocationDataError, RevocationUnavailable
from mykey_core.trust.revocation.answers import SnapshotSource
from mykey_core.trust.revocation.crl import verify_crl
from mykey_core.trust.revocation.store import MemoryStore
from mykey_core.trust.types import CaCertificate, RevocationAnswer, RevocationState, ValidatedCertificate


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


class EveryCrl:
    """A `RevocationSource` in which any usable CRL that says 'revoked' wins over every 'good' (rule V13).

    Each CRL is asked alone, so that none hides another as a newer one would, and for the sake of deltas all together.
    """

    def __init__(self, crls: Iterable[bytes], issuers: Iterable[CaCertificate]) -> None:
        alone = [(crl,) for crl in crls]
        together = [tuple(crl for (crl,) in alone)] if len(alone) > 1 else []
        pinned = tuple(issuers)
        self._sources = [CrlBytesSource(group, pinned) for group in (*alone, *together)]

    def check(self, certificate: ValidatedCertificate, now: datetime) -> RevocationAnswer:
        """See `RevocationSource.check`."""
        answers: list[RevocationAnswer] = []
        failure = RevocationUnavailable("no_crl", "no usable CRL for this CA and distribution point")
        for source in self._sources:
            try:
                answers.append(source.check(certificate, now))
            except RevocationUnavailable as error:
                failure = failure if error.code == "no_crl" else error
        if not answers:
            raise failure
        bad = [answer for answer in answers if answer.state is not RevocationState.GOOD]
        return max(bad or answers, key=lambda answer: answer.this_update)
