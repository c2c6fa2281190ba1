"""What a certificate's extensions say, for the checks of the fast path; decoded once per distinct value.

Certificates of one CA and one municipality share the bytes of nearly all their extensions, and decoding them costs
more than verifying a signature; so the decoders (asn1crypto's) are memoised by those bytes. Nothing here refuses a
certificate by policy: an extension that cannot be read is the only complaint.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from asn1crypto import core, x509

from mykey_core.trust.raw_certificate import RawExtension

# The contents of the object identifiers of RFC 5280 section 4.2, as they stand in DER.
SUBJECT_KEY_IDENTIFIER = bytes.fromhex("551d0e")
KEY_USAGE = bytes.fromhex("551d0f")
SUBJECT_ALT_NAME = bytes.fromhex("551d11")
ISSUER_ALT_NAME = bytes.fromhex("551d12")
BASIC_CONSTRAINTS = bytes.fromhex("551d13")
NAME_CONSTRAINTS = bytes.fromhex("551d1e")
CRL_DISTRIBUTION_POINTS = bytes.fromhex("551d1f")
CERTIFICATE_POLICIES = bytes.fromhex("551d20")
AUTHORITY_KEY_IDENTIFIER = bytes.fromhex("551d23")
EXTENDED_KEY_USAGE = bytes.fromhex("551d25")

UNUSABLE_POINT = b""  # a distribution point that no CRL in our scope can match (indirect, relative, some reasons)

_CACHE = 16_384  # some 1,750 municipalities, several generations and kinds


class ExtensionMalformed(ValueError):
    """An extension that is needed for the verdict cannot be decoded."""


class ExtensionFacts(NamedTuple):
    """The decoded extensions that the verdict rests on; None where the extension is absent.

    `distribution_points` holds the DER of each directoryName or the URL of each distribution point, in order.
    """

    key_usage: frozenset[str] | None
    is_ca: bool
    extended_key_usage: frozenset[str] | None
    policies: frozenset[str] | None
    authority_key_identifier: bytes | None
    distribution_points: tuple[bytes, ...] | None


def _native(decoder: type[core.Asn1Value], value: bytes) -> Any:
    """The value in Python's own types; asn1crypto decodes lazily, so `.native` makes it read everything."""
    try:
        return decoder.load(value, strict=True).native
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError, RecursionError) as error:
        raise ExtensionMalformed(decoder.__name__) from error


@lru_cache(maxsize=_CACHE)
def key_usage(value: bytes) -> frozenset[str]:
    """Names of the bits set, in asn1crypto's spelling (`digital_signature`, `non_repudiation`, `key_cert_sign` …)."""
    return frozenset(_native(x509.KeyUsage, value))


@lru_cache(maxsize=_CACHE)
def is_ca(value: bytes) -> bool:
    """The cA flag of basicConstraints."""
    return bool(_native(x509.BasicConstraints, value)["ca"])


@lru_cache(maxsize=_CACHE)
def extended_key_usage(value: bytes) -> frozenset[str]:
    """The purposes: asn1crypto's names for known ones (`client_auth`), dotted identifiers for others."""
    return frozenset(_native(x509.ExtKeyUsageSyntax, value))


@lru_cache(maxsize=_CACHE)
def policies(value: bytes) -> frozenset[str]:
    """The policy identifiers in dotted form; a policy that is named twice is malformed (RFC 5280 4.2.1.4)."""
    _native(x509.CertificatePolicies, value)
    found = [entry["policy_identifier"].dotted for entry in x509.CertificatePolicies.load(value)]
    if not found or len(set(found)) != len(found):
        raise ExtensionMalformed("CertificatePolicies")
    return frozenset(found)


@lru_cache(maxsize=_CACHE)
def authority_key_identifier(value: bytes) -> bytes | None:
    """The key identifier, if the extension holds one."""
    found: bytes | None = _native(x509.AuthorityKeyIdentifier, value)["key_identifier"]
    return found


def subject_key_identifier(value: bytes) -> bytes:
    """The key identifier; not memoised, because it differs from key to key."""
    found: bytes = _native(core.OctetString, value)
    return found


@lru_cache(maxsize=_CACHE)
def distribution_points(value: bytes) -> tuple[bytes, ...]:
    """Every name of every point: DER of a directoryName, or a URL; `UNUSABLE_POINT` for one that we cannot use."""
    _native(x509.CRLDistributionPoints, value)
    return tuple(name for point in x509.CRLDistributionPoints.load(value) for name in _point_names(point))


def _point_names(point: x509.DistributionPoint) -> Iterable[bytes]:
    name = point["distribution_point"]
    if point["reasons"].native is not None or point["crl_issuer"].native is not None or name.name != "full_name":
        return [UNUSABLE_POINT]
    return [_general_name(general) for general in name.chosen]


def _general_name(general: x509.GeneralName) -> bytes:
    if general.name == "directory_name":
        name: bytes = general.chosen.untag().dump()
        return name
    if general.name == "uniform_resource_identifier":
        url: bytes = general.chosen.contents
        return url
    return UNUSABLE_POINT


def read(extensions: tuple[RawExtension, ...]) -> ExtensionFacts:
    """Decode what the verdict needs; `ExtensionMalformed` when that cannot be done."""
    values = {oid: value for oid, _, value in extensions}
    get = values.get
    usage, constraints, purposes = get(KEY_USAGE), get(BASIC_CONSTRAINTS), get(EXTENDED_KEY_USAGE)
    policy, authority, points = get(CERTIFICATE_POLICIES), get(AUTHORITY_KEY_IDENTIFIER), get(CRL_DISTRIBUTION_POINTS)
    return ExtensionFacts(
        key_usage=None if usage is None else key_usage(usage),
        is_ca=constraints is not None and is_ca(constraints),
        extended_key_usage=None if purposes is None else extended_key_usage(purposes),
        policies=None if policy is None else policies(policy),
        authority_key_identifier=None if authority is None else authority_key_identifier(authority),
        distribution_points=None if points is None else distribution_points(points),
    )
