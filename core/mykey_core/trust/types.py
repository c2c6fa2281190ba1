"""The words that path validation, revocation and token checking share. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from cryptography import x509

from mykey_cardap.kinds import CertificateKind


class Check(StrEnum):
    """The checks of a token, in the order in which they are made (architecture §2, authentication-hub V1–V14)."""

    TOKEN_SHAPE = "token_shape"  # noqa: S105 - a name of a check
    CERTIFICATE_KIND = "certificate_kind"
    CERTIFICATE_TIME = "certificate_time"
    KEY_USAGE = "key_usage"
    POLICY = "policy"
    PATH = "path"
    TOKEN_SIGNATURE = "token_signature"  # noqa: S105 - a name of a check
    REVOCATION = "revocation"
    NONCE = "nonce"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the evidence: what was checked, whether it passed, and a detail without personal data."""

    check: Check
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CaCertificate:
    """A pinned CA certificate: `fingerprint` is the SHA-256 of its DER (32 bytes).

    `kind` is what its name says it issues; None for a CA outside JPKI, which may issue for any kind.
    """

    kind: CertificateKind | None
    certificate: x509.Certificate
    fingerprint: bytes
    subject_key_identifier: bytes | None
    label: str = ""


@dataclass(frozen=True, slots=True)
class ValidatedCertificate:
    """An end-entity certificate whose time, usage, policy and path have been checked; revocation has not.

    `distribution_point` is the first name of the CRL distribution point: the DER of a directoryName, or a URL;
    empty bytes for a point that only an indirect or partial CRL could serve. `distribution_points` has all names.
    """

    certificate: x509.Certificate
    fingerprint: bytes
    issuer: CaCertificate
    serial_number: int = field(repr=False)
    kind: CertificateKind
    not_after: datetime
    policy_oid: str
    distribution_point: bytes | None
    distribution_points: tuple[bytes, ...] = ()


class RevocationState(StrEnum):
    """What a revocation source knows of one certificate."""

    GOOD = "good"
    REVOKED = "revoked"
    HELD = "held"  # certificateHold, 一時停止: final for us, with its own wording


class RevocationMode(StrEnum):
    """How fresh the answer is (authentication-hub §12, outage budget)."""

    FRESH = "fresh"
    GRACE = "grace"


@dataclass(frozen=True, slots=True)
class RevocationAnswer:
    """The answer of a revocation source, kept with the login as its evidence. Instants are UTC."""

    state: RevocationState
    source: str
    this_update: datetime
    next_update: datetime | None
    mode: RevocationMode = RevocationMode.FRESH
    reason: str | None = None


class RevocationSource(Protocol):
    """One way to ask whether a certificate is revoked."""

    def check(self, certificate: ValidatedCertificate, now: datetime) -> RevocationAnswer:
        """Answer, or raise `trust.errors.RevocationUnavailable` (which refuses the tap: fail closed)."""
        ...
