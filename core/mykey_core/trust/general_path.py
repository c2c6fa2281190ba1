"""The general path: RFC 5280 validation of any hierarchy, by pyhanko-certvalidator, with revocation always required.

It serves signatures, partners' hierarchies and the command line; the My Number Card's own one-tier login path is
`fast_path`. Nothing is fetched: every certificate and CRL is given by the caller.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import x509
from pyhanko_certvalidator import CertificateValidator, PKIXValidationParams, ValidationContext
from pyhanko_certvalidator.authority import AuthorityWithCert, CertTrustAnchor, TrustQualifiers, derive_quals_from_cert
from pyhanko_certvalidator.errors import PathError, ValidationError
from pyhanko_certvalidator.path import ValidationPath

from mykey_core.trust.general_algorithms import (
    AlgorithmProfile,
    AllowListedAlgorithms,
    InheritedDsaParameters,
)
from mykey_core.trust.general_crls import UsableCrls, revoked_by_delta, usable_crls
from mykey_core.trust.general_form import anchor_problem, form_problem
from mykey_core.trust.general_reasons import NO_INFORMATION, place_of, reason_of
from mykey_core.trust.run_async import run_async
from mykey_core.trust.types import RevocationState

# The library logs refusals with the subject's name and a traceback; a person's name must not reach a log, and the
# verdict says what is needed.
logging.getLogger("pyhanko_certvalidator").addHandler(logging.NullHandler())
logging.getLogger("pyhanko_certvalidator").propagate = False

MAX_OFFERED_CERTIFICATES = 64
"""More intermediates than this are refused unread: path building could be made to take for ever."""


@dataclass(frozen=True, slots=True)
class PathQuestion:
    """Everything that decides about one certificate; certificates and CRLs are DER.

    `policies` is the user-initial-policy-set as dotted OIDs (empty: any policy); the three flags are those of
    RFC 5280 6.1.1. `at` is timezone-aware.
    """

    certificate: bytes = field(repr=False)
    anchors: tuple[bytes, ...] = field(repr=False)
    at: datetime
    intermediates: tuple[bytes, ...] = field(default=(), repr=False)
    crls: tuple[bytes, ...] = field(default=(), repr=False)
    policies: frozenset[str] = frozenset()
    require_policy: bool = False
    inhibit_policy_mapping: bool = False
    inhibit_any_policy: bool = False
    algorithms: AlgorithmProfile = AlgorithmProfile.STRICT


@dataclass(frozen=True, slots=True)
class PathVerdict:
    """The answer: `reason` is `ok` or a stable code, `place` says which certificate of the path failed.

    `path` holds SHA-256 fingerprints (hex) from the anchor to the certificate, `policies` the valid policies of the
    certificate, `weak_algorithms` what only the COMPATIBLE profile lets pass.
    """

    accepted: bool
    reason: str
    place: str = ""
    path: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    weak_algorithms: tuple[str, ...] = ()


def validate_path(question: PathQuestion) -> PathVerdict:
    """Judge one certificate. Never raises for what the certificates or CRLs contain: a fault is a refusal.

    Runs an event loop of its own, so call it from code that is not itself running in one.
    """
    if len(question.intermediates) > MAX_OFFERED_CERTIFICATES:
        return PathVerdict(accepted=False, reason="too_many_certificates")
    algorithms = AllowListedAlgorithms(question.algorithms)
    try:
        certificates = _Certificates.load(question)
        crls = usable_crls(question.crls, algorithms, question.at)
    except (ValueError, TypeError):
        return PathVerdict(accepted=False, reason="malformed")
    try:
        path = run_async(_find_path(question, certificates, crls, algorithms))
        refusal = _beyond_the_library(path, question, crls)
    except (ValidationError, PathError) as error:
        return PathVerdict(accepted=False, reason=_reason(error, crls), place=place_of(error))
    except Exception:  # noqa: BLE001 - asn1crypto decodes late: any fault inside is a malformed input, and a refusal
        return PathVerdict(accepted=False, reason="malformed")
    if refusal is not None:
        return refusal
    return PathVerdict(
        accepted=True,
        reason="ok",
        path=tuple(certificate.sha256.hex() for certificate in path),
        policies=_valid_policies(path),
        weak_algorithms=tuple(sorted(algorithms.weak)),
    )


def _reason(error: ValidationError | PathError, crls: UsableCrls) -> str:
    """The code of a refusal; where information is missing because a CRL was sorted out, why it was."""
    reason = reason_of(error)
    return crls.problems[0] if reason in NO_INFORMATION and crls.problems else reason


@dataclass(frozen=True, slots=True)
class _Certificates:
    target: x509.Certificate
    anchors: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...]

    @classmethod
    def load(cls, question: PathQuestion) -> _Certificates:
        def read(der: bytes) -> x509.Certificate:
            return x509.Certificate.load(der, strict=True)

        return cls(
            read(question.certificate),
            tuple(read(der) for der in question.anchors),
            tuple(read(der) for der in question.intermediates),
        )


async def _find_path(
    question: PathQuestion,
    certificates: _Certificates,
    crls: UsableCrls,
    algorithms: AllowListedAlgorithms,
) -> ValidationPath:
    everything = (*certificates.anchors, *certificates.intermediates, certificates.target)
    context = _ContextByFingerprint(
        trust_roots=[CertTrustAnchor(anchor, _qualifiers(anchor)) for anchor in certificates.anchors],
        other_certs=certificates.intermediates,
        moment=question.at,
        crls=crls.crls,
        # 'require' and nothing softer: with 'hard-fail' 29 revoked or unverifiable cases of PKITS are accepted.
        revocation_mode="require",
        time_tolerance=timedelta(0),
        algorithm_usage_policy=algorithms,
        signature_validator=InheritedDsaParameters(everything),
    )
    validator = CertificateValidator(
        certificates.target,
        validation_context=context,
        pkix_params=PKIXValidationParams(
            user_initial_policy_set=question.policies or frozenset({"any_policy"}),
            initial_policy_mapping_inhibit=question.inhibit_policy_mapping,
            initial_explicit_policy=question.require_policy,
            initial_any_policy_inhibit=question.inhibit_any_policy,
        ),
    )
    return await validator.async_validate_path()


def _qualifiers(anchor: x509.Certificate) -> TrustQualifiers:
    """What the anchor says of itself and binds those below it (RFC 5937): name constraints and path length.

    Not its policies: which ones count is the caller's question. Its time and its usage have checks of their own.
    """
    derived = derive_quals_from_cert(anchor)
    parameters = derived.standard_parameters
    if parameters is not None:
        parameters = replace(
            parameters, user_initial_policy_set=frozenset({"any_policy"}), initial_explicit_policy=False
        )
    return TrustQualifiers(standard_parameters=parameters, max_path_length=derived.max_path_length)


class _ContextByFingerprint(ValidationContext):
    """Remembers validated certificates by their SHA-256.

    The library remembers them by the bytes of their signature alone: an offered certificate that copies the signature
    of a validated CA, but carries another key, could then sign a CRL for it (seen with 0.33.0, and tested here).
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._validated: dict[bytes, ValidationPath] = {}

    def record_validation(self, cert: x509.Certificate, path: ValidationPath) -> None:
        """Remember that `cert` was validated along `path`."""
        self._validated[cert.sha256] = path

    def check_validation(self, cert: x509.Certificate) -> ValidationPath | None:
        """The path along which exactly this certificate was validated; None when it was not."""
        anchor = self.path_builder.trust_manager.as_trust_anchor(AuthorityWithCert(cert))
        if anchor is not None:
            return ValidationPath(trust_anchor=anchor, interm=[], leaf=None)
        return self._validated.get(cert.sha256)

    def clear_validation(self, cert: x509.Certificate) -> None:
        """Forget `cert`."""
        self._validated.pop(cert.sha256, None)


