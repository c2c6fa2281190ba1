"""A pyHanko signer whose key is in the card: the hash goes to the card, a raw signature comes back.

It neither asks for the password nor knows what is signed; `documents` builds the signed file around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from pyhanko.sign.signers import Signer
from pyhanko_certvalidator.registry import SimpleCertificateStore

from mykey_cardap.jpki import SigningAlgorithm
from mykey_cardap.kinds import CertificateKind
from mykey_terminal.signing.errors import WrongSignatureError

if TYPE_CHECKING:
    from mykey_cardap.jpki import JpkiSession

_RSA_BYTES: Final = 512  # room for RSA-4096; the cards of today have RSA-2048
_HASHES: Final = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


class CardSigner(Signer):
    """Signs with the signature key of an open session whose signature password has been verified."""

    def __init__(self, session: JpkiSession) -> None:
        """Read the signature certificate and its CA certificate; raises the errors of `mykey_cardap`."""
        self._session = session
        der = session.read_certificate(CertificateKind.SIGNATURE)
        self._public_key = x509.load_der_x509_certificate(der).public_key()
        self._algorithm = SigningAlgorithm[session.signing_algorithm(CertificateKind.SIGNATURE)]
        store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        # The CA certificate goes into the document as a service to its readers; nobody may trust it for that.
        store.register(asn1_x509.Certificate.load(session.read_ca_certificate(CertificateKind.SIGNATURE)))
        super().__init__(signing_cert=asn1_x509.Certificate.load(der), cert_registry=store)

    @property
    def digest_algorithm(self) -> str:
        """The hash that the key calls for: `sha256` for RSA, `sha384` for P-384."""
        return self._algorithm.hash_name

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:  # noqa: FBT001, FBT002 - pyHanko's signature
        """Let the card sign the hash of `data`; a dry run answers as many bytes as a signature may take."""
        if digest_algorithm != self.digest_algorithm:
            raise ValueError(f"this key signs {self.digest_algorithm}, not {digest_algorithm}")
        if dry_run:
            return bytes(self._longest_signature())
        payload = self._algorithm.payload(self._algorithm.digest(data))
        signature = self._as_cms(self._session.sign(CertificateKind.SIGNATURE, payload))
        self._check(signature, data)
        return signature

    def _longest_signature(self) -> int:
        key = self._public_key
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return _RSA_BYTES
        width = key.key_size // 8
        return len(utils.encode_dss_signature((1 << 8 * width) - 1, (1 << 8 * width) - 1))

    def _as_cms(self, raw: bytes) -> bytes:
        """CMS wants an ECDSA signature as a SEQUENCE of r and s (RFC 5753 2.1.1); a card gives them side by side."""
        if not isinstance(self._public_key, ec.EllipticCurvePublicKey):
            return raw
        width = self._public_key.key_size // 8
        if len(raw) != 2 * width:
            return raw
        return utils.encode_dss_signature(int.from_bytes(raw[:width], "big"), int.from_bytes(raw[width:], "big"))

    def _check(self, signature: bytes, data: bytes) -> None:
        """A document with a signature that nobody can verify must not be written."""
        algorithm = _HASHES[self.digest_algorithm]
        try:
            if isinstance(self._public_key, rsa.RSAPublicKey):
                self._public_key.verify(signature, data, padding.PKCS1v15(), algorithm)
            elif isinstance(self._public_key, ec.EllipticCurvePublicKey):
                self._public_key.verify(signature, data, ec.ECDSA(algorithm))
        except InvalidSignature:
            raise WrongSignatureError("the signature does not fit the certificate on the card") from None
