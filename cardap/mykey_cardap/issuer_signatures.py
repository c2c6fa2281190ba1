"""Keys and signatures that the card's issuer put into the text and face applications.

A card-verifiable certificate (CV certificate) names the issuer's key; which of these keys to trust is decided by
the caller, who pins the upper key. Parsing of the records themselves lives beside their sessions.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from mykey_cardap.errors import BadCardDataError, IssuerSignatureError
from mykey_cardap.tlv import Tlv, TlvError, expect, find, parse_all

_CV_CERTIFICATE, _CV_BODY, _CV_SIGNATURE = 0x7F21, 0x5F4E, 0x5F37
_EXPONENT, _MODULUS = 0x90, 0x91
_KEY_ID = 16
_MIN_KEY_BYTES = 128
_MAX_KEY_BYTES = 512


@dataclass(frozen=True, slots=True)
class CvCertificate:
    """A CV certificate of the card: who certifies which key (key ids of 16 bytes, compared whole)."""

    issuer_key_id: bytes
    subject_key_id: bytes
    public_key: rsa.RSAPublicKey
    body: bytes
    signature: bytes

    @classmethod
    def from_bytes(cls, raw: bytes) -> CvCertificate:
        """Parse `7F21 { 5F4E body, 5F37 signature }`; `BadCardDataError` for anything else."""
        try:
            objects = one_object(raw, _CV_CERTIFICATE).children()
            body = find(objects, _CV_BODY).value
            signature = find(objects, _CV_SIGNATURE).value
        except TlvError as error:
            raise BadCardDataError("the CV certificate is malformed") from error
        if len(body) <= 2 * _KEY_ID:
            raise BadCardDataError("the CV certificate holds no key")
        key = parse_public_key(body[2 * _KEY_ID :])
        return cls(body[:_KEY_ID], body[_KEY_ID : 2 * _KEY_ID], key, body, signature)

    def verify(self, issuer_key: rsa.RSAPublicKey) -> None:
        """Check that `issuer_key` signed this certificate; `IssuerSignatureError` when it did not."""
        verify_signature(issuer_key, self.signature, self.body)


def one_object(raw: bytes, tag: int) -> Tlv:
    """The one object with this tag that fills `raw`; `TlvError` otherwise."""
    objects = parse_all(raw)
    if len(objects) != 1:
        raise TlvError(f"one object {tag:X} expected")
    expect(objects[0], tag)
    return objects[0]


def parse_public_key(raw: bytes) -> rsa.RSAPublicKey:
    """Read an RSA key written as `90 exponent 91 modulus`; `BadCardDataError` when it is none."""
    try:
        objects = parse_all(raw)
        exponent, modulus = find(objects, _EXPONENT).value, find(objects, _MODULUS).value
    except TlvError as error:
        raise BadCardDataError("the public key is malformed") from error
    if not _MIN_KEY_BYTES <= len(modulus) <= _MAX_KEY_BYTES or len(exponent) > len(modulus):
        raise BadCardDataError("the public key has no plausible length")
    numbers = rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big"))
    try:
        return numbers.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadCardDataError("the numbers are no public key") from error


def verify_signature(key: rsa.RSAPublicKey, signature: bytes, data: bytes) -> None:
    """PKCS#1 v1.5 with SHA-256 over `data`; `IssuerSignatureError` when it does not match."""
    try:
        key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise IssuerSignatureError("the signature does not match the data") from error


def verify_raw_signature(key: rsa.RSAPublicKey, signature: bytes, payload: bytes) -> None:
    """PKCS#1 v1.5 over exactly `payload` (a DigestInfo as the card writes it); raises like the above."""
    try:
        recovered = key.recover_data_from_signature(signature, padding.PKCS1v15(), None)
    except InvalidSignature as error:
        raise IssuerSignatureError("the signature does not match the data") from error
    if recovered != payload:
        raise IssuerSignatureError("the signature speaks of other data")
