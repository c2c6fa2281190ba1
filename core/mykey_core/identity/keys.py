"""The secret keys of a municipality, held in a file that only the hub may read.

`credential_key` makes the references by which credentials are found, `pairwise_pepper` the ids that plugins see.
Losing the file loses every link; it belongs into the backup, apart from the database.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from mykey_core.errors import ConfigurationError

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class MunicipalityKeys:
    """Two independent keys of 32 bytes."""

    credential_key: bytes = field(repr=False)
    pairwise_pepper: bytes = field(repr=False)


def create_keys(path: Path) -> MunicipalityKeys:
    """Make new keys and write them with mode 0600; an existing file is never overwritten."""
    keys = MunicipalityKeys(secrets.token_bytes(_KEY_BYTES), secrets.token_bytes(_KEY_BYTES))
    content = json.dumps({"credential_key": keys.credential_key.hex(), "pairwise_pepper": keys.pairwise_pepper.hex()})
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return keys


def load_keys(path: Path) -> MunicipalityKeys:
    """Read the keys; `ConfigurationError` when the file is missing, broken or readable by others."""
    try:
        mode = path.stat().st_mode
        content = json.loads(path.read_text(encoding="ascii"))
        keys = MunicipalityKeys(bytes.fromhex(content["credential_key"]), bytes.fromhex(content["pairwise_pepper"]))
    except FileNotFoundError as error:
        raise ConfigurationError("keys_file", "it does not exist: run `mykey hub init`, or restore it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError("keys_file", "it is damaged: restore it from the backup") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError("keys_file", "others can read it: set its mode to 0600")
    if {len(keys.credential_key), len(keys.pairwise_pepper)} != {_KEY_BYTES}:
        raise ConfigurationError("keys_file", "its keys have a wrong length: restore it from the backup")
    return keys
