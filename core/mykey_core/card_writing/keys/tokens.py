"""Master keys in a PKCS#11 token: `pkcs11-sign` lets the token compute the tree's first step, `pkcs11-resident` all.

Needs the extra `mykey[pkcs11]`. Master keys are found by their label, `mykey/<municipality>/card-master/<generation>`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from mykey_cardap.globalplatform.derivation import Constant, SessionKeys, prf_inputs
from mykey_cardap.globalplatform.keys import KCV_SIZE
from mykey_cardap.service_application.key_tree import card_keys, debit_key
from mykey_cardap.service_application.numbers import KEY_SIZE, SERIAL_SIZE, Role
from mykey_cardap.service_application.transaction_mac import mac_over, session_input, transaction_mac
from mykey_cardap.service_application.wrapped_keys import WrappedKeys
from mykey_core.card_writing.errors import CardKeysUnavailable
from mykey_core.card_writing.keys.provider import ManagedKeys, ProviderKind
from mykey_core.card_writing.keys.slots import KeyPart, KeySlot
from mykey_core.card_writing.keys.software import SoftwareKeySet, check_new_master, wrap_plain
from mykey_core.errors import ConfigurationError
from mykey_core.keys.pkcs11 import TOKEN_LOCK, TokenSettings, find_token, open_session, read_pin

_SETTING: Final = "card_keys.pkcs11"
_KCV_BLOCK: Final = b"\x01" * 16
_SET: Final = (KeyPart.ENC, KeyPart.MAC, KeyPart.DEK)


class _MasterKeys:
    """The master keys in one token. Each thread has a session of its own, as the standard asks."""

    def __init__(self, settings: TokenSettings, municipality: str) -> None:
        self._prefix = f"mykey/{municipality}/card-master/"
        self._pin = read_pin(settings.pin_file)
        self._token = find_token(settings)
        self._threads = threading.local()
        with _translated(0):
            self._numbers = self._find()

    def generations(self) -> tuple[int, ...]:
        """See `CardKeyProvider.generations`."""
        return self._numbers

    def master_check_value(self, generation: int) -> bytes:
        """See `CardKeyProvider.master_check_value`."""
        with _translated(generation):
            return _check_value(self._master(generation))

    def add_master(self, generation: int, master: bytes) -> None:
        """See `CardKeyProvider.add_master`; in the token the key is sensitive and not extractable."""
        from pkcs11 import Attribute, KeyType, ObjectClass  # noqa: PLC0415 - an extra: mykey[pkcs11]

        check_new_master(generation, master, self._numbers)
        template = {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.AES,
            Attribute.LABEL: f"{self._prefix}{generation}",
            Attribute.VALUE: master,
            Attribute.TOKEN: True,
            **_secret(sign=True, derive=True, encrypt=True),
        }
        with _translated(generation):
            self._session().create_object(template)
            self._numbers = self._find()

    def _session(self) -> Any:
        session = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = open_session(self._token, self._pin)
            self._threads.masters = {}
        return session

    def _master(self, generation: int) -> Any:
        from pkcs11 import KeyType, ObjectClass  # noqa: PLC0415 - an extra: mykey[pkcs11]

        session = self._session()
        key = self._threads.masters.get(generation)
        if key is None:
            if generation not in self._numbers:
                raise CardKeysUnavailable(generation, "the token has no such master key: hold a ceremony")
            label = f"{self._prefix}{generation}"
            key = session.get_key(object_class=ObjectClass.SECRET_KEY, key_type=KeyType.AES, label=label)
            self._threads.masters[generation] = key
        return key

    def _find(self) -> tuple[int, ...]:
        from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 - an extra: mykey[pkcs11]

        found = self._session().get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY})
        labels = (str(key.label) for key in found)
        numbers = (label.removeprefix(self._prefix) for label in labels if label.startswith(self._prefix))
        return tuple(sorted(int(number) for number in numbers if number.isdigit()))


class TokenSignCardKeys(_MasterKeys):
    """A `CardKeyProvider`: the master signs (AES-CMAC) the tree's first step, the rest happens in this process."""

    kind: Final = ProviderKind.PKCS11_SIGN

    def key_set(self, slot: KeySlot) -> SoftwareKeySet:
        """See `CardKeyProvider.key_set`; one operation of the token."""
        return SoftwareKeySet(card_keys(self._service_key(slot)))

    def wrapped(self, slot: KeySlot, under: ManagedKeys) -> WrappedKeys:
        """See `CardKeyProvider.wrapped`."""
        return wrap_plain(slot, self._service_key(slot), under)

    def transaction_mac(self, slot: KeySlot, counter: int, transaction: bytes) -> bytes:
        """See `CardKeyProvider.transaction_mac`."""
        return transaction_mac(self._service_key(slot), counter=counter, serial=slot.serial, transaction=transaction)

    def debit_master(self, issuer: int, service: int, generation: int) -> bytes:
        """See `CardKeyProvider.debit_master`; two operations of the token."""
        slot = KeySlot(issuer, service, Role.DEBIT, generation, bytes(SERIAL_SIZE))
        with _translated(generation):
            return b"".join(_cmac(self._master(generation), message) for message in slot.debit_messages)

    def _service_key(self, slot: KeySlot) -> bytes:
        place = {"issuer": slot.issuer, "service": slot.service, "generation": slot.generation}
        if slot.role is Role.DEBIT:
            own = self.debit_master(slot.issuer, slot.service, slot.generation)
            return debit_key(own, **place, serial=slot.serial)
        with _translated(slot.generation):
            return _cmac(self._master(slot.generation), slot.prf_message)


