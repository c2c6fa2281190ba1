"""What every revocation source offers, and the ways in which one can fail to answer.

RevocationUnavailable (trust.errors)
├── RevocationUnknown    the responder does not know the certificate: refused, and by default nobody else is asked
└── SourcesExhausted     every source of a chain failed (.attempts)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from mykey_core.trust.errors import RevocationUnavailable
from mykey_core.trust.types import RevocationAnswer, RevocationSource, ValidatedCertificate

NO_GRACE: Final = timedelta(0)


class GraceSource(RevocationSource, Protocol):
    """A source that can also answer from data that is over, for as long as an outage budget allows."""

    def check_within(self, certificate: ValidatedCertificate, now: datetime, grace: timedelta) -> RevocationAnswer:
        """Answer from data that ended less than `grace` ago (mode GRACE), or as `check`."""
        ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """One question that was not answered: which source was asked, and the code of the failure."""

    source: str
    code: str


class RevocationUnknown(RevocationUnavailable):
    """A valid answer that says `unknown`: the certificate is refused (authentication-hub §12)."""


class SourcesExhausted(RevocationUnavailable):
    """No source could answer; `attempts` has every question in the order asked."""

    def __init__(self, attempts: tuple[Attempt, ...]) -> None:
        tried = ", ".join(f"{attempt.source} ({attempt.code})" for attempt in attempts)
        super().__init__("revocation_unavailable", tried or "no source is configured")
        self.attempts = attempts
