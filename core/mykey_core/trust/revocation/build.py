"""From settings to working sources: the one place where the parts of this package are put together."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from mykey_core.errors import ConfigurationError
from mykey_core.trust.revocation.answers import SnapshotSource
from mykey_core.trust.revocation.breaker import BreakerSettings, CircuitBreaker
from mykey_core.trust.revocation.budget import BudgetedSource, OutageBudgets, RiskClass
from mykey_core.trust.revocation.chain import DirectoryMemory, FallbackChain, NamedSource
from mykey_core.trust.revocation.crl_files import CrlFileSource, all_issuers
from mykey_core.trust.revocation.crl_http import CrlUpdater, FetchStates
from mykey_core.trust.revocation.fetch import Fetcher, Limits, require_url
from mykey_core.trust.revocation.follow import following
from mykey_core.trust.revocation.ocsp_answer import OcspLimits
from mykey_core.trust.revocation.ocsp_source import OcspSettings, OcspSource, pinned_responders
from mykey_core.trust.revocation.operator_source import OperatorSettings, OperatorSource
from mykey_core.trust.revocation.settings import (
    CrlFileSettings,
    CrlHttpSettings,
    Environment,
    NoneSettings,
    OcspSourceSettings,
    OperatorSourceSettings,
    RevocationSettings,
    SourceSettings,
)
from mykey_core.trust.revocation.sources import GraceSource
from mykey_core.trust.revocation.store import DirectoryStore
from mykey_core.trust.store import TrustStore
from mykey_core.trust.types import RevocationAnswer, RevocationSource, RevocationState, ValidatedCertificate

_ANSWER_BYTES: Final = 1 << 16  # an OCSP answer or a status object is a few kilobytes


class UncheckedSource:
    """Calls every certificate good. Only a test configuration can make one; its answers say so."""

    def check(self, certificate: ValidatedCertificate, now: datetime) -> RevocationAnswer:  # noqa: ARG002 - interface
        """Good, from source `none`."""
        return RevocationAnswer(RevocationState.GOOD, source="none", this_update=now, next_update=None)

    def check_within(
        self,
        certificate: ValidatedCertificate,
        now: datetime,
        grace: timedelta,  # noqa: ARG002 - interface
    ) -> RevocationAnswer:
        """As `check`."""
        return self.check(certificate, now)


@dataclass(frozen=True, slots=True)
class Revocation:
    """Everything that the settings describe, ready for use. `sources` has (name, type) in the order of asking."""

    sources: tuple[tuple[str, str], ...]
    chain: FallbackChain
    store: DirectoryStore
    budgets: OutageBudgets
    updaters: dict[str, CrlUpdater]
    files: dict[str, CrlFileSource]
    snapshots: tuple[SnapshotSource, ...]

    def source_for(self, municipality: str, risk: RiskClass) -> RevocationSource:
        """The source as a service of this risk class in this town may use it."""
        return BudgetedSource(self.chain, self.budgets.of(municipality, risk))

    def following(self) -> AbstractContextManager[None]:
        """Follow new snapshots in a thread until the block is left; each worker process needs its own."""
        return following(self.snapshots)


def build_revocation(settings: RevocationSettings) -> Revocation:
    """Make the sources; asks nobody over the network.

    Raises:
        ConfigurationError: an anchor, directory, address or token file is missing or unusable.
    """
    trust = TrustStore.from_pem(settings.anchors, allow_emulated=settings.environment is Environment.TEST)
    builder = _Builder(settings, trust)
    named = [NamedSource(one.name, builder.source(one)) for one in settings.sources]
    chain = FallbackChain(
        named,
        memory=DirectoryMemory(settings.state / "revoked"),
        unknown_falls_back=settings.unknown_falls_back,
    )
    return Revocation(
        sources=tuple((one.name, one.type) for one in settings.sources),
        chain=chain,
        store=builder.store,
        budgets=OutageBudgets(settings.budget),
        updaters=builder.updaters,
        files=builder.files,
        snapshots=tuple(builder.snapshots),
    )


class _Builder:
    def __init__(self, settings: RevocationSettings, trust: TrustStore) -> None:
        self._trust = trust
        self._state = settings.state
        try:
            self.store = DirectoryStore(settings.state)
        except OSError as error:
            raise ConfigurationError("revocation.state", f"'{settings.state}' cannot be written") from error
        self.updaters: dict[str, CrlUpdater] = {}
        self.files: dict[str, CrlFileSource] = {}
        self.snapshots: list[SnapshotSource] = []

    def source(self, one: SourceSettings) -> GraceSource:
        if isinstance(one, CrlFileSettings):
            self.files[one.name] = source = CrlFileSource(
                one.directory, store=self._trust, snapshots=self._state, max_bytes=one.max_bytes
            )
            self.snapshots.append(source.answers)
            return source
        if isinstance(one, CrlHttpSettings):
            return self._crl_http(one)
        if isinstance(one, OcspSourceSettings):
            return self._ocsp(one)
        return UncheckedSource() if isinstance(one, NoneSettings) else self._operator(one)

    def _crl_http(self, one: CrlHttpSettings) -> SnapshotSource:
        limits = Limits(deadline=one.deadline, step=one.timeout, max_bytes=one.max_bytes)
        self.updaters[one.name] = CrlUpdater(
            [require_url(url, setting=f"revocation.{one.name}.urls", plain_http=True) for url in one.urls],
            issuers=all_issuers(self._trust),
            store=self.store,
            fetcher=Fetcher(limits, proxy=one.proxy),
            states=FetchStates(self._state / "fetched"),
            max_bytes=one.max_bytes,
        )
        self.snapshots.append(SnapshotSource(self.store, name=one.name))
        return self.snapshots[-1]

    def _ocsp(self, one: OcspSourceSettings) -> OcspSource:
        if one.url is not None:
            require_url(one.url, setting=f"revocation.{one.name}.url", plain_http=True)
        settings = OcspSettings(
            name=one.name,
            url=one.url,
            attempts=one.attempts,
            limits=OcspLimits(skew=one.skew, max_age=one.max_age),
            designated=_designated(one),
            sha1_identifier=one.sha1_identifier,
        )
        return OcspSource(settings, fetcher=_fetcher(one), breaker=_breaker(one))

    def _operator(self, one: OperatorSourceSettings) -> OperatorSource:
        settings = OperatorSettings(
            url=require_url(one.url, setting=f"revocation.{one.name}.url", plain_http=False),
            token=_read(one.token_file, f"revocation.{one.name}.token_file").decode("ascii", "replace").strip(),
            name=one.name,
            attempts=one.attempts,
            max_age_crl=one.max_age_crl,
            max_age_ocsp=one.max_age_ocsp,
        )
        return OperatorSource(settings, fetcher=_fetcher(one), breaker=_breaker(one))


def _designated(one: OcspSourceSettings) -> tuple[x509.Certificate, ...]:
    setting = f"revocation.{one.name}.designated_responders"
    try:
        return pinned_responders(_read(path, setting) for path in one.designated_responders)
    except ValueError:
        raise ConfigurationError(setting, "a file holds no readable PEM certificate") from None


def _fetcher(one: OcspSourceSettings | OperatorSourceSettings) -> Fetcher:
    limits = Limits(deadline=one.timeout, step=one.timeout, max_bytes=_ANSWER_BYTES)
    return Fetcher(limits, proxy=one.proxy)


def _breaker(one: OcspSourceSettings | OperatorSourceSettings) -> CircuitBreaker:
    return CircuitBreaker(BreakerSettings(failures=one.breaker_failures, pause=one.breaker_pause))


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(setting, f"'{path}' cannot be read ({error.strerror})") from error
