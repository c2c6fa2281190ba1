"""The part of `hub.toml` about persons: a hardware token for the keys, the renewal operator, signing certificates."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from mykey_core.errors import ConfigurationError
from mykey_core.identity.notices import OperatorNotices, OperatorNoticeSettings, RenewalNotices
from mykey_core.keys.file import load_keys
from mykey_core.keys.pkcs11 import TokenKeys, TokenSettings
from mykey_core.keys.provider import KeyProvider
from mykey_core.trust.revocation.fetch import Fetcher, Limits, require_url


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pkcs11Settings(_Model):
    """A hardware token instead of the key file: the vendor's module, the token's label, a file with its PIN."""

    module: Path
    token_label: str
    pin_file: Path


class RenewalSettings(_Model):
    """The platform operator who knows which certificate replaced which: its address and a file with our token."""

    url: str
    token_file: Path


class IdentitySettings(_Model):
    """Everything of the table `[identity]`; all of it may be left out.

    Without `signature_ca` nobody enrols by oneself, and no attributes are read from signature certificates.
    """

    pkcs11: Pkcs11Settings | None = None
    renewal: RenewalSettings | None = None
    signature_ca: tuple[Path, ...] = ()

    def below(self, folder: Path) -> Self:
        """The same with relative paths made relative to `folder`."""
        update: dict[str, object] = {
            "signature_ca": tuple(folder / path for path in self.signature_ca),
        }
        if self.pkcs11 is not None:
            update["pkcs11"] = self.pkcs11.model_copy(update={"pin_file": folder / self.pkcs11.pin_file})
        if self.renewal is not None:
            update["renewal"] = self.renewal.model_copy(update={"token_file": folder / self.renewal.token_file})
        return self.model_copy(update=update)

    def open_keys(self, keys_file: Path, municipality: str) -> KeyProvider:
        """The municipality's keys: in the token when one is configured, else in the file."""
        if self.pkcs11 is None:
            return load_keys(keys_file)
        own = self.pkcs11
        return TokenKeys(TokenSettings(own.module, own.token_label, own.pin_file), municipality)

    def open_notices(self) -> RenewalNotices | None:
        """The renewal operator, or None."""
        if self.renewal is None:
            return None
        url = require_url(self.renewal.url, setting="identity.renewal.url", plain_http=False)
        return OperatorNotices(OperatorNoticeSettings(url, _token(self.renewal.token_file)), Fetcher(Limits()))


def _token(path: Path) -> str:
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ConfigurationError("identity.renewal.token_file", "it cannot be read") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError("identity.renewal.token_file", "others can read it: set its mode to 0600")
    return text