def _beyond_the_library(path: ValidationPath, question: PathQuestion, crls: UsableCrls) -> PathVerdict | None:
    """Rules that RFC 5280 leaves to the caller or that the library does not check."""
    certificates = list(path)
    if len(certificates) < 2:  # noqa: PLR2004 - an anchor and one certificate: the shortest path there is
        return PathVerdict(accepted=False, reason="certificate_is_anchor", place="certificate")
    refusal = _anchor_refusal(certificates[0], question.at) or _form_refusal(certificates, question.algorithms)
    if refusal is not None:
        return refusal
    for certificate in certificates:
        # RFC 5280 4.1.1.2: the algorithm outside the signed part must equal the one inside.
        if certificate["signature_algorithm"].dump() != certificate["tbs_certificate"]["signature"].dump():
            return PathVerdict(accepted=False, reason="algorithm_mismatch")
        # The count of unused bits is no part of what is signed: with another count the same certificate would have
        # a second fingerprint.
        if certificate["signature_value"].contents[:1] != b"\x00":
            return PathVerdict(accepted=False, reason="malformed")
    state = revoked_by_delta(certificates, crls, question.at)
    return None if state is None else PathVerdict(accepted=False, reason=_STATES[state])


_STATES = {RevocationState.REVOKED: "revoked", RevocationState.HELD: "held"}


def _anchor_refusal(anchor: x509.Certificate, at: datetime) -> PathVerdict | None:
    validity = anchor["tbs_certificate"]["validity"]
    in_time = validity["not_before"].native <= at <= validity["not_after"].native
    reason = anchor_problem(anchor) if in_time else "anchor_not_valid_now"
    return None if reason is None else PathVerdict(accepted=False, reason=reason, place="anchor")


def _form_refusal(certificates: list[x509.Certificate], profile: AlgorithmProfile) -> PathVerdict | None:
    places = ["anchor", *["intermediate"] * (len(certificates) - 2), "certificate"]
    for certificate, place in zip(certificates, places, strict=True):
        reason = form_problem(certificate, profile)
        if reason is not None:
            return PathVerdict(accepted=False, reason=reason, place=place)
    return None


def _valid_policies(path: ValidationPath) -> tuple[str, ...]:
    qualified = path.qualified_policies() or frozenset()
    return tuple(sorted(policy.user_domain_policy_id for policy in qualified))
