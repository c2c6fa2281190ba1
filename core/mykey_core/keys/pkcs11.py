"""Keys in a PKCS#11 token (a hardware security module): secret keys that sign and can never be read.

Needs the extra `mykey[pkcs11]` and the token vendor's module. Keys are found by their label,
`mykey/<municipality>/<purpose>/<epoch>`.
"""

from __future__ import annotations

import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mykey_core.errors import ConfigurationError
from mykey_core.keys.provider import FIRST_EPOCH, KeyUnavailable, Purpose

TOKEN_LOCK = threading.RLock()
"""Held around every call into the token's library: python-pkcs11 initialises it without locking (C_Initialize(NULL),
PKCS#11 v2.40 §5.4), and SoftHSM then fails or crashes when two threads are in it."""

_SETTING = "pkcs11"
_KEY_BITS = 256


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """Which token: the vendor's module (a shared library), the token's label, and a file of mode 0600 with its PIN."""

    module: Path
    token_label: str
    pin_file: Path


class TokenKeys:
    """A `KeyProvider` over a PKCS#11 token. Each thread has a session of its own, as the standard asks."""

    def __init__(self, settings: TokenSettings, municipality: str) -> None:
        """Log in once, so that a missing token or a wrong PIN stops the start with `ConfigurationError`."""
        self._settings = settings
        self._municipality = municipality
        self._pin = read_pin(settings.pin_file)
        self._threads = threading.local()
        self._token = find_token(settings)
        with TOKEN_LOCK:
            self._epochs = self._find_epochs()

    def epochs(self, purpose: Purpose) -> tuple[int, ...]:
        """See `KeyProvider.epochs`."""
        found = self._epochs[purpose]
        if not found:
            raise KeyUnavailable(purpose, "the token has none: run `mykey identity keys create`")
        return found

    def mac(self, purpose: Purpose, epoch: int, data: bytes) -> bytes:
        """See `KeyProvider.mac`; the token computes it, and the key stays inside."""
        from pkcs11.exceptions import PKCS11Error  # noqa: PLC0415 - an extra: mykey[pkcs11]

        with TOKEN_LOCK:
            try:
                return self._sign(purpose, epoch, data)
            except PKCS11Error:
                self._threads.__dict__.clear()  # the session may be gone with its token: one fresh attempt
            try:
                return self._sign(purpose, epoch, data)
            except PKCS11Error as error:
                raise KeyUnavailable(purpose, type(error).__name__) from error

    def _sign(self, purpose: Purpose, epoch: int, data: bytes) -> bytes:
        from pkcs11 import Mechanism  # noqa: PLC0415 - an extra: mykey[pkcs11]

        return bytes(self._key(purpose, epoch).sign(data, mechanism=Mechanism.SHA256_HMAC))

    def refresh(self) -> bool:
        """See `KeyProvider.refresh`; lists the token's keys again."""
        with TOKEN_LOCK:
            before, self._epochs = self._epochs, self._find_epochs()
        return before != self._epochs

    def add_epoch(self, purpose: Purpose) -> int:
        """See `KeyProvider.add_epoch`; the token makes the key, sensitive and not extractable."""
        with TOKEN_LOCK:
            return self._add_epoch(purpose)

    def _add_epoch(self, purpose: Purpose) -> int:
        from pkcs11 import Attribute, KeyType, Mechanism  # noqa: PLC0415 - an extra: mykey[pkcs11]

        self.refresh()
        epoch = max(self._epochs[purpose], default=FIRST_EPOCH - 1) + 1
        self._session().generate_key(
            KeyType.GENERIC_SECRET,
            _KEY_BITS,
            label=self._label(purpose, epoch),
            store=True,
            mechanism=Mechanism.GENERIC_SECRET_KEY_GEN,
            template={
                Attribute.SENSITIVE: True,
                Attribute.EXTRACTABLE: False,
                Attribute.PRIVATE: True,
                Attribute.SIGN: True,
                Attribute.VERIFY: False,
            },
        )
        self.refresh()
        return epoch

    def _label(self, purpose: Purpose, epoch: int) -> str:
        return f"mykey/{self._municipality}/{purpose}/{epoch}"

    def _session(self) -> Any:
        session = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = open_session(self._token, self._pin)
            self._threads.keys = {}
        return session

    def _key(self, purpose: Purpose, epoch: int) -> Any:
        from pkcs11 import KeyType, ObjectClass  # noqa: PLC0415 - an extra: mykey[pkcs11]

        session = self._session()
        key = self._threads.keys.get((purpose, epoch))
        if key is None:
            label = self._label(purpose, epoch)
            key = session.get_key(object_class=ObjectClass.SECRET_KEY, key_type=KeyType.GENERIC_SECRET, label=label)
            self._threads.keys[purpose, epoch] = key
        return key

    def _find_epochs(self) -> dict[Purpose, tuple[int, ...]]:
        from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 - an extra: mykey[pkcs11]
        from pkcs11.exceptions import PKCS11Error  # noqa: PLC0415 - the same

        try:
            found = self._session().get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY})
            labels = [str(key.label) for key in found]
        except PKCS11Error as error:
            raise ConfigurationError(_SETTING, f"the token cannot be used: {type(error).__name__}") from error
        return {purpose: _epochs_in(labels, self._label(purpose, 0)[:-1]) for purpose in Purpose}


def _epochs_in(labels: list[str], prefix: str) -> tuple[int, ...]:
    numbers = (label.removeprefix(prefix) for label in labels if label.startswith(prefix))
    return tuple(sorted(int(number) for number in numbers if number.isdigit()))


def find_token(settings: TokenSettings) -> Any:
    """The token that the settings name; `ConfigurationError` when it is not there."""
    try:
        import pkcs11  # noqa: PLC0415 - an extra: mykey[pkcs11]
        from pkcs11.exceptions import PKCS11Error  # noqa: PLC0415 - the same
    except ModuleNotFoundError as error:
        raise ConfigurationError(_SETTING, "it needs mykey[pkcs11]") from error
    try:
        with TOKEN_LOCK:
            return pkcs11.lib(str(settings.module)).get_token(token_label=settings.token_label)
    except (PKCS11Error, RuntimeError) as error:
        raise ConfigurationError(_SETTING, f"no such token: {type(error).__name__}") from error


def open_session(token: Any, pin: str) -> Any:
    """A session of the calling thread; logging in is for the whole process, and once is enough (PKCS#11 v2.40 §5.6)."""
    from pkcs11.exceptions import UserAlreadyLoggedIn  # noqa: PLC0415 - an extra: mykey[pkcs11]

    try:
        return token.open(rw=True, user_pin=pin)
    except UserAlreadyLoggedIn:
        return token.open(rw=True)


def read_pin(path: Path) -> str:
    """The PIN in a file that nobody else may read; `ConfigurationError` otherwise."""
    try:
        mode = path.stat().st_mode
        pin = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(_SETTING, "the file with the token's PIN cannot be read") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(_SETTING, "others can read the file with the token's PIN: set its mode to 0600")
    return pin
