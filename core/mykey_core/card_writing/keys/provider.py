"""What card writing asks of whoever holds a town's master keys: key sets of one card, ready for a secure channel.

Three kinds: `software` (development and tests), `pkcs11-sign` (the master stays in a token, card keys pass through
this process), `pkcs11-resident` (no card key leaves the token; only session keys do). The kind is in every audit
record of a writing.
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Protocol

from mykey_cardap.globalplatform.derivation import SessionKeys
from mykey_cardap.service_application.wrapped_keys import WrappedKeys
from mykey_core.card_writing.keys.slots import KeySlot


@unique
class ProviderKind(StrEnum):
    """Where the master keys are, and how far card keys come out."""

    SOFTWARE = "software"
    PKCS11_SIGN = "pkcs11-sign"
    PKCS11_RESIDENT = "pkcs11-resident"

    @property
    def tree(self) -> str:
        """The derivation: cards written with one tree cannot be read with the other."""
        return "resident-1" if self is ProviderKind.PKCS11_RESIDENT else "kbkdf-1"


class ManagedKeys(Protocol):
    """A key set ENC, MAC, DEK of one card; a `mykey_cardap` `CardKeys` with a life.

    It is of no use after `close`, which removes copies from the token or from memory as far as that is possible.
    """

    @property
    def size(self) -> int:
        """Bytes of each key."""
        ...

    def session_keys(self, context: bytes) -> SessionKeys:
        """The session keys of SCP03 for host challenge ‖ card challenge."""
        ...

    def encrypt(self, plain: bytes) -> bytes:
        """AES-CBC with Key-DEK and a zero vector over whole blocks."""
        ...

    def check_values(self) -> tuple[bytes, bytes, bytes]:
        """Key check values of ENC, MAC and DEK: all that a journal may keep of keys."""
        ...

    def close(self) -> None:
        """Give the keys up."""
        ...


class CardKeyProvider(Protocol):
    """A town's master keys by generation. Every method may raise `CardKeysUnavailable`."""

    @property
    def kind(self) -> ProviderKind:
        """Where the keys are."""
        ...

    def generations(self) -> tuple[int, ...]:
        """The generations that there are keys of, oldest first."""
        ...

    def master_check_value(self, generation: int) -> bytes:
        """The check value (3 bytes) of a master key."""
        ...

    def key_set(self, slot: KeySlot) -> ManagedKeys:
        """The key set of one card."""
        ...

    def wrapped(self, slot: KeySlot, under: ManagedKeys) -> WrappedKeys:
        """The keys of `slot` encrypted with the DEK of `under`, as PUT KEY and CREATE carry them.

        A set, or one key for the role that makes transaction MACs.
        """
        ...

    def transaction_mac(self, slot: KeySlot, counter: int, transaction: bytes) -> bytes:
        """The MAC (8 bytes) that the card made with K4 (`slot`) over a transaction, for the back office to compare."""
        ...

    def debit_master(self, issuer: int, service: int, generation: int) -> bytes:
        """The debit master key (32 bytes) of a service, for a terminal without a network.

        `CardKeysUnavailable` where card keys never leave a token: such a town's terminals tap online.
        """
        ...

    def add_master(self, generation: int, master: bytes) -> None:
        """Store a master key (32 bytes) that a ceremony has made; an existing generation is never replaced."""
        ...
