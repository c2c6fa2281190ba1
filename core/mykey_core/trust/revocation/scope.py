"""What a CRL speaks for, and which CRL a certificate asks for: distribution points as comparable bytes.

Nothing here checks a signature or a time; see `crl` for those.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mykey_core.trust.errors import RevocationDataError


@dataclass(frozen=True, slots=True)
class CrlScope:
    """One line of CRLs: `issuer_key` is the SHA-256 of the CA's SubjectPublicKeyInfo (32 bytes).

    All generations of the JPKI share one name, so the name is not part of it. `distribution_point` is as in
    `ValidatedCertificate`; None stands for a CRL that covers everything the CA issued.
    """

    issuer_key: bytes
    distribution_point: bytes | None

    @property
    def identifier(self) -> str:
        """A file name for this scope: 40 hexadecimal digits."""
        point = b"" if self.distribution_point is None else b"\x01" + self.distribution_point
        return hashlib.sha256(self.issuer_key + point).hexdigest()[:40]


def issuer_key_of(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the certificate's SubjectPublicKeyInfo (32 bytes)."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def point_of_name(name: x509.GeneralName) -> bytes | None:
    """The comparable form of one distribution point: DER of a directoryName, or an URL; None for other kinds."""
    if isinstance(name, x509.DirectoryName):
        return name.value.public_bytes()
    if isinstance(name, x509.UniformResourceIdentifier):
        return name.value.encode("ascii", "replace")
    return None


def points_of(
    full_name: Iterable[x509.GeneralName] | None,
    relative_name: x509.RelativeDistinguishedName | None,
    issuer: x509.Name,
) -> tuple[bytes, ...]:
    """All names of one distribution point (RFC 5280 4.2.1.13); a relative name continues the issuer's."""
    if relative_name is not None:
        return (x509.Name([*issuer.rdns, relative_name]).public_bytes(),)
    return tuple(point for name in full_name or () if (point := point_of_name(name)) is not None)


def certificate_points(certificate: x509.Certificate) -> tuple[bytes, ...]:
    """The distribution points that a certificate names, in its order; empty when it names none.

    Points for some reasons only, or with another CRL issuer, are left out: their CRLs are not used (§12).
    """
    try:
        extension = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints)
    except x509.ExtensionNotFound:
        return ()
    usable = (point for point in extension.value if point.reasons is None and point.crl_issuer is None)
    return tuple(
        name for point in usable for name in points_of(point.full_name, point.relative_name, certificate.issuer)
    )


def crl_points(crl: x509.CertificateRevocationList) -> tuple[bytes | None, ...]:
    """The distribution points that a CRL speaks for; (None,) for all that the CA issued.

    Raises:
        RevocationDataError: `crl_scope` when the CRL is for CA or attribute certificates, for some reasons
            only, or indirect (RFC 5280 5.2.5): such a CRL cannot say that our certificate is good.
    """
    try:
        point = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return (None,)
    if point.only_contains_ca_certs or point.only_contains_attribute_certs:
        raise RevocationDataError("crl_scope", "the CRL is not for user certificates")
    if point.only_some_reasons is not None or point.indirect_crl:
        raise RevocationDataError("crl_scope", "the CRL is indirect or for some reasons only")
    if point.full_name is None and point.relative_name is None:
        return (None,)
    names = points_of(point.full_name, point.relative_name, crl.issuer)
    if not names:
        raise RevocationDataError("crl_scope", "the CRL names a distribution point of an unknown kind")
    return names
