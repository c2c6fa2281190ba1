"""The verifier: one token, one nonce, one moment → accepted with its evidence, or refused with a code.

The order is that of authentication-hub §1: shape → certificate kind, time, usage, policy → path → token signature →
revocation last, so that a forged token never causes a look-up. No clock, no network, no nonce store of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mykey_cardap.kinds import CertificateKind
from mykey_core.authentication import algorithms, signing_certificates
from mykey_core.authentication import nonce as nonces
from mykey_core.authentication import token as tokens
from mykey_core.authentication.errors import TokenRefused, refuse
from mykey_core.authentication.origin import check_origin
from mykey_core.authentication.reasons import TokenReason
from mykey_core.errors import ConfigurationError
from mykey_core.trust.certificate_cache import CertificateCache
from mykey_core.trust.end_entity import AUTHENTICATION_POLICY
from mykey_core.trust.errors import CertificateRefused, TrustError
from mykey_core.trust.store import TrustStore
from mykey_core.trust.types import (
    Check,
    CheckResult,
    RevocationAnswer,
    RevocationSource,
    RevocationState,
    ValidatedCertificate,
)

# The checks as the evidence lists them. The nonce comes first in time: its use is over before validation begins.
ORDER = (
    Check.NONCE,
    Check.TOKEN_SHAPE,
    Check.CERTIFICATE_KIND,
    Check.CERTIFICATE_TIME,
    Check.KEY_USAGE,
    Check.POLICY,
    Check.PATH,
    Check.TOKEN_SIGNATURE,
    Check.REVOCATION,
)


@dataclass(frozen=True, slots=True)
class LoginPolicy:
    """Which certificates a login takes: their kind, and the policy identifiers of which they must name one."""

    kind: CertificateKind = CertificateKind.AUTHENTICATION
    policy_oids: AbstractSet[str] = field(default_factory=lambda: frozenset({AUTHENTICATION_POLICY}))


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """An accepted token and why it was accepted (rule V14): path, policy, algorithm, revocation answer."""

    certificate: ValidatedCertificate
    revocation: RevocationAnswer
    algorithm: str

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """One line for each check, in the order made, without personal data."""
        answer = self.revocation
        details = {
            Check.CERTIFICATE_KIND: self.certificate.kind.value,
            Check.CERTIFICATE_TIME: f"until {self.certificate.not_after:%Y}",  # its day is the holder's birthday
            Check.POLICY: self.certificate.policy_oid,
            Check.PATH: f"CA {self.certificate.issuer.fingerprint.hex()[:16]}",
            Check.TOKEN_SIGNATURE: self.algorithm,
            Check.REVOCATION: f"{answer.source}, as of {answer.this_update.isoformat()}, {answer.mode}",
        }
        return tuple(CheckResult(check, passed=True, detail=details.get(check, "")) for check in ORDER)


class TokenVerifier:
    """Verifies tokens for one origin against one trust store. Safe to use from many threads.

    `ConfigurationError` when `origin` cannot be one, or when the store holds nobody who may issue.
    """

    def __init__(
        self, *, trust: TrustStore, revocation: RevocationSource, origin: str, policy: LoginPolicy | None = None
    ) -> None:
        self._policy = policy or LoginPolicy()
        if not trust.issuers(self._policy.kind):
            raise ConfigurationError("trust anchors", f"none of them may issue {self._policy.kind} certificates")
        self._origin = check_origin(origin, loopback_allowed=True)
        self._origin_digests = {
            algorithm.hash_name: algorithm.digest(origin) for algorithm in algorithms.ALGORITHMS.values()
        }
        self._certificates = CertificateCache(
            store=trust, kind=self._policy.kind, policy_oids=frozenset(self._policy.policy_oids)
        )
        self._revocation = revocation

    def verify(self, token: str | bytes, nonce: str | None, now: datetime) -> VerifiedToken:
        """Verify a posted token for `nonce`, which the caller has taken out of its store, at `now` (aware, UTC).

        Raises `TokenRefused` with `.code`, `.check` and the evidence so far; nothing else for any token.
        """
        return self._verify(lambda: tokens.parse(token), nonce, now)

    def verify_members(self, token: dict[str, Any], nonce: str | None, now: datetime) -> VerifiedToken:
        """The same for a token within a larger document that was read by `strict_json`."""
        return self._verify(lambda: tokens.parse_members(token), nonce, now)

    def _verify(
        self, parse: Callable[[], tokens.AuthenticationToken], nonce: str | None, now: datetime
    ) -> VerifiedToken:
        try:
            checked_nonce = nonces.check_length(nonce)
            return self.verify_parsed(parse(), checked_nonce, now)
        except CertificateRefused as error:
            raise _with_evidence(error.code, error.check, error.detail) from None
        except TokenRefused as error:
            raise _with_evidence(error.code, error.check, error.detail) from None

    def verify_parsed(self, token: tokens.AuthenticationToken, nonce: str, now: datetime) -> VerifiedToken:
        """All that comes after the text: certificate, signature, revocation. Raises without the list of checks."""
        signing = token.signing_certificates
        also_signing = () if signing is None else signing_certificates.read(signing)
        known = self._certificates.validate(token.certificate, now)
        algorithms.check_fits(token.algorithm, known.public_key)
        for certificate in also_signing:
            signing_certificates.check(certificate, token.certificate, known.issuer, now)
        self._check_signature(token, known.public_key, nonce)
        answer = self._check_revocation(known.validated, now)
        return VerifiedToken(known.validated, answer, token.algorithm.name)

    def _check_signature(
        self,
        token: tokens.AuthenticationToken,
        key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
        nonce: str,
    ) -> None:
        algorithm, signature = token.algorithm, token.signature
        message = self._origin_digests[algorithm.hash_name] + algorithm.digest(nonce)
        algorithms.check_length(algorithm, key, signature)
        algorithms.check_range(algorithm, signature)
        algorithms.check_signature(algorithm, key, signature, message)

    def _check_revocation(self, certificate: ValidatedCertificate, now: datetime) -> RevocationAnswer:
        try:
            answer = self._revocation.check(certificate, now)
        except TrustError as error:
            raise refuse(TokenReason.REVOCATION_UNAVAILABLE, error.code) from None
        check_good(answer)
        return answer


def check_good(answer: RevocationAnswer) -> None:
    """V13: only 'good' is good; a hold has its own code, because the person is told something else."""
    if answer.state is RevocationState.HELD:
        raise refuse(TokenReason.HELD)
    if answer.state is not RevocationState.GOOD:
        raise refuse(TokenReason.REVOKED, answer.reason or "")


def _with_evidence(code: str, check: Check, detail: str) -> TokenRefused:
    passed = [CheckResult(earlier, passed=True) for earlier in ORDER[: ORDER.index(check)]]
    return TokenRefused(code, check, detail, checks=(*passed, CheckResult(check, passed=False, detail=code)))
