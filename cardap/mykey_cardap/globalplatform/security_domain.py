"""A session with a security domain: the keys, applications and data of a card, managed by its issuer.

Every method is one step of a plan: it does one thing, checks the card's answer, and never repeats itself. Which
steps to take, and what to do after doubt, is the writer's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum, unique
from hmac import compare_digest
from typing import Final

from mykey_cardap.apdu import SHORT_MAX_DATA, SHORT_MAX_RESPONSE, CommandApdu
from mykey_cardap.errors import BadCardDataError
from mykey_cardap.globalplatform import command_data
from mykey_cardap.globalplatform.command_data import KeyBlockForm, StoreFormat, WrappedKey, wrap_keys
from mykey_cardap.globalplatform.domain_reader import DataObject, DomainReader, accepted
from mykey_cardap.globalplatform.errors import InvalidContentError, KeyCheckError
from mykey_cardap.globalplatform.keys import ScpKeys
from mykey_cardap.globalplatform.registry import LOCKED, CardState, Scope

_LAST: Final = 0x80
_NO_CONFIRMATION: Final = frozenset({b"", b"\x00"})
_SELECTABLE: Final = 0x07
_IRREVERSIBLE: Final = frozenset({CardState.CARD_LOCKED, CardState.TERMINATED})

Progress = Callable[[int, int], None]
"""`(blocks sent, blocks in all)`."""


@unique
class _Ins(IntEnum):
    PUT_KEY = 0xD8
    STORE_DATA = 0xE2
    DELETE = 0xE4
    INSTALL = 0xE6
    LOAD = 0xE8
    SET_STATUS = 0xF0


@unique
class _Install(IntEnum):
    LOAD = 0x02
    INSTALL = 0x04
    SELECTABLE = 0x08
    INSTALL_AND_SELECTABLE = 0x0C
    PERSONALIZATION = 0x20


class SecurityDomainSession(DomainReader):
    """Everything that the issuer may change on a card, through the secure channel of `authenticate`."""

    # -- applications -------------------------------------------------------------------------------------

    def install_for_load(
        self, load_file: bytes, *, domain: bytes = b"", digest: bytes = b"", parameters: bytes = b""
    ) -> None:
        """Announce a load file. `digest` is the hash of its code, `parameters` an EF object with memory needs."""
        data = command_data.install_for_load(load_file, domain, digest, parameters)
        self._install("announce the load file", _Install.LOAD, data)

    def load(self, code: bytes, *, progress: Progress | None = None) -> None:
        """Send the code of an announced load file in blocks. After any error the announcement is void."""
        size = self._block_size()
        data = command_data.load_file_data(code)
        total = -(-len(data) // size)
        for number, last, block in command_data.blocks(data, size):
            header = (0x80, _Ins.LOAD, _LAST if last else 0x00, number)
            self._confirmed(f"load block {number}", CommandApdu(*header, block, SHORT_MAX_RESPONSE))
            if progress is not None:
                progress(number + 1, total)

    def install(
        self,
        load_file: bytes,
        module: bytes,
        application: bytes,
        *,
        privileges: bytes = b"\x00",
        parameters: bytes = b"",
        system: bytes = b"",
        selectable: bool = True,
    ) -> None:
        """Make an application from a module, and selectable at once unless told otherwise.

        `parameters` are the application's own (C9), `system` an EF object with memory needs.
        """
        data = command_data.install_for_install(load_file, module, application, privileges, parameters, system)
        kind = _Install.INSTALL_AND_SELECTABLE if selectable else _Install.INSTALL
        self._install("install the application", kind, data)

    def make_selectable(self, application: bytes, *, privileges: bytes = b"\x00") -> None:
        """Let SELECT find an installed application."""
        data = command_data.install_for_selectable(application, privileges)
        self._install("make the application selectable", _Install.SELECTABLE, data)

    def personalize(self, application: bytes, data: bytes, *, form: StoreFormat = StoreFormat.BER_TLV) -> None:
        """Hand data to an application through the domain: INSTALL [for personalization], then STORE DATA."""
        fields = command_data.install_for_personalization(application)
        self._install("begin the personalisation", _Install.PERSONALIZATION, fields)
        self.store_data(data, form=form)

    def delete(self, aid: bytes, *, related: bool = False) -> None:
        """Delete an application or a load file. `related` deletes a load file's applications with it, unasked."""
        data = command_data.tlv(0x4F, command_data.check_aid(aid, "object to delete"))
        header = (0x80, _Ins.DELETE, 0x00, 0x80 if related else 0x00)
        self._confirmed("delete", CommandApdu(*header, data, SHORT_MAX_RESPONSE))

    def lock(self, application: bytes) -> None:
        """Make an application unselectable until `unlock`."""
        self.set_application_state(application, LOCKED)

    def unlock(self, application: bytes) -> None:
        """Give a locked application back the state it had."""
        self.set_application_state(application, _SELECTABLE)

    def set_application_state(self, application: bytes, state: int) -> None:
        """SET STATUS of an application: 07 or one of its own states; bit 8 locks, for a locked one 0 unlocks."""
        data = command_data.check_aid(application)
        self._set_status("change the application's state", Scope.APPLICATIONS, state, data)

    def set_card_state(self, state: CardState, *, irreversible: bool = False) -> None:
        """Change the card's life cycle. CARD_LOCKED and TERMINATED only with `irreversible`."""
        if state in _IRREVERSIBLE and not irreversible:
            raise InvalidContentError(f"{state.name} may make the card useless for good; say that you mean it")
        self._set_status("change the card's state", Scope.ISSUER_DOMAIN, state, self.information.aid)

    # -- data and keys ------------------------------------------------------------------------------------

    def store_data(self, data: bytes, *, form: StoreFormat = StoreFormat.BER_TLV) -> None:
        """Store objects of the domain, in as many blocks as needed; the card takes all of them or none."""
        for number, last, block in command_data.blocks(data, self._block_size()):
            command = CommandApdu(0x80, _Ins.STORE_DATA, form | (_LAST if last else 0), number, block)
            accepted(f"store block {number}", self.send(command))

    def put_keys(
        self, keys: ScpKeys, *, version: int, replaces: int = 0, form: KeyBlockForm = KeyBlockForm.INNER_LENGTH
    ) -> None:
        """Add a key set, or replace the set of version `replaces`, and compare the check values of the answer.

        The new keys are encrypted under the DEK of the keys that the channel was opened with, which should be as
        long as they are. `KeyCheckError`: the card answered other values.
        """
        self.put_wrapped_keys(wrap_keys(keys, self.secure_channel.keys), version=version, replaces=replaces, form=form)

    def put_wrapped_keys(
        self,
        keys: Sequence[WrappedKey],
        *,
        version: int,
        replaces: int = 0,
        first: int = 1,
        form: KeyBlockForm = KeyBlockForm.INNER_LENGTH,
    ) -> None:
        """PUT KEY with keys that a provider has encrypted; `first` is the identifier of the first one."""
        if replaces:
            command_data.check_key_version(replaces)
        data = command_data.put_key(version, keys, form)
        header = (0x80, _Ins.PUT_KEY, replaces, first | (0x80 if len(keys) > 1 else 0))
        response = self.send(CommandApdu(*header, data, SHORT_MAX_RESPONSE))
        answer = accepted("put keys", response)
        expected = bytes((version,)) + b"".join(key.check_value for key in keys)
        if not compare_digest(answer, expected):
            raise KeyCheckError("the card's check values are not those of the keys; read the card before going on")

    def delete_key_set(self, version: int, *, last: bool = False) -> None:
        """Delete a key set. The last one only with `last`: nobody could open a channel any more."""
        data = command_data.tlv(0xD2, bytes((command_data.check_key_version(version),)))
        if not last and {key.version for key in self.key_information()} <= {version}:
            raise InvalidContentError("this is the card's last key set; say that you mean it")
        header = (0x80, _Ins.DELETE, 0x00, 0x01 if last else 0x00)
        self._confirmed("delete the key set", CommandApdu(*header, data, SHORT_MAX_RESPONSE))

    # -- sending ------------------------------------------------------------------------------------------

    def _block_size(self) -> int:
        return min(self.secure_channel.max_command_data, self.information.longest_data, SHORT_MAX_DATA)

    def _install(self, operation: str, kind: _Install, data: bytes) -> None:
        self._confirmed(operation, CommandApdu(0x80, _Ins.INSTALL, kind, 0x00, data, SHORT_MAX_RESPONSE))

    def _set_status(self, operation: str, scope: Scope, state: int, data: bytes) -> None:
        accepted(operation, self.send(CommandApdu(0x80, _Ins.SET_STATUS, scope, state, data)))

    def _confirmed(self, operation: str, command: CommandApdu) -> None:
        """A command whose answer is 00: no receipt. Cards that answer nothing at all are common too."""
        data = accepted(operation, self.send(command))
        if data not in _NO_CONFIRMATION:
            raise BadCardDataError(f"{operation}: a receipt that was not asked for")


__all__ = ["CardState", "DataObject", "KeyBlockForm", "Progress", "SecurityDomainSession", "StoreFormat", "WrappedKey"]
