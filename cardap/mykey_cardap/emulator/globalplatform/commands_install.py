"""INSTALL, LOAD and DELETE of the issuer security domain (GP 2.3.1, sections 11.2, 11.5 and 11.6).

Load tokens, receipts, DAP blocks, extradition and supplementary domains are not supported and are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hmac import compare_digest
from typing import Final

from cryptography.hazmat.primitives import hashes

from mykey_cardap.apdu import SW, CommandApdu
from mykey_cardap.emulator.globalplatform.cap_file import modules_of
from mykey_cardap.emulator.globalplatform.contents import (
    LOCKED,
    ApplicationState,
    CardContents,
    Instance,
    LoadFile,
    StoredKeys,
)
from mykey_cardap.emulator.globalplatform.domain_session import DomainSession, Loading, Storing
from mykey_cardap.emulator.globalplatform.fields import Fields, objects
from mykey_cardap.emulator.status import Refused

NO_CONFIRMATION: Final = b"\x00"
_AID_SIZES: Final = range(5, 17)
_LOAD_DATA: Final = 0xC4
_DAP_BLOCK: Final = 0xE2
_PARAMETERS: Final = 0xC9
_LAST: Final = 0x80
_MAX_BLOCKS: Final = 0x100
_HASHES: Final[dict[int, Callable[[], hashes.HashAlgorithm]]] = {
    32: hashes.SHA256,
    48: hashes.SHA384,
    64: hashes.SHA512,
}
_OBJECT, _KEY_ID, _KEY_VERSION = 0x4F, 0xD0, 0xD2
_RELATED: Final = 0x80
_WITH_LAST_KEY: Final = 0x01


def install(session: DomainSession, command: CommandApdu) -> bytes:
    """INSTALL in the forms that P1 names."""
    if command.p2:
        raise Refused(SW.WRONG_P1_P2)
    fields = _install_fields(command.data)
    if command.p1 == 0x02:  # noqa: PLR2004 - for load
        _install_for_load(session, *fields)
    elif command.p1 in {0x04, 0x0C}:
        _install_application(session, *fields, selectable=command.p1 == 0x0C)  # noqa: PLR2004 - and make selectable
    elif command.p1 == 0x08:  # noqa: PLR2004 - for make selectable
        _make_selectable(session, fields[2])
    elif command.p1 == 0x20:  # noqa: PLR2004 - for personalization
        _for_personalization(session, fields[2])
    else:
        raise Refused(SW.FUNCTION_NOT_SUPPORTED)
    return NO_CONFIRMATION


def _install_fields(data: bytes) -> tuple[bytes, ...]:
    """Five or six LV fields; the last one is the token, which this card does not know."""
    cursor = Fields(data)
    found: list[bytes] = []
    while not cursor.finished:
        found.append(cursor.lv())
    if len(found) not in {5, 6} or found[-1]:
        raise Refused(SW.WRONG_DATA)
    return tuple(found)


def _install_for_load(session: DomainSession, aid: bytes, domain: bytes, digest: bytes, *rest: bytes) -> None:
    if len(rest) != 2 or len(aid) not in _AID_SIZES or domain not in {b"", session.options.aid}:  # noqa: PLR2004
        raise Refused(SW.WRONG_DATA)
    if digest and len(digest) not in _HASHES:
        raise Refused(SW.WRONG_DATA)
    if session.contents.load_file(aid) is not None:
        raise Refused(SW.CONDITIONS_OF_USE)
    session.loading = Loading(aid, digest)


def load(session: DomainSession, command: CommandApdu) -> bytes:
    """One block of a load file; the last one registers it."""
    loading = session.loading
    if loading is None:
        raise Refused(SW.CONDITIONS_OF_USE)
    if command.p2 != loading.next_block % _MAX_BLOCKS or command.p1 not in {0x00, _LAST}:
        session.loading = None
        raise Refused(SW.WRONG_P1_P2)
    loading.received += command.data
    loading.next_block += 1
    if len(loading.received) > session.contents.free() or loading.next_block > _MAX_BLOCKS:
        session.loading = None
        raise Refused(SW.NO_SPACE)
    if command.p1 == _LAST:
        session.loading = None
        _register(session, loading)
    return NO_CONFIRMATION


def _register(session: DomainSession, loading: Loading) -> None:
    found = list(objects(bytes(loading.received)))
    if not found or found[-1][0] != _LOAD_DATA or any(tag != _DAP_BLOCK for tag, _ in found[:-1]):
        raise Refused(SW.WRONG_DATA)
    code = found[-1][1]
    if loading.digest:
        digest = hashes.Hash(_HASHES[len(loading.digest)]())
        digest.update(code)
        if not compare_digest(digest.finalize(), loading.digest):
            raise Refused(SW.WRONG_DATA)
    file = LoadFile(loading.aid, modules_of(code), len(code))
    session.commit(replace(session.contents, load_files=(*session.contents.load_files, file)))


def _install_application(session: DomainSession, *fields: bytes, selectable: bool) -> None:
    if len(fields) != 6:  # noqa: PLR2004 - load file, module, instance, privileges, parameters, token
        raise Refused(SW.WRONG_DATA)
    load_file, module, aid, privileges, parameters, _ = fields
    contents = session.contents
    file = contents.load_file(load_file)
    if file is None or module not in file.modules:
        raise Refused(SW.KEY_OR_OBJECT_NOT_FOUND)
    if len(aid) not in _AID_SIZES or _aid_in_use(session, aid):
        raise Refused(SW.WRONG_DATA)
    if len(privileges) not in {1, 3} or any(privileges):
        raise Refused(SW.WRONG_DATA)  # no privilege is supported
    own = dict(objects(parameters)).get(_PARAMETERS)
    if own is None:
        raise Refused(SW.WRONG_DATA)
    state = ApplicationState.SELECTABLE if selectable else ApplicationState.INSTALLED
    instance = Instance(aid, load_file, module, privileges.ljust(3, b"\0"), own, state)
    wanted = contents.with_instance(instance)
    if wanted.free() < 0:
        raise Refused(SW.NO_SPACE)
    session.card.install(instance)
    session.commit(wanted)


def _aid_in_use(session: DomainSession, aid: bytes) -> bool:
    contents = session.contents
    return aid == session.options.aid or contents.instance(aid) is not None or contents.load_file(aid) is not None


def _make_selectable(session: DomainSession, aid: bytes) -> None:
    instance = session.contents.instance(aid)
    if instance is None:
        raise Refused(SW.KEY_OR_OBJECT_NOT_FOUND)
    if instance.state != ApplicationState.INSTALLED:
        raise Refused(SW.CONDITIONS_OF_USE)
    session.commit(session.contents.with_instance(replace(instance, state=ApplicationState.SELECTABLE)))


def _for_personalization(session: DomainSession, aid: bytes) -> None:
    """The following STORE DATA blocks are for this application."""
    instance = session.contents.instance(aid)
    if instance is None:
        raise Refused(SW.KEY_OR_OBJECT_NOT_FOUND)
    if instance.state & LOCKED:
        raise Refused(SW.CONDITIONS_OF_USE)
    session.storing = Storing(target=aid)


# -- DELETE -------------------------------------------------------------------------------------------------


def delete(session: DomainSession, command: CommandApdu) -> bytes:
    """Delete an application, a load file (P2 = 80: with its applications), or keys."""
    if command.p1:
        raise Refused(SW.WRONG_P1_P2)
    wanted = dict(objects(command.data))
    if _OBJECT in wanted:
        _delete_object(session, wanted[_OBJECT], related=command.p2 == _RELATED)
    elif wanted.keys() & {_KEY_ID, _KEY_VERSION}:
        _delete_keys(session, wanted, with_last=command.p2 == _WITH_LAST_KEY)
    else:
        raise Refused(SW.WRONG_DATA)
    return NO_CONFIRMATION


def _delete_object(session: DomainSession, aid: bytes, *, related: bool) -> None:
    contents = session.contents
    file, instance = contents.load_file(aid), contents.instance(aid)
    if file is None and instance is None:
        raise Refused(SW.CONDITIONS_OF_USE if aid == session.options.aid else SW.KEY_OR_OBJECT_NOT_FOUND)
    gone = [found.aid for found in contents.instances if aid in {found.aid, found.load_file}]
    if (file is not None and gone and not related) or any(session.card.is_selected(found) for found in gone):
        raise Refused(SW.CONDITIONS_OF_USE)
    session.commit(_without(contents, aid, gone))
    for found in gone:
        session.card.remove(found)


def _without(contents: CardContents, aid: bytes, gone: list[bytes]) -> CardContents:
    return replace(
        contents,
        load_files=tuple(file for file in contents.load_files if file.aid != aid),
        instances=tuple(found for found in contents.instances if found.aid not in gone),
    )


def _delete_keys(session: DomainSession, wanted: dict[int, bytes], *, with_last: bool) -> None:
    kid, version = wanted.get(_KEY_ID), wanted.get(_KEY_VERSION)
    contents = session.contents
    kept = tuple(keys for old in contents.keys if (keys := _remaining(old, kid, version)).keys)
    if sum(len(keys.keys) for keys in kept) == sum(len(keys.keys) for keys in contents.keys):
        raise Refused(SW.KEY_OR_OBJECT_NOT_FOUND)
    if not with_last and not any(keys.as_key_set() for keys in kept):
        raise Refused(SW.CONDITIONS_OF_USE)
    session.commit(replace(contents, keys=kept))


def _remaining(old: StoredKeys, kid: bytes | None, version: bytes | None) -> StoredKeys:
    if version is not None and version != bytes((old.version,)):
        return old
    return replace(old, keys={found: value for found, value in old.keys.items() if kid and bytes((found,)) != kid})
