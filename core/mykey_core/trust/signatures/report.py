"""What is said about a document and each signature in it: data only, without a judgement of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

from mykey_core.trust.signatures.attributes import SignerAttributes
from mykey_core.trust.types import RevocationAnswer, ValidatedCertificate


@unique
class Container(StrEnum):
    """How the signatures are kept."""

    PDF = "pdf"
    CMS = "cms"


@unique
class Reason(StrEnum):
    """Why a document or a signature is not accepted. Certificates add their own codes (`CertificateReason`)."""

    OK = "ok"
    UNSIGNED = "unsigned"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    ENCRYPTED = "encrypted"
    CONTENT_MISSING = "content_missing"
    CONTENT_TWICE = "content_twice"
    SIGNATURE_REFUSED = "signature_refused"
    SIGNER_CERTIFICATE = "signer_certificate"
    ALGORITHM = "algorithm"
    CONTENT_CHANGED = "content_changed"
    SIGNATURE_INVALID = "signature_invalid"
    SIGNED_ATTRIBUTES = "signed_attributes"
    COVERAGE = "coverage"
    IRREGULAR_PDF = "irregular_pdf"
    UNSIGNED_UPDATE = "unsigned_update"
    CHANGED_LATER = "changed_later"
    TEST_POLICY = "test_policy"
    REVOKED = "revoked"
    HELD = "held"
    TIMESTAMP_ONLY = "timestamp_only"


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """One signature. `reason` is `ok` or a stable code; the rest is filled as far as the checks came.

    `claimed_time` is what the signer wrote; nobody vouches for it. `later_changes` is the highest level of what was
    added after this signature: `none`, `signatures` (other signatures and form fields, each covered by a later
    signature), or None where it was not looked at.
    """

    index: int
    accepted: bool
    reason: str
    field: str | None = None
    certificate: ValidatedCertificate | None = None
    attributes: SignerAttributes | None = None
    revocation: RevocationAnswer | None = None
    claimed_time: datetime | None = None
    later_changes: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentReport:
    """A document: accepted only when it has a signature and every signature in it is accepted."""

    container: Container
    accepted: bool
    reason: str
    signatures: tuple[SignatureReport, ...] = ()


def refused(container: Container, reason: Reason) -> DocumentReport:
    """A document whose signatures could not even be looked at."""
    return DocumentReport(container, accepted=False, reason=reason)


def summarised(container: Container, signatures: tuple[SignatureReport, ...]) -> DocumentReport:
    """A document with its signatures; one that is refused makes all refused (advisory GHSA-g258-q5gf-7hvx)."""
    if not signatures:
        return refused(container, Reason.UNSIGNED)
    accepted = all(signature.accepted for signature in signatures)
    reason = Reason.OK if accepted else Reason.SIGNATURE_REFUSED
    return DocumentReport(container, accepted=accepted, reason=reason, signatures=signatures)
