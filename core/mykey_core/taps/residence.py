"""Whether a certificate was issued in this municipality, by its CRL distribution point.

JPKI partitions its CRLs by municipality and names the partition in each certificate (my-number-card §14.1); the
authentication certificate holds no address. A card keeps its partition when its holder moves, so the rule is about
where the card was issued or renewed, and services decide whether it matters.
"""

from __future__ import annotations

from functools import lru_cache

from asn1crypto.x509 import Name
from cryptography import x509

from mykey_core.errors import ConfigurationError
from mykey_core.trust.types import ValidatedCertificate

NamePairs = tuple[tuple[str, str], ...]


def parse_directory_name(text: str) -> NamePairs:
    """(OID, value) pairs of an RFC 4514 name, in the order of the certificate."""
    try:
        name = x509.Name.from_rfc4514_string(text)
    except ValueError as error:
        raise ConfigurationError("resident_distribution_points", "a name is not in RFC 4514 form") from error
    return tuple((attribute.oid.dotted_string, str(attribute.value)) for attribute in name)


@lru_cache(maxsize=4096)
def _pairs(der: bytes) -> NamePairs | None:
    try:
        name = Name.load(der, strict=True)
        return tuple((part["type"].dotted, part["value"].native) for rdn in name.chosen for part in rdn)
    except (ValueError, TypeError, KeyError):
        return None  # a URL or a broken name: no municipality of ours


class Residence:
    """The distribution points of one municipality."""

    def __init__(self, directory_names: list[str]) -> None:
        self._own = frozenset(parse_directory_name(text) for text in directory_names)

    @property
    def known(self) -> bool:
        """False while the town has not said which are its own: nobody could be told from a stranger."""
        return bool(self._own)

    def covers(self, certificate: ValidatedCertificate) -> bool:
        """True when the certificate's distribution point is one of ours."""
        point = certificate.distribution_point
        return point is not None and _pairs(point) in self._own
