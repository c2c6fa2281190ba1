"""The key that signs a municipality's checkpoints: Ed25519 in a PEM file (PKCS #8) that only the hub may read."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from mykey_core.audit.note import VerifierKey
from mykey_core.errors import ConfigurationError

_SETTING = "audit_key_file"


def origin_line(origin: str, municipality: str) -> str:
    """The name of a municipality's log: the hub's host and the six-digit code, `hub.example.jp/132217`."""
    return f"{urlsplit(origin).netloc}/{municipality}"


@dataclass(frozen=True, slots=True)
class FileSigner:
    """A `NoteSigner` over a private key in memory."""

    name: str
    key: Ed25519PrivateKey = field(repr=False)

    @property
    def public_key(self) -> bytes:
        """See `NoteSigner.public_key`."""
        return self.key.public_key().public_bytes_raw()

    @property
    def verifier(self) -> VerifierKey:
        """The public part, to be given to whoever checks the log."""
        return VerifierKey(self.name, self.public_key)

    def sign(self, data: bytes) -> bytes:
        """See `NoteSigner.sign`."""
        return self.key.sign(data)


def create_audit_key(path: Path) -> None:
    """Make a new key and write it with mode 0600; an existing file is never overwritten."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())


def load_audit_key(path: Path, name: str) -> FileSigner:
    """Read the key; `ConfigurationError` when it is missing, readable by others or no Ed25519 key."""
    try:
        mode = path.stat().st_mode
        key = load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise ConfigurationError(_SETTING, "it does not exist: run `mykey audit new-key`, or restore it") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(_SETTING, "it is no private key in PEM: restore it from the backup") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(_SETTING, "others can read it: set its mode to 0600")
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(_SETTING, "it is no Ed25519 key")
    return FileSigner(name, key)