class TokenResidentCardKeys(_MasterKeys):
    """A `CardKeyProvider` whose card keys stay in the token: they are derived, used and destroyed there."""

    kind: Final = ProviderKind.PKCS11_RESIDENT

    def key_set(self, slot: KeySlot) -> ResidentKeySet:
        """See `CardKeyProvider.key_set`; three operations of the token."""
        with _translated(slot.generation):
            master = self._master(slot.generation)
            return ResidentKeySet(slot.generation, *(_derived(master, slot.resident_block(part)) for part in _SET))

    def wrapped(self, slot: KeySlot, under: ManagedKeys) -> WrappedKeys:
        """See `CardKeyProvider.wrapped`; a key of the token is wrapped by a key of the token."""
        if not isinstance(under, ResidentKeySet):
            raise CardKeysUnavailable(slot.generation, "keys of the token are wrapped by keys of the token only")
        parts = (KeyPart.SINGLE,) if slot.role is Role.TRANSACTION_MAC else _SET
        with _translated(slot.generation):
            master = self._master(slot.generation)
            new = [_derived(master, slot.resident_block(part)) for part in parts]
            wrapped = WrappedKeys(tuple(map(under.wrap, new)), tuple(map(_check_value, new)))
            for key in new:
                key.destroy()
        return wrapped

    def transaction_mac(self, slot: KeySlot, counter: int, transaction: bytes) -> bytes:
        """See `CardKeyProvider.transaction_mac`; K4 stays in the token, the key of one transaction leaves it."""
        with _translated(slot.generation):
            key = _derived(self._master(slot.generation), slot.resident_block(KeyPart.SINGLE))
            session = _cmac(key, session_input(counter=counter, serial=slot.serial))
            key.destroy()
        return mac_over(session, transaction)

    def debit_master(self, issuer: int, service: int, generation: int) -> bytes:
        """See `CardKeyProvider.debit_master`: not with this provider."""
        del issuer, service
        raise CardKeysUnavailable(generation, "card keys never leave this token: terminals of the town tap online")


