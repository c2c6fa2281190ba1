"""What a card says about its content: registry entries, keys, the answer to SELECT, and life-cycle states.

Reading only, strict and bounded; unknown tags are skipped, because cards add some. Source: GP 2.3.1, chapter 11.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag, unique
from typing import Final

from mykey_cardap.errors import BadCardDataError
from mykey_cardap.tlv import Tlv, TlvError, parse, parse_all

LOCKED: Final = 0x80
_ENTRY, _AID, _STATE, _PRIVILEGES, _LOAD_FILE, _MODULE, _DOMAIN = 0xE3, 0x4F, 0x9F70, 0xC5, 0xC4, 0x84, 0xCC
_KEY: Final = 0xC0
_FCI, _NAME, _PROPRIETARY, _LONGEST = 0x6F, 0x84, 0xA5, 0x9F65
_KEY_HEAD: Final = 2
_MAX_AID: Final = 16


@unique
class Scope(IntEnum):
    """Which part of the registry GET STATUS lists (its P1)."""

    ISSUER_DOMAIN = 0x80
    APPLICATIONS = 0x40
    LOAD_FILES = 0x20
    LOAD_FILES_AND_MODULES = 0x10


@unique
class CardState(IntEnum):
    """Life cycle of the card. TERMINATED cannot be left."""

    OP_READY = 0x01
    INITIALIZED = 0x07
    SECURED = 0x0F
    CARD_LOCKED = 0x7F
    TERMINATED = 0xFF


class Privilege(IntFlag):
    """Privileges of an application, three bytes (GP 2.3.1, tables 11-7 to 11-9)."""

    NONE = 0
    SECURITY_DOMAIN = 0x800000
    DAP_VERIFICATION = 0xC00000
    DELEGATED_MANAGEMENT = 0xA00000
    CARD_LOCK = 0x100000
    CARD_TERMINATE = 0x080000
    CARD_RESET = 0x040000
    CVM_MANAGEMENT = 0x020000
    MANDATED_DAP = 0xC10000
    TRUSTED_PATH = 0x008000
    AUTHORIZED_MANAGEMENT = 0x004000
    TOKEN_MANAGEMENT = 0x002000
    GLOBAL_DELETE = 0x001000
    GLOBAL_LOCK = 0x000800
    GLOBAL_REGISTRY = 0x000400
    FINAL_APPLICATION = 0x000200
    GLOBAL_SERVICE = 0x000100
    RECEIPT_GENERATION = 0x000080
    CIPHERED_LOAD_FILE = 0x000040
    CONTACTLESS_ACTIVATION = 0x000020
    CONTACTLESS_SELF_ACTIVATION = 0x000010


class KeyType(Enum):
    """Types of keys in key information; others are kept as numbers."""

    DES = 0x80
    AES = 0x88


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """One entry of GET STATUS. `state` is the first byte of 9F70; fields that the card left out are empty."""

    aid: bytes
    state: int
    privileges: bytes = b""
    load_file: bytes = b""
    modules: tuple[bytes, ...] = ()
    domain: bytes = b""

    @property
    def locked(self) -> bool:
        """Whether an application or a domain is locked (bit 8)."""
        return bool(self.state & LOCKED)


@dataclass(frozen=True, slots=True)
class KeyInformation:
    """One key of GET DATA 00E0: identifier, version, type (88 AES, 80 DES) and length in bytes."""

    identifier: int
    version: int
    kind: int
    length: int


@dataclass(frozen=True, slots=True)
class DomainInformation:
    """The answer to SELECT of a security domain: its full AID, and the longest command data field it takes."""

    aid: bytes
    longest_data: int


@contextmanager
def _card_data(what: str) -> Iterator[None]:
    try:
        yield
    except TlvError as error:
        raise BadCardDataError(f"{what}: {error}") from error


def parse_registry(data: bytes) -> tuple[RegistryEntry, ...]:
    """The entries of one answer to GET STATUS. Raises `BadCardDataError`."""
    with _card_data("registry"):
        return tuple(_entry(tlv) for tlv in parse_all(data) if tlv.tag == _ENTRY)


def _entry(tlv: Tlv) -> RegistryEntry:
    objects = tlv.children()
    aid, state = _first(objects, _AID), _first(objects, _STATE)
    if not aid or len(aid) > _MAX_AID or not state:
        raise BadCardDataError("registry: an entry without AID or state")
    return RegistryEntry(
        aid=aid,
        state=state[0],
        privileges=_first(objects, _PRIVILEGES),
        load_file=_first(objects, _LOAD_FILE),
        modules=tuple(found.value for found in objects if found.tag == _MODULE),
        domain=_first(objects, _DOMAIN),
    )


def _first(objects: tuple[Tlv, ...], tag: int) -> bytes:
    return next((found.value for found in objects if found.tag == tag), b"")


def parse_key_information(value: bytes) -> tuple[KeyInformation, ...]:
    """The keys in the value of object 00E0. Raises `BadCardDataError`."""
    with _card_data("key information"):
        return tuple(_key(tlv.value) for tlv in parse_all(value) if tlv.tag == _KEY)


def _key(value: bytes) -> KeyInformation:
    """Identifier, version, and one or more pairs of type and length; the first pair says what kind of key it is."""
    if len(value) < _KEY_HEAD + 2 or len(value) % 2:
        raise BadCardDataError("key information: an entry of a wrong length")
    return KeyInformation(value[0], value[1], value[2], value[3])


def parse_domain_information(fci: bytes, selected: bytes) -> DomainInformation:
    """What the answer to SELECT says; a card that answers nothing is the AID that was asked for, with 255 bytes."""
    if not fci:
        return DomainInformation(selected, 0xFF)
    with _card_data("answer to SELECT"):
        objects = parse(fci).children()
        proprietary = next((found.children() for found in objects if found.tag == _PROPRIETARY), ())
        longest = int.from_bytes(_first(proprietary, _LONGEST), "big") or 0xFF
        return DomainInformation(_first(objects, _NAME) or selected, longest)
