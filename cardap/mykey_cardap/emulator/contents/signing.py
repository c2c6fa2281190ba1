"""The issuer's side of the text and face APs: public keys, key ids, card-verifiable certificates, signatures.

Formats after soltia48/myna-card (`src/data.rs`, `src/ca.rs`), which verified them on test cards. What the
card itself signs is in `mykey_cardap.emulator.aps`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo
from cryptography.hazmat.primitives.hashes import SHA256

from mykey_cardap.emulator.contents.encode import ber

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

KEY_ID_SIZE: Final = 16
_KEY_ID_NUMBER: Final = 7
_KEY_ID_VERSION: Final = 3
_KEY_ID_MARK: Final = b"\x08\x05"

# DigestInfo of SHA-256 whose "hash" is three hashes one after the other (0x60 bytes): no standard algorithm
# has this size, so a library's own DigestInfo cannot be used.
_COMPOSED_DIGEST_INFO: Final = bytes.fromhex("3071300d060960864801650304020105000460")


def key_id(number: str, version: str = "001", padding: bytes = bytes(4)) -> bytes:
    """A 16-byte key id: seven digits, `08 05`, three digits, four bytes of padding (all sixteen count)."""
    if len(number) != _KEY_ID_NUMBER or len(version) != _KEY_ID_VERSION or len(padding) != len(bytes(4)):
        raise ValueError("a key id has seven digits, three digits and four bytes of padding")
    return number.encode("ascii") + _KEY_ID_MARK + version.encode("ascii") + padding


def public_key_objects(key: RSAPublicKey) -> bytes:
    """`90 <exponent> 91 <modulus>`, 265 bytes for RSA-2048 with e = 65537."""
    numbers = key.public_numbers()
    return ber(0x90, _unsigned(numbers.e, 3)) + ber(0x91, _unsigned(numbers.n, key.key_size // 8))


def _unsigned(number: int, size: int) -> bytes:
    return number.to_bytes(max(size, (number.bit_length() + 7) // 8), "big")


@dataclass(frozen=True, slots=True)
class CvKey:
    """A private key of the issuer with the id under which card-verifiable certificates name it."""

    key_id: bytes
    private_key: RSAPrivateKey

    def sign(self, signed: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256 over `signed` (256 bytes)."""
        return self.private_key.sign(signed, PKCS1v15(), SHA256())

    def sign_composed(self, *groups: bytes) -> bytes:
        """PKCS#1 v1.5 over one DigestInfo that holds the SHA-256 hashes of three groups in a row."""
        hashes = b"".join(hashlib.sha256(group).digest() for group in groups)
        return self.private_key.sign(_COMPOSED_DIGEST_INFO + hashes, PKCS1v15(), NoDigestInfo())


def cv_certificate_contents(issuer: CvKey, subject: CvKey) -> bytes:
    """A card-verifiable certificate without its 7F21 template: body `5F4E` (297 bytes), signature `5F37`."""
    body = issuer.key_id + subject.key_id + public_key_objects(subject.private_key.public_key())
    return ber(0x5F4E, body) + ber(0x5F37, issuer.sign(body))


@dataclass(frozen=True, slots=True)
class RecordIssuer:
    """Who signs the records of one AP: a root, and the signer that EF 0004 certifies."""

    root: CvKey
    signer: CvKey

    def certificate(self) -> bytes:
        """EF 0004 of the AP: `7F21 82 0233 …`, 568 bytes."""
        return ber(0x7F21, cv_certificate_contents(self.root, self.signer))
