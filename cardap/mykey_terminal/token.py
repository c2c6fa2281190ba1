"""The card's answer to a challenge, in the shape of a Web eID token (`authentication-hub` reference, §2.1).

The signed value is H(origin) ‖ H(nonce). Whether a signature may be made at all is decided in `tap`.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from mykey_cardap.errors import BadCardDataError, FileNotFoundOnCardError
from mykey_cardap.kinds import CertificateKind
from mykey_terminal.errors import CertificateNotOnCardError

if TYPE_CHECKING:
    from mykey_cardap.jpki import JpkiSession

FORMAT = "web-eid:1.0"
_HASHES = {"RS256": hashlib.sha256, "ES384": hashlib.sha384}
_P384_COORDINATE = 48


def make_token(session: JpkiSession, kind: CertificateKind, *, origin: str, nonce: str) -> dict[str, str]:
    """Read the certificate and let its key sign the challenge; the PIN must be verified in `session`.

    Raises `CertificateNotOnCardError`, and `CardError` when the card fails.
    """
    certificate = read_certificate(session, kind)
    algorithm = algorithm_of(certificate)
    signature = session.sign_message(kind, challenge(algorithm, origin=origin, nonce=nonce), algorithm)
    return {
        "unverifiedCertificate": base64.b64encode(certificate).decode("ascii"),
        "algorithm": algorithm,
        "signature": base64.b64encode(_jws_form(algorithm, signature)).decode("ascii"),
        "format": FORMAT,
    }


def challenge(algorithm: str, *, origin: str, nonce: str) -> bytes:
    """The bytes to be signed: both texts hashed first, so that neither can borrow from the other's length."""
    digest = _HASHES[algorithm]
    return digest(origin.encode()).digest() + digest(nonce.encode()).digest()


def read_certificate(session: JpkiSession, kind: CertificateKind) -> bytes:
    """The certificate as DER. Raises `CertificateNotOnCardError` when the card has none of this kind."""
    try:
        return session.read_certificate(kind)
    except FileNotFoundOnCardError as error:
        raise CertificateNotOnCardError(kind) from error


def algorithm_of(certificate: bytes) -> str:
    """The JWA name (RFC 7518 §3.1) that the certificate's key calls for: RS256 or ES384."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except ValueError as error:
        raise BadCardDataError("the certificate on the card cannot be read") from error
    if isinstance(key, rsa.RSAPublicKey):
        return "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1):
        return "ES384"
    raise BadCardDataError("the certificate holds a key of a kind that this card does not have")


def _jws_form(algorithm: str, signature: bytes) -> bytes:
    """ECDSA as R‖S with fixed lengths (RFC 7518 §3.4), whichever form the card answered."""
    if algorithm != "ES384" or len(signature) == 2 * _P384_COORDINATE:
        return signature
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(_P384_COORDINATE, "big") + s.to_bytes(_P384_COORDINATE, "big")
    except (ValueError, OverflowError) as error:
        raise BadCardDataError("the card's signature is in no known form") from error
