"""Asking a platform operator over HTTPS with an access token, for towns that may not ask J-LIS themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.serialization import Encoding

from mykey_core.trust.errors import RevocationDataError, RevocationUnavailable
from mykey_core.trust.revocation.breaker import CircuitBreaker
from mykey_core.trust.revocation.fetch import Fetcher, FetchError
from mykey_core.trust.revocation.operator_answer import STATES, CheckMethod, StatusObject, read_status, request_body
from mykey_core.trust.revocation.sources import NO_GRACE, Attempt, RevocationUnknown, SourcesExhausted
from mykey_core.trust.types import RevocationAnswer, RevocationMode, RevocationState, ValidatedCertificate


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """How one operator is asked, and how old what it knows may be.

    The daily CRL may lag by its change-over of five to ten minutes (§5.3), the responder's data by fifteen.
    """

    url: str
    token: str = field(repr=False)
    name: str = "operator"
    attempts: int = 2
    max_age_crl: timedelta = timedelta(hours=24, minutes=15)
    max_age_ocsp: timedelta = timedelta(minutes=17)

    def max_age(self, method: CheckMethod) -> timedelta:
        """How old `sourceUpdatedAt` may be for data of this kind."""
        return self.max_age_crl if method is CheckMethod.CRL else self.max_age_ocsp


class OperatorSource:
    """A `RevocationSource` over a platform operator's service."""

    def __init__(self, settings: OperatorSettings, *, fetcher: Fetcher, breaker: CircuitBreaker) -> None:
        self._settings = settings
        self._fetcher = fetcher
        self._breaker = breaker

    def check(self, certificate: ValidatedCertificate, now: datetime) -> RevocationAnswer:
        """Ask; raises as `OcspSource.check`."""
        return self.check_within(certificate, now, NO_GRACE)

    def check_within(self, certificate: ValidatedCertificate, now: datetime, grace: timedelta) -> RevocationAnswer:
        """Ask; what the operator knows may be older than allowed by less than `grace` (mode GRACE)."""
        if not self._breaker.allows():
            raise RevocationUnavailable("circuit_open", f"{self._settings.name} is left alone for a while")
        try:
            status = self._ask_repeatedly(certificate, now)
        except SourcesExhausted:
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        return self._to_answer(status, now, grace)

    def _ask_repeatedly(self, certificate: ValidatedCertificate, now: datetime) -> StatusObject:
        attempts: list[Attempt] = []
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._settings.token}"}
        body = request_body(certificate, certificate.certificate.public_bytes(Encoding.DER))
        for _ in range(self._settings.attempts):
            try:
                fetched = self._fetcher.post(self._settings.url, headers, body)
                return read_status(fetched.body, certificate, now)
            except (FetchError, RevocationDataError) as error:
                attempts.append(Attempt(self._settings.name, error.code))
        raise SourcesExhausted(tuple(attempts))

    def _to_answer(self, status: StatusObject, now: datetime, grace: timedelta) -> RevocationAnswer:
        state = STATES.get(status.status)
        if state is None:
            raise RevocationUnknown("operator_unknown", "the operator does not know this certificate")
        ends = status.source_updated_at + self._settings.max_age(status.check_method)
        if state is RevocationState.GOOD and now >= ends + grace:  # old data still proves a revocation
            raise RevocationUnavailable("operator_stale", "what the operator knows is too old")
        return RevocationAnswer(
            state=state,
            source=f"{self._settings.name}:{status.check_method}",
            this_update=status.source_updated_at,
            next_update=ends,
            mode=RevocationMode.FRESH if now < ends else RevocationMode.GRACE,
            reason=status.reason,
        )
