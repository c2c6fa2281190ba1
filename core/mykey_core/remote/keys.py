"""The hub's keys towards remote plugins: P-256 for ID tokens, Ed25519 for webhooks, in a file only the hub may read.

The newest key signs; older ones stay published until they are taken out, so that a rotation breaks no client. Keys are
imported once and held: importing one for each token would cost more than the signature.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from mykey_core.errors import ConfigurationError

_SETTING: Final = "provider_key_file"
KEPT: Final = 3
"""How many keys of a use are kept: the one that signs, and those that were before it."""


@unique
class Use(StrEnum):
    """What a key signs. Two uses never share a key."""

    ID_TOKEN = "id-token"  # noqa: S105 - a name
    WEBHOOK = "webhook"


Key = ECKey | OKPKey
ALGORITHMS: Final[Mapping[Use, str]] = {Use.ID_TOKEN: "ES256", Use.WEBHOOK: "Ed25519"}


@dataclass(slots=False)
class ProviderKeys:
    """The keys of one hub; the file is made when a key is needed first."""

    path: Path

    def signing(self, use: Use) -> Key:
        """The key that signs now."""
        return self._keys[use][-1]

    def key_id(self, use: Use) -> str:
        """The `kid` of the key that signs now; made once, because it is a hash over the key's JSON."""
        return self._key_ids[use]

    def public(self, use: Use) -> list[dict[str, Any]]:
        """The public keys of a use as JWKs, the newest first."""
        return [_public(key, use) for key in reversed(self._keys[use])]

    def rotate(self, use: Use) -> str:
        """Make a new key and sign with it from the next start on; its key id."""
        made = _new(use)
        whole = {own: [*keys, made] if own is use else list(keys) for own, keys in self._keys.items()}
        _write(self.path, {own: keys[-KEPT:] for own, keys in whole.items()})
        for kept in ("_keys", "_key_ids"):
            self.__dict__.pop(kept, None)
        return str(made.thumbprint())

    @cached_property
    def _keys(self) -> Mapping[Use, Sequence[Key]]:
        if not self.path.exists():
            try:
                _write(self.path, {use: [_new(use)] for use in Use}, new=True)
            except FileExistsError:
                pass  # another process was quicker: its keys are the hub's
            except OSError as error:
                raise ConfigurationError(_SETTING, f"it cannot be made ({error.strerror})") from error
        return _read(self.path)

    @cached_property
    def _key_ids(self) -> Mapping[Use, str]:
        return {use: str(keys[-1].thumbprint()) for use, keys in self._keys.items()}


def _new(use: Use) -> Key:
    return ECKey.generate_key("P-256") if use is Use.ID_TOKEN else OKPKey.generate_key("Ed25519")


def _public(key: Key, use: Use) -> dict[str, Any]:
    own = {name: value for name, value in key.as_dict(private=False).items() if name in {"kty", "crv", "x", "y"}}
    return {**own, "kid": key.thumbprint(), "use": "sig", "alg": ALGORITHMS[use]}


def _write(path: Path, keys: Mapping[Use, Sequence[Key]], *, new: bool = False) -> None:
    """Write beside and put in place, complete or not at all; a `new` file never takes the place of another."""
    content = {use.value: [key.as_dict(private=True) for key in own] for use, own in keys.items()}
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(json.dumps({"version": 1, "keys": content}))
        file.flush()
        os.fsync(file.fileno())
    try:
        if new:
            path.hardlink_to(draft)
            draft.unlink()
        else:
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> Mapping[Use, Sequence[Key]]:
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(_SETTING, "others can read it: set its mode to 0600")
    try:
        content = json.loads(path.read_text(encoding="ascii"))["keys"]
        return {
            Use.ID_TOKEN: [ECKey.import_key(key) for key in content[Use.ID_TOKEN]],
            Use.WEBHOOK: [OKPKey.import_key(key) for key in content[Use.WEBHOOK]],
        }
    except (ValueError, KeyError, TypeError, JoseError) as error:
        raise ConfigurationError(_SETTING, "it is damaged: restore it from the backup") from error
