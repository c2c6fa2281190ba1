"""The pinned CA certificates, found by name and key: what the hub trusts, and nothing else.

A store never changes; new anchors mean a new store. Which certificates they vouch for is decided in `fast_path.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from mykey_cardap.kinds import CertificateKind
from mykey_core.errors import ConfigurationError
from mykey_core.trust import extension_facts, raw_certificate
from mykey_core.trust.certificate_form import PublicKey, has_known_critical_extensions, is_weak
from mykey_core.trust.errors import CertificateReason
from mykey_core.trust.types import CaCertificate

EMULATED_ORGANIZATION = "JPKI-EMU"
_SETTING = "trust anchors"
# How the names of both hierarchies begin their organizational unit (my-number-card §15).
_UNITS = {
    "JPKI for user authentication": CertificateKind.AUTHENTICATION,
    "JPKI for digital signature": CertificateKind.SIGNATURE,
}


@dataclass(frozen=True, slots=True)
class Anchor:
    """A pinned CA certificate with what path validation asks of it, read once.

    `subject` is the DER of its name. `problem` is why it may not issue, whatever the time; None when it may.
    """

    ca: CaCertificate
    subject: bytes
    public_key: PublicKey | None
    not_before: datetime
    not_after: datetime
    problem: CertificateReason | None


class TrustStore:
    """An immutable set of pinned CA certificates. The same certificate given twice is kept once."""

    def __init__(self, certificates: Iterable[x509.Certificate]) -> None:
        anchors = {anchor.ca.fingerprint: anchor for anchor in map(_read_anchor, certificates)}
        self._anchors = tuple(anchors.values())
        self._by_subject: dict[bytes, tuple[Anchor, ...]] = {}
        for anchor in self._anchors:
            self._by_subject[anchor.subject] = (*self._by_subject.get(anchor.subject, ()), anchor)

    @classmethod
    def from_pem(cls, sources: Path | bytes | Iterable[Path | bytes], *, allow_emulated: bool = False) -> TrustStore:
        """Read PEM files or PEM bytes, each with one or more certificates.

        `ConfigurationError` for a file that cannot be read, a certificate that cannot be an issuing CA, and an
        anchor of the emulator (`O=JPKI-EMU`) unless `allow_emulated`, which only tests and the demo set.
        """
        given = [sources] if isinstance(sources, (Path, bytes)) else list(sources)
        certificates = [certificate for source in given for certificate in _load(source)]
        if not certificates:
            raise ConfigurationError(_SETTING, "no CA certificate is configured: name at least one PEM file")
        store = cls(certificates)
        for anchor in store.anchors:
            _check_configured(anchor, allow_emulated=allow_emulated)
        return store

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """All anchors, in the order given."""
        return self._anchors

    def issuers(self, kind: CertificateKind) -> tuple[CaCertificate, ...]:
        """The CA certificates that may issue certificates of `kind`."""
        return tuple(anchor.ca for anchor in self._anchors if anchor.ca.kind in {None, kind})

    def named(self, subject: bytes) -> tuple[Anchor, ...]:
        """The anchors whose name is `subject` (DER, compared byte for byte): all generations share one name."""
        return self._by_subject.get(subject, ())


def _load(source: Path | bytes) -> list[x509.Certificate]:
    try:
        pem = source if isinstance(source, bytes) else source.read_bytes()
        return x509.load_pem_x509_certificates(pem)
    except OSError as error:
        raise ConfigurationError(_SETTING, f"{source!s} cannot be read: {error.strerror}") from None
    except ValueError:
        where = "the PEM text given" if isinstance(source, bytes) else str(source)
        raise ConfigurationError(_SETTING, f"{where} holds no readable PEM certificate") from None


def _read_anchor(certificate: x509.Certificate) -> Anchor:
    der = certificate.public_bytes(serialization.Encoding.DER)
    try:
        raw = raw_certificate.split(der)
        values = {oid: value for oid, _, value in raw.extensions}
        identifier = values.get(extension_facts.SUBJECT_KEY_IDENTIFIER)
        key_identifier = None if identifier is None else extension_facts.subject_key_identifier(identifier)
        key = _usable_key(certificate)
        problem = _standing_problem(key, raw, values)
    except ValueError:
        raise ConfigurationError(_SETTING, "a CA certificate is malformed: replace it") from None
    ca = CaCertificate(
        kind=_kind(certificate),
        certificate=certificate,
        fingerprint=hashlib.sha256(der).digest(),
        subject_key_identifier=key_identifier,
        label=certificate.subject.rfc4514_string(),
    )
    return Anchor(
        ca=ca,
        subject=raw.subject,
        public_key=key,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        problem=problem,
    )


def _kind(certificate: x509.Certificate) -> CertificateKind | None:
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    kinds = {_UNITS[unit.value] for unit in units if isinstance(unit.value, str) and unit.value in _UNITS}
    return kinds.pop() if len(kinds) == 1 else None


def _usable_key(certificate: x509.Certificate) -> PublicKey | None:
    try:
        key = certificate.public_key()
    except (ValueError, TypeError):  # a key type that cryptography does not know
        return None
    return key if isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)) else None


def _standing_problem(
    key: PublicKey | None, raw: raw_certificate.RawCertificate, values: dict[bytes, bytes]
) -> CertificateReason | None:
    """V11: CA:TRUE, keyCertSign, a strong key, and no constraint that the fast path does not follow."""
    if lacks_ca_flag(values):
        return CertificateReason.ISSUER_NOT_A_CA
    if lacks_key_cert_sign(values):
        return CertificateReason.ISSUER_KEY_USAGE
    if has_weak_key(key, raw):
        return CertificateReason.ISSUER_KEY_WEAK
    if has_constraint(raw, values):
        return CertificateReason.ISSUER_EXTENSION
    return None


def lacks_ca_flag(values: dict[bytes, bytes]) -> bool:
    """Whether basicConstraints is absent or says CA:FALSE. `values` are the extensions by identifier."""
    constraints = values.get(extension_facts.BASIC_CONSTRAINTS)
    return constraints is None or not extension_facts.is_ca(constraints)


def lacks_key_cert_sign(values: dict[bytes, bytes]) -> bool:
    """Whether keyUsage is absent or does not allow signing certificates."""
    usage = values.get(extension_facts.KEY_USAGE)
    return usage is None or "key_cert_sign" not in extension_facts.key_usage(usage)


def has_weak_key(key: PublicKey | None, raw: raw_certificate.RawCertificate) -> bool:
    """Whether the key is of another type than RSA and EC, or an RSA key below the limits of V6."""
    return key is None or (isinstance(key, rsa.RSAPublicKey) and is_weak(key, raw.public_key_info))


def has_constraint(raw: raw_certificate.RawCertificate, values: dict[bytes, bytes]) -> bool:
    """Whether the CA is limited by something that only the general path follows."""
    return extension_facts.NAME_CONSTRAINTS in values or not has_known_critical_extensions(raw)


def _check_configured(anchor: Anchor, *, allow_emulated: bool) -> None:
    organizations = anchor.ca.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    if not allow_emulated and any(name.value == EMULATED_ORGANIZATION for name in organizations):
        raise ConfigurationError(_SETTING, "the emulator's CA (O=JPKI-EMU) is for tests and the demo: remove it")
    if anchor.problem is not None:
        raise ConfigurationError(_SETTING, f"'{anchor.ca.label}' cannot issue certificates ({anchor.problem})")
