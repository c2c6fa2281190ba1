"""PUT KEY of the issuer security domain, and keys that come by STORE DATA (GP 2.3.1, 11.8; Amendment D, 7.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hmac import compare_digest
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mykey_cardap.apdu import SW, CommandApdu
from mykey_cardap.emulator.globalplatform.contents import CardContents, StoredKeys
from mykey_cardap.emulator.globalplatform.domain_session import DomainSession
from mykey_cardap.emulator.globalplatform.fields import Fields, objects
from mykey_cardap.emulator.status import Refused

AES_KEY: Final = 0x88
_SIZES: Final = frozenset({16, 24, 32})
_BLOCK: Final = 16
_CHECK_SIZE: Final = 3
_SEVERAL: Final = 0x80
_NUMBER: Final = 0x7F
_KEY_ATTRIBUTES: Final = 0xB9


@dataclass(frozen=True, slots=True)
class _NewKey:
    value: bytes = field(repr=False)
    check_value: bytes


def put_key(session: DomainSession, command: CommandApdu) -> bytes:
    """Add or replace keys, all of them or none. Answers the version and the check values as presented."""
    cursor = Fields(command.data)
    version = cursor.byte()
    first, several = command.p2 & _NUMBER, bool(command.p2 & _SEVERAL)
    new: list[_NewKey] = []
    while not cursor.finished:
        new.append(_read_block(session, cursor))
    if not 1 <= version <= _NUMBER or not first or not new or several is not (len(new) > 1):
        raise Refused(SW.WRONG_DATA)
    values = {first + step: key.value for step, key in enumerate(new)}
    session.commit(_with_keys(session.contents, command.p1 & _NUMBER, version, values))
    return bytes((version,)) + b"".join(key.check_value for key in new)


def _with_keys(contents: CardContents, old_version: int, version: int, values: dict[int, bytes]) -> CardContents:
    if not old_version:
        return _added(contents, version, values)
    old = contents.stored_keys(old_version)
    if old is None or not values.keys() <= old.keys.keys():
        raise Refused(SW.KEY_OR_OBJECT_NOT_FOUND)
    whole = values.keys() == old.keys.keys()
    if any(len(values[kid]) != len(old.keys[kid]) for kid in values):
        raise Refused(SW.WRONG_DATA)  # neither length nor algorithm can change
    if version != old_version and (not whole or contents.stored_keys(version) is not None):
        raise Refused(SW.WRONG_DATA)
    changed = replace(old, version=version, keys={**old.keys, **values})
    if whole:
        changed = replace(changed, counter=0, failures=0)
    kept = tuple(changed if keys is old else keys for keys in contents.keys)
    return replace(contents, keys=kept)


def _added(contents: CardContents, version: int, values: dict[int, bytes]) -> CardContents:
    old = contents.stored_keys(version) or StoredKeys(version, {})
    if values.keys() & old.keys.keys():
        raise Refused(SW.WRONG_DATA)
    return contents.with_keys(replace(old, keys={**old.keys, **values}))


def _read_block(session: DomainSession, cursor: Fields) -> _NewKey:
    """`88 len block kcv-len kcv` with or without an inner length, told apart by the block's length."""
    if cursor.byte() != AES_KEY:
        raise Refused(SW.WRONG_DATA)
    block, check_value = cursor.lv(), cursor.lv()
    size = len(block)
    if len(block) % _BLOCK:
        inner = Fields(block)
        size = inner.byte()
        block = inner.take(len(block) - 1)
    if size not in _SIZES or len(block) != -(-size // _BLOCK) * _BLOCK:
        raise Refused(SW.WRONG_DATA)
    value = _decrypted(session, block)[:size]
    return _NewKey(value, _checked(value, check_value))


def _decrypted(session: DomainSession, block: bytes) -> bytes:
    """Under the DEK of the key set that this session was opened with."""
    keys = session.channel.key_set
    if keys is None:
        raise Refused(SW.CONDITIONS_OF_USE)
    decryptor = Cipher(algorithms.AES(keys.dek), modes.CBC(bytes(_BLOCK))).decryptor()
    return decryptor.update(block) + decryptor.finalize()


def _checked(value: bytes, presented: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(value), modes.ECB()).encryptor()  # noqa: S305 - one block, as the standard says
    expected = (encryptor.update(b"\x01" * _BLOCK) + encryptor.finalize())[:_CHECK_SIZE]
    if not compare_digest(expected, presented):
        raise Refused(SW.SECURITY_STATUS)
    return presented


def load_key_groupings(session: DomainSession, groupings: Sequence[tuple[int, bytes]]) -> None:
    """Pairs of DGI 00B9 (attributes) and 8113 (key under the DEK) in turns; all are stored or none."""
    contents = session.contents
    if len(groupings) % 2:
        raise Refused(SW.WRONG_DATA)
    for attributes, key in zip(groupings[::2], groupings[1::2], strict=True):
        if (attributes[0], key[0]) != (0x00B9, 0x8113):
            raise Refused(SW.WRONG_DATA)
        contents = _with_grouping(session, contents, attributes[1], key[1])
    session.commit(contents)


def _with_grouping(session: DomainSession, contents: CardContents, attributes: bytes, block: bytes) -> CardContents:
    described = dict(objects(dict(objects(attributes)).get(_KEY_ATTRIBUTES, b"")))
    kind, length, kid, version = (_one_byte(described, tag) for tag in (0x80, 0x81, 0x82, 0x83))
    if kind != AES_KEY or length not in _SIZES or len(block) != -(-length // _BLOCK) * _BLOCK:
        raise Refused(SW.WRONG_DATA)
    if not 1 <= version <= _NUMBER or not 1 <= kid <= _NUMBER:
        raise Refused(SW.WRONG_DATA)
    value = _decrypted(session, block)[:length]
    _checked(value, described.get(0x84, b""))
    old = contents.stored_keys(version) or StoredKeys(version, {})
    if kid in old.keys and len(old.keys[kid]) != length:
        raise Refused(SW.WRONG_DATA)
    return contents.with_keys(StoredKeys(version, {**old.keys, kid: value}))


def _one_byte(found: dict[int, bytes], tag: int) -> int:
    value = found.get(tag, b"")
    if len(value) != 1:
        raise Refused(SW.WRONG_DATA)
    return value[0]
