"""The verifiers of a hub, made from its settings: one for each risk class of a service, one for signature tokens.

A service of low risk may bridge an outage of the revocation sources as far as its town has budgeted; the verifiers
differ in nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mykey_cardap.kinds import CertificateKind
from mykey_core.authentication.verifier import LoginPolicy, TokenVerifier
from mykey_core.settings import HubSettings
from mykey_core.trust.end_entity import SIGNATURE_POLICY
from mykey_core.trust.revocation.budget import RiskClass
from mykey_core.trust.revocation.build import Revocation, build_revocation
from mykey_core.trust.store import TrustStore


@dataclass(frozen=True, slots=True)
class Logins:
    """`authentication` has a verifier for each risk class; `signature` is None where no CA for it is pinned."""

    authentication: Mapping[RiskClass, TokenVerifier]
    signature: TokenVerifier | None
    revocation: Revocation


def open_logins(settings: HubSettings) -> Logins:
    """Make the verifiers; `ConfigurationError` when an anchor or a source is missing or unsafe."""
    revocation = build_revocation(settings.revocation)
    store = TrustStore.from_pem(settings.trust.authentication_ca, allow_emulated=settings.synthetic)
    authentication = {
        risk: TokenVerifier(
            trust=store,
            revocation=revocation.source_for(settings.municipality, risk),
            origin=settings.origin,
            policy=LoginPolicy(),
        )
        for risk in RiskClass
    }
    return Logins(authentication, _signature_verifier(settings, revocation), revocation)


def _signature_verifier(settings: HubSettings, revocation: Revocation) -> TokenVerifier | None:
    if not settings.identity.signature_ca:
        return None
    return TokenVerifier(
        trust=TrustStore.from_pem(settings.identity.signature_ca, allow_emulated=settings.synthetic),
        revocation=revocation.source_for(settings.municipality, RiskClass.HIGH),
        origin=settings.origin,
        policy=LoginPolicy(CertificateKind.SIGNATURE, frozenset({SIGNATURE_POLICY})),
    )
