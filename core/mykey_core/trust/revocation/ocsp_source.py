"""Asking an OCSP responder: over HTTP, with a fresh nonce each time, a few attempts, and a circuit breaker."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from mykey_core.trust.errors import RevocationDataError, RevocationUnavailable
from mykey_core.trust.revocation.breaker import CircuitBreaker
from mykey_core.trust.revocation.fetch import Fetcher, FetchError, is_usable_url
from mykey_core.trust.revocation.ocsp_answer import (
    NONCE_BYTES,
    OcspAnswer,
    OcspLimits,
    OcspQuestion,
    read_answer,
    responder_url,
)
from mykey_core.trust.revocation.sources import Attempt, RevocationUnknown, SourcesExhausted
from mykey_core.trust.types import RevocationAnswer, ValidatedCertificate

_HEADERS: Final = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}


def new_nonce() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(NONCE_BYTES)


@dataclass(frozen=True, slots=True)
class OcspSettings:
    """How one responder is asked. `url` None: the address that the certificate itself names.

    `designated` are responder certificates that the hub's operator trusts by name; `attempts` is 1 or more.
    """

    name: str = "ocsp"
    url: str | None = None
    attempts: int = 2
    limits: OcspLimits = field(default_factory=OcspLimits)
    designated: tuple[x509.Certificate, ...] = ()
    sha1_identifier: bool = False


class OcspSource:
    """A `RevocationSource` that asks a responder. It holds no state but its circuit breaker."""

    def __init__(
        self,
        settings: OcspSettings,
        *,
        fetcher: Fetcher,
        breaker: CircuitBreaker,
        nonce: Callable[[], bytes] = new_nonce,
    ) -> None:
        self._settings = settings
        self._fetcher = fetcher
        self._breaker = breaker
        self._nonce = nonce

    @property
    def name(self) -> str:
        """The source's name in answers and attempts."""
        return self._settings.name

    def check(self, certificate: ValidatedCertificate, now: datetime) -> RevocationAnswer:
        """Ask.

        Raises:
            RevocationUnknown: the responder does not know the certificate.
            SourcesExhausted: no usable answer; `attempts` tells what went wrong each time.
            RevocationUnavailable: `ocsp_no_url`, `circuit_open`.
        """
        url = self._url(certificate)
        if not self._breaker.allows():
            raise RevocationUnavailable("circuit_open", f"{self.name} failed too often and is left alone for a while")
        try:
            answer = self._ask_repeatedly(url, certificate, now)
        except SourcesExhausted:
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        return self._to_answer(answer)

    def check_within(
        self,
        certificate: ValidatedCertificate,
        now: datetime,
        grace: timedelta,  # noqa: ARG002 - a responder has no old answer that could be used
    ) -> RevocationAnswer:
        """As `check`: there is no grace for a question that nobody answers."""
        return self.check(certificate, now)

    def _url(self, certificate: ValidatedCertificate) -> str:
        url = self._settings.url or responder_url(certificate.certificate)
        if url is None or not is_usable_url(url, plain_http=True):
            raise RevocationUnavailable("ocsp_no_url", "neither the settings nor the certificate name a responder")
        return url

    def _ask_repeatedly(self, url: str, certificate: ValidatedCertificate, now: datetime) -> OcspAnswer:
        attempts: list[Attempt] = []
        for _ in range(self._settings.attempts):
            try:
                return self._ask(url, certificate, now)
            except (FetchError, RevocationDataError) as error:
                attempts.append(Attempt(self.name, error.code))
        raise SourcesExhausted(tuple(attempts))

    def _ask(self, url: str, certificate: ValidatedCertificate, now: datetime) -> OcspAnswer:
        question = OcspQuestion(
            certificate=certificate.certificate,
            issuer=certificate.issuer.certificate,
            nonce=self._nonce(),
            sha1_identifier=self._settings.sha1_identifier,
        )
        fetched = self._fetcher.post(url, _HEADERS, question.request())
        return read_answer(
            fetched.body, question, now=now, limits=self._settings.limits, designated=self._settings.designated
        )

    def _to_answer(self, answer: OcspAnswer) -> RevocationAnswer:
        if answer.state is None:
            raise RevocationUnknown("ocsp_unknown", "the responder does not know this certificate")
        return RevocationAnswer(
            state=answer.state,
            source=self.name,
            this_update=answer.this_update,
            next_update=answer.next_update,
            reason=answer.reason,
        )


def pinned_responders(pems: Iterable[bytes]) -> tuple[x509.Certificate, ...]:
    """Designated responder certificates from PEM; raises ValueError when one cannot be read."""
    return tuple(certificate for pem in pems for certificate in x509.load_pem_x509_certificates(pem))
