"""Master keys in a file that only its owner may read: for development, tests and the simulation of campaigns."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mykey_cardap.globalplatform.derivation import SessionKeys
from mykey_cardap.globalplatform.keys import ScpKeys, key_check_value
from mykey_cardap.service_application.key_tree import card_keys, debit_master, service_key
from mykey_cardap.service_application.numbers import KEY_SIZE, Role
from mykey_cardap.service_application.transaction_mac import transaction_mac
from mykey_cardap.service_application.wrapped_keys import WrappedKeys
from mykey_core.card_writing.errors import CardKeysUnavailable
from mykey_core.card_writing.keys.provider import ManagedKeys, ProviderKind
from mykey_core.card_writing.keys.slots import KeySlot
from mykey_core.errors import ConfigurationError

MASTER_SIZE: Final = 32
_SETTING: Final = "card_keys_file"
_VERSION: Final = 1


@dataclass(slots=True, repr=False, eq=False)
class SoftwareKeySet:
    """A key set in this process. `repr` shows no key."""

    keys: ScpKeys
    _wrap: Callable[[bytes], bytes] | None = field(default=None, init=False)

    @property
    def size(self) -> int:
        """See `ManagedKeys.size`."""
        return self.keys.size

    def session_keys(self, context: bytes) -> SessionKeys:
        """See `ManagedKeys.session_keys`."""
        return self.keys.session_keys(context)

    def encrypt(self, plain: bytes) -> bytes:
        """See `ManagedKeys.encrypt`. One block under a zero vector is AES-ECB; many keys are wrapped by one set."""
        if len(plain) != KEY_SIZE:
            return self.keys.encrypt(plain)
        if self._wrap is None:
            self._wrap = Cipher(algorithms.AES(self.keys.dek), modes.ECB()).encryptor().update  # noqa: S305 - see above
        return self._wrap(plain)

    def check_values(self) -> tuple[bytes, bytes, bytes]:
        """See `ManagedKeys.check_values`."""
        return self.keys.check_values()

    def close(self) -> None:
        """Nothing outside this process holds the keys."""
        self._wrap = None


def wrap_plain(slot: KeySlot, key: bytes, under: ManagedKeys) -> WrappedKeys:
    """The keys below a service key of this process, encrypted under a DEK, wherever that is."""
    if slot.role is Role.TRANSACTION_MAC:
        return WrappedKeys.wrap_key(key, under)
    return WrappedKeys.wrap(card_keys(key), under)


@dataclass(slots=True)
class SoftwareCardKeys:
    """A `CardKeyProvider` over master keys in memory; with a `path` they are stored there, with mode 0600."""

    masters: Mapping[int, bytes] = field(repr=False)
    path: Path | None = None

    @property
    def kind(self) -> ProviderKind:
        """See `CardKeyProvider.kind`."""
        return ProviderKind.SOFTWARE

    def generations(self) -> tuple[int, ...]:
        """See `CardKeyProvider.generations`."""
        return tuple(sorted(self.masters))

    def master_check_value(self, generation: int) -> bytes:
        """See `CardKeyProvider.master_check_value`."""
        return key_check_value(self._master(generation))

    def key_set(self, slot: KeySlot) -> SoftwareKeySet:
        """See `CardKeyProvider.key_set`."""
        return SoftwareKeySet(card_keys(self._service_key(slot)))

    def wrapped(self, slot: KeySlot, under: ManagedKeys) -> WrappedKeys:
        """See `CardKeyProvider.wrapped`."""
        return wrap_plain(slot, self._service_key(slot), under)

    def transaction_mac(self, slot: KeySlot, counter: int, transaction: bytes) -> bytes:
        """See `CardKeyProvider.transaction_mac`."""
        return transaction_mac(self._service_key(slot), counter=counter, serial=slot.serial, transaction=transaction)

    def debit_master(self, issuer: int, service: int, generation: int) -> bytes:
        """See `CardKeyProvider.debit_master`."""
        return debit_master(self._master(generation), issuer=issuer, service=service, generation=generation)

    def add_master(self, generation: int, master: bytes) -> None:
        """See `CardKeyProvider.add_master`; the file is replaced at once."""
        check_new_master(generation, master, self.generations())
        table = {**self.masters, generation: master}
        if self.path is not None:
            _replace_file(self.path, table)
        self.masters = table

    def _master(self, generation: int) -> bytes:
        master = self.masters.get(generation)
        if master is None:
            raise CardKeysUnavailable(generation, "there is no master key: hold a ceremony with `mykey keys ceremony`")
        return master

    def _service_key(self, slot: KeySlot) -> bytes:
        return service_key(
            self._master(slot.generation),
            issuer=slot.issuer,
            service=slot.service,
            role=slot.role,
            generation=slot.generation,
            serial=slot.serial,
        )


def check_new_master(generation: int, master: bytes, existing: tuple[int, ...]) -> None:
    """Refuse a master of another size, and a generation that is there already or not above the newest."""
    if len(master) != MASTER_SIZE:
        raise CardKeysUnavailable(generation, "a master key has 32 bytes")
    if not max(existing, default=0) < generation <= 0xFF:  # noqa: PLR2004 - one byte on the card
        raise CardKeysUnavailable(generation, f"the next generation is {max(existing, default=0) + 1}")


def load_card_keys(path: Path) -> SoftwareCardKeys:
    """The keys of a file; none yet when there is no file. `ConfigurationError` when it is broken or open to others."""
    if not path.exists():
        return SoftwareCardKeys({}, path)
    try:
        mode = path.stat().st_mode
        content = json.loads(path.read_text(encoding="ascii"))
        masters = {int(number): bytes.fromhex(key) for number, key in content["masters"].items()}
        known = content["version"] == _VERSION
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(_SETTING, "it is damaged: restore it, or combine the shares again") from error
    if not known or {len(key) for key in masters.values()} - {MASTER_SIZE}:
        raise ConfigurationError(_SETTING, "it is damaged: restore it, or combine the shares again")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(_SETTING, "others can read it: set its mode to 0600")
    return SoftwareCardKeys(masters, path)


def _replace_file(path: Path, masters: Mapping[int, bytes]) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        table = {str(number): key.hex() for number, key in sorted(masters.items())}
        file.write(json.dumps({"version": _VERSION, "masters": table}))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
