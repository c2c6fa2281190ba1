"""Which offered CRLs the general path may look into, and what the deltas among them say.

The library reads an entry only when it is the certificate's own, does not ask with what a CRL is signed, and looks
into a delta only where the complete CRL points to one. Processing RFC 5280 6.3 is left to it (`general_path`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509

from mykey_core.trust.errors import RevocationDataError
from mykey_core.trust.general_algorithms import AllowListedAlgorithms
from mykey_core.trust.revocation.crl import entries, verify_crl
from mykey_core.trust.revocation.reasons import REMOVE_FROM_CRL, state_of
from mykey_core.trust.revocation.unreadable import UNREADABLE
from mykey_core.trust.types import CaCertificate, RevocationState

# Entry extensions that may be critical: the library processes the issuer of indirect CRLs, the others widen nothing.
_KNOWN_IN_ENTRIES = (x509.CRLReason, x509.CertificateIssuer, x509.InvalidityDate)


@dataclass(frozen=True, slots=True)
class UsableCrls:
    """The CRLs that may be used, and why the others may not (codes, in the order of the CRLs)."""

    crls: tuple[asn1_crl.CertificateList, ...]
    problems: tuple[str, ...]


def usable_crls(crls: Iterable[bytes], algorithms: AllowListedAlgorithms, at: datetime) -> UsableCrls:
    """Sort out what must not be used whatever it says of our certificate; raises ValueError when one is no CRL."""
    usable, problems = [], []
    for der in crls:
        parsed = asn1_crl.CertificateList.load(der, strict=True)
        problem = _algorithm_problem(parsed, algorithms, at) or _entry_problem(der)
        if problem is None:
            usable.append(parsed)
        else:
            problems.append(problem)
    return UsableCrls(tuple(usable), tuple(problems))


def _algorithm_problem(crl: asn1_crl.CertificateList, algorithms: AllowListedAlgorithms, at: datetime) -> str | None:
    """V7: the allow-list holds for CRLs too, and the signed algorithm is the one beside the signature."""
    outer = crl["signature_algorithm"]
    if outer.dump() != crl["tbs_cert_list"]["signature"].dump():
        return "crl_algorithm"
    return None if algorithms.signature_algorithm_allowed(outer, at, None) else "crl_algorithm"


def _entry_problem(der: bytes) -> str | None:
    """RFC 5280 5.3: an entry that cannot be understood makes the CRL useless for every certificate."""
    try:
        crl = x509.load_der_x509_crl(der)
        is_delta = any(isinstance(extension.value, x509.DeltaCRLIndicator) for extension in crl.extensions)
        for extension in (extension for entry in crl for extension in entry.extensions):
            if extension.critical and not isinstance(extension.value, _KNOWN_IN_ENTRIES):
                return "crl_critical_extension"
            if not is_delta and _releases(extension.value):
                return "crl_entry"
    except UNREADABLE:
        return "crl_malformed"
    return None


def _releases(value: x509.ExtensionType) -> bool:
    """Whether an entry says removeFromCRL, which only a delta may (RFC 5280 5.3.1); it is no release elsewhere."""
    return isinstance(value, x509.CRLReason) and value.reason is x509.ReasonFlags.remove_from_crl


def revoked_by_delta(path: Iterable[asn1_x509.Certificate], crls: UsableCrls, at: datetime) -> RevocationState | None:
    """What a genuine delta says of a certificate of the path (from the anchor down); None when it says nothing bad.

    The library leaves a delta unread unless the complete CRL points to one. Who offers it knows of the revocation.
    """
    deltas = [crl.dump() for crl in crls.crls if crl.delta_crl_indicator_value is not None]
    if not deltas:
        return None
    issuer: asn1_x509.Certificate | None = None
    for certificate in path:
        if issuer is not None:
            for serial, code in _entries_of(deltas, issuer, at):
                if serial == certificate.serial_number and code != REMOVE_FROM_CRL:
                    return state_of(code)
        issuer = certificate
    return None


def _entries_of(deltas: Iterable[bytes], issuer: asn1_x509.Certificate, at: datetime) -> Iterator[tuple[int, int]]:
    """The entries of the deltas that this issuer signed and that have begun."""
    for der in deltas:
        try:
            verified = verify_crl(der, [_as_issuer(issuer)])
            if verified.this_update <= at:
                yield from entries(verified.crl)
        except (RevocationDataError, *UNREADABLE):
            continue  # of another issuer, or of a form that only the library follows


def _as_issuer(certificate: asn1_x509.Certificate) -> CaCertificate:
    return CaCertificate(
        kind=None,
        certificate=x509.load_der_x509_certificate(certificate.dump()),
        fingerprint=certificate.sha256,
        subject_key_identifier=certificate.key_identifier,
    )
