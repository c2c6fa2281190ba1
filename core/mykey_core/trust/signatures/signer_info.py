"""One SignerInfo of a CMS: whose it is, whether it signs this content, and whether its signer may be believed.

The order is certificate, then signature, then revocation (authentication-hub §1): nothing forged causes a question
to a revocation source. Where the content comes from is the business of `cms_document` and `pdf_document`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography.x509.oid import NameOID
from pyhanko.sign.general import match_issuer_serial
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import extract_self_reported_ts, validate_sig_integrity

from mykey_cardap.kinds import CertificateKind
from mykey_core.trust import fast_path
from mykey_core.trust.end_entity import SIGNATURE_POLICY
from mykey_core.trust.errors import TrustError
from mykey_core.trust.general_algorithms import AlgorithmProfile, AllowListedAlgorithms
from mykey_core.trust.signatures.attributes import SignerAttributes, read_attributes
from mykey_core.trust.signatures.report import Reason, SignatureReport
from mykey_core.trust.store import EMULATED_ORGANIZATION, TrustStore
from mykey_core.trust.types import RevocationAnswer, RevocationSource, RevocationState, ValidatedCertificate

PHONE_POLICY: Final = "1.2.392.200149.8.5.1.1.40"
TEST_POLICY: Final = "1.2.392.200149.8.5.1.0.20"
"""J-LIS's test environment: believed only below a CA of the emulator."""
POLICIES: Final = frozenset({SIGNATURE_POLICY, PHONE_POLICY, TEST_POLICY})
MAX_CERTIFICATES: Final = 64
MAX_SIGNERS: Final = 32
_STATES: Final = {RevocationState.REVOKED: Reason.REVOKED, RevocationState.HELD: Reason.HELD}


class SignatureRefused(TrustError):
    """One signature must not be accepted; `code` is a `Reason` or a code of certificates or revocation."""


@dataclass(frozen=True, slots=True)
class Judges:
    """What decides about signers: pinned CAs, revocation, and the moment of the check."""

    store: TrustStore
    revocation: RevocationSource
    at: datetime


@dataclass(frozen=True, slots=True)
class Signer:
    """A signer whose certificate and signature were accepted."""

    certificate: ValidatedCertificate
    attributes: SignerAttributes
    revocation: RevocationAnswer


def load_signed_data(der: bytes) -> cms.SignedData:
    """The SignedData of a ContentInfo without anything behind it; raises SignatureRefused `malformed`."""
    try:
        information = cms.ContentInfo.load(der, strict=True)
        _ = information.native  # asn1crypto decodes late; what is not signed must be of good form too
        if information["content_type"].native != "signed_data":
            raise SignatureRefused(Reason.MALFORMED, "no SignedData")
        signed = information["content"]
        if len(signed["certificates"]) > MAX_CERTIFICATES or len(signed["signer_infos"]) > MAX_SIGNERS:
            raise SignatureRefused(Reason.MALFORMED, "too many certificates or signers")
    except (ValueError, TypeError, KeyError):
        raise SignatureRefused(Reason.MALFORMED, "no CMS") from None
    return signed


def judge(signed: cms.SignedData, signer: cms.SignerInfo, digest: bytes, judges: Judges) -> Signer:
    """Accept a SignerInfo over content with this digest, or raise `TrustError` with the reason."""
    der = _certificate_of(signed, signer)
    validated = _validated(der, judges)
    _check_algorithms(signer, asn1_x509.Certificate.load(der))
    _check_signature(signed, signer, der, digest)
    attributes = read_attributes(validated.certificate)
    answer = judges.revocation.check(validated, judges.at)
    if answer.state is not RevocationState.GOOD:
        raise SignatureRefused(_STATES[answer.state])
    return Signer(validated, attributes, answer)


def accepted_report(index: int, signer: Signer, info: cms.SignerInfo) -> SignatureReport:
    """The report of an accepted signer."""
    return SignatureReport(
        index=index,
        accepted=True,
        reason=Reason.OK,
        certificate=signer.certificate,
        attributes=signer.attributes,
        revocation=signer.revocation,
        claimed_time=extract_self_reported_ts(info),
    )


def digest_name(signer: cms.SignerInfo) -> str:
    """The digest algorithm in asn1crypto's words; raises SignatureRefused `algorithm` unless it is SHA-2."""
    algorithm = signer["digest_algorithm"]
    if not AllowListedAlgorithms(AlgorithmProfile.STRICT).digest_algorithm_allowed(algorithm, None):
        raise SignatureRefused(Reason.ALGORITHM, "digest")
    return str(algorithm["algorithm"].native)


def _certificate_of(signed: cms.SignedData, signer: cms.SignerInfo) -> bytes:
    """The one certificate that the signer identifier names: by issuer and serial, or by key identifier."""
    offered = {
        choice.chosen.dump(): choice.chosen.untag() for choice in signed["certificates"] if choice.name == "certificate"
    }
    named = {certificate.dump() for certificate in _named(offered.values(), signer["sid"])}
    if len(named) != 1:
        raise SignatureRefused(Reason.SIGNER_CERTIFICATE, f"{len(named)} certificates are named")
    return bytes(named.pop())


def _named(
    certificates: Iterable[asn1_x509.Certificate], identifier: cms.SignerIdentifier
) -> list[asn1_x509.Certificate]:
    if identifier.name == "issuer_and_serial_number":
        return [one for one in certificates if match_issuer_serial(identifier.chosen, one)]
    wanted = identifier.chosen.native
    return [one for one in certificates if one.key_identifier == wanted]


def _validated(der: bytes, judges: Judges) -> ValidatedCertificate:
    """Validity, usage, policy and path, by the same rules as a login (advisory GHSA-58hw-cg5m-88rp)."""
    validated = fast_path.validate(
        der, store=judges.store, kind=CertificateKind.SIGNATURE, policy_oids=POLICIES, now=judges.at
    )
    if validated.policy_oid == TEST_POLICY and not _is_emulated(validated):
        raise SignatureRefused(Reason.TEST_POLICY, "a test policy below a real CA")
    return validated


def _is_emulated(validated: ValidatedCertificate) -> bool:
    organizations = validated.issuer.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return any(name.value == EMULATED_ORGANIZATION for name in organizations)


def _check_algorithms(signer: cms.SignerInfo, certificate: asn1_x509.Certificate) -> None:
    digest_name(signer)
    algorithm = signer["signature_algorithm"]
    if algorithm["algorithm"].native == "rsassa_pkcs1v15":
        return  # rsaEncryption takes the digest of `digestAlgorithm` (RFC 3370 3.2), which has been checked
    policy = AllowListedAlgorithms(AlgorithmProfile.STRICT)
    if not policy.signature_algorithm_allowed(algorithm, None, certificate.public_key):
        raise SignatureRefused(Reason.ALGORITHM, "signature")


def _check_signature(signed: cms.SignedData, signer: cms.SignerInfo, der: bytes, digest: bytes) -> None:
    certificate = asn1_x509.Certificate.load(der)
    content_type = signed["encap_content_info"]["content_type"].native
    try:
        intact, valid = validate_sig_integrity(signer, certificate, content_type, digest)
    except (SignatureValidationError, ValueError, TypeError, KeyError, AssertionError):
        raise SignatureRefused(Reason.SIGNED_ATTRIBUTES) from None
    if not intact:
        raise SignatureRefused(Reason.CONTENT_CHANGED)
    if not valid:
        raise SignatureRefused(Reason.SIGNATURE_INVALID)
