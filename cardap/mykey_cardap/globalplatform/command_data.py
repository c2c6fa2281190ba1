"""Data fields of content management commands: LV fields of INSTALL, blocks of LOAD and STORE DATA, key blocks.

Pure functions from arguments to bytes; arguments that no card takes are `InvalidContentError`s before anything is
sent. Source: GP 2.3.1, chapter 11; Amendment D, 7.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum, unique
from typing import Final, Protocol

from mykey_cardap.globalplatform.derivation import KEY_SIZES
from mykey_cardap.globalplatform.errors import InvalidContentError
from mykey_cardap.globalplatform.keys import KCV_SIZE, ScpKeys, key_check_value

_BLOCK: Final = 16
_AES: Final = 0x88
_LOAD_DATA: Final = 0xC4
_OWN_PARAMETERS: Final = 0xC9
_PRIVILEGE_SIZES: Final = frozenset({1, 3})
_AID_SIZES: Final = range(5, 17)
_MAX_BLOCKS: Final = 0x100
_KEY_VERSIONS: Final = range(0x01, 0x80)


def length(count: int) -> bytes:
    """A length of one, two or three bytes (`81 xx`, `82 xxxx`)."""
    if count < 0x80:  # noqa: PLR2004 - the short form ends here
        return bytes((count,))
    size = 1 if count <= 0xFF else 2  # noqa: PLR2004 - one byte of length
    try:
        return bytes((0x80 | size,)) + count.to_bytes(size, "big")
    except OverflowError:
        raise InvalidContentError("a field has at most 65,535 bytes") from None


def lv(*fields: bytes) -> bytes:
    """Fields behind their lengths."""
    return b"".join(length(len(value)) + value for value in fields)


def tlv(tag: int, value: bytes) -> bytes:
    """A BER object with a tag of one or two bytes."""
    return tag.to_bytes(1 if tag <= 0xFF else 2, "big") + length(len(value)) + value  # noqa: PLR2004 - one byte of tag


def check_aid(aid: bytes, what: str = "application") -> bytes:
    """`aid`, which must have 5 to 16 bytes (ISO/IEC 7816-4)."""
    if len(aid) not in _AID_SIZES:
        raise InvalidContentError(f"the AID of the {what} must have 5 to 16 bytes")
    return aid


def check_key_version(version: int) -> int:
    """`version`, which must be 01 to 7F."""
    if version not in _KEY_VERSIONS:
        raise InvalidContentError("key versions are 01 to 7F")
    return version


def install_for_load(load_file: bytes, domain: bytes, digest: bytes, parameters: bytes) -> bytes:
    """Data of INSTALL [for load], without a token."""
    check_aid(load_file, "load file")
    return lv(load_file, domain, digest, parameters, b"")


def install_for_install(
    load_file: bytes, module: bytes, application: bytes, privileges: bytes, parameters: bytes, system: bytes
) -> bytes:
    """Data of INSTALL [for install], without a token; `parameters` go into C9, `system` is an EF object or empty."""
    check_aid(load_file, "load file")
    check_aid(module, "module")
    check_aid(application)
    if len(privileges) not in _PRIVILEGE_SIZES:
        raise InvalidContentError("privileges have one or three bytes")
    return lv(load_file, module, application, privileges, tlv(_OWN_PARAMETERS, parameters) + system, b"")


def install_for_selectable(application: bytes, privileges: bytes) -> bytes:
    """Data of INSTALL [for make selectable]."""
    return lv(b"", b"", check_aid(application), privileges, b"", b"")


def install_for_personalization(application: bytes) -> bytes:
    """Data of INSTALL [for personalization]."""
    return lv(b"", b"", check_aid(application), b"", b"", b"")


def blocks(data: bytes, size: int) -> Iterator[tuple[int, bool, bytes]]:
    """`(number, is last, block)`: `data` in blocks of at most `size` bytes, of which there are at most 256."""
    if not data:
        raise InvalidContentError("there is nothing to send")
    if len(data) > size * _MAX_BLOCKS:
        raise InvalidContentError(f"at most 256 blocks of {size} bytes can be sent")
    for number, at in enumerate(range(0, len(data), size)):
        yield number, at + size >= len(data), data[at : at + size]


def load_file_data(code: bytes) -> bytes:
    """A CAP file's components as LOAD wants them: `C4 len code`."""
    return tlv(_LOAD_DATA, code)


@unique
class StoreFormat(IntEnum):
    """How STORE DATA is structured (its P1)."""

    UNSTRUCTURED = 0x00
    DGI = 0x08
    BER_TLV = 0x10


@unique
class KeyBlockForm(Enum):
    """Two ways to write an AES key block, both in use; AES-192 exists in the first one only."""

    INNER_LENGTH = "inner length"
    BARE = "bare"


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key as it travels: encrypted under Key-DEK, with its true size in bytes and its check value."""

    ciphertext: bytes = field(repr=False)
    size: int
    check_value: bytes

    def __post_init__(self) -> None:
        if self.size not in KEY_SIZES or len(self.ciphertext) != -(-self.size // _BLOCK) * _BLOCK:
            raise InvalidContentError("a wrapped AES key has whole blocks for 16, 24 or 32 bytes")
        if len(self.check_value) != KCV_SIZE:
            raise InvalidContentError("a check value has three bytes")


class Wrapper(Protocol):
    """What encrypts a new key: the `CardKeys` with which the session was opened."""

    def encrypt(self, plain: bytes) -> bytes:
        """AES-CBC with Key-DEK and a zero vector over whole blocks."""
        ...


def wrap_keys(keys: ScpKeys, under: Wrapper) -> tuple[WrappedKey, ...]:
    """ENC, MAC and DEK of a new set. A token that holds keys makes `WrappedKey`s itself."""
    return tuple(_wrapped(key, under) for key in (keys.enc, keys.mac, keys.dek))


def _wrapped(key: bytes, under: Wrapper) -> WrappedKey:
    padded = key + bytes(-len(key) % _BLOCK)
    return WrappedKey(under.encrypt(padded), len(key), key_check_value(key))


def key_block(key: WrappedKey, form: KeyBlockForm) -> bytes:
    """`88 len block 03 KCV`."""
    block = key.ciphertext
    if form is KeyBlockForm.INNER_LENGTH:
        block = bytes((key.size,)) + block
    elif key.size != len(key.ciphertext):
        raise InvalidContentError("AES-192 keys need the form with an inner length")
    return bytes((_AES,)) + length(len(block)) + block + bytes((KCV_SIZE,)) + key.check_value


def put_key(version: int, keys: Sequence[WrappedKey], form: KeyBlockForm) -> bytes:
    """Data of PUT KEY."""
    check_key_version(version)
    if not keys:
        raise InvalidContentError("there is no key to put")
    return bytes((version,)) + b"".join(key_block(key, form) for key in keys)
