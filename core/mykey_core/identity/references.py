"""From a certificate to a credential reference, and from a person to a pairwise id. Pure functions of keyed hashes.

The reference stands for (issuer, serial) because all generations of the CA share one name: the issuer is its
certificate's fingerprint. The pairwise id follows authentication-hub §13.
"""

from __future__ import annotations

import base64
import hmac
from uuid import UUID

from mykey_core.trust.types import ValidatedCertificate

_LABEL = b"mykey credential reference v1\x00"


def credential_reference(key: bytes, certificate: ValidatedCertificate) -> bytes:
    """HMAC-SHA256 over label, issuer fingerprint and serial (32 bytes): what the database knows of a certificate."""
    serial = certificate.serial_number.to_bytes((certificate.serial_number.bit_length() + 7) // 8 or 1, "big")
    return hmac.digest(key, _LABEL + certificate.issuer.fingerprint + serial, "sha256")


def sector_of(plugin: str, municipality: str) -> str:
    """The sector identifier of a plugin in a municipality."""
    return f"{plugin}.{municipality}"


def pairwise_id(pepper: bytes, sector: str, person: UUID) -> str:
    """base64url(HMAC-SHA256(pepper, sector ‖ 00 ‖ person)), 43 characters without padding (authentication-hub §13)."""
    digest = hmac.digest(pepper, sector.encode() + b"\x00" + person.bytes, "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
