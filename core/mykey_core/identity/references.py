"""From a certificate to a credential reference, and from a person to a pairwise id. Keyed hashes, and nothing stored.

The reference stands for (issuer, serial), where the issuer is its certificate's fingerprint because all generations
of the CA share one name. The reference of a later key epoch is the keyed hash of the earlier one: so a re-keying job
can move what is stored without knowing a serial (docs/explanation/identity.md).
"""

from __future__ import annotations

import base64
from enum import Enum
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mykey_core.keys.provider import KeyProvider, Purpose
from mykey_core.trust.types import ValidatedCertificate


class Label(bytes, Enum):
    """What a keyed hash is over, so that a value of one kind can never be taken for one of another."""

    CREDENTIAL = b"mykey credential reference v1\x00"
    KEY = b"mykey credential key v1\x00"
    MYKEY_ID = b"mykey mykey-id v1\x00"
    ATTRIBUTES = b"mykey attribute mark v1\x00"
    SEARCH = b"mykey search by attributes v1\x00"
    NEXT_EPOCH = b"mykey next epoch v1\x00"
    CARD = b"card\x00"  # of a serial of our own application on a card


def credential_content(issuer_fingerprint: bytes, serial_number: int) -> bytes:
    """Issuer (32 bytes) ‖ serial as the shortest big-endian bytes: what a reference is a keyed hash of."""
    return issuer_fingerprint + serial_number.to_bytes((serial_number.bit_length() + 7) // 8 or 1, "big")


def references(keys: KeyProvider, label: Label, content: bytes) -> tuple[bytes, ...]:
    """The references of `content` (32 bytes each) in all key epochs, the newest first."""
    first, *later = keys.epochs(Purpose.CREDENTIAL)
    found = [keys.mac(Purpose.CREDENTIAL, first, label.value + content)]
    for epoch in later:
        found.append(next_reference(keys, epoch, found[-1]))
    return tuple(reversed(found))


def next_reference(keys: KeyProvider, epoch: int, reference: bytes) -> bytes:
    """What the reference of the epoch before becomes in `epoch`."""
    return keys.mac(Purpose.CREDENTIAL, epoch, Label.NEXT_EPOCH.value + reference)


def credential_references(keys: KeyProvider, certificate: ValidatedCertificate) -> tuple[bytes, ...]:
    """What the database may know of a certificate, in all key epochs, the newest first."""
    content = credential_content(certificate.issuer.fingerprint, certificate.serial_number)
    return references(keys, Label.CREDENTIAL, content)


def key_reference(keys: KeyProvider, certificate: ValidatedCertificate) -> bytes:
    """The certificate's public key as a keyed hash, so that two towns cannot compare what they hold."""
    key = certificate.certificate.public_key()
    return references(keys, Label.KEY, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))[0]


def sector_of(plugin: str, municipality: str) -> str:
    """The sector identifier of a plugin in a municipality."""
    return f"{plugin}.{municipality}"


def pairwise_id(keys: KeyProvider, epoch: int, sector: str, person: UUID) -> str:
    """base64url(HMAC-SHA256(pepper, sector ‖ 00 ‖ person)), 43 characters without padding (authentication-hub §13)."""
    digest = keys.mac(Purpose.PAIRWISE, epoch, sector.encode() + b"\x00" + person.bytes)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
