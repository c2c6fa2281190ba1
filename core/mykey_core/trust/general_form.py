"""What the general path asks of the form of each certificate in a path, beyond what its library reads.

RFC 5280 processing itself is in `general_path`; the CRLs are in `general_crls`.
"""

from __future__ import annotations

import warnings

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mykey_core.trust.certificate_form import is_weak, known_key_algorithm
from mykey_core.trust.errors import CertificateReason
from mykey_core.trust.general_algorithms import AlgorithmProfile
from mykey_core.trust.revocation.unreadable import UNREADABLE


def form_problem(certificate: asn1_x509.Certificate, profile: AlgorithmProfile) -> str | None:
    """Why a certificate of a path is refused whoever signed it; None when nothing is wrong.

    The library reads leniently: a second extension of a kind, an unknown version, other bytes than DER and a key that
    is no key would pass. So a strict parser must read the certificate too.
    """
    if certificate.public_key.algorithm == "dsa":  # no strict parser reads one whose parameters are its issuer's
        return None if profile is AlgorithmProfile.COMPATIBLE else CertificateReason.KEY_TYPE.value
    try:
        with warnings.catch_warnings():  # serial numbers that are not positive: PKITS has them, the path allows them
            warnings.simplefilter("ignore", DeprecationWarning)
            extensions = x509.load_der_x509_certificate(certificate.dump()).extensions
    except x509.DuplicateExtension:
        return CertificateReason.EXTENSION_DUPLICATE.value
    except x509.InvalidVersion:
        return CertificateReason.VERSION.value
    except UNREADABLE:
        return "malformed"
    if len(extensions) and certificate["tbs_certificate"]["version"].native != "v3":
        return CertificateReason.VERSION.value
    return key_problem(certificate)


def key_problem(certificate: asn1_x509.Certificate) -> str | None:
    """V6 for the key of a certificate: RSA of 2048 bits and exponent 65537 at least, or EC on a named curve.

    Of the last key of a path nothing else is asked: no signature of the path is made with it.
    """
    info = certificate.public_key.dump()
    if not known_key_algorithm(info):
        return CertificateReason.KEY_TYPE.value
    try:
        key = load_der_public_key(info)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "malformed"
    weak = isinstance(key, rsa.RSAPublicKey) and is_weak(key, info)
    return CertificateReason.KEY_WEAK.value if weak else None


def anchor_problem(certificate: asn1_x509.Certificate) -> str | None:
    """Why a certificate is no anchor: it says itself that it is no CA. One of version 1 says nothing."""
    constraints, usage = certificate.basic_constraints_value, certificate.key_usage_value
    if len(certificate["tbs_certificate"]["extensions"]) and not (constraints and constraints["ca"].native):
        return "not_a_ca"
    if usage is not None and "key_cert_sign" not in usage.native:
        return "key_cert_sign"
    return None
