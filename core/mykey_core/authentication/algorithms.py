"""The nine signature algorithms of a token (RFC 7518 names), the keys that fit them, and the verification.

The list is closed: `none`, HMAC and EdDSA are not on it. Rules V6 and V12 of authentication-hub §2.2.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum, unique

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from mykey_core.authentication.errors import refuse
from mykey_core.authentication.reasons import TokenReason

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

# Orders of the groups (FIPS 186-4 D.1.2), for the range of r and s.
_ORDERS = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": int(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16
    ),
    "secp521r1": int(
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa"
        "51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
        16,
    ),
}


_HASHES = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}


@unique
class Scheme(Enum):
    """How the hash is signed."""

    PKCS1V15 = "RS"
    PSS = "PS"
    ECDSA = "ES"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One algorithm. `hash_name` is hashlib's; `curve` is set for ECDSA only, `coordinate` is its length in bytes."""

    name: str
    scheme: Scheme
    hash_name: str
    hash: hashes.HashAlgorithm
    curve: str | None = None
    coordinate: int = 0

    def digest(self, text: str) -> bytes:
        """H(text), as the signed value is made of it."""
        return _HASHES[self.hash_name](text.encode()).digest()


def _family(bits: int, hash_: hashes.HashAlgorithm, curve: str, coordinate: int) -> list[Algorithm]:
    name = f"sha{bits}"
    return [
        Algorithm(f"RS{bits}", Scheme.PKCS1V15, name, hash_),
        Algorithm(f"PS{bits}", Scheme.PSS, name, hash_),
        Algorithm(f"ES{bits}", Scheme.ECDSA, name, hash_, curve, coordinate),
    ]


ALGORITHMS: dict[str, Algorithm] = {
    algorithm.name: algorithm
    for family in (
        _family(256, hashes.SHA256(), "secp256r1", 32),
        _family(384, hashes.SHA384(), "secp384r1", 48),
        _family(512, hashes.SHA512(), "secp521r1", 66),
    )
    for algorithm in family
}


def check_fits(algorithm: Algorithm, key: PublicKey) -> None:
    """V6: RS and PS go with RSA keys, each ES with its own curve."""
    if isinstance(key, rsa.RSAPublicKey):
        fits = algorithm.scheme is not Scheme.ECDSA
    else:
        fits = algorithm.scheme is Scheme.ECDSA and key.curve.name == algorithm.curve
    if not fits:
        raise refuse(TokenReason.ALGORITHM_KEY, algorithm.name)


def check_length(algorithm: Algorithm, key: PublicKey, signature: bytes) -> None:
    """V12: as long as the modulus, or two coordinates; a DER encoded ECDSA signature has another length."""
    wanted = 2 * algorithm.coordinate or (key.key_size + 7) // 8
    if len(signature) != wanted:
        raise refuse(TokenReason.SIGNATURE_LENGTH)


def check_range(algorithm: Algorithm, signature: bytes) -> None:
    """V12: 1 ≤ r, s < n, for ECDSA."""
    if algorithm.curve is None:
        return
    order = _ORDERS[algorithm.curve]
    if not all(0 < number < order for number in _numbers(algorithm, signature)):
        raise refuse(TokenReason.SIGNATURE_RANGE)


def check_signature(algorithm: Algorithm, key: PublicKey, signature: bytes, message: bytes) -> None:
    """V12: `signature` over `message` was made with the private key of `key`."""
    if not is_signature(algorithm, key, signature, message):
        raise refuse(TokenReason.SIGNATURE_INVALID)


def is_signature(algorithm: Algorithm, key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether the signature is that of `key` over `message`. PSS: MGF1 of the same hash, salt as long as the hash."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, _PADDINGS[algorithm.name], algorithm.hash)
        else:
            encoded = encode_dss_signature(*_numbers(algorithm, signature))
            key.verify(encoded, message, ec.ECDSA(algorithm.hash))
    except InvalidSignature:
        return False
    return True


_PADDINGS: dict[str, padding.AsymmetricPadding] = {
    algorithm.name: padding.PKCS1v15()
    if algorithm.scheme is Scheme.PKCS1V15
    else padding.PSS(padding.MGF1(algorithm.hash), algorithm.hash.digest_size)
    for algorithm in ALGORITHMS.values()
    if algorithm.scheme is not Scheme.ECDSA
}


def _numbers(algorithm: Algorithm, signature: bytes) -> tuple[int, int]:
    half = algorithm.coordinate
    return int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")


def signed_message(algorithm: Algorithm, origin: str, nonce: str) -> bytes:
    """H(origin) ‖ H(nonce): the bytes that the card's signature is made over (authentication-hub §2.1).

    The nonce is hashed as the base64 text that was sent, not decoded.
    """
    return algorithm.digest(origin) + algorithm.digest(nonce)
