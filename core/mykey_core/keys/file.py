"""Keys in a file that only the hub's user may read: for development, and for towns without a hardware token.

Losing the file loses every link; it belongs into the backup, apart from the database.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from mykey_core.errors import ConfigurationError
from mykey_core.keys.provider import FIRST_EPOCH, KeyUnavailable, Purpose

KEY_BYTES = 32
_SETTING = "keys_file"
# Members of the first form of the file, which had one key a purpose.
_FIRST_FORM = {"credential_key": Purpose.CREDENTIAL, "pairwise_pepper": Purpose.PAIRWISE}
KeyTable = Mapping[Purpose, Mapping[int, bytes]]


@dataclass(slots=True)
class FileKeys:
    """A `KeyProvider` over a key file. Without a path the keys live in memory only, for tests of pure functions."""

    keys: KeyTable = field(repr=False)
    path: Path | None = None
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def epochs(self, purpose: Purpose) -> tuple[int, ...]:
        """See `KeyProvider.epochs`."""
        return tuple(sorted(self.keys[purpose]))

    def mac(self, purpose: Purpose, epoch: int, data: bytes) -> bytes:
        """See `KeyProvider.mac`."""
        key = self.keys[purpose].get(epoch)
        if key is None:
            raise KeyUnavailable(purpose, f"there is no epoch {epoch}")
        return hmac.digest(key, data, "sha256")

    def refresh(self) -> bool:
        """See `KeyProvider.refresh`; reads the file again."""
        if self.path is None:
            return False
        found = _read(self.path)
        changed = found != self.keys
        self.keys = found
        return changed

    def add_epoch(self, purpose: Purpose) -> int:
        """See `KeyProvider.add_epoch`; the file is replaced by one with the new key before anybody can use it."""
        with self._lock:
            self.refresh()
            epoch = max(self.epochs(purpose)) + 1
            table = {own: dict(epochs) for own, epochs in self.keys.items()}
            table[purpose][epoch] = secrets.token_bytes(KEY_BYTES)
            if self.path is not None:
                draft = self.path.with_name(f"{self.path.name}.new")
                draft.unlink(missing_ok=True)
                _write(draft, table)
                draft.replace(self.path)
                _sync_folder(self.path.parent)
            self.keys = table
            return epoch


def new_keys() -> KeyTable:
    """One new random key a purpose."""
    return {purpose: {FIRST_EPOCH: secrets.token_bytes(KEY_BYTES)} for purpose in Purpose}


def create_keys(path: Path) -> FileKeys:
    """Make new keys and write them with mode 0600; an existing file is never overwritten."""
    table = new_keys()
    _write(path, table)
    return FileKeys(table, path)


def load_keys(path: Path) -> FileKeys:
    """Read the keys; `ConfigurationError` when the file is missing, broken or readable by others."""
    return FileKeys(_read(path), path)


def _write(path: Path, table: KeyTable) -> None:
    content = {own.value: {str(epoch): key.hex() for epoch, key in epochs.items()} for own, epochs in table.items()}
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(json.dumps({"version": 2, "keys": content}))
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> KeyTable:
    try:
        mode = path.stat().st_mode
        table = _parse(json.loads(path.read_text(encoding="ascii")))
    except FileNotFoundError as error:
        raise ConfigurationError(_SETTING, "it does not exist: run `mykey hub init`, or restore it") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(_SETTING, "it is damaged: restore it from the backup") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(_SETTING, "others can read it: set its mode to 0600")
    if {len(key) for epochs in table.values() for key in epochs.values()} != {KEY_BYTES}:
        raise ConfigurationError(_SETTING, "its keys have a wrong length: restore it from the backup")
    return table


def _parse(content: Mapping[str, object]) -> KeyTable:
    if "version" not in content:
        return {purpose: {FIRST_EPOCH: bytes.fromhex(str(content[name]))} for name, purpose in _FIRST_FORM.items()}
    stored = content["keys"]
    if content["version"] != 2 or not isinstance(stored, dict):  # noqa: PLR2004 - the form of this version
        raise ValueError("unknown form")
    return {own: {int(epoch): bytes.fromhex(key) for epoch, key in stored[own.value].items()} for own in Purpose}