@dataclass(frozen=True, slots=True, eq=False)
class ResidentKeySet:
    """Handles of three keys in the token; `close` destroys them there."""

    generation: int
    enc: Any = field(repr=False)
    mac: Any = field(repr=False)
    dek: Any = field(repr=False)

    @property
    def size(self) -> int:
        """See `ManagedKeys.size`."""
        return KEY_SIZE

    @property
    def keys(self) -> tuple[Any, Any, Any]:
        """ENC, MAC, DEK."""
        return self.enc, self.mac, self.dek

    def session_keys(self, context: bytes) -> SessionKeys:
        """See `ManagedKeys.session_keys`: these, and only these, leave the token."""
        with _translated(self.generation):
            return SessionKeys(
                enc=_derive(self.enc, Constant.S_ENC, context),
                mac=_derive(self.mac, Constant.S_MAC, context),
                rmac=_derive(self.mac, Constant.S_RMAC, context),
            )

    def encrypt(self, plain: bytes) -> bytes:
        """See `ManagedKeys.encrypt`."""
        from pkcs11 import Mechanism  # noqa: PLC0415 - an extra: mykey[pkcs11]

        with _translated(self.generation):
            return bytes(self.dek.encrypt(plain, mechanism=Mechanism.AES_CBC, mechanism_param=bytes(16)))

    def wrap(self, key: Any) -> bytes:
        """Another key of the token, encrypted as in `encrypt`, without leaving it in clear."""
        from pkcs11 import Mechanism  # noqa: PLC0415 - an extra: mykey[pkcs11]

        with _translated(self.generation):
            return bytes(self.dek.wrap_key(key, mechanism=Mechanism.AES_CBC, mechanism_param=bytes(16)))

    def check_values(self) -> tuple[bytes, bytes, bytes]:
        """See `ManagedKeys.check_values`."""
        with _translated(self.generation):
            return _check_value(self.enc), _check_value(self.mac), _check_value(self.dek)

    def close(self) -> None:
        """Destroy the three session objects."""
        with _translated(self.generation):
            for key in self.keys:
                key.destroy()


@contextmanager
def _translated(generation: int) -> Iterator[None]:
    from pkcs11.exceptions import PKCS11Error  # noqa: PLC0415 - an extra: mykey[pkcs11]

    try:
        with TOKEN_LOCK:
            yield
    except PKCS11Error as error:
        if generation == 0:
            raise ConfigurationError(_SETTING, f"the token cannot be used: {type(error).__name__}") from error
        raise CardKeysUnavailable(generation, f"the token says {type(error).__name__}") from error


def _secret(*, sign: bool = False, derive: bool = False, encrypt: bool = False, wrap: bool = False) -> dict[Any, bool]:
    """What a key in the token may do; its value is never shown. A key that travels by PUT KEY is extractable."""
    from pkcs11 import Attribute  # noqa: PLC0415 - an extra: mykey[pkcs11]

    return {
        Attribute.SENSITIVE: True,
        Attribute.PRIVATE: True,
        Attribute.EXTRACTABLE: wrap,
        Attribute.SIGN: sign,
        Attribute.VERIFY: False,
        Attribute.DERIVE: derive,
        Attribute.ENCRYPT: encrypt,
        Attribute.DECRYPT: False,
        Attribute.WRAP: wrap,
        Attribute.UNWRAP: False,
    }


def _derived(master: Any, block: bytes) -> Any:
    from pkcs11 import Attribute, KeyType, Mechanism  # noqa: PLC0415 - an extra: mykey[pkcs11]

    template = {**_secret(sign=True, encrypt=True, wrap=True), Attribute.TOKEN: False}
    mechanism = Mechanism.AES_ECB_ENCRYPT_DATA
    return master.derive_key(KeyType.AES, KEY_SIZE * 8, mechanism=mechanism, mechanism_param=block, template=template)


def _derive(key: Any, constant: Constant, context: bytes) -> bytearray:
    parts = (_cmac(key, message) for message in prf_inputs(constant, context, KEY_SIZE))
    return bytearray(b"".join(parts)[:KEY_SIZE])


def _cmac(key: Any, message: bytes) -> bytes:
    from pkcs11 import Mechanism  # noqa: PLC0415 - an extra: mykey[pkcs11]

    return bytes(key.sign(message, mechanism=Mechanism.AES_CMAC))


def _check_value(key: Any) -> bytes:
    from pkcs11 import Mechanism  # noqa: PLC0415 - an extra: mykey[pkcs11]

    return bytes(key.encrypt(_KCV_BLOCK, mechanism=Mechanism.AES_ECB))[:KCV_SIZE]
