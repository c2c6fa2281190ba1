"""A small hierarchy of EC P-256 certificates and CRLs, made on the spot, with every field open to a test.

It is for tests of path validation that need something broken on purpose; the cards' own test JPKI is elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

MOMENT = datetime(2026, 11, 2, 3, 4, 5, tzinfo=UTC)
"""The moment at which everything made here is valid unless a test says otherwise."""
_DAY = timedelta(days=1)
_CA_USAGE = frozenset({"key_cert_sign", "crl_sign"})
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True, slots=True)
class Party:
    """A certificate with its private key; `der` is the certificate in DER."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)


def key_usage(names: Iterable[str]) -> x509.KeyUsage:
    """A key usage with exactly these bits, by the names of `cryptography`."""
    wanted = set(names)
    return x509.KeyUsage(**{usage: usage in wanted for usage in _USAGES})


def name(common_name: str) -> x509.Name:
    """A distinguished name of the test hierarchy."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "MINI-PKI"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def make(
    common_name: str,
    issuer: Party | None = None,
    *,
    ca: bool = False,
    usage: Iterable[str] | None = None,
    policies: Iterable[str] = (),
    not_before: datetime = MOMENT - 10 * _DAY,
    not_after: datetime = MOMENT + 10 * _DAY,
    extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
    serial: int | None = None,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Party:
    """Issue a certificate; without `issuer` it is self-signed. `extensions` are added as (value, critical)."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    signer_name = issuer.certificate.subject if issuer else name(common_name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(signer_name)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(key_usage(usage or (_CA_USAGE if ca else ("digital_signature",))), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if policies:
        information = [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in policies]
        builder = builder.add_extension(x509.CertificatePolicies(information), critical=True)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    return Party(certificate, key)


def make_crl(
    issuer: Party,
    *revoked: Party,
    reason: x509.ReasonFlags = x509.ReasonFlags.key_compromise,
    this_update: datetime = MOMENT - _DAY,
    next_update: datetime = MOMENT + _DAY,
    number: int = 1,
) -> bytes:
    """A full CRL of `issuer` in DER."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(this_update)
        .next_update(next_update)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for party in revoked:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(party.certificate.serial_number)
            .revocation_date(this_update)
            .add_extension(x509.CRLReason(reason), critical=False)
            .build()
        )
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)
