"""The device key of a terminal (Ed25519) and the assertions that it signs (RFC 7523, `private_key_jwt`).

The key never leaves its file and this process. Getting access tokens with the assertions is in `hub_auth`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from joserfc import jwt
from joserfc.jwk import OKPKey

from mykey_terminal.errors import StateError
from mykey_terminal.files import read_private, write_private

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


ALGORITHM = "Ed25519"
"""The name of RFC 9864, which replaces the ambiguous `EdDSA`."""
ASSERTION_LIFETIME = 60
"""Seconds; the hub accepts no assertion that lives longer."""


class TerminalKey(Protocol):
    """A device key, wherever it is kept: in a file (`DeviceKey`) or in a token (`token_key`)."""

    @property
    def thumbprint(self) -> str:
        """The JWK thumbprint (RFC 7638, SHA-256, base64url)."""
        ...

    @property
    def public_jwk(self) -> dict[str, Any]:
        """The public half as a JWK (RFC 8037)."""
        ...

    def sign(self, data: bytes) -> bytes:
        """An Ed25519 signature (RFC 8032, 64 bytes)."""
        ...

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether this key made `signature` over `data`."""
        ...

    def assertion(self, *, subject: str, audience: str, now: datetime) -> str:
        """A client assertion for the token endpoint (RFC 7523 §3)."""
        ...


def assertion_claims(subject: str, audience: str, now: datetime) -> dict[str, Any]:
    """The claims of a client assertion: valid 60 seconds, used once."""
    issued = int(now.timestamp())
    return {
        "iss": subject,
        "sub": subject,
        "aud": audience,
        "jti": secrets.token_urlsafe(16),
        "iat": issued,
        "exp": issued + ASSERTION_LIFETIME,
    }


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """An Ed25519 key pair. `repr` shows the thumbprint only."""

    _private: OKPKey

    def __repr__(self) -> str:
        return f"<DeviceKey {self.thumbprint}>"

    @classmethod
    def generate(cls) -> DeviceKey:
        """Make a new key from the operating system's randomness."""
        return cls(OKPKey.import_key(Ed25519PrivateKey.generate()))

    @classmethod
    def load(cls, path: Path) -> DeviceKey:
        """Read a key file (PKCS #8, PEM). Raises `StateError` when it is unsafe, damaged or of another kind."""
        pem = read_private(path)
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise StateError("is no private key in PEM form", path=path) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise StateError("is no Ed25519 key", path=path)
        return cls(OKPKey.import_key(key))

    def save(self, path: Path) -> None:
        """Write the key file with mode 0600, whole or not at all."""
        private = self._private.private_key
        if not isinstance(private, Ed25519PrivateKey):
            raise TypeError("a device key is an Ed25519 private key")
        write_private(path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    @property
    def thumbprint(self) -> str:
        """The JWK thumbprint (RFC 7638, SHA-256, base64url); it is the key's `kid`."""
        return self._private.thumbprint()

    @property
    def public_jwk(self) -> dict[str, Any]:
        """The public half as a JWK (RFC 8037): kty, crv, x."""
        return dict(self._private.as_dict(private=False))

    def sign(self, data: bytes) -> bytes:
        """An Ed25519 signature (RFC 8032, 64 bytes), as the records of the offline queue carry it."""
        private = self._private.private_key
        if not isinstance(private, Ed25519PrivateKey):
            raise TypeError("a device key is an Ed25519 private key")
        return private.sign(data)

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether this key made `signature` over `data`."""
        public = self._private.public_key
        if not isinstance(public, Ed25519PublicKey):
            raise TypeError("a device key is an Ed25519 private key")
        try:
            public.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def assertion(self, *, subject: str, audience: str, now: datetime) -> str:
        """Sign a client assertion for the token endpoint (RFC 7523 §3): valid 60 seconds, used once."""
        claims = assertion_claims(subject, audience, now)
        header = {"alg": ALGORITHM, "kid": self.thumbprint}
        return jwt.encode(header, claims, self._private, algorithms=[ALGORITHM])
